"""The methods, one a file: a function of the file's name, and METHOD, what the pipeline needs to know of it."""
