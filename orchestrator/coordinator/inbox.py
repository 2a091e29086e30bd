"""What has happened since the coordinator last looked, gathered from everywhere and bounded."""

import asyncio
from collections import deque

from events.limits import INBOX_MAX
from orchestrator.coordinator.signals import CoordinatorInput


class Inbox:
    """Who puts waits while `INBOX_MAX` inputs lie here, so a coordinator that cannot keep up slows
    its sources down. One task waits and takes."""

    def __init__(self) -> None:
        self._inputs: list[CoordinatorInput] = []
        self._waiter: asyncio.Future[None] | None = None
        self._held_up: deque[asyncio.Future[None]] = deque()

    async def put(self, one: CoordinatorInput) -> None:
        """Without a pause while there is room, so what comes together is heard together."""
        while len(self._inputs) >= INBOX_MAX:
            room = asyncio.get_running_loop().create_future()
            self._held_up.append(room)
            await room
        self._inputs.append(one)
        self._wake()

    def take(self) -> list[CoordinatorInput]:
        """Returns everything."""
        inputs, self._inputs = self._inputs, []
        while self._held_up:
            room = self._held_up.popleft()
            if not room.done():
                room.set_result(None)
        return inputs

    async def wait(self, timeout_s: float) -> None:
        """Returns when there is something to take, or after `timeout_s`; others run meanwhile in
        any case.

        A plain future and timer: this is waited for between any two turns, and a cancel scope and
        an event would cost more than many of them.
        """
        if self._inputs or not timeout_s:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_s, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
