"""Tasks for the scenarios. Each writes into a ledger of its own, which no engine code ever sees."""

import json
import os
import time

import anyio

from node_agent import TaskContext, TaskError, task


def note(ctx: TaskContext, event: str) -> None:
    """One line an event, appended in one write, so that a kill leaves whole lines only."""
    line = {
        "key": ctx.idempotency_key,
        "attempt": ctx.attempt,
        "event": event,
        "at": time.time_ns() // 1000,
        "pid": os.getpid(),
    }
    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(ledger, json.dumps(line).encode() + b"\n")
    finally:
        os.close(ledger)


@task(name="e2e.add")
async def add(ctx: TaskContext, left: int, right: int = 1, takes_s: float = 0.05) -> int:
    note(ctx, "start")
    await anyio.sleep(takes_s)
    note(ctx, "end")
    return left + right


@task(name="e2e.flaky")
async def flaky(ctx: TaskContext, left: int, failures: int = 1, takes_s: float = 0.05) -> int:
    """Fails its first attempts; the number comes from the engine, so a lost attempt counts none."""
    note(ctx, "start")
    await anyio.sleep(takes_s)
    if ctx.attempt <= failures:
        raise TaskError("flaky", "not yet")
    note(ctx, "end")
    return left + 1


@task(name="e2e.thread")
def in_thread(ctx: TaskContext, left: int, takes_s: float = 0.05) -> int:
    note(ctx, "start")
    time.sleep(takes_s)
    note(ctx, "end")
    return left + 1
