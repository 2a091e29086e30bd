"""The inbox: nothing is lost, whoever floods it waits, and who waits is woken."""

import anyio
import pytest

from events.limits import INBOX_MAX
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.inbox import Inbox

pytestmark = pytest.mark.anyio
ONE = s.LeasesUnknown()


async def test_what_was_put_is_taken_in_order() -> None:
    inbox, other = Inbox(), s.StopRequested()
    await inbox.put(ONE)
    await inbox.put(other)
    await inbox.wait(60.0)
    assert inbox.take() == [ONE, other]
    assert inbox.take() == []


async def test_whoever_waits_is_woken() -> None:
    inbox, woken = Inbox(), anyio.Event()

    async def wait() -> None:
        await inbox.wait(60.0)
        woken.set()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not woken.is_set()
        await inbox.put(ONE)
        with anyio.fail_after(10):
            await woken.wait()


@pytest.mark.parametrize("timeout_s", [0.0, 0.001])
async def test_a_wait_ends_by_itself(timeout_s: float) -> None:
    inbox = Inbox()
    with anyio.fail_after(10):
        await inbox.wait(timeout_s)
    assert inbox.take() == []


async def test_others_run_even_if_nobody_has_to_wait() -> None:
    inbox, ran = Inbox(), anyio.Event()
    await inbox.put(ONE)

    async def other() -> None:
        ran.set()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await inbox.wait(60.0)
        assert ran.is_set()


@pytest.mark.edge("INBOX_MAX")
async def test_a_full_inbox_holds_up_who_puts() -> None:
    inbox, done = Inbox(), anyio.Event()
    for _ in range(INBOX_MAX):
        await inbox.put(ONE)

    async def flood() -> None:
        await inbox.put(ONE)
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(flood)
        await anyio.wait_all_tasks_blocked()
        assert not done.is_set()
        assert len(inbox.take()) == INBOX_MAX
        with anyio.fail_after(10):
            await done.wait()
    assert inbox.take() == [ONE]


async def test_one_that_gives_up_waiting_for_room_leaves_it_to_the_next() -> None:
    inbox = Inbox()
    for _ in range(INBOX_MAX):
        await inbox.put(ONE)
    with anyio.move_on_after(0.001) as scope:
        await inbox.put(ONE)
    assert scope.cancelled_caught
    inbox.take()
    await inbox.put(ONE)
    assert inbox.take() == [ONE]
