"""DVC with one line that says how far the pipeline is: its stages, its screen, the time that is left."""
