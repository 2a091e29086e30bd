"""Loading: the core's questions to the store, answered by reading and folding."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.codec import digest
from events.envelope import Event, Head, unseal
from events.errors import Corrupt, InvariantViolation, Rejected
from events.ids import definition_stream, node_stream
from events.limits import INDEX_ROWS_MAX
from events.references import Payload
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.nodelog import NodeLog, restored
from orchestrator.coordinator.ports import IndexRow, Store
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.audit.log_batches import short
from orchestrator.replay.bases import LeftAside, newest_base
from orchestrator.replay.exchange.importing import imported
from orchestrator.replay.naming import perhaps_named
from orchestrator.replay.ports import End, History
from orchestrator.replay.rebuild import Rebuilder, Rebuilt
from orchestrator.replay.retention.archives import moved
from orchestrator.replay.retrying import find
from orchestrator.replay.routing import ReadableLog

log = logging.getLogger("dalsegno.coordinator")

PAGE = 500


class Loader:
    """Answers `Load` outputs; raises `Unavailable` when the store cannot be asked. `cluster`: all
    logs, where there are others beside the store's."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        coordinator: str,
        log_name: str = "main",
        cluster: ReadableLog | None = None,
    ) -> None:
        self.coordinator = coordinator
        self.log_name = log_name
        self._store = store
        self._cluster = cluster or store
        self._catalogue = catalogue
        self._rebuilder = Rebuilder(self._cluster, catalogue)

    async def load(self, output: s.Load) -> s.CoordinatorInput:  # noqa: C901, PLR0911 -- all
        match output:
            case s.LoadRun():
                return await self._run(output)
            case s.FindPast():
                return await self._past(output)
            case s.LoadDefinition():
                return await self._definition(output)
            case s.LoadNode():
                return await self._node(output)
            case s.LoadHead():
                head, _ = await self._stream(self._store, Head(output.stream))
                return s.HeadLoaded(head=head)
            case s.LoadPayload():
                return await self._payload(output)
            case s.LoadKey():
                return await self._key(output)
            case s.FindActive():
                rows = await self._store.active_runs(output.shards, output.after, INDEX_ROWS_MAX)
                more, strays = len(rows) == INDEX_ROWS_MAX, list[IndexRow]()
                if not more:
                    strays = await self._store.stray_children(output.shards, INDEX_ROWS_MAX)
                return s.ActiveFound(
                    shards=output.shards,
                    rows=tuple(rows),
                    strays=tuple(strays),
                    more=more,
                    era=output.era,
                )
            case s.FindDue():
                due = await self._store.due_runs(
                    output.shards, output.before, INDEX_ROWS_MAX, output.after
                )
                more = len(due) == INDEX_ROWS_MAX
                return s.DueFound(rows=tuple(due), before=output.before, more=more)
            case _:
                assert_never(output)

    async def _key(self, output: s.LoadKey) -> s.KeyLoaded:
        run_id, subject = output.run_id, output.subject
        try:
            key = await self._store.join_data_key(run_id, subject, output.id)
        except (Corrupt, Rejected) as error:
            return s.KeyLoaded(run_id=run_id, subject=subject, trouble=str(error))
        return s.KeyLoaded(run_id=run_id, subject=subject, key=key)

    async def _payload(self, output: s.LoadPayload) -> s.PayloadLoaded:
        data, damaged = None, ""
        try:
            data = await self._store.load_payload(output.hash)
            if data is None and self._cluster is not self._store:
                data = await self._copied(output.hash)
        except Corrupt as error:
            damaged = str(error)
        return s.PayloadLoaded(
            hash=output.hash,
            data=data,
            damaged=damaged,
            reply_to=output.reply_to,
            first=output.first,
        )

    async def _copied(self, hash_: str) -> bytes | None:
        """What another log has, kept in ours from now on, as our runs want it."""
        data = await self._cluster.load_payload(hash_)
        if data is not None:
            await self._store.put_payloads((Payload(hash=hash_, data=data),))
        return data

    async def _run(self, output: s.LoadRun) -> s.RunLoaded:
        run_id, at, fork, era = output.run_id, output.at, output.fork, output.era
        try:
            rebuilt = await self._rebuilder.run(run_id, at)
            if rebuilt is not None and at is None and not fork:
                end = await self._store.end_of(run_id)
                if end is not None and end.imported:
                    return s.RunLoaded(
                        run_id=run_id, at=at, fork=fork, era=era, moved=imported(run_id)
                    )
                rebuilt = await self._to_its_end(run_id, rebuilt, end)
            if rebuilt is not None and rebuilt.state.subject and not rebuilt.state.terminal:
                rebuilt.head.key = await self._cluster.data_key_of(run_id)
        except (Corrupt, InvariantViolation) as error:
            return s.RunLoaded(run_id=run_id, at=at, fork=fork, era=era, parked=str(error))
        if rebuilt is None:
            return s.RunLoaded(
                run_id=run_id, at=at, fork=fork, era=era, moved=await self._moved(run_id)
            )
        _tell(rebuilt.left_aside)
        if fork and self._cluster is not self._store:
            await self._copy_named(rebuilt.state)
        return s.RunLoaded(run_id=run_id, at=at, fork=fork, era=era, rebuilt=rebuilt)

    async def _copy_named(self, state: RunState) -> None:
        """A fork has what its source names, also when that is in another log."""
        for hash_ in perhaps_named(serialise(state)):
            with suppress(Corrupt):  # as in the source: told to whoever reads it
                if await self._store.load_payload(hash_) is None:
                    await self._copied(hash_)

    async def _to_its_end(self, run_id: str, rebuilt: Rebuilt, end: End | None) -> Rebuilt | None:
        """The run, if it ends where the index says. Raises `Corrupt` when its last events have
        vanished, or the last one is not what was appended: the chain alone does not tell."""
        found: Rebuilt | None = rebuilt
        if end is not None and end.version > rebuilt.head.version:  # somebody may have appended
            found = await self._rebuilder.run(run_id)
        if end is None or found is None:
            return found
        if end.version > found.head.version:
            raise Corrupt(
                f"run {run_id} ends with event {found.head.version}, it had {end.version}: its "
                "last events have vanished from the log"
            )
        if found.head.version == end.version and end.digest not in (b"", short(found.head.digest)):
            raise Corrupt(f"event {end.version} of run {run_id} is not what was appended")
        return found

    async def _moved(self, run_id: str) -> str:
        tombstone = await self._cluster.archived(run_id)
        return "" if tombstone is None else moved(tombstone)

    async def _past(self, output: s.FindPast) -> s.PastFound:
        run_id, id_ = output.run_id, output.id
        try:
            past = await find(self._rebuilder, run_id, output.wanted)
        except Rejected as error:
            return s.PastFound(run_id=run_id, id=id_, refused=str(error))
        except (Corrupt, InvariantViolation) as error:
            return s.PastFound(run_id=run_id, id=id_, parked=str(error))
        return s.PastFound(run_id=run_id, id=id_, past=past)

    async def _definition(self, output: s.LoadDefinition) -> s.DefinitionLoaded:
        after = output.after or Head(definition_stream(output.workflow))
        log = self._cluster if output.home else self._store
        head, events = await self._stream(log, after)
        return s.DefinitionLoaded(
            workflow=output.workflow,
            versions=tuple(e.fact for e in events if isinstance(e.fact, DefinitionRegistered)),
            head=head,
            after=after.version,
            step=output.step,
            home=output.home,
        )

    async def _node(self, output: s.LoadNode) -> s.NodeLoaded:
        base, log = await self._node_base(node_stream(output.node))
        head, events = await self._stream(self._cluster, base)
        for event in events:
            log.note(event.fact, event.header.actor, event.header.recorded_at)
        return s.NodeLoaded(
            node=output.node,
            head=head,
            incarnation=log.incarnation,
            past=tuple(log.past),
            gone=log.gone,
            cordon=log.cordon,
            drain=log.drain,
            tail_events=head.version - base.version,
            step=output.step,
        )

    async def _node_base(self, stream: str) -> tuple[Head, NodeLog]:
        """Where reading begins: after the last snapshot, if it is of use."""
        base = await newest_base(self._cluster, stream, None, restored)
        _tell(base.left_aside)
        return base.head, NodeLog() if base.state is None else base.state

    async def _stream(self, log: History, after: Head) -> tuple[Head, list[Event]]:
        """The events after `after`, and where the stream ends. One that is damaged is left out and
        told: of workflows and nodes the others are of use without it, and a run whose version of a
        workflow is missing is parked."""
        head = Head(after.stream, after.version, after.digest)
        events: list[Event] = []
        while page := await log.read(head.stream, head.version, PAGE):
            for stored in page:
                head.version, head.digest = stored.version, digest(stored.state)
                try:
                    events.append(unseal(stored, self._catalogue))
                except Corrupt as error:
                    _complain(error)
        return head, events


def _complain(error: Corrupt) -> None:
    log.error("%s: it is left out; `dalsegno verify --all` says more", error)


def _tell(left_aside: Sequence[LeftAside]) -> None:
    """Loudly: nothing is lost, but what has damaged a snapshot may damage events as well."""
    for one in left_aside:
        log.warning(
            "snapshot at version %d of %s is left aside, older ones and the events serve: %s",
            one.version,
            one.stream,
            one.reason,
        )
