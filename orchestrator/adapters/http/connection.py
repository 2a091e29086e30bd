"""A connection to an HTTP server: requests with their answers, and streams of events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpx
import msgspec

from events.errors import Misconfigured, Unavailable
from events.redaction import redact_text

SILENCE_S = 45.0
"""How long a stream may say nothing: a server says at least something every 15 seconds."""
PLACE = "place"

Pairs = Sequence[tuple[str, str]]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`path` with what has to be quoted quoted."""

    method: str
    path: str
    query: Pairs = ()
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Reply(msgspec.Struct, frozen=True):
    status: int
    media_type: str
    body: bytes


class Message(msgspec.Struct, frozen=True):
    """A server-sent event. `name` is `message` where it has none, and `place` for an id alone: so
    far has been told, without anything to tell."""

    id: str
    name: str
    data: str


class HttpConnection:
    """Open it as an async context manager. `app`: an application in this process, in place of a
    server."""

    def __init__(self, url: str, token: str, timeout_s: float, app: object | None = None) -> None:
        """Raises `Misconfigured` for what is no address."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = None if app is None else httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        self.url = url.rstrip("/")
        try:
            self._client = httpx.AsyncClient(
                base_url=self.url,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, read=timeout_s),
                transport=transport,
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise Misconfigured(f"{url!r} is no address of an API: {error}") from None

    async def ask(self, question: Question, timeout_s: float | None = None) -> Reply:
        """Raises `Unavailable` when nobody answers."""
        request = self._request(question)
        if timeout_s is not None:
            request.extensions["timeout"] = httpx.Timeout(timeout_s).as_dict()
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            raise self._away(error) from error
        return Reply(response.status_code, _media_type(response), response.content)

    @asynccontextmanager
    async def stream(
        self, question: Question
    ) -> AsyncIterator[tuple[Reply | None, AsyncIterator[Message]]]:
        """The reply that refuses it, or None and the messages. Raises `Unavailable`, also when the
        stream breaks off."""
        request = self._request(question)
        request.extensions["timeout"] = httpx.Timeout(SILENCE_S).as_dict()
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._away(error) from error
        try:
            if response.status_code == 200:
                yield None, self._messages(response)
            else:
                body = await response.aread()
                yield Reply(response.status_code, _media_type(response), body), _nothing()
        finally:
            await response.aclose()

    async def _messages(self, response: httpx.Response) -> AsyncIterator[Message]:
        fields: dict[str, str] = {}
        try:
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield Message(
                        fields.get("id", ""), fields.get("event", "message"), fields["data"]
                    )
                    fields = {}
                elif "id" in fields:
                    yield Message(fields["id"], PLACE, "")
                    fields = {}
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _request(self, question: Question) -> httpx.Request:
        headers = dict(question.headers)
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        return self._client.build_request(
            question.method,
            question.path,
            params=list(question.query),
            headers=headers,
            content=question.body,
        )

    def _away(self, error: Exception) -> Unavailable:
        said = redact_text(str(error)) or type(error).__name__
        return Unavailable(f"the API at {redact_text(self.url)} does not answer: {said}", True)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()


def _media_type(response: httpx.Response) -> str:
    said: str = response.headers.get("content-type", "")
    return said.partition(";")[0].strip()


async def _nothing() -> AsyncIterator[Message]:
    return
    yield
