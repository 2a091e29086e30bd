"""The API process: a service over the cluster, served until it is told to stop."""

import time
from importlib.metadata import version
from pathlib import Path

from orchestrator.api.server.app import About, Access, make_app
from orchestrator.api.server.running import listen, serve
from orchestrator.bootstrap import until_signal
from orchestrator.client.direct import direct
from orchestrator.config import Config


async def serve_api(config: Config, access: Access) -> None:
    """Raises `Misconfigured` for what waiting cannot mend, `Unavailable` when Postgres is not
    there."""
    console = Path(config.api.console) if config.api.console else None
    about = About(release=version("dalsegno"), clock=time.monotonic, console=console)
    listener = listen(config.api.host, config.api.port)
    async with until_signal() as stopping, direct(config) as service:
        await serve(make_app(service, access, about), listener, stopping)
