"""Tasks of the load. Each notes its beginning and end in a ledger that no engine code ever sees.

The ledger is a file for each process, in the folder that CHAOS_LEDGER names; a line is on disk
before the handler goes on.
"""

import os
import time
import zlib
from functools import cache
from pathlib import Path

import anyio
import msgspec
import psycopg

from node_agent import TaskContext, TaskError, task

LINE_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_DSYNC
FLAKY_PERCENT = 30
BEAT_S = 0.3
PARTS = ("first", "second")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one execution; instants in microseconds."""

    what: str
    key: str
    attempt: int
    token: int
    pid: int
    wall_us: int
    monotonic_us: int
    value: str = ""
    """Of a part that is done once: `did` says what was called, `saw` what the handler went on with.
    """


@cache
def _file(pid: int) -> int:
    return os.open(Path(os.environ["CHAOS_LEDGER"]) / f"{pid}.jsonl", LINE_FLAGS, 0o644)


def note(ctx: TaskContext, what: str, value: str = "") -> None:
    _write(_line(ctx, what, value))


async def noted(ctx: TaskContext, what: str, value: str = "") -> None:
    """The instant is that of the call: until a thread has it the process may have been stopped."""
    await anyio.to_thread.run_sync(_write, _line(ctx, what, value))


def _line(ctx: TaskContext, what: str, value: str) -> Line:
    return Line(
        what=what,
        key=ctx.idempotency_key,
        attempt=ctx.attempt,
        token=ctx.token,
        pid=os.getpid(),
        wall_us=time.time_ns() // 1000,
        monotonic_us=time.monotonic_ns() // 1000,
        value=value,
    )


def _write(line: Line) -> None:
    """In one write, so that a kill leaves whole lines only."""
    os.write(_file(line.pid), msgspec.json.encode(line) + b"\n")


def chance(ctx: TaskContext) -> int:
    """0 to 99, by key and number of the attempt."""
    return zlib.crc32(f"{ctx.idempotency_key}@{ctx.attempt}".encode()) % 100


@task(name="chaos.add")
async def add(ctx: TaskContext, left: int, takes_s: float = 0.02) -> int:
    await noted(ctx, "start")
    await anyio.sleep(takes_s)
    await noted(ctx, "end")
    return left + 1


@task(name="chaos.flaky")
async def flaky(ctx: TaskContext, left: int) -> int:
    """Fails some of its attempts; which ones follows from key and number."""
    await noted(ctx, "start")
    if chance(ctx) < FLAKY_PERCENT:
        raise TaskError("flaky", "not this time")
    await noted(ctx, "end")
    return left + 1


@task(name="chaos.doomed")
async def doomed(ctx: TaskContext) -> None:
    await noted(ctx, "start")
    raise TaskError("doomed", "never")


@task(name="chaos.long")
async def long(ctx: TaskContext, left: int, takes_s: float) -> int:
    """Says that it lives, and how far it is."""
    await noted(ctx, "start")
    ends_at = time.monotonic() + takes_s
    while (left_s := ends_at - time.monotonic()) > 0:
        ctx.heartbeat({"left_s": left_s})
        await anyio.sleep(min(BEAT_S, left_s))
    await noted(ctx, "end")
    return left + 1


@task(name="chaos.thread")
def in_thread(ctx: TaskContext, left: int, takes_s: float = 0.1) -> int:
    """A plain function, in a thread of the agent."""
    note(ctx, "start")
    if ctx.wait_cancelled(takes_s):
        ctx.raise_if_cancelled()
    note(ctx, "end")
    return left + 1


@task(name="chaos.parts")
async def parts(ctx: TaskContext, left: int) -> int:
    """Two parts that are done once, each with a value that no other call gives."""
    await noted(ctx, "start")
    for part in PARTS:

        async def effect(part: str = part) -> str:
            value = f"{part} by {ctx.attempt} of {os.getpid()} at {time.monotonic_ns()}"
            await noted(ctx, f"did {part}", value)
            return value

        seen = await ctx.once(part, effect)
        await noted(ctx, f"saw {part}", seen)
        await anyio.sleep(BEAT_S)
    await noted(ctx, "end")
    return left + 1


async def effects() -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(os.environ["CHAOS_EFFECTS_DSN"])


@task(name="chaos.pay", transactional=effects)
async def pay(ctx: TaskContext, left: int, takes_s: float = 0.1) -> int:
    """Its effect and its completion are one commit. Some attempts fail, after the effect."""
    connection = ctx.transaction(psycopg.AsyncConnection)
    await noted(ctx, "start")
    await connection.execute(
        "INSERT INTO effect (key, attempt) VALUES (%s, %s)", (ctx.idempotency_key, ctx.attempt)
    )
    await anyio.sleep(takes_s)
    if chance(ctx) < FLAKY_PERCENT:
        raise TaskError("flaky", "not this time")
    await noted(ctx, "end")
    return left + 1
