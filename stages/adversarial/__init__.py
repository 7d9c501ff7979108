"""Shared code of programs that write or read adversarial sets."""
