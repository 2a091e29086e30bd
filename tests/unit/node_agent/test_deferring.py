"""Handlers that give a token away and end: what is reported, and what is refused."""

import pytest

from events.completion_tokens import read_token
from events.messages import Cancel, Completed, Deferred, Failed, Returned
from node_agent import TaskContext, task
from node_agent.journal import Live
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


def told(rig: Rig) -> list[Deferred]:
    return [one for one in rig.reports if isinstance(one, Deferred)]


def test_an_owner_of_an_earlier_release_is_told_when_a_later_one_has_the_shard() -> None:
    rig = running()
    rig.grant(protocol=0)
    rig.end(A, Postponed("d1"))
    rig.sleep(60.0)
    assert told(rig) == []
    assert rig.beats[-1].unsettled == (A,)
    rig.grant()
    rig.sleep(5.1)
    assert [one.digest for one in told(rig)] == ["d1"]


def test_a_process_that_follows_waits_until_it_has_heard_the_owner() -> None:
    report = Deferred(attempt=A, digest="d1")
    rig = Rig(live=[Live(A, 0, 1, report)])
    rig.sleep(60.0)
    assert told(rig) == []
    rig.grant()
    rig.sleep(5.1)
    assert told(rig) == [report]


def test_a_result_goes_to_every_release() -> None:
    rig = running()
    rig.grant(protocol=0)
    rig.end(A)
    assert [type(one) for one in rig.reports] == [Completed]
