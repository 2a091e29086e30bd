"""Run inputs from the command line: JSON, or `@file` with JSON in it."""

import json
from pathlib import Path

from events.errors import Rejected
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
