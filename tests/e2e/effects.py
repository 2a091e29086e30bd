"""Tasks whose attempts are taken from them while they run. They write into the scenario's ledger.

First attempts hang, later ones end at once: so whoever holds a first attempt has to be told.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
import psycopg
from psycopg.rows import TupleRow

from events.values import Value
from node_agent import TaskContext, subprocess_task, task
from tests.e2e.work import note


@task(name="e2e.hang")
async def hang(ctx: TaskContext) -> int:
    note(ctx, "start")
    if ctx.attempt == 1:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            note(ctx, f"interrupted {ctx.cancel_reason} {ctx.fenced}")
            raise
    return ctx.attempt


@task(name="e2e.hang_plain")
def hang_plain(ctx: TaskContext) -> int:
    note(ctx, "start")
    while ctx.attempt == 1:
        if ctx.wait_cancelled(1.0):
            note(ctx, f"interrupted {ctx.cancel_reason} {ctx.fenced}")
            return 1  # a result that nobody wants any more
    return ctx.attempt


PROGRAM = """
import json, os, signal, sys, time
def note(event):
    key, attempt = os.environ["DALSEGNO_IDEMPOTENCY_KEY"], int(os.environ["DALSEGNO_ATTEMPT"])
    line = {"key": key, "attempt": attempt, "event": event, "at": time.time_ns() // 1000}
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(json.dumps(line) + "\\n")
def end(*_):
    note("interrupted by SIGTERM")
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
note("start")
while os.environ["DALSEGNO_ATTEMPT"] == "1":
    time.sleep(1)
print(os.environ["DALSEGNO_ATTEMPT"])
"""

hang_apart = subprocess_task("e2e.hang_apart", [sys.executable, "-c", PROGRAM])


@task(name="e2e.poison")
async def poison(ctx: TaskContext, patience: int = 1_000) -> int:
    """Takes its agent with it, in so many attempts."""
    note(ctx, "start")
    if ctx.attempt <= patience:
        os.kill(os.getpid(), signal.SIGKILL)
    return ctx.attempt


@task(name="e2e.once")
async def once(ctx: TaskContext) -> list[Value]:
    """Its first attempt hangs after the first of two parts."""

    async def part(name: str) -> str:
        note(ctx, name)
        return f"{name} by {ctx.attempt}"

    first = await ctx.once("first", lambda: part("first"))
    note(ctx, f"has {first}")
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return [first, await ctx.once("second", lambda: part("second"))]


@task(name="e2e.once_plain")
def once_plain(ctx: TaskContext) -> list[Value]:
    def part(name: str) -> str:
        note(ctx, name)
        return f"{name} by {ctx.attempt}"

    first = ctx.once("first", lambda: part("first"))
    note(ctx, f"has {first}")
    while ctx.attempt == 1:
        ctx.wait_cancelled(1.0)
        ctx.raise_if_cancelled()
    return [first, ctx.once("second", lambda: part("second"))]


def until_there(gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.02)


@task(name="e2e.once_gated")
async def once_gated(ctx: TaskContext, gate: str) -> Value:
    """Its part waits until there is a file."""

    async def part() -> str:
        await anyio.to_thread.run_sync(until_there, gate)
        note(ctx, "first")
        return f"first by {ctx.attempt}"

    note(ctx, "start")
    first = await ctx.once("first", part)
    note(ctx, f"has {first}")
    return first


@task(name="e2e.gated")
async def gated(ctx: TaskContext, gate: str, word: str) -> str:
    """Ends with the word once there is a file."""
    note(ctx, "start")
    await anyio.to_thread.run_sync(until_there, gate)
    note(ctx, "end")
    return word


# -- transactions in a database of the scenario's -------------------------------------------------


def die_once() -> None:
    mark = Path(f"{os.environ['LEDGER']}.killed")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly(psycopg.AsyncConnection[TupleRow]):
    """Kills its process once: when what it has committed is not reported yet."""

    async def close(self) -> None:
        die_once()
        await super().close()


async def deadly() -> Deadly:
    return await Deadly.connect(os.environ["ORDERS_DSN"])


def orders() -> psycopg.Connection[TupleRow]:
    return psycopg.connect(os.environ["ORDERS_DSN"])


@task(name="e2e.pay", transactional=deadly)
async def pay(ctx: TaskContext) -> str:
    note(ctx, "start")
    connection = ctx.transaction(Deadly)
    await connection.execute("INSERT INTO effects (attempt) VALUES (%s)", (ctx.attempt,))
    return f"paid by {ctx.attempt}"


@task(name="e2e.pay_slowly", transactional=orders)
def pay_slowly(ctx: TaskContext, gate: str) -> str:
    note(ctx, "start")
    connection = ctx.transaction(psycopg.Connection)
    connection.execute("INSERT INTO effects (attempt) VALUES (%s)", (ctx.attempt,))
    until_there(gate)
    note(ctx, "commits")
    return f"paid by {ctx.attempt}"


@task(name="e2e.signed")
async def signed(ctx: TaskContext, folder: str) -> object:
    """Gives its token to somebody outside: a file for each attempt."""
    note(ctx, "start")
    handed = anyio.Path(folder) / f"token-{ctx.attempt}"
    await handed.write_text(ctx.completion_token())
    return ctx.defer()
