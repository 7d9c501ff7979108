"""Names shortened to the space available."""

from collections.abc import Collection


def shortened(texts: Collection[str], length: int) -> dict[str, str]:
    """Each of `texts` in at most `length` characters, or in the fewest more that keep distinct texts distinct."""
    distinct = len(set(texts))
    while len({_short(text, length) for text in texts}) < distinct:
        length += 1
    return {text: _short(text, length) for text in texts}


def escaped(character: str) -> str:
    """The Python escape of a character that cannot be printed."""
    return character.encode("unicode_escape").decode()


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
