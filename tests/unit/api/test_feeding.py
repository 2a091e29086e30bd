"""How a feed ends: said where there is nothing more, unsaid where it was broken off."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from events.errors import Unavailable
from orchestrator.api.operations.operation import Begun
from orchestrator.api.server.feeding import END, RETRY, as_events, event_text
from orchestrator.api.shapes import RunNews
from tests.api import run_row

pytestmark = pytest.mark.anyio
NEWS = RunNews(id="7", run=run_row("r1"))


async def _feed(failure: Exception | None) -> AsyncGenerator[RunNews]:
    yield NEWS
    if failure is not None:
        raise failure


async def test_the_place_that_a_feed_begins_behind_is_said_first() -> None:
    feed = Begun("6", _feed(None))
    found = [text async for text in as_events(feed, AsyncExitStack())]
    assert found == [RETRY, b"id: 6\n\n", event_text(NEWS), END]


@pytest.mark.parametrize(
    ("failure", "said"), [(None, [END]), (Unavailable("the database is away"), [])]
)
async def test_only_a_feed_that_has_nothing_more_says_so(
    failure: Exception | None, said: list[bytes]
) -> None:
    """Who hears of an end does not come back."""
    stack, closed = AsyncExitStack(), list[str]()
    stack.callback(closed.append, "closed")
    found = [text async for text in as_events(_feed(failure), stack)]
    assert found == [RETRY, event_text(NEWS), *said]
    assert closed == ["closed"]
