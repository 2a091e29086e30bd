"""Running the application until it is told to stop."""

import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import uvicorn
from litestar.types import ASGIApp

from orchestrator.errors import Misconfigured

STOP_S = 3
"""How long requests may take to end; feeds are cut off then, and come back elsewhere."""
LOGGERS = ("uvicorn", "uvicorn.error")

log = logging.getLogger("dalsegno.api")


class Server(uvicorn.Server):
    """Signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(app: ASGIApp, listener: socket.socket, stopping: anyio.Event) -> None:
    """Until it is to stop; then in good order. The listener is closed with it."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    with listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            ws="websockets-sansio",
        )
        log.info("the API listens at %s", url_of(listener))
        server = Server(config)
        async with anyio.create_task_group() as group:
            group.start_soon(_stop, server, stopping)
            await server.serve(sockets=[listener])
            group.cancel_scope.cancel()


async def _stop(server: Server, stopping: anyio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Raises `Misconfigured` when that is not possible there."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
    except OSError as error:
        raise Misconfigured(
            f"api.host {host}, api.port {port}: {error.strerror or error}: choose another address"
        ) from None


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
