"""Tasks whose attempts are taken from them while they run. They write into the scenario's ledger.

First attempts hang, later ones end at once: so whoever holds a first attempt has to be told.
"""

import asyncio
import os
import signal
import sys

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
