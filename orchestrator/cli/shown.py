"""User values on one line: covered where they are secret, and cut where they are long."""

import msgspec

from events.personal import ERASED, ERASED_TEXT
from events.redaction import redact, redact_text
from events.values import Value

NOTHING = "-"
LINE_CHARS = 60


def value_line(
    value: Value | msgspec.UnsetType, name: str = "", most: int = LINE_CHARS, absent: str = NOTHING
) -> str:
    """A value as JSON on a line of at most so many characters. `name`: what it is called, by which
    secrets are known; `absent`: what stands for one that is not there."""
    if value is msgspec.UNSET:
        return absent
    if value in (ERASED, ERASED_TEXT):
        return "(erased)"
    covered = redact(_erased(value), name.rpartition(".")[2])
    text = redact_text(msgspec.json.encode(covered).decode())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _erased(value: Value) -> Value:
    """Erased values inside others, in words."""
    if value == ERASED:
        return "(erased)"
    if isinstance(value, dict):
        return {key: _erased(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_erased(inner) for inner in value]
    return value
