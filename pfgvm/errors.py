"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input: the message names the culprit (a file or a settings key) and the remedy."""
