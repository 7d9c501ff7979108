"""Shared code of the programs of both reports."""
