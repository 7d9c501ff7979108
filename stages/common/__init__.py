"""Shared code of all programs: command line, files, tables and faces."""
