"""What commands have in common: where Postgres and NATS are, and asking them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
from cyclopts import Group, Parameter

from events.configuration import Effective
from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from events.sealing import Keyring, NoKeys
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.cli.local.connection_file import connection_layers
from orchestrator.config import Config, Database, databases, keys_text, load_config

T = TypeVar("T")
CLUSTER = Group(
    "Where the cluster is",
    help="Found by itself in the folder of a running `dalsegno dev`.",
    sort_key=9,
)

ANSWER_TIMEOUT_S = 15.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every command that talks to a cluster."""

    config: Annotated[
        Path | None, Parameter(help="Configuration file (dalsegno.toml).", group=CLUSTER)
    ] = None
    dsn: Annotated[str, Parameter(help="Postgres URL.", group=CLUSTER)] = ""
    nats_url: Annotated[str, Parameter(help="NATS URLs, with commas between.", group=CLUSTER)] = ""
    json: Annotated[bool, Parameter(help="Answer in JSON.", negative="")] = False


COMMON = Common()


def effective(common: Common, **more: str) -> Effective[Config]:
    """The configuration for this command. Raises `Misconfigured`."""
    flags = {"postgres.dsn": common.dsn, "nats.urls": common.nats_url, **more}
    file = configuration_file(common)
    return load_config(flags, os.environ, file, connection_layers(Path.cwd()))


def configuration_file(common: Common) -> Path | None:
    """The one that is named, on the command line or in the environment."""
    named = os.environ.get("DALSEGNO_CONFIG", "")
    return common.config or (Path(named) if named else None)


def configured(common: Common) -> Config:
    return effective(common).value


def log_databases(config: Config) -> tuple[Database, ...]:
    """The databases of all logs. Raises `Misconfigured` when none is configured."""
    found = databases(config)
    if not found:
        raise Misconfigured(
            "postgres.dsn is not set, expected the URL of the log's database: give --dsn, set "
            "DALSEGNO_POSTGRES__DSN, write it in dalsegno.toml, or run in the folder of a running "
            "`dalsegno dev`"
        )
    return found


def keys_of(config: Config) -> Keyring:
    """The keyring. Raises `Misconfigured`."""
    text, source = keys_text(config)
    if not text:
        return NoKeys()
    from orchestrator.adapters.crypto.keyring import keyring

    return keyring(text, config.keys.current, source)


@asynccontextmanager
async def client_of(config: Config, timeout_s: float = ANSWER_TIMEOUT_S) -> AsyncIterator[Client]:
    """A client of the cluster. Raises `Unavailable`; with the mend when no address is set."""
    async with AsyncExitStack() as stack:
        connecting = connect(config.nats, config.prefix, timeout_s)
        try:
            client = await stack.enter_async_context(connecting)
        except Unavailable as error:
            if config.nats.urls != Connection().urls:
                raise
            raise Unavailable(
                f"{error} No other address is configured: give --nats-url, set DALSEGNO_NATS_URL, "
                "or run in the folder of a running `dalsegno dev`"
            ) from error
        yield client


def go(function: Callable[[], Awaitable[T]]) -> T:
    """Runs an async function to its end, as all our processes run theirs. Raises
    `KeyboardInterrupt` for SIGINT, also where the runner takes it for a cancellation: it forgets
    one that comes in the instant after it has begun to listen for it."""
    try:
        return anyio.run(function, backend_options={"use_uvloop": True})
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
