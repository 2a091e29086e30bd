"""The guard: who may come in, before anything is read.

Host      at a loopback address only names of this machine are taken: a page on the internet
          whose name is made to point here (DNS rebinding) would else be of the same origin
Origin    a request that a browser sends for a page of another site is refused, as are its
          WebSockets: there is nobody else to whom the browser's right to ask belongs
token     as soon as there are any, all of `/api` and `/metrics` asks for one; health, the
          document and the pages of the console are open
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import cast
from urllib.parse import unquote, urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils import normalize_path

from events.errors import DalsegnoError
from orchestrator.api.errors import Forbidden, Unauthorized
from orchestrator.api.server.problems import problem_of, response_bytes
from orchestrator.api.server.tokens import Tokens

ACTOR = "actor"
"""In the state of a request: who asks."""
ANYBODY = "user"
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
GUARDED = ("/api/", "/metrics/")
COOKIE = "dalsegno_token"
POLICY_VIOLATION = 1008


class Guard:
    """Stands before the application. `hosts`: names by which it may be called besides those of this
    machine; empty at an address that others can reach: any."""

    def __init__(
        self, app: ASGIApp, tokens: Tokens, *, loopback: bool, hosts: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = {host.lower() for host in hosts}
        self._any_host = not loopback and not self._hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if cast("str", scope["type"]) not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope), normalize_path(_quoted_path(scope))
        try:
            self._check_site(headers)
            actor = self._actor(path, headers)
        except DalsegnoError as error:
            await _refuse(scope, receive, send, error)
            return
        told = cast("MutableMapping[str, object]", scope)
        told["state"] = {**cast("dict[str, object]", told.get("state") or {}), ACTOR: actor}
        told["path"] = path  # the one that was judged, whatever else would be made of it
        await self._app(scope, receive, send)

    def _check_site(self, headers: "Headers") -> None:
        """Raises `Forbidden`."""
        host = headers.one("host")
        name = _host_name(host)
        if not (self._any_host or name in LOCAL or name in self._hosts):
            raise Forbidden(
                f"the Host header is {host[:100]!r}: expected a name of this machine; for another "
                "one set api.hosts"
            )
        origin = headers.one("origin")
        if origin and urlsplit(origin).netloc.lower() != host.lower():
            raise Forbidden(f"the request comes from {origin[:100]!r}, another site than {host!r}")

    def _actor(self, path: str, headers: "Headers") -> str:
        """Raises `Unauthorized`."""
        if not self._tokens or not f"{unquote(path)}/".startswith(GUARDED):
            return ANYBODY
        name = self._tokens.name(headers.token)
        if name is None:
            raise Unauthorized(
                "a token is needed that is known here: send it as `Authorization: Bearer …`; "
                "`dalsegno api-token new` makes one"
            )
        return f"user:{name}"


class Headers:
    """Of a request; names in small letters."""

    def __init__(self, scope: Scope) -> None:
        self._all = [(_text(name).lower(), _text(value)) for name, value in scope["headers"]]

    def one(self, name: str) -> str:
        return next((value for key, value in self._all if key == name), "")

    @property
    def token(self) -> str:
        """Empty where there is none."""
        scheme, _, token = self.one("authorization").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        try:
            found = SimpleCookie(self.one("cookie")).get(COOKIE)
        except CookieError:
            return ""
        return "" if found is None else found.value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _quoted_path(scope: Scope) -> str:
    """As it was sent: names in paths may have slashes, which stay quoted."""
    raw = cast("Mapping[str, object]", scope).get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if isinstance(raw, bytes) else scope["path"]


def _host_name(host: str) -> str:
    """Without its port."""
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


async def _refuse(scope: Scope, receive: Receive, send: Send, error: DalsegnoError) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await receive()
        told = problem_of(error)
        close = {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": told.code}
        await _sent(send)(close)
        return
    status, headers, body = response_bytes(error)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await _sent(send)(start)
    await _sent(send)({"type": "http.response.body", "body": body})


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _sent(send: Send) -> Callable[[dict[str, object]], Awaitable[None]]:
    return cast("Callable[[dict[str, object]], Awaitable[None]]", send)
