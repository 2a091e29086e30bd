"""Holding a subscription in each log of a cluster: who reads, and how far it has got.

A hold is as long as `ttl_s` from before its last renewal, by our own clock; beyond that nothing is
handed out until it is renewed, because another process may have it. What cannot be saved for a
while is saved later: the position only moves forward.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from uuid import uuid4

import anyio
import msgspec

from events.errors import Fenced, Rejected, Unavailable
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.subscriptions import Held, is_same, no_subscription

log = logging.getLogger("dalsegno.followers")

MARGIN = 0.2
"""Part of a hold's time after which it does not count any more on our side."""
RENEWALS = 3
"""Times that a hold is renewed before it would end."""


class _Hold:
    """One log's."""

    def __init__(self, held: Held, until: float) -> None:
        self.held = held
        self.until = until
        """On the monotonic clock."""
        self.done = held.position
        self.saved = held.position


class Holding:
    """The holds of one subscription. Every method may raise `Unavailable`."""

    def __init__(
        self, name: str, logs: Mapping[str, PostgresStore], ttl_s: float, save_every_s: float
    ) -> None:
        self.name = name
        self.filter = Filter()
        """That of the subscription, once a log is held."""
        self._logs = {log: store.subscriptions() for log, store in logs.items()}
        self._ttl_s = ttl_s
        self._save_every_s = min(save_every_s, ttl_s / RENEWALS)
        self._holds: dict[str, _Hold] = {}
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._busy = anyio.Lock()
        self._lost: Fenced | None = None
        self._tended_at = time.monotonic()
        self._acquired_at = 0.0

    def began_at(self, log_name: str) -> int:
        """The position that the subscription began at, or was set to last."""
        return self._holds[log_name].held.began_at

    @property
    def positions(self) -> dict[str, int]:
        """Where to go on in each log that is held."""
        return {log: hold.done for log, hold in self._holds.items()}

    async def make(self, filter_: Filter | None, begin: Callable[[str], int]) -> None:
        """Makes the subscription where it is not there, from `begin` of each log on. Raises
        `Rejected` when it is there for other events."""
        for log_name, subscriptions in self._logs.items():
            await subscriptions.create(self.name, begin(log_name), filter_ or Filter())
            found = await subscriptions.all(self.name)
            if found and filter_ is not None and not is_same(found[0].filter, filter_):
                said = msgspec.json.encode(found[0].filter).decode()
                raise Rejected(
                    f"subscription {self.name} is for other events, {said}: ask for the same, take "
                    "another name, or set it anew with `dalsegno subscription reset`"
                )

    async def acquire(self) -> bool:
        """Takes what nobody holds; returns whether there was any."""
        taken = False
        for log_name in self._missing():
            began = time.monotonic()
            held = await self._logs[log_name].acquire(self.name, self._owner, self._ttl_s)
            if held is not None:
                self.filter = held.filter
                self._holds[log_name] = _Hold(held, self._until(began))
                taken = True
            elif not await self._logs[log_name].all(self.name):
                raise no_subscription(self.name)
        self._acquired_at = time.monotonic()
        return taken

    async def wait(self, look_s: float) -> None:
        """Returns when there is a log to read; another process may read them all until then."""
        while True:
            if await self.acquire():
                return
            await anyio.sleep(look_s)

    def wants_more(self) -> bool:
        """Whether it is time to look again for what another one holds."""
        return bool(self._missing()) and self._is_time(self._acquired_at, self._ttl_s / RENEWALS)

    def done(self, log_name: str, position: int) -> None:
        """Everything up to there is done with."""
        self._holds[log_name].done = position

    async def tend(self, *, at_once: bool = False) -> None:
        """Saves and renews, when it is time. Raises `Fenced` when another one reads now."""
        if not at_once and not self._is_time(self._tended_at, self._save_every_s):
            return
        async with self._busy:
            if self._lost is not None:
                raise self._lost
            for log_name, hold in self._holds.items():
                await self._renew(log_name, hold)
            self._tended_at = time.monotonic()

    async def require(self, log_name: str) -> None:
        """Returns when the log is surely held. Raises `Fenced`."""
        if self._lost is not None:
            raise self._lost
        hold = self._holds[log_name]
        while time.monotonic() >= hold.until:
            try:
                await self.tend(at_once=True)
            except Unavailable as error:
                log.debug("subscription %s cannot be renewed: %s", self.name, error)

    async def keep_alive(self) -> None:
        """Tends, until it is cancelled, also while a handler takes long. That another one reads
        now is told to who asks for the next event."""
        while self._lost is None:
            await anyio.sleep(self._ttl_s / RENEWALS)
            try:
                await self.tend(at_once=True)
            except Fenced as error:
                self._lost = error
            except Unavailable as error:
                log.warning("subscription %s cannot be saved: %s", self.name, error)

    async def release(self) -> None:
        """Saves what is done, and leaves the place to others."""
        for log_name, hold in self._holds.items():
            await self._renew(log_name, hold)
            await self._logs[log_name].release(hold.held)
        self._holds.clear()

    async def _renew(self, log_name: str, hold: _Hold) -> None:
        began, done = time.monotonic(), hold.done
        await self._logs[log_name].advance(hold.held, done, self._ttl_s)
        hold.until, hold.saved = self._until(began), done

    def _missing(self) -> Iterable[str]:
        return [log_name for log_name in self._logs if log_name not in self._holds]

    def _until(self, began: float) -> float:
        return began + self._ttl_s * (1 - MARGIN)

    def _is_time(self, last: float, every_s: float) -> bool:
        return time.monotonic() - last >= every_s
