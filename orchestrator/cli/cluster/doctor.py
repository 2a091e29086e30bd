"""`dalsegno doctor`: is everything there, well set, and of one kind? Each line with its mend."""

import shutil
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from events.api import Here, ListNodes, Nodes
from events.errors import DalsegnoError, Misconfigured
from events.streams import Topology
from events.subjects import Subjects
from orchestrator.adapters.nats.client import Client
from orchestrator.adapters.nats.readings import read_nats
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.readings import read_postgres
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, client_of, effective, go, keys_of
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.output import BAD, GOOD, UNSURE, console, plain, print_json, rows, table
from orchestrator.cli.stores import log_settings
from orchestrator.config import Config
from orchestrator.insight import diagnosis as d
from orchestrator.insight.keyrings import key_uses, of_erasure, of_keys

DATA = Path(".dalsegno")
"""Where `dalsegno dev` and an agent of this folder keep their data, unless told otherwise."""
GREET_S = 5.0
"""For so long an answer is waited for: a coordinator may stand still for a moment."""
COLOURS = {"ok": GOOD, "warning": UNSURE, "problem": BAD}


def doctor(*, common: Common = COMMON) -> int:
    """Look at everything that a cluster needs, and say of each how it is and what would mend it.

    Postgres, NATS and JetStream, projections, coordinators and nodes: whether they are reached,
    versions, schema, clocks, durability settings, room. Exit code 1 if there is a problem, 0 if
    there are at most warnings.

    Examples
    --------
    dalsegno doctor
    dalsegno doctor --json --nats-url nats://nats-1:4222
    """
    settings = effective(common)
    sources = sorted({one.source for one in settings.settings} - {"default"})
    said = ", ".join(sources) or "defaults alone"
    findings = [d.Finding("configuration", "sources", "ok", said)]
    findings += go(lambda: _examined(settings.value))
    findings += _disk()
    if common.json:
        print_json([msgspec.structs.asdict(one) for one in findings])
    else:
        _show(findings)
    return FAILED if any(one.level == "problem" for one in findings) else DONE


def _show(findings: Sequence[d.Finding]) -> None:
    made = table("", "what", "found")
    lines = [
        (
            f"[{COLOURS[one.level]}]{one.level}[/]",
            plain(f"{one.area}: {one.what}"),
            plain("\n→ ".join(filter(None, (one.found, one.mend)))),
        )
        for one in findings
    ]
    console().print(rows(made, lines))


async def _examined(config: Config) -> list[d.Finding]:
    findings, shards = await _postgres(config)
    reached, found = await _nats(config)
    findings += found
    if reached:
        findings += await _cluster(config, shards)
    return findings


async def _postgres(config: Config) -> tuple[list[d.Finding], int]:
    """Findings, and how many shards the cluster has, 0 if that is not known."""
    try:
        settings = log_settings(config)
    except DalsegnoError as error:
        return [_unreached("postgres", error)], 0
    findings: list[d.Finding] = []
    shards = 0
    for one in settings:
        found, told = await _one_log(config, one)
        shards = max(shards, told)
        findings += d.of_log(one.log, found) if one.log else found
    return findings, shards


async def _one_log(config: Config, settings: Settings) -> tuple[list[d.Finding], int]:
    try:
        reading = await anyio.to_thread.run_sync(read_postgres, settings.dsn)
    except DalsegnoError as error:
        return [_unreached("postgres", error)], 0
    findings = [d.Finding("postgres", "reachable", "ok", "yes"), *d.of_postgres(reading)]
    if reading.schema == reading.schema_known:
        findings += await _projections(settings)
        findings += await _keys(config, settings)
    return findings, reading.shards


async def _projections(settings: Settings) -> list[d.Finding]:
    try:
        async with PostgresProjected(settings) as projected, projected.snapshot():
            found = await projected.generations()
            return list(d.of_projections([await projected.standing(one) for one in found]))
    except DalsegnoError as error:
        return [_unreached("projections", error)]


async def _keys(config: Config, settings: Settings) -> list[d.Finding]:
    try:
        keys = keys_of(config)
        async with await PostgresStore.open(settings) as store:
            uses = await store.resealing.uses()
            left = await store.data_keys.erasures_left()
    except DalsegnoError as error:
        return [_unreached("keys", error)]
    found = list(of_keys(key_uses(uses, keys.ids, keys.current)))
    return found + [of_erasure(subject) for _, subject in left]


async def _nats(config: Config) -> tuple[bool, list[d.Finding]]:
    topology = Topology(subjects=Subjects(config.prefix))
    try:
        reading = await read_nats(config.nats, topology)
    except DalsegnoError as error:
        return False, [_unreached("nats", error)]
    shown = config.nats.shown
    return True, [d.Finding("nats", "reachable", "ok", shown), *d.of_nats(reading)]


def _unreached(area: str, error: DalsegnoError) -> d.Finding:
    mend = (
        "mend the setting" if isinstance(error, Misconfigured) else "start it, or mend its address"
    )
    return d.Finding(area, "reachable", "problem", str(error), mend)


async def _cluster(config: Config, shards: int) -> list[d.Finding]:
    async with client_of(config, GREET_S) as client:
        greetings = await _greetings(client, shards)
        findings = list(d.of_coordinators(greetings, shards, version("dalsegno")))
        return findings + (await _nodes(client) if greetings else [])


async def _greetings(client: Client, shards: int) -> list[d.Greeting]:
    """Every owner of a shard, and whoever else answers; each once."""
    found: dict[str, d.Greeting] = {}

    async def greet(shard: int | None) -> None:
        before = time.time_ns() // 1000
        try:
            here: Here = await client.greet(shard, GREET_S)
        except DalsegnoError:
            return
        ahead_s = d.skew_s(here.at, before, time.time_ns() // 1000)
        known = found.setdefault(here.coordinator, d.Greeting(here, ahead_s))
        owned = tuple(sorted({*known.here.owned, *here.owned}))  # it may serve several logs
        here = msgspec.structs.replace(known.here, owned=owned)
        found[here.coordinator] = d.Greeting(here, known.ahead_s)

    async with anyio.create_task_group() as group:
        for shard in (None, *range(shards)):
            group.start_soon(greet, shard)
    return [found[name] for name in sorted(found)]


async def _nodes(client: Client) -> list[d.Finding]:
    try:
        answer = await client.request(ListNodes())
    except DalsegnoError as error:
        mend = "look again; then into the logs of the coordinators"
        return [d.Finding("node", "reachable", "problem", str(error), mend)]
    return list(d.of_nodes(answer.nodes if isinstance(answer, Nodes) else ()))


def _disk() -> Iterator[d.Finding]:
    if DATA.is_dir():
        yield d.of_disk(str(DATA.absolute()), shutil.disk_usage(DATA).free)
