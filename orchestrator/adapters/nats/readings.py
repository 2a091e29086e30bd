"""What a doctor reads of NATS: the server, its JetStream, our streams. Changes nothing."""

import msgspec

from events.codec import decode
from events.connection import Connection
from events.errors import Unavailable
from events.jetstream import API, ApiError, Call, stream_info
from events.streams import Topology
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.session import NobodyAnswers, Session
from orchestrator.insight.diagnosis import NatsReading, StreamReading

TIMEOUT_S = 3.0


class _Limits(msgspec.Struct, frozen=True):
    max_storage: int = -1


class _Account(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    storage: int = 0
    limits: _Limits = _Limits()


class _Config(msgspec.Struct, frozen=True):
    storage: str = ""
    num_replicas: int = 1
    max_bytes: int = -1


class _State(msgspec.Struct, frozen=True):
    bytes: int = 0


class _Stream(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    config: _Config = _Config()
    state: _State = _State()


async def read_nats(connection: Connection, topology: Topology) -> NatsReading:
    """Raises `Unavailable` when NATS cannot be reached, `Misconfigured` when it refuses us."""
    link = Link(connection, "doctor")
    try:
        await link.start()
        session = await link.session()
        return await _read(session, topology)
    finally:
        await link.close()


async def _read(session: Session, topology: Topology) -> NatsReading:
    try:
        answer = await session.ask(Call(f"{API}.INFO"), TIMEOUT_S)
    except NobodyAnswers:
        return NatsReading(version=session.version, jetstream="it is not enabled")
    except Unavailable as error:
        return NatsReading(version=session.version, jetstream=str(error))
    account = decode(answer, _Account, "JetStream's word of the account")
    if account.error is not None:
        return NatsReading(version=session.version, jetstream=account.error.description)
    streams: list[StreamReading] = []
    missing: list[str] = []
    for stream in (topology.commands, topology.reports):
        found = decode(await session.ask(stream_info(stream), TIMEOUT_S), _Stream, stream.name)
        if found.error is not None:
            missing.append(stream.name)
            continue
        streams.append(
            StreamReading(
                name=stream.name,
                storage=found.config.storage,
                replicas=found.config.num_replicas,
                bytes_used=found.state.bytes,
                bytes_max=found.config.max_bytes,
            )
        )
    return NatsReading(
        version=session.version,
        store_used=account.storage,
        store_max=account.limits.max_storage,
        streams=tuple(streams),
        missing=tuple(missing),
    )
