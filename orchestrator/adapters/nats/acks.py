"""Deliveries of one report consumer that nobody has acknowledged: what to acknowledge, and when.

An acknowledgement covers everything before it, so a message that cannot be decoded must not be
acknowledged while decodable ones before it are still being worked on, and must be when they are
done. Sequences that go out are those of the stream plus an offset that grows when the stream begins
anew: so they never repeat, and a late acknowledgement from before touches nothing.
"""

from dataclasses import dataclass, field


@dataclass
class Acks:
    _waiting: dict[int, str] = field(default_factory=dict)
    """Sequence to the subject that awaits the acknowledgement."""
    _unreadable: dict[int, str] = field(default_factory=dict)
    _offset: int = 0
    _last: int = 0

    def begin_anew(self) -> None:
        """The stream is another one, or another consumer reads it: forget what was delivered."""
        self._waiting.clear()
        self._unreadable.clear()
        self._offset = self._last

    def delivered(self, sequence: int, reply: str) -> int:
        """Returns the sequence under which the delivery is acknowledged."""
        self._last = max(self._last, known := self._offset + sequence)
        self._waiting[known] = reply
        return known

    def unreadable(self, sequence: int, reply: str) -> None:
        self._last = max(self._last, known := self._offset + sequence)
        self._unreadable[known] = reply

    def done(self, upto: int) -> str | None:
        """Everything up to `upto` is done with. Returns the subject to acknowledge on, if any."""
        covered = [known for known in self._waiting if known <= upto]
        subjects = {known: self._waiting.pop(known) for known in covered}
        first_open = min(self._waiting, default=None)
        for known in [k for k in self._unreadable if first_open is None or k < first_open]:
            subjects[known] = self._unreadable.pop(known)
        return subjects[max(subjects)] if subjects else None
