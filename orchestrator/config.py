"""Configuration of the orchestrator's processes, as a value, and how it is put together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from events.configuration import (
    Effective,
    Layer,
    combine,
    from_environment,
    from_flags,
    from_toml,
    with_files,
)
from events.connection import Connection
from events.constraints import (
    SHARDS_MAX,
    Count,
    Duration,
    Hosts,
    Name,
    Port,
    Prefix,
    Rule,
    Shards,
    Text,
    Wait,
)
from events.errors import Misconfigured
from events.limits import CONFIG_BYTES_MAX, Limits
from events.logmap import LogMap, shards_of_text
from events.redaction import redact_text
from orchestrator.coordinator.settings import Settings
from orchestrator.insight.counting.projections import Settings as Projections

FILE = "dalsegno.toml"
OTHER_SECTIONS = ("agent",)
"""Sections of the same file that other processes read and check."""

LOG_NAME = r"\A[A-Za-z0-9_-]{1,64}\Z"
ALIASES = {"DALSEGNO_NATS_URL": "nats.urls"}


class PostgresConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log's database."""

    dsn: str = ""
    """URL of the log's database, credentials and TLS (`sslmode`, `sslrootcert` …) in it."""
    migrate: bool = True
    """Whether a coordinator brings an older schema up to date when it starts."""


class LogPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several logs: its name, its database, and its shards such as `0-31`."""

    name: Annotated[str, Meta(pattern=LOG_NAME, description="1 to 64 letters, digits, `-` or `_`")]
    dsn: Annotated[str, Meta(min_length=1)]
    shards: Annotated[str, Meta(min_length=1)]


LogPlaces = Annotated[
    tuple[LogPlace, ...],
    Meta(max_length=SHARDS_MAX, description="tables of `name`, `dsn`, and `shards` such as `0-31`"),
]


class CoordinatorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coordinator."""

    name: Name = "coordinator-1"
    """Tells coordinators apart; one that comes back under the same name takes its shards up again
    at once."""
    shards: Shards = 8
    """Shards of a new log; decided for ever when the log is made."""
    hashes_file: str = ""
    """Test mode: a JSON line (run, version, state hash) for each committed version."""


class KeysConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that snapshots, stored lists and personal values are encrypted with; none: they are not.
    Every process that reads the log needs all keys that are in use."""

    file: str = ""
    """File with a key a line, `ID BASE64`, of 32 bytes each; `dalsegno keys new` makes them."""
    secrets: str = ""
    """More such lines, for an environment variable or a secret of a container."""
    current: str = ""
    """Id of the key for whatever is written from now on; empty: the last one."""


class ApiConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP API and the console."""

    host: Text = "127.0.0.1"
    """Address that it listens at. One that others can reach needs tokens."""
    port: Port = 8080
    """0: a free one."""
    tokens_file: str = ""
    """File with a token a line, `NAME sha256:HEX`; `dalsegno api-token new` makes them."""
    tokens: str = ""
    """More such lines, for an environment variable or a secret of a container."""
    hosts: Hosts = ()
    """Names by which it may be called, besides those of this machine. At an address that others can
    reach: any, when none is given."""
    console: str = ""
    """Folder with the built pages of the console, in place of the packaged ones."""


class RetentionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `dalsegno archive` moves out of the log and sweeps up. Nothing happens by itself."""

    folder: str = ""
    """Where archives are written to and looked for; on a disk that is backed up."""
    closed_after_s: Wait = 0.0
    """Age from which `archive run` moves runs that have ended; 0: none, unless it is told one."""
    runs_max: Count = 10_000
    """Runs in one archive; what is more goes into the next."""
    unnamed_after_s: Duration = 604_800.0
    """Age from which `archive sweep` removes stored values that no event names. Nobody may take so
    long to start a run with a value that was stored for it."""


class FeedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The streams of NATS that `dalsegno events feed` puts events onto, one a log."""

    age_max_s: Duration = 86_400.0
    """How long a message stays. As much is put there again when the stream was wiped."""
    bytes_max: Count = 1024 * 1024 * 1024
    """Bytes of one stream; beyond, the oldest messages go."""


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a process says on stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`text`; `json`, one object a line; `auto`: text on a terminal, else JSON."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    postgres: PostgresConfig = PostgresConfig()
    logs: LogPlaces = ()
    """The logs of a cluster that has several, instead of `postgres.dsn`: all of them, the same in
    every process and for ever. Their shards are those of `coordinator.shards`, each in one log."""
    nats: Connection = Connection()
    prefix: Prefix = "dalsegno"
    """First part of all subjects; separates clusters on one NATS."""
    coordinator: CoordinatorConfig = CoordinatorConfig()
    engine: Settings = Settings()
    limits: Limits = Limits()
    projections: Projections = Projections()
    keys: KeysConfig = KeysConfig()
    retention: RetentionConfig = RetentionConfig()
    feed: FeedConfig = FeedConfig()
    log: LogConfig = LogConfig()
    api: ApiConfig = ApiConfig()


