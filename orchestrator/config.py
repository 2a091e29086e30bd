"""Configuration of the orchestrator's processes, as a value."""

import msgspec

from events.connection import Connection
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.limits import Limits


class PostgresConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`dsn`: URL of the log's database. `migrate`: bring an older schema up to date at start."""

    dsn: str = ""
    migrate: bool = True


class CoordinatorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` tells coordinators apart: one that comes back under the same name takes its shards up
    again at once. `shards` is decided when the log is made. `hashes_file`: test mode, see docs."""

    name: str = "coordinator-1"
    shards: int = 8
    hashes_file: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    postgres: PostgresConfig = PostgresConfig()
    nats: Connection = Connection()
    prefix: str = "dalsegno"
    """Subject prefix; separates clusters on one NATS."""
    coordinator: CoordinatorConfig = CoordinatorConfig()
    engine: Settings = Settings()
    limits: Limits = Limits()
