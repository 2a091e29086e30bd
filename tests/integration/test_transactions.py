"""Transactional tasks on a real Postgres: effect and completion together, once, or not at all."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import msgspec
import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from events.completions import COMPLETIONS_TABLE
from events.messages import Completed, Execute, Failed
from events.values import Value
from node_agent import Outcome, TaskContext, TaskError, task
from tests.postgres import Observer, observer
from tests.servers import DatabaseFactory
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.test_agent import World

pytest_plugins = ("tests.servers",)
pytestmark = pytest.mark.anyio
Final = Completed | Failed
INSERT = "INSERT INTO effects (attempt) VALUES (%s)"


class Database:
    """Where the handlers of this module connect to, and what they are to do there."""

    dsn = ""
    begin_before = False


class Gate:
    """Holds the first attempts up inside their transaction."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.open_for_threads = threading.Event()
        self.loop = asyncio.get_running_loop()

    def let_go(self) -> None:
        self.open.set()
        self.open_for_threads.set()


gates: dict[str, Gate] = {}


async def connect() -> psycopg.AsyncConnection:
    made = await psycopg.AsyncConnection.connect(Database.dsn)
    if Database.begin_before:
        await made.execute("SELECT 1")
    return made


def connect_plainly() -> psycopg.Connection:
    made = psycopg.connect(Database.dsn)
    if Database.begin_before:
        made.execute("SELECT 1")
    return made


def outcome_of(ctx: TaskContext, how: str) -> Value | Outcome | object:
    if how == "raise":
        raise TaskError("broken", "after the effect")
    if how == "named":
        return Outcome("late", {"attempt": ctx.attempt})
    return object() if how == "no_json" else {"attempt": ctx.attempt, "share": 0.1}


@task(name="async", transactional=connect)
async def in_loop(ctx: TaskContext, how: str = "") -> object:
    connection = ctx.transaction(psycopg.AsyncConnection)
    await connection.execute(INSERT, (ctx.attempt,))
    if (gate := gates.get(how)) is not None:
        gate.entered.set()
        await gate.open.wait()
    return outcome_of(ctx, how)


@task(name="plain", transactional=connect_plainly)
def in_thread(ctx: TaskContext, how: str = "") -> object:
    connection = ctx.transaction(psycopg.Connection)
    connection.execute(INSERT, (ctx.attempt,))
    if (gate := gates.get(how)) is not None:
        gate.loop.call_soon_threadsafe(gate.entered.set)
        gate.open_for_threads.wait(20)
    return outcome_of(ctx, how)


def connect_for_dicts() -> psycopg.Connection[DictRow]:
    return psycopg.connect(Database.dsn, row_factory=dict_row, autocommit=True)


@task(name="dicts", transactional=connect_for_dicts)
def with_dicts(ctx: TaskContext) -> int:
    ctx.transaction(psycopg.Connection).execute(INSERT, (ctx.attempt,))
    return ctx.attempt


@task(name="wrong", transactional=connect_plainly)
async def wrong() -> None: ...


