"""Shared code of programs that train or run networks: process setup, trained models, resumable work."""
