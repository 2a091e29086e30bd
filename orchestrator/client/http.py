"""Operations over HTTP.

A request is sent again when nobody answered it: what only asks as it is, what changes something
under an idempotency key, which is made up where none is given. So it is carried out once. A feed
that breaks off is opened again behind the last message that came.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import cast
from urllib.parse import quote

import anyio
import msgspec

from events.errors import BY_CODE, DalsegnoError, Rejected, Unavailable
from orchestrator.adapters.http.connection import PLACE, HttpConnection, Message, Question, Reply
from orchestrator.api.errors import CODES
from orchestrator.api.operations.operation import HEADERS, Operation
from orchestrator.api.shapes import DefinitionProblem, Problem
from orchestrator.authoring.problems import InvalidDefinition, Place
from orchestrator.authoring.problems import Problem as Complaint

KEY, LAST = "idempotency_key", "last_event_id"
PAUSE_FIRST_S, PAUSE_LAST_S = 0.1, 2.0
END = "end"
Arguments = Mapping[str, object]


class HttpTransport:
    """`timeout_s`: how long one request may take, beyond what it asks the server to wait;
    `patience_s`: how long it is sent again while nobody answers."""

    def __init__(
        self,
        connection: HttpConnection,
        fresh_key: Callable[[], str],
        timeout_s: float,
        patience_s: float,
    ) -> None:
        self._connection = connection
        self._fresh_key = fresh_key
        self._timeout_s = timeout_s
        self._patience_s = patience_s

    async def carry_out(self, operation: Operation, arguments: Arguments) -> object:
        given = operation.flat(arguments)
        has_key = any(one.name == KEY for one in operation.arguments)
        if has_key and not given.get(KEY):
            given[KEY] = self._fresh_key()
        question = question_of(operation, given)
        wait_s = given.get("wait_s", 0.0)
        timeout_s = self._timeout_s + (wait_s if isinstance(wait_s, int | float) else 0.0)
        return answer_of(operation, await self._patiently(question, timeout_s))

    async def _patiently(self, question: Question, timeout_s: float) -> Reply:
        """Raises `Unavailable` when nobody answered in all the time."""
        until, pause_s = anyio.current_time() + self._patience_s, PAUSE_FIRST_S
        while True:
            try:
                reply = await self._connection.ask(question, timeout_s)
                if reply.status != 503 or anyio.current_time() + pause_s > until:
                    return reply
            except Unavailable:
                if anyio.current_time() + pause_s > until:
                    raise
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LAST_S)

    @asynccontextmanager
    async def open_feed(
        self, operation: Operation, arguments: Arguments
    ) -> AsyncIterator[AsyncIterator[msgspec.Struct]]:
        """Raises what the server refuses it with."""
        given = operation.flat(arguments)
        messages = self._messages(operation, given)
        async with aclosing(messages):
            # The first thing that comes says that it is open, or why not.
            await anext(messages)
            yield _told(operation, messages)

    async def _messages(
        self, operation: Operation, given: dict[str, object]
    ) -> AsyncGenerator[Message | None]:
        """None as soon as the feed is open; then its messages, until it ends."""
        until, pause_s, opened = anyio.current_time() + self._patience_s, PAUSE_FIRST_S, False
        while True:
            try:
                async with self._connection.stream(question_of(operation, given)) as told:
                    refusal, messages = told
                    if refusal is not None:
                        raise error_of(refusal)
                    if not opened:
                        opened = True
                        yield None
                    async for message in messages:
                        if message.name == END:
                            return
                        given[LAST] = message.id
                        if message.name == PLACE:
                            continue
                        until, pause_s = anyio.current_time() + self._patience_s, PAUSE_FIRST_S
                        yield message
                raise Unavailable(f"the feed {operation.id} broke off, and does not come back")
            except Unavailable:
                if anyio.current_time() + pause_s > until:
                    raise
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LAST_S)


async def _told(
    operation: Operation, messages: AsyncIterator[Message | None]
) -> AsyncIterator[msgspec.Struct]:
    decoder = msgspec.json.Decoder(cast("type[msgspec.Struct]", operation.returns))
    async for message in messages:
        if message is not None:
            yield decoder.decode(message.data)


def question_of(operation: Operation, given: Arguments) -> Question:
    """The request that asks for an operation with these arguments; defaults are left out."""
    path, query, body = operation.path, list[tuple[str, str]](), dict[str, object]()
    headers: dict[str, str] = {}
    for one in operation.arguments:
        if one.name not in given:
            continue
        value = given[one.name]
        if one.place == "path":
            path = path.replace(f"{{{one.name}}}", quote(str(value), safe=""))
        elif not one.required and value == one.default:
            continue
        elif one.place == "query":
            query += ((one.wire, text) for text in _texts(value))
        elif one.place == "header":
            headers[HEADERS[one.name]] = str(value)
        else:
            body[one.wire] = value
    sent = None if operation.method != "POST" else msgspec.json.encode(body)
    return Question(method=operation.method, path=path, query=query, headers=headers, body=sent)


def _texts(value: object) -> list[str]:
    """As they stand in a query."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return [str(value)]


def answer_of(operation: Operation, reply: Reply) -> object:
    """Raises what it was refused with, and `Unavailable` for what is no answer of ours."""
    if reply.status >= 300:
        raise error_of(reply)
    try:
        return msgspec.json.decode(reply.body, type=cast("type[object]", operation.returns))
    except msgspec.MsgspecError as error:
        raise Unavailable(f"the answer to {operation.id} is not one of ours: {error}") from error


def error_of(reply: Reply) -> DalsegnoError:
    """What a problem says, as the error that its code names."""
    try:
        told = msgspec.json.decode(reply.body, type=Problem)
    except msgspec.MsgspecError:
        return Unavailable(f"the API answers {reply.status}, and not with a problem of ours")
    if told.code == InvalidDefinition.code:
        return InvalidDefinition(map(_complaint, told.problems))
    kind = CODES.get(told.code) or BY_CODE.get(told.code, Rejected)
    return kind(told.detail)


def _complaint(problem: DefinitionProblem) -> Complaint:
    place = problem.place
    return Complaint(
        code=problem.code,
        where=problem.where,
        message=problem.message,
        place=None if place is None else Place(place.line, place.column),
    )