def prepare(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(COMPLETIONS_TABLE.encode())
        connection.execute("CREATE TABLE effects (attempt bigint NOT NULL)")


@pytest.fixture
def database(database_factory: DatabaseFactory) -> Iterator[str]:
    Database.dsn = database_factory(prepare)
    Database.begin_before = False
    yield Database.dsn
    gates.clear()


@pytest.fixture(params=["async", "plain"])
def name(request: pytest.FixtureRequest, database: str) -> str:
    return str(request.param)


def command(name: str, number: int = 1, settle: bool = False, **inputs: Value) -> Execute:
    """An attempt; it is dispatched a microsecond after the one before."""
    made = execute(task=name, number=number)
    return msgspec.structs.replace(made, dispatched_at=number, settle=settle, inputs=inputs)


async def run(given: Execute) -> Final:
    """On a node of its own: there the attempts of a task go one after the other."""
    report = await World((in_loop, in_thread, with_dicts, wrong)).outcome(given)
    assert isinstance(report, (Completed, Failed))
    return report


async def effects(eyes: Observer) -> list[object]:
    return [row[0] for row in await eyes.all("SELECT attempt FROM effects")]


async def states(eyes: Observer) -> list[tuple[object, ...]]:
    rows = await eyes.all("SELECT task_key, token, state FROM dalsegno.task_completions")
    return [tuple(row) for row in rows]


@contextmanager
def gate(how: str) -> Iterator[Gate]:
    made = gates[how] = Gate()
    try:
        yield made
    finally:
        made.let_go()


async def test_effect_and_completion_are_committed_together(name: str) -> None:
    report = await run(command(name))
    assert isinstance(report, Completed)
    assert report.output == {"attempt": 1, "share": 0.1}
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [1]
        assert await states(eyes) == [(attempt().task_key, 1025, "completed")]


@pytest.mark.parametrize("how", ["", "named"])
async def test_a_completed_task_is_not_run_again(name: str, how: str) -> None:
    first = await run(command(name, how=how))
    second = await run(command(name, 2, how=how))
    assert isinstance(first, Completed)
    assert isinstance(second, Completed)
    assert (second.output, second.outcome) == (first.output, first.outcome)
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [1]


@pytest.mark.parametrize("how", ["raise", "no_json"])
async def test_a_failed_attempt_leaves_nothing(name: str, how: str) -> None:
    assert isinstance(await run(command(name, how=how)), Failed)
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == []
        assert await states(eyes) == [(attempt().task_key, 1025, "begun")]
    assert isinstance(await run(command(name, 2)), Completed)


async def test_an_older_attempt_is_refused_once_a_newer_has_begun(name: str) -> None:
    await run(command(name, 2, how="raise"))
    report = await run(command(name, 1))
    assert isinstance(report, Failed)
    assert report.failure.code == "fenced_transaction"
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == []


async def test_a_log_that_was_restored_begins_again_with_a_lower_number(name: str) -> None:
    """Its first attempt is dispatched later than the fifth of the history that was lost."""
    await run(msgspec.structs.replace(command(name, 5, how="raise"), dispatched_at=50, token=99))
    again = msgspec.structs.replace(command(name, 1), dispatched_at=60, token=9)
    assert isinstance(await run(again), Completed)
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [1]


async def slow_and_newer(name: str, newer: Execute) -> tuple[Final, Final]:
    """What a first attempt reports that commits when the newer one is done, and what that does."""
    found: list[Final] = []

    async def first() -> None:
        found.append(await run(command(name, 1, how="slow")))

    with gate("slow") as slow:
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await slow.entered.wait()
            second = await run(newer)
            slow.let_go()
    (late,) = found
    return late, second


async def test_of_two_at_work_one_commits_and_both_have_its_result(name: str) -> None:
    late, second = await slow_and_newer(name, command(name, 2))
    assert isinstance(late, Completed)
    assert isinstance(second, Completed)
    assert late.output == second.output == {"attempt": 2, "share": 0.1}
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [2]


async def test_a_late_commit_finds_the_tombstone(name: str) -> None:
    late, settled = await slow_and_newer(name, command(name, 2, settle=True))
    for report in (settled, late):
        assert isinstance(report, Failed)
        assert (report.failure.code, report.retryable) == ("task_abandoned", False)
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == []
        assert await states(eyes) == [(attempt().task_key, 2050, "abandoned")]
    again = await run(command(name, 3))
    assert isinstance(again, Failed)
    assert again.failure.code == "task_abandoned"


async def test_a_tombstone_may_be_asked_for_again(name: str) -> None:
    for number in (1, 2):
        report = await run(command(name, number, settle=True))
        assert isinstance(report, Failed)
        assert report.failure.code == "task_abandoned"


async def test_who_settles_finds_what_was_committed(name: str) -> None:
    await run(command(name))
    report = await run(command(name, 2, settle=True))
    assert isinstance(report, Completed)
    assert report.output == {"attempt": 1, "share": 0.1}
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [1]


async def test_who_settles_needs_no_inputs(name: str) -> None:
    report = await run(command(name, settle=True, unknown=1))
    assert isinstance(report, Failed)
    assert report.failure.code == "task_abandoned"


async def test_a_database_without_the_table_is_named_with_the_mend(name: str) -> None:
    async with observer(Database.dsn) as eyes:
        await eyes.do("DROP SCHEMA dalsegno CASCADE")
    for settle in (False, True):
        report = await run(command(name, settle=settle))
        assert isinstance(report, Failed)
        assert (report.failure.code, report.retryable) == ("no_task_table", True)
        assert "dalsegno task-table" in report.failure.message


async def test_a_connection_in_a_transaction_is_refused(name: str) -> None:
    Database.begin_before = True
    report = await run(command(name))
    assert isinstance(report, Failed)
    assert report.failure.code == "invalid_connection"
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == []


async def test_rows_may_be_dicts_and_the_connection_commit_by_itself(database: str) -> None:
    for number in (1, 2):
        report = await run(command("dicts", number))
        assert isinstance(report, Completed)
        assert report.output == 1
    async with observer(Database.dsn) as eyes:
        assert await effects(eyes) == [1]


async def test_a_connection_of_the_wrong_kind_is_refused(database: str) -> None:
    report = await run(command("wrong"))
    assert isinstance(report, Failed)
    assert report.failure.code == "invalid_connection"


async def test_a_database_that_is_away_settles_nothing(name: str) -> None:
    Database.dsn = "host=127.0.0.1 port=1 dbname=x"
    report = await run(command(name, settle=True))
    assert isinstance(report, Failed)
    assert report.failure.code == "operational_error"
