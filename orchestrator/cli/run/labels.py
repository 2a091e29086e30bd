"""Tags and search attributes of a run that is started, as they are given on the command line."""

from collections.abc import Iterable

import msgspec

from events.errors import Misconfigured
from events.policies import Attribute


def given_tags(texts: Iterable[str]) -> dict[str, str]:
    """Raises `Misconfigured` for what is not KEY=VALUE."""
    return dict(_pair("--tag", text) for text in texts)


def given_notes(texts: Iterable[str]) -> dict[str, str]:
    """Raises `Misconfigured` for what is not KEY=VALUE."""
    return dict(_pair("--note", text) for text in texts)


def given_attributes(texts: Iterable[str]) -> dict[str, Attribute]:
    """`true`, `false` and numbers are what they are, all else is text; so is what stands in quotes.

    Raises `Misconfigured` for what is not KEY=VALUE.
    """
    return {name: _value(text) for name, text in (_pair("--attribute", one) for one in texts)}


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Misconfigured(f"{flag} is {text!r}: expected KEY=VALUE")
    return name, value


def _value(text: str) -> Attribute:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return found if isinstance(found, (bool, int, float, str)) else text
