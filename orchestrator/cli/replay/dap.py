"""`dalsegno dap`: an adapter by which editors step through runs."""

from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli.common import COMMON, Common, go

PORT_MAX = 65_535


def dap(
    *,
    port: int | None = None,
    definition: Annotated[list[str] | None, Parameter(negative="")] = None,
    common: Common = COMMON,
) -> None:
    """Serve the Debug Adapter Protocol: an editor attaches to a run, or to an exported file, and
    steps through it forwards and backwards. Nothing of it changes the run.

    The editor says what to attach to: `run` or `file`, and as it likes `definition`, `folder`, `at`
    (a version, start, end or failure), `stopOnEntry` and `stepping` (steps or events).

    Parameters
    ----------
    port
        Listen on this port of the loopback interface, 0 for a free one, instead of standard input
        and output. Whoever has an account on this host can then read what this process can read.
    definition
        A file in which a workflow was written; may be repeated. The editor may name more; Python
        files, which are executed, only on standard input and output.

    Examples
    --------
    dalsegno dap
        What an editor starts. It speaks the protocol on standard input and output.
    dalsegno dap --port 4711 --definition examples/pages.py
        For editors that connect.
    """
    from orchestrator.cli.replay.debugging import serve_port, serve_standard

    files = tuple(definition or ())
    if port is None:
        go(lambda: serve_standard(common, files))
    else:
        go(lambda: serve_port(common, files, port))
