"""What a doctor makes of what was read of a cluster: findings with their mend. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from events.api import Here, NodeView, StrangeReports
from orchestrator.insight.counting.projections import Standing
from orchestrator.kernel.env import MICROSECONDS

Level = Literal["ok", "warning", "problem"]

SKEW_S_MAX = 1.0
"""Beyond, instants of different hosts cannot be compared by eye; safety rests on no clock."""
FULL_SHARE = 0.8
DISK_BYTES_LOW, DISK_BYTES_MIN = 2 * 2**30, 200 * 2**20
LATE_S = 60.0
"""Projections that are later are not kept by anybody, or are not kept up with."""
SERVER_MIN = 140000
NATS_MIN = (2, 9)


class Finding(msgspec.Struct, frozen=True):
    """`found`: how it is; `mend`: what to do about it, "" where nothing is to be done."""

    area: str
    what: str
    level: Level
    found: str
    mend: str = ""


class PostgresReading(msgspec.Struct, frozen=True, kw_only=True):
    """`schema` None: there is none. `schema_known`: the newest that this release knows,
    `schema_min`: what the log asks of a release at the least. `ahead_s`: of its clock compared with
    ours."""

    server: int
    version: str
    settings: dict[str, str]
    schema: int | None = None
    schema_known: int = 0
    schema_min: int = 0
    shards: int = 0
    holders: dict[str, list[int]] = {}
    connections: int = 0
    ahead_s: float = 0.0


class StreamReading(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    storage: str = ""
    replicas: int = 1
    bytes_used: int = 0
    bytes_max: int = -1


class NatsReading(msgspec.Struct, frozen=True, kw_only=True):
    """`jetstream`: why there is none, "" when there is. `store_max` -1: without a limit."""

    version: str
    jetstream: str = ""
    store_used: int = 0
    store_max: int = -1
    streams: tuple[StreamReading, ...] = ()
    missing: tuple[str, ...] = ()


class Greeting(msgspec.Struct, frozen=True):
    """What a coordinator answered, and its clock compared with ours."""

    here: Here
    ahead_s: float


def of_log(log: str, findings: Iterable[Finding]) -> list[Finding]:
    """The same, told of one of several logs."""
    return [msgspec.structs.replace(one, area=f"{one.area} of {log}") for one in findings]


def unreachable(area: str, message: str) -> Finding:
    return Finding(area, "reachable", "problem", message, "start it, or mend its address")


# -- Postgres -------------------------------------------------------------------------------------

DURABILITY = (
    ("fsync", ("on",), "a power cut may damage the log"),
    ("full_page_writes", ("on",), "a power cut may damage the log"),
    (
        "synchronous_commit",
        ("on", "local", "remote_write", "remote_apply"),
        "what was answered may be undone by a crash",
    ),
)


def of_postgres(read: PostgresReading) -> Iterator[Finding]:
    area = "postgres"
    supported = read.server >= SERVER_MIN
    yield Finding(
        area,
        "version",
        "ok" if supported else "problem",
        read.version,
        "" if supported else f"upgrade it to {SERVER_MIN // 10000} or newer",
    )
    yield _schema(read)
    for name, well, why in DURABILITY:
        found = read.settings.get(name, "unknown")
        good = found in well
        yield Finding(
            area,
            name,
            "ok" if good else "problem",
            found if good else f"{found}: {why}",
            "" if good else f"set {name} = on in postgresql.conf",
        )
    level = read.settings.get("wal_level", "unknown")
    minimal = level == "minimal"
    yield Finding(
        area,
        "wal_level",
        "warning" if minimal else "ok",
        f"{level}: no standby and no continuous backup" if minimal else level,
        "set wal_level = replica in postgresql.conf" if minimal else "",
    )
    yield _connections(read)
    yield _clock(area, "clock", read.ahead_s)


def _schema(read: PostgresReading) -> Finding:
    found, known = read.schema, read.schema_known
    if found is None:
        return Finding("postgres", "schema", "problem", "there is none", "run `dalsegno migrate`")
    words = f"{found}, {read.shards} shards"
    if found < known:
        mend = "run `dalsegno migrate`"
        return Finding("postgres", "schema", "problem", f"{words}; needed is {known}", mend)
    if read.schema_min > known:
        mend = "use the release that has migrated it, or a newer one"
        return Finding("postgres", "schema", "problem", f"{words}; known is {known}", mend)
    if found > known:
        words += f"; this release knows {known}, which is enough"
    return Finding("postgres", "schema", "ok", words)


def _connections(read: PostgresReading) -> Finding:
    most = int(read.settings.get("max_connections", "0") or 0)
    full = bool(most) and read.connections > FULL_SHARE * most
    return Finding(
        "postgres",
        "connections",
        "warning" if full else "ok",
        f"{read.connections} of {most}",
        "raise max_connections, or find who keeps so many" if full else "",
    )


def _clock(area: str, what: str, ahead_s: float) -> Finding:
    apart = abs(ahead_s) > SKEW_S_MAX
    words = "ahead of" if ahead_s > 0 else "behind"
    found = f"{abs(ahead_s):.3g} s {words} this host's"
    mend = "synchronise the clocks (chrony, systemd-timesyncd)" if apart else ""
    return Finding(area, what, "warning" if apart else "ok", found, mend)


# -- NATS -----------------------------------------------------------------------------------------


def of_nats(read: NatsReading) -> Iterator[Finding]:
    old = _numbers(read.version) < NATS_MIN
    least = ".".join(map(str, NATS_MIN))
    mend = f"upgrade it to {least} or newer" if old else ""
    yield Finding("nats", "version", "problem" if old else "ok", read.version, mend)
    if read.jetstream:
        mend = "start the server with --jetstream, or with a section jetstream { store_dir: … }"
        yield Finding("nats", "jetstream", "problem", read.jetstream, mend)
        return
    yield _room("store", read.store_used, read.store_max, "raise max_file_store of the server")
    for stream in read.streams:
        yield _stream(stream)
        yield _room(stream.name, stream.bytes_used, stream.bytes_max, "")
    for name in read.missing:
        mend = "start a coordinator: it declares what is missing"
        yield Finding("nats", name, "warning", "there is no such stream yet", mend)


def _stream(stream: StreamReading) -> Finding:
    words = f"{stream.storage} storage, {_counted(stream.replicas, 'replica')}"
    if stream.storage == "file":
        return Finding("nats", f"{stream.name} storage", "ok", words)
    mend = "delete the stream: a coordinator declares it anew, and nothing in it is needed"
    return Finding("nats", f"{stream.name} storage", "warning", words, mend)


def _room(what: str, used: int, most: int, mend: str) -> Finding:
    """A stream of ours drops its oldest when it is full, by design; the server's store does not."""
    mib = 2**20
    found = f"{used / mib:.1f} of {most / mib:.0f} MiB" if most > 0 else f"{used / mib:.1f} MiB"
    full = bool(mend) and most > 0 and used > FULL_SHARE * most
    return Finding("nats", what, "warning" if full else "ok", found, mend if full else "")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


