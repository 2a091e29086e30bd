"""Where to go on reading commands when the consumer has vanished and is declared again.

A node's subject holds every command of its incarnation for minutes. A new consumer that began at
the beginning would bring all of them again, so it begins at the first one that was not
acknowledged.
"""

from datetime import datetime


class Resume:
    """Knows what was delivered and not acknowledged, within one stream."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._last = 0
        self._stream_created: datetime | None = None

    def reads(self, stream_created: datetime | None) -> None:
        """The stream that is read now, told by its birth; another one begins at its beginning."""
        if stream_created != self._stream_created:
            self._stream_created = stream_created
            self._open.clear()
            self._last = 0

    def delivered(self, sequence: int) -> None:
        self._open.add(sequence)
        self._last = max(self._last, sequence)

    def acknowledged(self, sequence: int) -> None:
        self._open.discard(sequence)

    def at(self) -> int | None:
        """The first sequence to read; None: from the beginning."""
        return min(self._open, default=self._last + 1) if self._last else None