RULES: tuple[Rule[Config], ...] = (
    Rule(
        name="postgres.dsn",
        holds=lambda c: not (c.logs and c.postgres.dsn),
        expected="none beside logs, which have their own",
        others=("logs",),
    ),
    Rule(
        name="engine.lease_margin_s",
        holds=lambda c: c.engine.lease_margin_s <= c.engine.lease_ttl_s / 2,
        expected="at most half of the lease",
        others=("engine.lease_ttl_s",),
    ),
    Rule(
        name="engine.tick_s",
        holds=lambda c: c.engine.tick_s <= min(c.engine.lease_ttl_s, c.engine.attempt_lease_ttl_s),
        expected="no longer than a lease: it would end unseen",
        others=("engine.lease_ttl_s", "engine.attempt_lease_ttl_s"),
    ),
    Rule(
        name="engine.observer_gap_s",
        holds=lambda c: c.engine.observer_gap_s >= c.engine.tick_s,
        expected="at least engine.tick_s: else no silence of a node would ever count",
        others=("engine.tick_s",),
    ),
    Rule(
        name="engine.due_horizon_s",
        holds=lambda c: c.engine.due_horizon_s >= c.engine.due_poll_s,
        expected="at least engine.due_poll_s: else timers would be found late",
        others=("engine.due_poll_s",),
    ),
    Rule(
        name="limits.refused_delay_s_max",
        holds=lambda c: c.limits.refused_delay_s_max >= c.limits.refused_delay_s,
        expected="at least limits.refused_delay_s",
        others=("limits.refused_delay_s",),
    ),
    Rule(
        name="nats.tls_key_file",
        holds=lambda c: bool(c.nats.tls_key_file) == bool(c.nats.tls_certificate_file),
        expected="a key file and a certificate file together, or neither",
        others=("nats.tls_certificate_file",),
    ),
)


def load_config(
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: Path | None,
    below: Sequence[Layer] = (),
) -> Effective[Config]:
    """What holds: defaults, the layers `below`, the file, the environment, flags; the last goes.

    `file` None is `dalsegno.toml` in the working directory, if there is one. Raises `Misconfigured`
    naming the source, the setting, and what was expected.
    """
    layers = list(below)
    if file is not None or Path(FILE).is_file():
        path = file or Path(FILE)
        layers.append(from_toml(read_text(path), f"file {path}", Config, OTHER_SECTIONS))
    variables = with_files(environment, Config, ALIASES, lambda named: read_text(Path(named)))
    layers.append(from_environment(variables, Config, ALIASES))
    layers.append(from_flags(flags, Config))
    found = combine(Config, layers, RULES)
    _check_logs(found)
    return found


def _check_logs(found: Effective[Config]) -> None:
    config, source = found.value, found.source("logs")
    if not config.logs:
        return
    try:
        shards = log_map(config).shards
    except Misconfigured as error:
        raise Misconfigured(f"{source}: logs: {error}") from None
    if shards != config.coordinator.shards:
        raise Misconfigured(
            f"{source}: logs have {shards} shards, coordinator.shards is "
            f"{config.coordinator.shards} ({found.source('coordinator.shards')}): expected the same"
        )


def log_map(config: Config) -> LogMap:
    """Of a cluster with several logs. Raises `Misconfigured` for shards that are not all, each
    once, and for names or addresses that are given twice."""
    for what, given in (
        ("the name", [one.name for one in config.logs]),
        ("the address", [one.dsn for one in config.logs]),
    ):
        twice = [one for one, times in Counter(given).items() if times > 1]
        if twice:
            raise Misconfigured(f"{what} {redact_text(twice[0])} is given to two logs")
    return LogMap({one.name: shards_of_text(one.shards) for one in config.logs})


def shards_of(logs: Sequence[LogPlace]) -> int:
    """How many shards these logs have together. Raises `Misconfigured`."""
    return sum(len(shards_of_text(one.shards)) for one in logs)


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where a log is. Of one of several `log` is its name, `map` the map of all."""

    dsn: str
    log: str = ""
    map: str = ""


def databases(config: Config) -> tuple[Database, ...]:
    """The databases of all logs; none when no address is configured."""
    if not config.logs:
        return (Database(dsn=config.postgres.dsn),) if config.postgres.dsn else ()
    text = log_map(config).text
    return tuple(Database(dsn=one.dsn, log=one.name, map=text) for one in config.logs)


def keys_text(config: Config) -> tuple[str, str]:
    """The lines of the keyring, and where they are from. Raises `Misconfigured`."""
    keys, parts = config.keys, dict[str, str]()
    if keys.file:
        parts[f"keyring {keys.file}"] = read_text(Path(keys.file).expanduser())
    if keys.secrets:
        parts["keys.secrets"] = keys.secrets
    return "\n".join(parts.values()), " and ".join(parts) or "no keyring"


def tokens_text(config: Config) -> tuple[str, str]:
    """The lines of the API's tokens, and where they are from. Raises `Misconfigured`."""
    given, parts = config.api, dict[str, str]()
    if given.tokens_file:
        path = Path(given.tokens_file).expanduser()
        parts[f"tokens file {given.tokens_file}"] = read_text(path)
    if given.tokens:
        parts["api.tokens"] = given.tokens
    return "\n".join(parts.values()), " and ".join(parts) or "no tokens"


def read_text(path: Path) -> str:
    """The text of a configuration file. Raises `Misconfigured`."""
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise Misconfigured(f"configuration file {path} is over {CONFIG_BYTES_MAX} bytes")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise Misconfigured(f"there is no configuration file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"configuration file {path} cannot be read: {error}") from error