# -- coordinators and nodes -----------------------------------------------------------------------


def of_coordinators(greetings: Sequence[Greeting], shards: int, release: str) -> Iterator[Finding]:
    if not greetings:
        mend = "start one with `dalsegno coordinator`, with the same prefix and NATS"
        yield Finding("coordinator", "reachable", "problem", "none answers", mend)
        return
    for one in greetings:
        here = one.here
        other = here.release != release
        yield Finding(
            "coordinator",
            here.coordinator,
            "warning" if other else "ok",
            f"release {here.release or 'unknown'}, {len(here.owned)} of {here.shards} shards",
            f"this command is of release {release}: bring both to the same" if other else "",
        )
        if here.at:
            yield _clock("coordinator", f"{here.coordinator} clock", one.ahead_s)
        yield from map(_strange, here.strange)
    owned = {shard for one in greetings for shard in one.here.owned}
    if lacking := sorted(set(range(shards)) - owned):
        words = f"nobody answers for shards {', '.join(map(str, lacking))}"
        mend = "wait for engine.lease_ttl_s; then look for a coordinator that hangs, in its log"
        yield Finding("coordinator", "shards", "problem", words, mend)
    elif shards:
        yield Finding("coordinator", "shards", "ok", f"all {shards} have an owner")


def _strange(found: StrangeReports) -> Finding:
    since = datetime.fromtimestamp(found.since / MICROSECONDS, UTC).isoformat(timespec="seconds")
    reports = _counted(found.number, "report")
    words = f"{reports} of attempts that the log does not know, since {since}"
    mend = (
        "if the database was restored from a backup, that is expected, and nothing of them is "
        "recorded; if not, find out which log this node has worked for"
    )
    return Finding("node", f"{found.node or 'others'} reports", "warning", words, mend)


