"""The programs of the second pipeline, which evaluates what the first has made."""
