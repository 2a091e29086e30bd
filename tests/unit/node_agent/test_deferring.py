"""Handlers that give a token away and end: what is reported, and what is refused."""

import pytest

from events.completion_tokens import read_token
from events.messages import Cancel, Completed, Deferred, Failed, Returned
from node_agent import TaskContext, task
from node_agent.steps import Postponed
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import Rig
from tests.unit.node_agent.test_agent import World

A = attempt()
tokens: list[str] = []


@task(name="deferred")
async def in_loop(ctx: TaskContext) -> object:
    tokens[:] = [ctx.completion_token(), ctx.completion_token()]
    return ctx.defer()


@task(name="plain")
def in_thread(ctx: TaskContext) -> object:
    tokens[:] = [ctx.completion_token(), ctx.completion_token()]
    return ctx.defer()


@task(name="unused")
async def unused(ctx: TaskContext) -> str:
    return ctx.completion_token()


@task(name="nobody")
async def nobody(ctx: TaskContext) -> object:
    return ctx.defer()


def running() -> Rig:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    return rig


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def world(*, has_secrets: bool = True) -> World:
    made = World((in_loop, in_thread, unused, nobody))
    if has_secrets:
        made.agent._surroundings.keeper.secret = lambda: "s3cret"
    return made


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["deferred", "plain"])
async def test_a_handler_ends_and_its_attempt_stays_open(name: str) -> None:
    async with world().running() as bus:
        bus.send(execute(task=name))
        await bus.until(lambda: any(isinstance(one, Deferred) for one in bus.reports))
    (report,) = [one for one in bus.reports if isinstance(one, Deferred)]
    assert len(set(tokens)) == 1
    assert read_token(tokens[0]).attempt == report.attempt == A
    assert read_token(tokens[0]).digest == report.digest


@pytest.mark.anyio
async def test_a_token_that_is_not_waited_for_is_of_no_use() -> None:
    report = await world().outcome(execute(task="unused"))
    assert isinstance(report, Completed)


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "has_secrets"), [("nobody", True), ("unused", False)])
async def test_without_a_token_nothing_is_deferred(name: str, has_secrets: bool) -> None:
    report = await world(has_secrets=has_secrets).outcome(execute(task=name))
    assert isinstance(report, Failed)
    assert report.failure.code == "no_token"


def test_its_slot_is_free_and_its_report_is_kept_until_it_is_settled() -> None:
    rig = running()
    rig.end(A, Postponed("d1"))
    assert [type(one) for one in rig.reports] == [Deferred]
    rig.sleep(5.1)
    assert len(rig.reports) == 2


def test_an_attempt_that_was_asked_back_is_not_deferred() -> None:
    rig = running()
    rig.command(Cancel(attempt=A, shard=0))
    rig.end(A, Postponed("d1"))
    assert [type(one) for one in rig.reports] == [Returned]
