"""The bus's twin: core messages, and streams with consumers that deliver until acknowledged.

By itself it delivers everything at once. What else a bus may do is there to be used: cut single
processes off, in both directions or in one, part two of them, be away altogether, forget streams
and consumers while everybody lives (a reader finds out after a while and declares its consumer
again); and `loses`, `copies` and `travel` may say that it loses messages, repeats and delays them.
"""

from collections.abc import Callable, Iterable

import msgspec

from dalsegno.testing.twins.process import Process
from dalsegno.testing.twins.scheduler import SECOND, Action, Scheduler

ACK_WAIT_US = 5 * SECOND
PUBLISH_TIMEOUT_US = SECOND
REPLAY_US = 60 * SECOND
BUS = "bus"
"""The bus itself, as the sender of what its streams hold."""

Deliver = Callable[["Stream", int, str, object], None]
"""Called with the stream, the message's sequence, its subject and itself."""


class Message(msgspec.Struct):
    subject: str
    body: object
    at: int


class Reader(msgspec.Struct, eq=False):
    """Somebody who reads a consumer, until closed."""

    process: Process
    consumer: str
    subjects: frozenset[str]
    deliver: Deliver
    declared: Callable[[], None]
    replay: bool = True
    open: bool = True


class Consumer(msgspec.Struct, eq=False):
    reader: Reader
    position: int = 0
    pending: dict[int, None] = {}


