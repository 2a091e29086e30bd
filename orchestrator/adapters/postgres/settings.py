"""How to reach Postgres, and how long to wait for it."""

import re

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.errors import Misconfigured

DEFAULT_PORT = 5432
PORT_MAX = 65_535


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`dsn`: URL or key=value text. Connect to Postgres itself or to a pooler in session mode: the
    adapter prepares statements and names its own backend.

    `log`: the name of the log that is expected there, empty: any. `map`: which log of the cluster
    has which shards, as `LogMap.text`; empty: this one has all.

    `connections_max`: connections for reading, beside the one for appends.
    """

    dsn: str
    log: str = ""
    map: str = ""
    application_name: str = "dalsegno"
    connections_max: int = 4
    connect_timeout_s: float = 5.0
    """For each server that the DSN names: one that is silent does not keep us from the next."""
    append_timeout_s: float = 10.0
    read_timeout_s: float = 15.0
    answer_grace_s: float = 2.0
    """Beyond the server's own timeout, before a silent connection counts as lost."""
    snapshots_kept: int = 3
    """Of one stream: the newest ones. Older ones are deleted when another is written."""
    recovery_snapshots_kept: int = 10
    """The same of those that operators' actions take."""
    wake_interval_s: float = 0.2
    """Between two notifications for subscriptions of the eventsourcing library, while appends go
    on; a subscription is behind by about as much."""
    backoff_first_s: float = 0.05
    backoff_max_s: float = 2.0

    @property
    def kept(self) -> dict[str, int]:
        """How many snapshots of a stream stay, by kind. Manual ones all do."""
        return {"automatic": self.snapshots_kept, "recovery": self.recovery_snapshots_kept}

    def conninfo(self) -> str:
        """Returns the DSN with our timeouts; what the DSN says itself goes first.

        Raises `Misconfigured` when it is not a DSN.
        """
        given = parse_dsn(self.dsn)
        ours: dict[str, str | int] = {
            "application_name": self.application_name,
            "connect_timeout": max(2, round(self.connect_timeout_s)),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": round(self.append_timeout_s * 1000),
            "client_encoding": "UTF8",
        }
        return make_conninfo("", **{**ours, **given})


def parse_dsn(dsn: str) -> dict[str, str | int | None]:
    """Returns the parts of a DSN; raises `Misconfigured` when it is none, without its password."""
    try:
        parts = dict(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError as error:
        raise _not_a_dsn(re.sub(r'"[^"]*"', '"…"', str(error).strip())) from None
    for port in str(parts.get("port") or DEFAULT_PORT).split(","):
        if not (port.isdecimal() and 0 < int(port) <= PORT_MAX):
            raise _not_a_dsn(f"{port!r} is no port")
    return parts


def _not_a_dsn(said: str) -> Misconfigured:
    return Misconfigured(
        f"the Postgres DSN cannot be parsed: {said}. Expected something such as "
        "postgresql://user:password@host:5432/database"
    )


def hosts(dsn: str) -> int:
    """How many servers a DSN names, of which one is to be found; at least 1."""
    parts = parse_dsn(dsn)
    return str(parts.get("host") or parts.get("hostaddr") or "").count(",") + 1


def where(dsn: str) -> str:
    """Hosts, ports and database of a DSN, for messages."""
    parts = parse_dsn(dsn)
    names = str(parts.get("host") or "localhost").split(",")
    ports = str(parts.get("port") or DEFAULT_PORT).split(",")
    pairs = zip(names, ports if len(ports) > 1 else ports * len(names), strict=False)
    return f"{','.join(map(':'.join, pairs))}/{parts.get('dbname', '')}"
