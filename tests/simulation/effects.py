"""The world outside: what handlers do there, and a ledger that owes nothing to logs and journals.

A user's database keeps the rows of transactional tasks and counts the effects that were committed
with them; its statements are the product's own, and each is done whole or not at all. Third parties
get tokens and complete attempts with them, early or late, twice, or with a secret that was
guessed. Parts that are to be done once are counted for each call.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

import msgspec

from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.api import AnyAnswer, AnyRequest, CompleteTask, FailTask
from events.completion_tokens import digest_of, token_of
from events.facts import Failure
from events.ids import Attempt
from events.values import Value
from node_agent.completions import ABANDON, CLAIM, COMPLETE, LOOK, Row, Statement

T = TypeVar("T")
THIRD_S = 6.0
"""Third parties take no longer."""
FORGED: Value = {"forged": True}

Ask = Callable[[str, AnyRequest, Callable[[AnyAnswer], None]], None]
Part = tuple[str, str]
"""Task key, and the name of a part of its handler."""


class Kept(msgspec.Struct):
    """A row of completions."""

    token: int
    state: str
    output: str | None = None
    outcome: str = ""

    @property
    def row(self) -> Row:
        return (self.token, self.state, self.output, self.outcome)


class UserDatabase:
    def __init__(self) -> None:
        self.rows: dict[str, Kept] = {}
        self.effects: dict[str, int] = {}
        """How often the work of a task key was committed."""
        self.on_commit: Callable[[Attempt], None] = lambda _: None

    def ask(self, asking: Generator[Statement, Row, T]) -> T:
        """Carries out a whole transaction."""
        try:
            statement = next(asking)
            while True:
                statement = asking.send(self._execute(statement))
        except StopIteration as end:
            result: T = end.value
            return result

    def commit(self, attempt: Attempt, completing: Generator[Statement, Row, None]) -> None:
        """The user's work together with its completion. Raises `Overtaken`: neither is done."""
        self.ask(completing)
        key = attempt.task_key
        self.effects[key] = self.effects.get(key, 0) + 1
        self.on_commit(attempt)

    def _execute(self, statement: Statement) -> Row:
        match statement.text, statement.values:
            case text, (str(key), int(token), int()) if text == CLAIM:
                return self._claimed(key, token)
            case text, (str(key), int(token), int()) if text == ABANDON:
                return self._abandoned(key, token)
            case text, (str(key),) if text == LOOK:
                return self.rows[key].row if key in self.rows else None
            case text, (str(output), str(outcome), str(key), int(token)) if text == COMPLETE:
                return self._completed(key, Kept(token, "completed", output, outcome))
            case _:
                raise AssertionError(f"the user's database does not know {statement}")

    def _claimed(self, key: str, token: int) -> Row:
        kept = self.rows.setdefault(key, Kept(token, "begun"))
        if kept.state != "begun":
            return None
        kept.token = max(kept.token, token)
        return kept.row

    def _abandoned(self, key: str, token: int) -> Row:
        kept = self.rows.setdefault(key, Kept(token, "abandoned"))
        if kept.state == "completed":
            return None
        kept.state, kept.token = "abandoned", max(kept.token, token)
        return kept.row

    def _completed(self, key: str, done: Kept) -> Row:
        kept = self.rows.get(key)
        if kept is None or (kept.token, kept.state) != (done.token, "begun"):
            return None
        self.rows[key] = done
        return (done.token,)


class ThirdParties:
    """Whoever has the tokens."""

    def __init__(self, scheduler: Scheduler, ask: Ask) -> None:
        self.offered: dict[Attempt, list[Value]] = {}
        """What was said with the right token."""
        self.secrets: set[str] = set()
        self._scheduler = scheduler
        self._ask = ask

    def hand(self, attempt: Attempt, said: Value | Failure) -> str:
        """A token of the attempt, and what is to be done with it. Returns the secret's digest."""
        rng = self._scheduler.rng
        secret, guessed = f"{rng.getrandbits(128):032x}", f"{rng.getrandbits(128):032x}"
        self.secrets.add(secret)
        for share in (1.0, 0.3):
            if rng.random() < share:
                self._use(attempt, secret, said)
        if rng.random() < 0.2:
            self._use(attempt, guessed, FORGED)
        return digest_of(secret)

    def _use(self, attempt: Attempt, secret: str, said: Value | Failure) -> None:
        token, run_id = token_of(attempt, secret), attempt.run_id
        request: AnyRequest
        if isinstance(said, Failure):
            code, message = said.code, said.message
            request = FailTask(run_id=run_id, token=token, code=code, message=message)
        else:
            request = CompleteTask(run_id=run_id, token=token, output=said)
            if said != FORGED:
                self.offered.setdefault(attempt, []).append(said)
        delay_us = int(self._scheduler.rng.random() * THIRD_S * SECOND)
        label = f"a third party completes {attempt}"
        self._scheduler.after(delay_us, label, lambda: self._ask(run_id, request, lambda _: None))


class World:
    """All of it. `calls`: of each part, the attempts that have called it, with what it returned."""

    def __init__(self, scheduler: Scheduler, ask: Ask) -> None:
        self.database = UserDatabase()
        self.thirds = ThirdParties(scheduler, ask)
        self.calls: dict[Part, list[tuple[Attempt, Value]]] = {}
