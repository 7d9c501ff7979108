"""Programs for people, outside the pipeline."""
