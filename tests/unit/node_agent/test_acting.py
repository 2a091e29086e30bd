"""The task that batches are made of: the same again is the same request, a refusal is an answer."""

from collections.abc import Callable
from typing import cast

import pytest

from events.api import AnyAnswer, AnyRequest, CancelRun, ForkRun, RunAnswer, ShowRun, SignalRun
from events.errors import NotFound, Rejected, Unavailable
from events.views import RunView
from node_agent import TaskContext
from node_agent.acting import Deed, Done, act

pytestmark = pytest.mark.anyio


class Owner:
    """Stands for the context: what a run's owner answers, and what it was asked."""

    def __init__(self, answer: Callable[[AnyRequest], AnyAnswer]) -> None:
        self._answer = answer
        self.asked: list[AnyRequest] = []
        self.about: list[str] = []

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        self.asked.append(request)
        self.about.append(about)
        return self._answer(request)


async def acted(owner: Owner, deed: Deed) -> Done:
    return await act(cast("TaskContext", owner), deed)


def is_now(status: str, run_id: str = "r1") -> RunAnswer:
    run = RunView(run_id=run_id, workflow="w", workflow_version="v", version=1, status=status)
    return RunAnswer(run=run)


def refusing(error: Rejected, status: str) -> Callable[[AnyRequest], AnyAnswer]:
    def answer(request: AnyRequest) -> AnyAnswer:
        if isinstance(request, ShowRun):
            return is_now(status)
        raise error

    return answer


async def test_it_acts_in_the_name_of_who_began_the_batch() -> None:
    owner = Owner(lambda _: is_now("cancelling"))
    deed = Deed(action="cancel", run_id="r1", batch="b", actor="user:alex", reason="sold out")

    assert await acted(owner, deed) == Done(run_id="r1", status="cancelling")
    assert owner.asked == [CancelRun(actor="user:alex", run_id="r1", reason="sold out")]


async def test_a_signal_has_the_same_id_in_every_attempt_and_another_for_every_run() -> None:
    owner = Owner(lambda _: is_now("running"))
    for run_id in ("r1", "r1", "r2"):
        await acted(owner, Deed(action="signal", run_id=run_id, batch="b", signal="go", data=7))
    first, again, other = (cast("SignalRun", one) for one in owner.asked)

    assert (first, first.name, first.data) == (again, "go", 7)
    assert first.id != other.id


async def test_a_retry_forks_where_it_was_planned_and_asks_the_owner_of_the_new_run() -> None:
    owner = Owner(lambda request: is_now("running", cast("ForkRun", request).run_id))
    deed = Deed(action="retry", run_id="r1", batch="b", version=4)

    done, again = await acted(owner, deed), await acted(owner, deed)

    request = cast("ForkRun", owner.asked[0])
    assert (request.source_run_id, request.source_version) == ("r1", 4)
    assert owner.about == [request.run_id] * 2
    assert done == again == Done(run_id="r1", status="running", new_run_id=request.run_id)


async def test_what_a_run_refuses_is_told_with_the_reason() -> None:
    owner = Owner(refusing(Rejected("it has ended"), "completed"))

    done = await acted(owner, Deed(action="cancel", run_id="r1", batch="b"))

    assert done == Done(run_id="r1", status="completed", refused="rejected", why="it has ended")


async def test_what_an_attempt_before_has_done_is_done() -> None:
    owner = Owner(refusing(Rejected("it has ended"), "cancelled"))

    done = await acted(owner, Deed(action="cancel", run_id="r1", batch="b"))

    assert done == Done(run_id="r1", status="cancelled")


async def test_a_run_that_is_not_there_is_refused() -> None:
    def answer(_: AnyRequest) -> AnyAnswer:
        raise NotFound("there is no run r1")

    done = await acted(Owner(answer), Deed(action="terminate", run_id="r1", batch="b"))

    assert done == Done(run_id="r1", refused="not_found", why="there is no run r1")


async def test_an_outage_is_a_failure_and_tried_again() -> None:
    def answer(_: AnyRequest) -> AnyAnswer:
        raise Unavailable("no owner answers")

    with pytest.raises(Unavailable):
        await acted(Owner(answer), Deed(action="signal", run_id="r1", batch="b", signal="go"))
