"""The programs of the second pipeline, which evaluates the results of the first."""
