"""Running the application until it is told to stop."""

import uvicorn
from litestar.types import ASGIApp


async def serve(app: ASGIApp, host: str, port: int) -> None:
    """Until SIGTERM or SIGINT; feeds are ended, other requests answered first."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        ws="websockets-sansio",
    )
    await uvicorn.Server(config).serve()
