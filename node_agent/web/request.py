"""The inputs of `http.request`, and from them what is sent."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from events.codec import encode
from events.limits import HTTP_RESPONSE_BYTES_MAX, HTTP_TIMEOUT_S_MAX, KEY_CHARS_MAX
from events.values import Value
from node_agent.errors import TaskError

INVALID = "http_invalid_request"

Url = Annotated[str, Meta(pattern=r"^https?://", max_length=8_192)]
Code = Annotated[int, Meta(ge=100, le=599)]
Status = Annotated[str, Meta(pattern=r"^[1-5](xx|[0-9][0-9])$")] | Code
Reason = Annotated[str, Meta(pattern=r"^([1-5](xx|[0-9][0-9])|connection|timeout)$")] | Code
Scalar = str | int | float | bool | None
Redirects = Literal["same_host", "none", "any"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request. `accept`, `retry_on`: statuses (`404`) and classes of them (`5xx`)."""

    url: Url
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}
    """Texts in which `{name}` stands for a secret of the node."""
    query: dict[str, Scalar | list[Scalar]] = {}
    """Added to the URL's own; a null leaves its parameter out."""
    json: Value | UnsetType = UNSET
    body: str | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=HTTP_TIMEOUT_S_MAX)] = 30.0
    """Seconds for all of it, redirects and the response's body included."""
    accept: tuple[Status, ...] = ("2xx",)
    """With these the task completes."""
    retry_on: tuple[Reason, ...] = ("5xx", 408, 429, "connection", "timeout")
    """After these another attempt is worth it; after all others the task fails for good."""
    retry_after_max_s: Annotated[float, Meta(ge=0)] = 300.0
    """The longest `Retry-After` that is respected, in seconds."""
    idempotency_header: str = "Idempotency-Key"
    redirects: Redirects = "same_host"
    response: Literal["auto", "json", "text", "none"] = "auto"
    response_bytes_max: Annotated[int, Meta(ge=1, le=HTTP_RESPONSE_BYTES_MAX)] = 128 * 1024
    keep_headers: tuple[str, ...] = ("content-type", "etag", "last-modified", "link", "location")
    """Of the response, in the output."""


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """What goes over the wire. `secrets` are the values that must not be seen anywhere else,
    `secret_names` the headers that hold them.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    secrets: tuple[str, ...] = ()
    secret_names: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Method and URL for people: without the query, in which there may be anything."""
        return f"{self.method} {place_of(self.url)}"


class Attempted(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the attempt that sends."""

    idempotency_key: str
    traceparent: str
    secret: Callable[[str], str]


def sending(request: Request, attempted: Attempted) -> Sending:
    """Raises `TaskError` (`http_invalid_request`, never retried) for what cannot be sent, and
    whatever `attempted.secret` raises.
    """
    _check_url(request.url)
    if request.json is not UNSET and request.body is not None:
        raise _invalid("there are `json` and `body`: give one of them")
    secrets: list[str] = []
    plain = dict(_plain_headers(request, attempted))
    hidden = {
        name: _filled(name, text, attempted.secret, secrets)
        for name, text in request.secret_headers.items()
    }
    headers = [*plain.items(), *hidden.items()]
    _check_headers(headers)
    content = request.body.encode() if request.body is not None else None
    return Sending(
        method=request.method,
        url=request.url,
        query=tuple(_query(request)),
        headers=tuple(headers),
        content=content if request.json is UNSET else encode(request.json),
        secrets=tuple(secrets),
        secret_names=frozenset(name.lower() for name in hidden),
    )


def place_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


# -- the URL --------------------------------------------------------------------------------------


def _check_url(url: str) -> None:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _invalid("`url` has spaces or control characters: encode them as %20 and the like")
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid("`url` has no host: expected https://host/path")
    if parts.username is not None or parts.password is not None:
        raise _invalid(
            "`url` holds credentials, which would be in the log: use `secret_headers`, "
            'such as {Authorization: "Bearer {name_of_a_secret}"}'
        )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _invalid(f"`url` cannot be read: {error}") from error
    return parts


def _query(request: Request) -> Iterator[tuple[str, str]]:
    for name, value in request.query.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield name, one if isinstance(one, str) else encode(one).decode()


# -- headers --------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_PLACE = re.compile(r"\{([^{}]*)\}")
_OURS = frozenset({"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def _plain_headers(request: Request, attempted: Attempted) -> Iterator[tuple[str, str]]:
    """The author's, and those that go with every request unless the author gives them."""
    given = {name.lower() for name in (*request.headers, *request.secret_headers)}
    for name in request.headers:
        if name.lower() in _SECRET:
            raise _invalid(
                f"header {name} would be in the log: give it as `secret_headers`, in which "
                "{name} stands for a secret of the node"
            )
    if request.json is not UNSET and "content-type" not in given:
        yield "Content-Type", "application/json"
    if request.idempotency_header:
        yield request.idempotency_header, _key(attempted.idempotency_key)
    if attempted.traceparent and "traceparent" not in given:
        yield "traceparent", attempted.traceparent
    yield from request.headers.items()


def _key(key: str) -> str:
    """The key itself where it is fit for a header, else its digest: as stable, and as unique."""
    if len(key) <= KEY_CHARS_MAX and re.fullmatch(r"[\x21-\x7e]+", key):
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _filled(name: str, text: str, secret: Callable[[str], str], found: list[str]) -> str:
    """`text` with the secrets that it names; they are added to `found`."""
    if not _PLACE.search(text):
        raise _invalid(
            f"secret header {name} names no secret: expected a text with one in braces, such as "
            '"Bearer {payments.token}"'
        )

    def look_up(match: re.Match[str]) -> str:
        value = secret(match[1])
        if not _VALUE.fullmatch(value):
            raise _invalid(
                f"secret {match[1]!r} cannot stand in a header: it has characters that one "
                "cannot have, such as a line end"
            )
        found.append(value)
        return value

    return _PLACE.sub(look_up, text)


def _check_headers(headers: list[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, value in headers:
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise _invalid(f"{name!r} is no name of a header")
        if lower in _OURS:
            raise _invalid(f"header {name} is set by the agent: leave it out")
        if lower in seen:
            raise _invalid(f"header {name} is there twice")
        if not _VALUE.fullmatch(value):
            raise _invalid(f"header {name} has characters that a header cannot have")
        seen.add(lower)


def _invalid(message: str) -> TaskError:
    return TaskError(INVALID, message, retryable=False)
