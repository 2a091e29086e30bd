"""A part of a handler that is done once, through kill -9 of agents and of the coordinator."""

from pathlib import Path

import pytest

from events.definition import Definition, ParallelStep, TaskStep
from tests.e2e.checks import check_promises
from tests.e2e.cluster import cluster
from tests.e2e.ledgers import Noted, noted, until_journalled, until_noted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]

KINDS = {"async": "e2e.once", "plain": "e2e.once_plain"}
ONCE = Definition(
    name="once",
    steps=(
        ParallelStep(
            id="all",
            branches={name: (TaskStep(id=name, task=task),) for name, task in KINDS.items()},
        ),
    ),
)
DONE = {Noted(name, 1, "has first by 1") for name in KINDS}


async def test_what_is_recorded_is_not_done_again_anywhere(tmp_path: Path) -> None:
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await it.register(client, ONCE)
            await it.start(client, "once", "r1", 0)
            await until_noted(it, DONE.issubset)
            it.kill("c1")
            it.kill("n1")
            it.start_coordinator()
            it.start_agent("n2")
            run = await client.await_run("r1", 60.0)
        assert run.status == "completed", it.logs()
        assert run.output == {name: ["first by 1", "second by 2"] for name in KINDS}
        calls = [(one.step, one.event) for one in noted(it) if one.event in {"first", "second"}]
        assert sorted(calls) == sorted(
            (name, part) for name in KINDS for part in ("first", "second")
        )
        it.terminate("n2")


async def test_a_handler_goes_on_only_with_what_is_recorded(tmp_path: Path) -> None:
    """While no coordinator is there the part is done and the handler waits; its agent dies, and
    the next one tells of the value, before it gives the attempt back."""
    gate = tmp_path / "gate"
    step = TaskStep(id="gated", task="e2e.once_gated", inputs={"gate": str(gate)})
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await it.register(client, Definition(name="gated", steps=(step,)))
            await it.start(client, "gated", "r1", 0)
            await until_noted(it, lambda found: Noted("gated", 1, "start") in found)
            it.kill("c1")
            gate.touch()
            await until_journalled(it, "n1", b"first by 1")
            assert not [one for one in noted(it) if one.event.startswith("has")]
            it.kill("n1")
            await it.start_agent_first("n1")
            it.start_coordinator()
            run = await client.await_run("r1", 60.0)
        assert (run.status, run.output) == ("completed", "first by 1"), it.logs()
        assert [one.event for one in noted(it)] == ["start", "first", "start", "has first by 1"]
        await check_promises(it, ["r1"])
