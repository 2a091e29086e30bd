"""What runs wait for and how they ended, in words."""

from collections.abc import Iterator

from dalsegno.testing.world import World
from events.api import RunView

LINES_MAX = 30
ENDED = frozenset({"completed", "skipped", "failed", "cancelled", "timed_out"})

ENDINGS = {"timed_out": "ran out of time", "cancelled": "was cancelled"}


def waits_for(world: World, run: RunView) -> str:
    """What keeps each step of a run from going on, those of the runs that it waits for too."""
    return "\n".join([f"run {run.run_id} can never go on:", *list(_lines(world, run))[:LINES_MAX]])


def _lines(world: World, run: RunView, depth: int = 1) -> Iterator[str]:
    indent = "  " * depth
    paused = f", {run.pending}; resume it with `await run.resume()`" if run.pending else ""
    yield f"{indent}run {run.run_id} of {run.workflow} is {run.status}{paused}"
    obstacles = {task.name: task.pending.partition(": ")[2] for task in run.tasks}
    for step in run.steps:
        if step.status in ENDED:
            continue
        pending = step.pending or ""
        why = obstacles.get(step.name, "") or _why(pending)
        yield f"{indent}  step {step.name} ({step.kind}) is {step.status}" + (why and f": {why}")
        if pending.startswith("run "):
            yield from _lines(world, world.show(pending.removeprefix("run ")), depth + 2)


def _why(pending: str) -> str:
    if pending.startswith("signal "):
        name = pending.split(" ")[1]
        return f'it waits for {pending}; send it with `await run.signal("{name}", …)`'
    return f"it waits for {pending}" if pending else ""


def ended_badly(run: RunView) -> str:
    """How a run that has not completed came to its end."""
    text = f"run {run.run_id} of {run.workflow} {ENDINGS.get(run.status, run.status)}"
    if run.error is None:
        return text
    where = f" at step {run.error.step}" if run.error.step else ""
    attempts = {task.name: task.attempts for task in run.tasks}.get(run.error.step, 0)
    tried = f" after {attempts} attempts" if attempts > 1 else ""
    return f"{text}{where}{tried}: [{run.error.code}] {run.error.message}".rstrip()
