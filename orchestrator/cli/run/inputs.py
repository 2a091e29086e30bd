"""Run inputs from the command line: JSON, or `@file` with JSON in it."""

import json
from collections.abc import Iterable
from pathlib import Path

from events.errors import Misconfigured, Rejected
from events.limits import INPUT_BYTES_MAX
from events.values import Value, admit


def read_input(text: str, flag: str = "--input") -> Value:
    """The value that the flag gives; nothing is null. Raises `Rejected` naming place and mend."""
    if not text:
        return None
    source, data = flag, text
    if text.startswith("@"):
        source = f"{flag} {text}"
        data = _file(Path(text[1:]), source)
    try:
        # The lenient reader: NaN and long integers get through to the door that has words for them.
        return admit(json.loads(data), flag.removeprefix("--"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise Rejected(
            f"{source} is not JSON: {error}. Expected a value such as '{{\"n\": 1}}', or @file"
        ) from None


def given_values(flag: str, texts: Iterable[str]) -> dict[str, Value]:
    """Values of variables by name, as they are given: NAME=JSON, or NAME=TEXT for what is none.
    What is shown of a run calls them `vars.NAME`: that is taken, too.

    Raises `Misconfigured` for what is not NAME=VALUE, `Rejected` for a value that is none.
    """
    return {name: _value(value, flag) for name, value in (_named(flag, text) for text in texts)}


def _named(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.removeprefix("vars.")
    if not name or not equals:
        raise Misconfigured(f"{flag} is {text!r}: expected NAME=VALUE")
    if "." in name:
        raise Misconfigured(
            f"{flag} is {text!r}: a variable is given whole, as {name.partition('.')[0]}=JSON"
        )
    return name, value


def _value(text: str, flag: str) -> Value:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        found = text
    return admit(found, flag.removeprefix("--"))


def _file(path: Path, source: str) -> str:
    try:
        # Bounded, whatever a file's size is said to be: a pipe or a device has none.
        with path.open("rb") as file:
            data = file.read(INPUT_BYTES_MAX + 1)
        if len(data) > INPUT_BYTES_MAX:
            raise Rejected(f"{source} has over {INPUT_BYTES_MAX} bytes: pass a reference instead")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Rejected(f"{source} cannot be read: {reason}") from None
