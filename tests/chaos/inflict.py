"""Carries out the plan: each fault at its time, mended after a while, both noted with instants.

Faults overlap, so each part of the cluster counts who wants it down: it comes back with the last.
What waits for a server runs in threads, one at a time for each kind of server. Processes are
started by the main thread only (`processes.py`).
"""

import logging
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import msgspec

from orchestrator.errors import Unavailable
from tests.chaos.cluster import PROGRAMS, Cluster
from tests.chaos.plan import AGENTS, COORDINATORS, CUT_OFF, CUT_OFF_S, NATS, PROMOTE, Fault
from tests.chaos.wires import Way

log = logging.getLogger("chaos")

GROUPS = {
    "coordinators": COORDINATORS,
    "agents": AGENTS,
    "nats": NATS,
    "everybody": (*PROGRAMS, *NATS, "primary"),
}
POSTGRES = {"primary", "standby"}
REPLICATION = "standby>primary"
NO_MORE_OF = {*POSTGRES, "everybody", REPLICATION}
"""One at a time of these: together they would only make the time longer in which no commit is
possible."""
SUPERVISED_S = 0.3
FILL_CHUNK = bytes(1 << 20)


class Happened(msgspec.Struct, kw_only=True):
    """A fault as it was: wall clock in microseconds, `until_us` 0 while it lasts."""

    fault: Fault
    from_us: int
    until_us: int = 0
    trouble: str = ""


def now_us() -> int:
    return time.time_ns() // 1000


