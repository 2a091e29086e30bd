"""Completion rows: the statements of a transactional task, whoever executes them. Sans IO.

    (no row) ──claim──► begun ──complete, in the user's transaction──► completed
                          └──abandon──► abandoned: the tombstone

Guarantee: a task key is completed at most once, and never after it is abandoned; the row is
committed with the user's work or not at all. An attempt claims the row before it begins, in a
transaction of its own, with its token: from then on no earlier one commits, since completing asks
for the row to be as it was claimed. Who finds it completed returns what it has.

The statements are in the order in which a generator yields them; it is sent the row that was found,
or None, and returns what follows. So the same text serves connections of both kinds.
"""

from collections.abc import Generator, Mapping

import msgspec

from events.codec import encode
from events.ids import Attempt
from node_agent.errors import TaskError
from node_agent.handling import Output
from node_agent.tasks import Outcome

Row = tuple[object, ...] | Mapping[str, object] | None
"""As the connection's row factory makes it."""
COLUMNS = ("token", "state", "output", "outcome")
ABANDONED = "task_abandoned"
FENCED = "fenced_transaction"

CLAIM = """
INSERT INTO dalsegno.task_completions AS c (task_key, token, attempt, state)
VALUES (%s, %s, %s, 'begun')
ON CONFLICT (task_key) DO UPDATE SET
    token = greatest(c.token, excluded.token),
    attempt = greatest(c.attempt, excluded.attempt),
    changed_at = now()
WHERE c.state = 'begun'
RETURNING token, state, output, outcome
"""
LOOK = """
SELECT token, state, output, outcome FROM dalsegno.task_completions WHERE task_key = %s
"""
COMPLETE = """
UPDATE dalsegno.task_completions
SET state = 'completed', output = %s, outcome = %s, changed_at = now()
WHERE task_key = %s AND token = %s AND state = 'begun'
RETURNING token
"""
ABANDON = """
INSERT INTO dalsegno.task_completions AS c (task_key, token, attempt, state)
VALUES (%s, %s, %s, 'abandoned')
ON CONFLICT (task_key) DO UPDATE SET
    state = 'abandoned', token = greatest(c.token, excluded.token), changed_at = now()
WHERE c.state <> 'completed'
RETURNING token, state, output, outcome
"""


class Statement(msgspec.Struct, frozen=True):
    text: str
    values: tuple[object, ...]


class Found(msgspec.Struct, frozen=True):
    """The row of a task: `token` of the newest attempt, and what it has come to."""

    token: int
    state: str
    output: str | None
    outcome: str

    @property
    def result(self) -> object:
        """What the task returned."""
        value = msgspec.json.decode(self.output or "null")
        return Outcome(self.outcome, value) if self.outcome else value


class Overtaken(Exception):
    """The row is not as it was claimed: what was done has to be rolled back."""


Asking = Generator[Statement, Row, Found]


def claim(attempt: Attempt, token: int) -> Asking:
    """Fences earlier attempts; returns the row as it is then."""
    row = yield Statement(CLAIM, (attempt.task_key, token, attempt.number))
    return (yield from look(attempt)) if row is None else _found(row)


def abandon(attempt: Attempt, token: int) -> Asking:
    """Puts the tombstone there unless the task is completed; returns the row as it is then."""
    row = yield Statement(ABANDON, (attempt.task_key, token, attempt.number))
    return (yield from look(attempt)) if row is None else _found(row)


def look(attempt: Attempt) -> Asking:
    row = yield Statement(LOOK, (attempt.task_key,))
    return _found(row)


def complete(attempt: Attempt, token: int, output: Output) -> Generator[Statement, Row, None]:
    """Raises `Overtaken`."""
    text = encode(output.value).decode()
    row = yield Statement(COMPLETE, (text, output.outcome, attempt.task_key, token))
    if row is None:
        raise Overtaken


def is_ours(found: Found, token: int) -> bool:
    """Whether the attempt may go on. Raises `TaskError` when nobody may, or another one does."""
    if found.state == "completed":
        return False
    if found.state == "abandoned":
        raise abandoned()
    if found.token > token:
        raise fenced()
    return True


def abandoned() -> TaskError:
    message = "the task was given up, and its tombstone is in the table of completions"
    return TaskError(ABANDONED, message, retryable=False)


def fenced() -> TaskError:
    return TaskError(FENCED, "a later attempt of the task has begun its transaction")


def _found(row: Row) -> Found:
    if row is None:
        raise fenced()  # somebody has deleted it in between: the next attempt looks again
    named = row if isinstance(row, Mapping) else dict(zip(COLUMNS, row, strict=True))
    return msgspec.convert(named, Found)
