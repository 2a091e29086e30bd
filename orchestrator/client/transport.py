"""Transports of a client: how an operation gets to who carries it out."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from orchestrator.api.operations.operation import Feed, Operation
from orchestrator.api.service.service import Service


class Transport(Protocol):
    async def carry_out(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """The answer, of the type that the operation returns. Raises errors by their codes."""

    def open_feed(
        self, operation: Operation, arguments: Mapping[str, object]
    ) -> Feed[msgspec.Struct]:
        """What a feed tells."""


class InProcess:
    """The service itself: it asks coordinators over NATS, and reads the log in Postgres."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def carry_out(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        answer: object = await getattr(self._service, operation.id)(**arguments)
        return answer

    def open_feed(
        self, operation: Operation, arguments: Mapping[str, object]
    ) -> Feed[msgspec.Struct]:
        feed: Feed[msgspec.Struct] = getattr(self._service, operation.id)(**arguments)
        return feed
