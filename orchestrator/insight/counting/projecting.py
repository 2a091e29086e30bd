"""The edge of a projector: when it works and when it waits.

    turn ──not ours──► wait `standby_s`
      │ ──more to do──► wait so that no more than `busy_share_max` of the time is work
      └── at the end ──► wait for the bell or `poll_s`, and at least `interval_s` from the last turn

Under load a bell rings all the time, so the interval alone says how many events share a batch.
"""

import logging
from collections.abc import Callable

import anyio

from events.errors import Unavailable
from orchestrator.insight.counting.projections import Settings
from orchestrator.insight.counting.projector import Projector, Turn
from orchestrator.insight.following.bells import Bell

log = logging.getLogger("dalsegno.projections")

RETRY_S = 1.0
"""After the database was away."""


class Projecting:
    """`clock`: seconds that only grow."""

    def __init__(
        self, projector: Projector, bell: Bell, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._projector = projector
        self._bell = bell
        self._settings = settings
        self._clock = clock
        self._holds: bool | None = None

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self.run_once()

    async def run_once(self) -> None:
        """One turn, and the wait after it."""
        began = self._clock()
        try:
            turn = await self._projector.turn()
        except Unavailable as error:
            log.warning("projections wait: %s", error)
            await anyio.sleep(RETRY_S)
            return
        self._tell(turn)
        await self._rest(turn, self._clock() - began)

    async def _rest(self, turn: Turn, worked_s: float) -> None:
        settings = self._settings
        if not turn.holds:
            await anyio.sleep(settings.standby_s)
        elif turn.more:
            await anyio.sleep(worked_s * (1 / settings.busy_share_max - 1))
        else:
            await anyio.sleep(max(0.0, settings.interval_s - worked_s))
            await self._bell.wait(0, settings.poll_s)

    def _tell(self, turn: Turn) -> None:
        if turn.holds != self._holds:
            self._holds = turn.holds
            log.info("projections: this process %s", "works" if turn.holds else "stands by")
