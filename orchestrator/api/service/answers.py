"""What coordinators answer, as what it has to be."""

from typing import Protocol, TypeVar

import msgspec

from events.api import AnyAnswer, AnyRequest, NodeAnswer, RunAnswer
from events.errors import NotFound, Unavailable
from events.views import NodeView, RunView

A = TypeVar("A", bound=msgspec.Struct)


class Asking(Protocol):
    """As much of coordinators as it takes to ask them."""

    async def request(self, request: AnyRequest, timeout_s: float | None = None) -> AnyAnswer:
        """The answer, never `Refused`: that is raised. Raises `Unavailable`."""


async def ask(coordinators: Asking, request: AnyRequest, kind: type[A]) -> A:
    """Raises `Unavailable` also for an answer of another kind."""
    answer: AnyAnswer = await coordinators.request(request)
    if isinstance(answer, kind):
        return answer
    verb = request.__struct_config__.tag
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to {verb}")


async def ask_run(coordinators: Asking, request: AnyRequest) -> RunView:
    return (await ask(coordinators, request, RunAnswer)).run


async def ask_node(coordinators: Asking, request: AnyRequest) -> NodeView:
    return (await ask(coordinators, request, NodeAnswer)).node


def no_run(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id}: `dalsegno run list` shows those there are")
