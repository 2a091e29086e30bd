"""Names that are known, and the nearest to one that is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def alike(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` when something known is close, else the empty text."""
    close = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
