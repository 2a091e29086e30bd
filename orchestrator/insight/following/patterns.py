"""Names with `*` (any characters) and `?` (one), and the same as patterns of SQL's LIKE."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from events.limits import FILTER_NAMES_MAX

Names = tuple[re.Pattern[str], ...]
KEPT = FILTER_NAMES_MAX * 10


def names(given: Iterable[str]) -> Names:
    return tuple(map(_name, given))


@lru_cache(maxsize=KEPT)
def _name(text: str) -> re.Pattern[str]:
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in text)
    return re.compile("".join(parts), re.DOTALL)


def is_any(given: Names, *texts: str) -> bool:
    """Whether one of the texts has one of the names."""
    return any(name.fullmatch(text) for name in given for text in texts)


def sql(name: str) -> str:
    return literal(name).replace("*", "%").replace("?", "_")


def literal(text: str) -> str:
    """What LIKE takes for this very text."""
    return re.sub(r"([%_\\])", r"\\\1", text)


def like(patterns: Sequence[str], text: str) -> bool:
    """As LIKE ANY; also true where there are no patterns."""
    return not patterns or any(_of_sql(one).fullmatch(text) for one in patterns)


@lru_cache(maxsize=KEPT)
def _of_sql(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    signs: Mapping[str, str] = {"%": ".*", "_": "."}
    return re.compile("".join(signs.get(one, re.escape(one[-1])) for one in parts), re.DOTALL)