class Stream:
    """Sequences count from 1 and begin anew when the stream was wiped."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.messages: list[Message] = []
        self.consumers: dict[str, Consumer] = {}

    def wipe(self) -> None:
        self.generation += 1
        self.messages = []
        self.consumers = {}


class BusTwin:
    def __init__(self, scheduler: Scheduler) -> None:
        self.commands = Stream("commands")
        self.reports = Stream("reports")
        self.down = False
        self.mute: set[str] = set()
        """Processes that nothing comes from."""
        self.deaf: set[str] = set()
        """Processes that nothing gets to."""
        self.parted: set[tuple[str, str]] = set()
        """From whom to whom no core message finds its way."""
        self._scheduler = scheduler
        self._readers: list[Reader] = []

    # -- how it treats messages -------------------------------------------------------------------

    def loses(self) -> bool:
        """Whether it loses this one."""
        return False

    def copies(self) -> int:
        """How often it delivers this one."""
        return 1

    def travel(self) -> int:
        """Microseconds that this one takes."""
        return 0

    # -- core messages ----------------------------------------------------------------------------

    def reaches(self, name: str) -> bool:
        """Whether it can be reached, and answers get there."""
        return self.takes(name) and self.gives(name)

    def takes(self, name: str) -> bool:
        """Whether what it sends gets here."""
        return not self.down and name not in self.mute

    def gives(self, name: str) -> bool:
        """Whether what is for it gets there."""
        return not self.down and name not in self.deaf

    def send(self, source: str, target: str, label: str, deliver: Action) -> None:
        """A core message: it may be lost, come twice, or late."""
        if not self.takes(source) or (source, target) in self.parted or self.loses():
            return
        for _ in range(self.copies()):
            self._scheduler.after(self.travel(), label, lambda: self._arrive(target, deliver))

    def _arrive(self, target: str, deliver: Action) -> None:
        if self.gives(target):
            deliver()

    # -- streams ----------------------------------------------------------------------------------

    def publish(
        self,
        process: Process,
        stream: Stream,
        subject: str,
        body: object,
        done: Callable[[bool], None],
    ) -> None:
        """Stores a message; `done` is told whether that is known to have happened."""
        scheduler = self._scheduler
        if not self.takes(process.name) or self.loses():
            process.soon(PUBLISH_TIMEOUT_US, f"{process.name} publish failed", lambda: done(False))
            return
        for copy in range(self.copies()):
            answer = done if copy == 0 else None

            def store(answer: Callable[[bool], None] | None = answer) -> None:
                self._store(process, stream, Message(subject, body, scheduler.now), answer)

            scheduler.after(self.travel(), f"{stream.name} {subject}", store)

    def _store(
        self,
        process: Process,
        stream: Stream,
        message: Message,
        done: Callable[[bool], None] | None,
    ) -> None:
        if self.down:
            if done is not None:
                process.soon(PUBLISH_TIMEOUT_US, "publish failed", lambda: done(False))
            return
        stream.messages.append(message)
        for consumer in list(stream.consumers.values()):
            self._pump(stream, consumer)
        if done is None:
            return
        if not self.gives(process.name) or self.loses():
            process.soon(PUBLISH_TIMEOUT_US, "publish unknown", lambda: done(False))
        else:
            process.soon(self.travel(), "published", lambda: done(True))

    def read(self, reader: Reader, stream: Stream) -> None:
        """Declares the reader's consumer and reads it from now on."""
        self._readers = [one for one in self._readers if one.open and one.process.alive]
        self._readers.append(reader)
        self._declare(reader, stream)

    def _declare(self, reader: Reader, stream: Stream) -> None:
        if not (reader.open and reader.process.alive):
            return
        if not self.reaches(reader.process.name):
            self._declare_later(reader, stream)
            return
        reader.declared()
        found = stream.consumers.get(reader.consumer)
        if found is None:
            found = stream.consumers[reader.consumer] = Consumer(reader)
            since = self._scheduler.now - REPLAY_US
            if reader.replay:
                old = (n for n, one in enumerate(stream.messages) if one.at >= since)
                found.position = next(old, len(stream.messages))
        found.reader = reader
        for sequence in list(found.pending):
            self._deliver(stream, found, sequence)
        self._pump(stream, found)

    def _declare_later(self, reader: Reader, stream: Stream) -> None:
        delay_us = self._scheduler.between(0.2, 3.0)
        label = f"{reader.process.name} declares"
        reader.process.soon(delay_us, label, lambda: self._declare(reader, stream))

    def _pump(self, stream: Stream, consumer: Consumer) -> None:
        while consumer.position < len(stream.messages):
            consumer.position += 1
            if stream.messages[consumer.position - 1].subject in consumer.reader.subjects:
                consumer.pending[consumer.position] = None
                self._deliver(stream, consumer, consumer.position)

    def _deliver(self, stream: Stream, consumer: Consumer, sequence: int) -> None:
        reader = consumer.reader
        if not (reader.open and reader.process.alive):
            return
        message = stream.messages[sequence - 1]
        name, generation = reader.process.name, stream.generation

        def arrive() -> None:
            if reader.open and generation == stream.generation:
                reader.deliver(stream, sequence, message.subject, message.body)

        self.send(BUS, name, f"{name} gets {message.subject} {sequence}", arrive)
        again = f"{stream.name} {sequence} again"
        self._scheduler.after(
            ACK_WAIT_US, "", lambda: self._again(stream, consumer, sequence, again)
        )

    def _again(self, stream: Stream, consumer: Consumer, sequence: int, label: str) -> None:
        current = stream.consumers.get(consumer.reader.consumer) is consumer
        if current and sequence in consumer.pending:
            self._scheduler.note(label)
            self._deliver(stream, consumer, sequence)

    def acknowledge(self, reader: Reader, stream: Stream, sequences: Iterable[int] | int) -> None:
        """One number acknowledges everything up to it, several only themselves."""
        generation = stream.generation

        def arrive() -> None:
            consumer = stream.consumers.get(reader.consumer)
            if consumer is None or stream.generation != generation:
                return
            if isinstance(sequences, int):
                done = [one for one in consumer.pending if one <= sequences]
            else:
                done = [one for one in sequences if one in consumer.pending]
            for one in done:
                del consumer.pending[one]

        self.send(reader.process.name, BUS, f"ack {stream.name}", arrive)

    # -- trouble ----------------------------------------------------------------------------------

    def wipe(self) -> None:
        """All streams and consumers are gone; everybody lives on."""
        self._scheduler.note("the bus is wiped")
        for stream in (self.commands, self.reports):
            before = [one for one in self._readers if one.consumer in stream.consumers]
            stream.wipe()
            for reader in before:
                self._declare_later(reader, stream)