class Inflicting:
    def __init__(self, cluster: Cluster) -> None:
        self._it = cluster
        self._down: Counter[str] = Counter()
        self._paused: Counter[str] = Counter()
        self._wires: Counter[str] = Counter()
        self._postgres = anyio.Lock()
        self._nats = anyio.Lock()
        self.happened: list[Happened] = []
        self.killed_by_wait: list[str] = []
        """Programs that did not end after SIGTERM."""

    async def run(self, plan: list[Fault]) -> None:
        """Returns when the last fault is mended."""
        begun_at = time.monotonic()
        async with anyio.create_task_group() as group:
            for fault in plan:
                await anyio.sleep(max(0.0, begun_at + fault.at_s - time.monotonic()))
                group.start_soon(self._one, fault)

    async def supervise(self) -> None:
        """Starts again what ended by itself; runs until it is cancelled."""
        while True:
            for name in self._it.processes.start_again():
                log.info("%s had ended by itself, started again", name)
            await anyio.sleep(SUPERVISED_S)

    async def _one(self, fault: Fault) -> None:
        entry = Happened(fault=fault, from_us=now_us())
        busy = self._postgres.locked() and fault.target in NO_MORE_OF
        if busy and fault.kind != PROMOTE:
            log.info("left out, as another one of Postgres lasts: %s", fault)
            return
        self.happened.append(entry)
        log.info("%s", fault)
        acts: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill": self._kill,
            "kill-all": self._kill_all,
            "pause": self._pause,
            "restart": self._restart,
            "hold": self._hold,
            "cut-off": self._cut_off,
            "sever": self._sever,
            "slow": self._slow,
            "wipe": self._wipe,
            "lose-journal": self._lose_journal,
            "fill-disk": self._fill_disk,
            PROMOTE: self._promote,
        }
        try:
            await acts[fault.kind](fault)
        except Unavailable as error:
            entry.trouble = str(error)
            log.error("%s: %s", fault, error)
        entry.until_us = now_us()
        log.info("mended: %s %s", fault.kind, fault.target)

    # -- processes and servers --------------------------------------------------------------------

    async def _kill(self, fault: Fault) -> None:
        await self._down_for((fault.target,), fault.lasts_s)

    async def _kill_all(self, fault: Fault) -> None:
        await self._down_for(GROUPS[fault.target], fault.lasts_s)

    async def _down_for(
        self, names: tuple[str, ...], seconds: float, meanwhile: Callable[[], None] | None = None
    ) -> None:
        if POSTGRES & set(names):
            # Until it is back: there is no other to go on with.
            async with self._postgres:
                await self._all_down_for(names, seconds, meanwhile)
        else:
            await self._all_down_for(names, seconds, meanwhile)

    async def _all_down_for(
        self, names: tuple[str, ...], seconds: float, meanwhile: Callable[[], None] | None
    ) -> None:
        for name in names:
            await self._take_down(name)
        if meanwhile is not None:
            await anyio.to_thread.run_sync(meanwhile)
        await anyio.sleep(seconds)
        for name in names:
            await self._bring_back(name)

    async def _take_down(self, name: str) -> None:
        self._down[name] += 1
        if self._down[name] > 1:
            return
        if name in PROGRAMS:
            self._it.processes.kill(name)
        elif name in NATS:
            async with self._nats:
                await anyio.to_thread.run_sync(self._it.nats.nodes[name].kill9)
        else:
            server = self._it.postgres.servers[self._site(name)]
            await anyio.to_thread.run_sync(server.kill9)

    async def _bring_back(self, name: str) -> None:
        self._down[name] -= 1
        if self._down[name]:
            return
        if name in PROGRAMS:
            self._it.processes.start(name)
        elif name in NATS:
            async with self._nats:
                await anyio.to_thread.run_sync(self._it.nats.nodes[name].start)
        else:
            server = self._it.postgres.servers[self._site(name)]
            await anyio.to_thread.run_sync(server.start)
            await anyio.to_thread.run_sync(server.wait_ready)

    def _site(self, name: str) -> str:
        postgres = self._it.postgres
        return postgres.primary if name == "primary" else postgres.standby

    async def _promote(self, fault: Fault) -> None:
        """The primary dies for good; what follows is what an operator's tool does."""
        postgres = self._it.postgres
        async with self._postgres:
            if fault.extra == CUT_OFF:
                self._it.wires.hold(REPLICATION)
                await anyio.sleep(CUT_OFF_S)
            await anyio.to_thread.run_sync(postgres.servers[postgres.primary].kill9)
            self._it.wires.sever(REPLICATION)  # what was under way there is lost
            await anyio.to_thread.run_sync(postgres.promote)
            log.info("the standby is the primary")
            await anyio.sleep(fault.lasts_s)
            self._it.wires.mend(REPLICATION)
            await anyio.to_thread.run_sync(postgres.build_standby)
            self._it.aim_wires()

    async def _restart(self, fault: Fault) -> None:
        """SIGTERM, and again, as a rolling restart does."""
        name = fault.target
        self._down[name] += 1
        if self._down[name] == 1:
            code = await anyio.to_thread.run_sync(self._it.processes.ask_to_end(name))
            if code is None:
                self.killed_by_wait.append(name)
            await anyio.sleep(fault.lasts_s)
        await self._bring_back(name)

    async def _pause(self, fault: Fault) -> None:
        """SIGSTOP, and SIGCONT unless somebody else wants it paused."""
        name = fault.target
        if name in POSTGRES:
            async with self._postgres:
                server = self._it.postgres.servers[self._site(name)]
                await anyio.to_thread.run_sync(server.stop_process, signal.SIGSTOP)
                await anyio.sleep(fault.lasts_s)
                await anyio.to_thread.run_sync(server.stop_process, signal.SIGCONT)
            return
        if self._down[name]:
            return
        self._paused[name] += 1
        self._signal(name, signal.SIGSTOP)
        await anyio.sleep(fault.lasts_s)
        self._paused[name] -= 1
        if not self._paused[name] and not self._down[name]:
            self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        if name in NATS:
            self._it.nats.nodes[name].stop_process(number)
        else:
            self._it.processes.send(name, number)

    # -- the network ------------------------------------------------------------------------------

    async def _hold(self, fault: Fault) -> None:
        if fault.target in NO_MORE_OF:
            async with self._postgres:
                await self._hold_wire(fault)
        else:
            await self._hold_wire(fault)

    async def _hold_wire(self, fault: Fault) -> None:
        ways: dict[str, tuple[Way, ...]] = {"there": ("there",), "back": ("back",)}
        wires = self._it.wires
        wires.hold(fault.target, *ways.get(fault.extra, ()))
        await self._mend_after((fault.target,), fault.lasts_s)

    async def _cut_off(self, fault: Fault) -> None:
        names = tuple(n for n in self._it.wires.names() if n.startswith(f"{fault.target}>"))
        for name in names:
            self._it.wires.hold(name)
        await self._mend_after(names, fault.lasts_s)

    async def _sever(self, fault: Fault) -> None:
        self._it.wires.sever(fault.target)
        await self._mend_after((fault.target,), fault.lasts_s)

    async def _slow(self, fault: Fault) -> None:
        self._it.wires.slow(fault.target, float(fault.extra))
        await self._mend_after((fault.target,), fault.lasts_s)

    async def _mend_after(self, names: tuple[str, ...], seconds: float) -> None:
        self._wires.update(names)
        await anyio.sleep(seconds)
        self._wires.subtract(names)
        for name in names:
            if not self._wires[name]:
                self._it.wires.mend(name)

    # -- disks ------------------------------------------------------------------------------------

    async def _wipe(self, fault: Fault) -> None:
        """All that JetStream holds, on all servers."""

        def wipe() -> None:
            for node in self._it.nats.nodes.values():
                node.wipe()

        await self._down_for(NATS, fault.lasts_s, wipe)

    async def _lose_journal(self, fault: Fault) -> None:
        folder = self._it.journal(fault.target)
        await self._down_for((fault.target,), fault.lasts_s, lambda: shutil.rmtree(folder, True))

    async def _fill_disk(self, fault: Fault) -> None:
        """Somebody else fills the disk on which an agent has its journal."""
        if self._it.small_disk is None:
            return
        ballast = self._it.small_disk / "ballast"
        await anyio.to_thread.run_sync(fill, ballast)
        await anyio.sleep(fault.lasts_s)
        ballast.unlink(missing_ok=True)

    # -- the end ----------------------------------------------------------------------------------

    def mend_everything(self) -> None:
        self._it.wires.mend_all()


def fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        for size in (len(FILL_CHUNK), 4096, 1):
            try:
                while file.write(FILL_CHUNK[:size]):
                    pass
            except OSError:
                continue
