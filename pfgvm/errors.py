"""The error for invalid user input."""


class InputError(ValueError):
    """Invalid user input. The message names the file or setting, states the cause and gives the fix."""
