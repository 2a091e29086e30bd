"""A real HTTP server for tests: answers as it is told, one scripted answer a request."""

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

DEADLINE_S = 10.0


class Scripted(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `stalls`: it never comes, and `Service.gone` tells when the client hangs up;
    `is_cut`: the connection ends in the middle of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}
    stalls: bool = False
    is_cut: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `headers` have names in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Service:
    """`script` is answered in order; when it is used up the last answer is given again."""

    def __init__(self, *script: Scripted) -> None:
        self._script = list(script) or [Scripted()]
        self.seen: list[Seen] = []
        self.asked = threading.Event()
        self.gone = threading.Event()
        self._closing = threading.Event()
        self.url = ""

    def answer(self, request: Seen) -> Scripted:
        self.seen.append(request)
        self.asked.set()
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """Waits until the client hangs up, or this server closes."""
        while not self._closing.is_set():
            readable, _, _ = select.select([handler.connection], [], [], 0.05)
            if readable and not handler.connection.recv(1024):
                self.gone.set()
                return

    def close(self) -> None:
        self._closing.set()


@contextmanager
def serving(*script: Scripted) -> Iterator[Service]:
    """A server on the loopback address while the block runs."""
    service = Service(*script)

    class Handler(_Handler):
        asked = service

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield service
        finally:
            service.close()
            server.shutdown()
            thread.join(DEADLINE_S)


class _Handler(BaseHTTPRequestHandler):
    asked: Service

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        request = Seen(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        said = self.asked.answer(request)
        if said.stalls:
            self.asked.stall(self)
            return
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        more = 10 if said.is_cut else 0
        self.send_header("Content-Length", str(len(said.body) + more))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any  # noqa: N815

    def log_message(self, format: str, *parts: object) -> None:  # noqa: A002 -- as it is called
        pass
