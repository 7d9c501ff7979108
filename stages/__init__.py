"""The pipeline's programs: settings and paths in, one library call, files out."""
