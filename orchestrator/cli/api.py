"""`dalsegno api`: serve the HTTP API and the console."""

from pathlib import Path

from orchestrator.cli.common import COMMON, Common, configured, go, log_databases
from orchestrator.cli.logs import set_up


def api(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    console: Path | None = None,
    common: Common = COMMON,
) -> None:
    """Serve the HTTP API and the console until SIGTERM.

    Parameters
    ----------
    host
        Address to listen at.
    port
        Port to listen at; 0: a free one.
    console
        Folder with the built pages of the console, in place of the packaged ones.

    Examples
    --------
    dalsegno api
        In the folder of a running `dalsegno dev`: http://127.0.0.1:8080/
    """
    from orchestrator.api.server.app import make_app
    from orchestrator.api.server.running import serve
    from orchestrator.client.direct import direct

    config = configured(common)
    set_up(config.log)
    log_databases(config)

    async def run() -> None:
        async with direct(config) as service:
            await serve(make_app(service, console), host, port)

    go(run)
