"""Built-in: tasks of recorded traces, which wait as long as the recorded ones ran.

Every agent has them, so that a trace (see docs/howto/wfformat.md) runs without code of one's own.
"""

import anyio
import msgspec

from node_agent.tasks import task

Sizes = dict[str, int]
"""Bytes by file."""


class Replayed(msgspec.Struct, frozen=True):
    """What a task of a trace leaves: the sizes of its files, and the sums of bytes."""

    files: Sizes
    read_bytes: int
    written_bytes: int


@task(name="trace.task")
async def trace_task(
    name: str,
    runtime_s: float = 0.0,
    time_scale: float = 1.0,
    reads: Sizes | None = None,
    writes: Sizes | None = None,
) -> Replayed:
    """One task of a recorded trace: waits `runtime_s` times `time_scale`, moves no data."""
    if (wait_s := runtime_s * time_scale) > 0:
        await anyio.sleep(wait_s)
    files = writes or {}
    return Replayed(files, sum((reads or {}).values()), sum(files.values()))
