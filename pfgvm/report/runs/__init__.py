"""Runs side by side: what differs between them, in settings, tables and faces."""
