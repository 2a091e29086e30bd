"""What a task says besides its result, within bounds: notes, log lines, emitted events."""

from collections import deque

from events.codec import encode
from events.errors import InvalidValue
from events.limits import (
    DETAILS_BYTES_MAX,
    EMITTED_BYTES_MAX,
    EMITTED_MAX,
    LINE_CHARACTERS_MAX,
    LOG_LINES_MAX,
    NOTES_MAX,
)
from events.redaction import COVERED
from events.task_facts import Emitted, Said
from events.values import admit
from node_agent.errors import TaskError


class Speech:
    """Collects for one attempt. Appending is safe from several threads."""

    __slots__ = ("_emitted", "_emitted_bytes", "_lines", "_lines_seen", "_notes", "_secrets")

    def __init__(self) -> None:
        self._notes: list[str] = []
        self._lines: deque[str] = deque(maxlen=LOG_LINES_MAX)
        self._lines_seen = 0
        self._emitted: list[Emitted] = []
        self._emitted_bytes = 0
        self._secrets: list[str] = []

    def hide(self, secret: str) -> None:
        """Covers `secret` in every line and note from now on."""
        if secret:
            self._secrets.append(secret)

    def note(self, text: str) -> None:
        if len(self._notes) < NOTES_MAX:
            self._notes.append(self.shown(text))

    def line(self, text: str) -> None:
        self._lines_seen += 1
        self._lines.append(self.shown(text))

    @property
    def last_line(self) -> str:
        return self._lines[-1] if self._lines else ""

    def emit(self, name: str, data: object) -> None:
        """Raises `TaskError` (`too_much_emitted`, `invalid_output`)."""
        try:
            event = Emitted(name=name, data=admit(data, f"the data of event {name!r}"))
        except InvalidValue as error:
            raise TaskError("invalid_output", str(error), retryable=False) from error
        size = len(encode(event))
        self._emitted_bytes += size
        if len(self._emitted) >= EMITTED_MAX:
            raise TaskError(
                "too_much_emitted",
                f"an attempt may emit {EMITTED_MAX} events: put more into its result",
                retryable=False,
            )
        if size > DETAILS_BYTES_MAX or self._emitted_bytes > EMITTED_BYTES_MAX:
            raise TaskError(
                "too_much_emitted",
                f"event {name!r} has {size} bytes: one may have {DETAILS_BYTES_MAX}, all of an "
                f"attempt {EMITTED_BYTES_MAX}",
                retryable=False,
            )
        self._emitted.append(event)

    def shown(self, text: str) -> str:
        """Returns `text` with secrets covered, not longer than a line may be, and valid Unicode."""
        for secret in self._secrets:
            text = text.replace(secret, COVERED)
        return shortened(text)

    def said(self) -> Said | None:
        if not (self._notes or self._lines or self._emitted):
            return None
        lines = tuple(self._lines)
        if (dropped := self._lines_seen - len(lines)) > 0:
            lines = (f"({dropped} earlier lines dropped)", *lines)
        return Said(notes=tuple(self._notes), log=lines, emitted=tuple(self._emitted))


def shortened(text: str) -> str:
    """Returns `text` not longer than a line may be, and valid Unicode."""
    if len(text) > LINE_CHARACTERS_MAX:
        text = f"{text[:LINE_CHARACTERS_MAX]}…"
    return text if text.isascii() else text.encode(errors="replace").decode()
