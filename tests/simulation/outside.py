"""Promises 12 and 13, and parts that are done once: what really happened outside, and what the log
says of it.

An effect in a user's database is there exactly once if its task completed, and not at all if it
failed or was given up, also later, whatever operators do. A token completes its attempt with what
its owner said, and the log does not have its secret. A part that is recorded is not called again by
any later attempt.
"""

from collections.abc import Iterator, Mapping

from events import task_facts as t
from events.envelope import Event, Stored
from events.ids import Attempt
from events.messages import Execute
from events.values import Value
from tests.simulation.books import RunBook
from tests.simulation.effects import Part, World

TRANSACTIONAL = "transfer"


class Outside:
    def __init__(self, world: World, books: Mapping[str, RunBook]) -> None:
        self._world = world
        self._books = books
        self._recorded: dict[Part, tuple[Attempt, Value]] = {}
        self._over: set[str] = set()
        """Keys of transactional tasks that have failed, or were given up."""

    # -- the log ----------------------------------------------------------------------------------

    def take(self, stored: Stored, event: Event, book: RunBook) -> Iterator[str]:
        """Called with every committed event of a run, after its book has taken it."""
        match event.fact:
            case t.TaskDeferred():
                if any(secret.encode() in stored.state for secret in self._world.thirds.secrets):
                    yield f"the secret of a token of {event.fact.step} is in the log"
            case t.OnceRecorded():
                yield from self._part(event.fact, book)
            case t.TaskCompleted() if book.task(event.fact.step).task == TRANSACTIONAL:
                key = book.attempt_of(event.fact.step, event.fact.attempt).task_key
                if self._world.database.effects.get(key) != 1:
                    yield f"{key} is completed, and its effect is not there"
            case t.TaskFailed() | t.TaskCancelled() | t.TaskSettled() if event.fact.attempt:
                yield from self._given_up(event.fact, book)
            case _:
                pass

    def _part(self, fact: t.OnceRecorded, book: RunBook) -> Iterator[str]:
        attempt = book.attempt_of(fact.step, fact.attempt)
        part = (attempt.task_key, fact.name)
        if part in self._recorded:
            yield f"part {fact.name} of {attempt} is recorded a second time"
        if (attempt, fact.value) not in self._world.calls.get(part, []):
            yield f"part {fact.name} of {attempt} is recorded with {fact.value}, it never was that"
        self._recorded[part] = (attempt, fact.value)

    def _given_up(
        self, fact: t.TaskFailed | t.TaskCancelled | t.TaskSettled, book: RunBook
    ) -> Iterator[str]:
        if book.task(fact.step).task == TRANSACTIONAL:
            key = book.attempt_of(fact.step, fact.attempt).task_key
            self._over.add(key)
            if key in self._world.database.effects:
                yield f"{fact.TYPE} of {key}, and its effect is there"

    def is_offered(self, attempt: Attempt, output: Value) -> bool:
        """Whether somebody with its token has said that the attempt came to this."""
        return output in self._world.thirds.offered.get(attempt, [])

    # -- handlers ---------------------------------------------------------------------------------

    def begun(self, execute: Execute) -> Iterator[str]:
        """An attempt is given all that earlier ones have recorded."""
        key = execute.attempt.task_key
        for (of, name), (attempt, value) in self._recorded.items():
            if of == key and attempt != execute.attempt and execute.once.get(name) != value:
                yield f"{execute.attempt} begins with {execute.once}, {name} is recorded as {value}"

    def went_on(self, attempt: Attempt, name: str) -> Iterator[str]:
        """Its handler was told that a part is recorded."""
        found = self._recorded.get((attempt.task_key, name))
        if found is None or found[0] != attempt:
            yield f"{attempt} goes on after {name}, which is not recorded as its own"

    def committed(self, attempt: Attempt) -> Iterator[str]:
        """A transaction of the attempt was committed in the user's database."""
        key, book = attempt.task_key, self._books[attempt.run_id]
        if self._world.database.effects[key] > 1:
            yield f"the effect of {key} is there twice"
        if key in self._over or book.ended_at is not None:
            yield f"{attempt} has committed after it was given up"

    # -- the end ----------------------------------------------------------------------------------

    def ended(self) -> Iterator[str]:
        for book in self._books.values():
            mine = {one.task_key for one in book.dispatched}
            for key in mine & self._world.database.effects.keys():
                if key not in book.completed:
                    yield f"the effect of {key} is there, and the run does not know of it"
