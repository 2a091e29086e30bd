"""Driving a world: handlers run, then time skips to whatever comes next, and so on.

    settle   everything that can happen at this instant happens; handlers run to their ends
    skip     to the next timer, end of a fake, or look; never while a handler runs

Nothing moves by itself: time passes only inside `drive`.
"""

import asyncio
from collections.abc import Callable

from dalsegno.testing.errors import Stuck
from dalsegno.testing.world import World

BEAT_US = 1_000_000
LOOK_US = 500_000
QUIET_US_MAX = 30_000_000
"""For so long after something was recorded, restless processes look again every `LOOK_US`."""
ROUNDS = 20
"""Of the event loop, that are tried before it is waited for."""


class Driver:
    """`patience_s`: real seconds that handlers are waited for."""

    def __init__(self, world: World, patience_s: float) -> None:
        self._world = world
        self._patience_s = patience_s
        self._events = 0
        self._moved_at = 0

    async def settle(self, patience_s: float | None = None) -> bool:
        """Whether all handlers have ended, within this patience or that of all."""
        world, scheduler = self._world, self._world.scheduler
        changed = world.stage.changed
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + (self._patience_s if patience_s is None else patience_s)
        while True:
            changed.clear()
            scheduler.run(scheduler.now)
            world.check()
            if not world.stage.running:
                return True
            if not await self._change(changed, give_up_at - loop.time()):
                return False

    async def _change(self, changed: asyncio.Event, left_s: float) -> bool:
        """Whether something has changed before the time is up."""
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
            if changed.is_set():
                return True
        if left_s <= 0:
            return False
        try:
            await asyncio.wait_for(changed.wait(), left_s)
        except TimeoutError:
            return False
        return True

    async def drive(
        self, over: Callable[[], bool], until_us: int | None = None, *, waiting: bool = True
    ) -> bool:
        """Goes on until it is `over`, or the instant is reached, or nothing can happen any more;
        returns whether it is over.

        Raises `Stuck` for a handler that does not end; `waiting` False: it is left running.
        """
        patience_s = None if waiting else 0.0
        while True:
            if not await self.settle(patience_s) and waiting and not over():
                raise Stuck(self._still_running())
            if over():
                return True
            if until_us is not None and self._world.scheduler.now >= until_us:
                return False
            for missing in self._world.stage.missing.values():
                raise Stuck(missing)
            target = self._next(until_us)
            if target is None:
                return False
            self._world.scheduler.run(target)

    def _next(self, until_us: int | None) -> int | None:
        """The instant to skip to."""
        world, scheduler = self._world, self._world.scheduler
        events = world.log.last_position()
        if events != self._events:
            self._events, self._moved_at = events, scheduler.now
        if scheduler.now - self._moved_at < QUIET_US_MAX and world.is_restless:
            scheduler.after(LOOK_US, "", world.look)
        found = [at for at in (scheduler.next_at, until_us) if at is not None]
        target = min(found, default=None)
        if target is not None and target - scheduler.now >= BEAT_US:
            scheduler.after(target - scheduler.now, "", world.beat, rank=-1.0)
        return target

    def _still_running(self) -> str:
        running = sorted(
            {f"{one.task} on {one.node}" for one in self._world.stage.running.values()}
        )
        return (
            f"after {self._patience_s:g} s these handlers still run: {', '.join(running)}. Time "
            "stands still while they do. Give them longer with dalsegno_env(patience_s=…), fake "
            'them, as in env.fake(…, takes="2h"), or go on without waiting by env.advance'
        )
