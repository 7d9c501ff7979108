"""Persons' names, as long as there is room for."""

from collections.abc import Collection


def shortened(texts: Collection[str], length: int) -> dict[str, str]:
    """Each of `texts` in at most `length` characters, or in as few more as keep them apart."""
    different = len(set(texts))
    while len({_short(text, length) for text in texts}) < different:
        length += 1
    return {text: _short(text, length) for text in texts}


def escaped(character: str) -> str:
    """The character, which cannot be written, as Python would write it."""
    return character.encode("unicode_escape").decode()


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