def of_nodes(nodes: Sequence[NodeView]) -> Iterator[Finding]:
    if not any(node.status == "healthy" for node in nodes):
        mend = "start one with `dalsegno agent --node NAME`"
        yield Finding("node", "reachable", "problem", "no node is healthy", mend)
    for node in sorted(nodes, key=lambda one: one.node):
        yield _node(node)
        if node.clock_ahead_s is not msgspec.UNSET and node.status == "healthy":
            ahead_s = node.clock_ahead_s
            if abs(ahead_s) > SKEW_S_MAX:
                yield _clock("node", f"{node.node} clock", ahead_s)


def _node(node: NodeView) -> Finding:
    words = f"{node.status}, build {node.build_id or 'unknown'}"
    if node.refusal:
        mend = f"`dalsegno nodes show {node.node}` says more"
        if node.cordon:
            mend = f"`dalsegno nodes uncordon {node.node}` when it may work again"
        return Finding("node", node.node, "warning", f"{words}; {node.refusal}", mend)
    return Finding("node", node.node, "ok", words)


# -- projections ----------------------------------------------------------------------------------


def of_projections(standings: Sequence[Standing]) -> Iterator[Finding]:
    """One finding for what serves, one for what is built. None are well too: nothing but `stats`
    and lists by label needs them."""
    if not standings:
        words = "none yet: `stats` and lists by label need `dalsegno projections run`"
        yield Finding("projections", "serving", "ok", words)
    for one in standings:
        if one.generation.state == "serving":
            yield _serving(one)
        elif one.generation.state == "building":
            words = f"generation {one.generation.number} is at event {one.position} of {one.last}"
            yield Finding("projections", "building", "ok", words)


def _serving(one: Standing) -> Finding:
    unread = one.generation.unread
    words = f"generation {one.generation.number}, {_lag(one)}"
    if unread:
        words += f", {_counted(unread, 'event')} could not be read"
    mend = "`dalsegno projections status` names them" if unread else ""
    if one.seconds_behind > LATE_S:
        mend = "start `dalsegno projections run`, or look into its log"
    return Finding("projections", "serving", "warning" if mend else "ok", words, mend)


def _lag(one: Standing) -> str:
    if not one.events_behind:
        return "up to date with the log"
    return f"{_counted(one.events_behind, 'event')}, {one.seconds_behind:.3g} s behind the log"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def of_disk(folder: str, free_bytes: int) -> Finding:
    level: Level = "ok"
    if free_bytes < DISK_BYTES_LOW:
        level = "problem" if free_bytes < DISK_BYTES_MIN else "warning"
    mend = "" if level == "ok" else "make room: journals and servers stop when the disk is full"
    return Finding("disk", folder, level, f"{free_bytes / 2**30:.1f} GiB free", mend)


def skew_s(at: int, before: int, after: int) -> float:
    """How far a clock that showed `at` is ahead of ours, which was asked between both instants."""
    if before <= at <= after:
        return 0.0
    return (at - (before if at < before else after)) / MICROSECONDS
