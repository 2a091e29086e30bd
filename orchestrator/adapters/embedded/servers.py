"""Both servers side by side, for one command that brings everything."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.adapters.embedded.nats import EmbeddedNats
from orchestrator.adapters.embedded.postgres import EmbeddedPostgres


class EmbeddedServers:
    """A Postgres and a NATS that get ready at the same time and end together.

    Args:
        data_folder: keeps the data of both, in `postgres` and `nats`; None for temporary ones.
        postgres_port: None for a free one.
        nats_port: None for a free one.
        postgres_options: as for `EmbeddedPostgres`.
    """

    def __init__(
        self,
        data_folder: Path | None = None,
        *,
        postgres_port: int | None = None,
        nats_port: int | None = None,
        postgres_options: Mapping[str, str] | None = None,
    ) -> None:
        postgres_folder = None if data_folder is None else data_folder / "postgres"
        nats_folder = None if data_folder is None else data_folder / "nats"
        self.postgres = EmbeddedPostgres(
            postgres_folder, port=postgres_port, options=postgres_options
        )
        self.nats = EmbeddedNats(nats_folder, port=nats_port)

    def start(self) -> None:
        """Begin to start both; raises what the servers' own `start` raises."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            # Postgres first: while its folder is made, the other one starts.
            self.postgres.start()
            self.nats.start()
            undo.pop_all()

    def wait_ready(self) -> None:
        """Return when both serve clients; raises what the servers' own `wait_ready` raises."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.postgres.wait_ready()
            self.nats.wait_ready()
            undo.pop_all()

    def stop(self) -> None:
        """End both. Safe to call at any time."""
        try:
            self.nats.stop()
        finally:
            self.postgres.stop()

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
