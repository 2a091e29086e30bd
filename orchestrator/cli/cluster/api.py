"""`dalsegno api`: serve the HTTP API and the console."""

from pathlib import Path
from typing import TYPE_CHECKING

from events.errors import Misconfigured
from orchestrator.cli.common import COMMON, Common, effective, go, log_databases
from orchestrator.cli.logs import set_up
from orchestrator.config import Config, tokens_text

if TYPE_CHECKING:
    from orchestrator.api.server.app import Access


def api(
    *,
    host: str = "",
    port: int | None = None,
    console: Path | None = None,
    common: Common = COMMON,
) -> None:
    """Serve the HTTP API and the console until SIGTERM.

    Nobody is asked for a token as long as only this machine can reach it. At any other address
    there have to be tokens, and it does not begin without.

    Parameters
    ----------
    host
        Address to listen at; 127.0.0.1 unless it is configured.
    port
        Port to listen at, 0 for a free one; 8080 unless it is configured.
    console
        Folder with the built pages of the console, in place of the packaged ones.

    Examples
    --------
    dalsegno api
        In the folder of a running `dalsegno dev`; the console is at http://127.0.0.1:8080/
    dalsegno api --host 0.0.0.0 --config /etc/dalsegno/dalsegno.toml
        For others too: the file names their tokens, or DALSEGNO_API_TOKENS has them.
    """
    given = {
        "api.host": host,
        "api.port": "" if port is None else str(port),
        "api.console": "" if console is None else str(console),
    }
    config = effective(common, **given).value
    set_up(config.log)
    log_databases(config)
    access = access_of(config)

    async def run() -> None:
        from orchestrator.client.serving import serve_api

        await serve_api(config, access)

    go(run)


def access_of(config: Config) -> "Access":
    """Who may ask. Raises `Misconfigured` where others could reach it without a token."""
    from orchestrator.api.server.app import Access
    from orchestrator.api.server.guard import is_loopback
    from orchestrator.api.server.tokens import read_tokens

    tokens = read_tokens(*tokens_text(config))
    loopback = is_loopback(config.api.host)
    if not (loopback or tokens):
        raise Misconfigured(
            f"api.host is {config.api.host}, which others can reach, and there are no tokens: make "
            "one with `dalsegno api-token new NAME --file FILE` and set api.tokens_file, or listen "
            "at 127.0.0.1"
        )
    return Access(tokens=tokens, loopback=loopback, hosts=config.api.hosts)
