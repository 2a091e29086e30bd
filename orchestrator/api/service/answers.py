"""What coordinators answer, as what it has to be."""

from typing import TypeVar

import msgspec

from events.api import AnyAnswer, AnyRequest, NodeAnswer, RunAnswer
from events.errors import NotFound, Unavailable
from events.views import NodeView, RunView
from orchestrator.api.service.ports import Coordinators

A = TypeVar("A", bound=msgspec.Struct)


async def ask(coordinators: Coordinators, request: AnyRequest, kind: type[A]) -> A:
    """Raises `Unavailable` also for an answer of another kind."""
    answer: AnyAnswer = await coordinators.request(request)
    if isinstance(answer, kind):
        return answer
    verb = request.__struct_config__.tag
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to {verb}")


async def ask_run(coordinators: Coordinators, request: AnyRequest) -> RunView:
    return (await ask(coordinators, request, RunAnswer)).run


async def ask_node(coordinators: Coordinators, request: AnyRequest) -> NodeView:
    return (await ask(coordinators, request, NodeAnswer)).node


def no_run(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id}: `dalsegno run list` shows those there are")
