"""Subscriptions of the library are woken after appends: not for each one, and never left asleep."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import TaskGroup

from orchestrator.adapters.postgres.waking import Waker
from orchestrator.errors import Unavailable

pytestmark = pytest.mark.anyio
FOR_EVER_S = 3600.0


class Server:
    """Notified so many times; the first `failures` are lost with the connection."""

    def __init__(self, failures: int = 0) -> None:
        self.woken = 0
        self._failures = failures

    async def wake(self) -> None:
        if self._failures:
            self._failures -= 1
            raise Unavailable("the server is away")
        self.woken += 1


@pytest.fixture
async def group() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as group:
        yield group
        group.cancel_scope.cancel()


async def test_what_an_earlier_process_appended_is_told_unasked(group: TaskGroup) -> None:
    server = Server()
    group.start_soon(Waker(server.wake, FOR_EVER_S).run)
    await anyio.wait_all_tasks_blocked()
    assert server.woken == 1


async def test_many_appends_in_one_interval_are_one_notification(group: TaskGroup) -> None:
    server = Server()
    waker = Waker(server.wake, FOR_EVER_S)
    group.start_soon(waker.run)
    await anyio.wait_all_tasks_blocked()
    for _ in range(100):
        waker.grown()
    await anyio.wait_all_tasks_blocked()
    assert server.woken == 1
    await waker.run_once()
    assert server.woken == 2


async def test_without_appends_nobody_is_notified(group: TaskGroup) -> None:
    server = Server()
    waker = Waker(server.wake, 0.0)
    group.start_soon(waker.run)
    await anyio.wait_all_tasks_blocked()
    assert server.woken == 1
    waker.grown()
    await anyio.wait_all_tasks_blocked()
    assert server.woken == 2


async def test_a_notification_that_failed_is_sent_again(group: TaskGroup) -> None:
    server = Server(failures=3)
    group.start_soon(Waker(server.wake, 0.0).run)
    await anyio.wait_all_tasks_blocked()
    assert server.woken == 1
