"""`dalsegno coordinator` and `dalsegno agent`: the two long-lived processes."""

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli.collecting import keep_what_is_loaded
from orchestrator.cli.common import COMMON, Common, effective, go, log_databases
from orchestrator.cli.logs import set_up


def coordinator(*, name: str = "", prefix: str = "", common: Common = COMMON) -> None:
    """Run a coordinator until SIGTERM; then it flushes, releases its shards and ends.

    Parameters
    ----------
    name
        Tells coordinators of one cluster apart.
    prefix
        Subject prefix; separates clusters on one NATS.

    Examples
    --------
    dalsegno coordinator --config /etc/dalsegno/dalsegno.toml
    dalsegno coordinator --name second
        Another one stands by, and takes over when the first is lost.
    """
    from orchestrator.bootstrap import run_coordinator

    config = effective(common, **{"coordinator.name": name, "prefix": prefix}).value
    set_up(config.log)
    log_databases(config)
    keep_what_is_loaded()
    go(lambda: run_coordinator(config))


def agent(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Run a node agent until SIGTERM; the arguments are those of `python -m node_agent`.

    Examples
    --------
    dalsegno agent --import examples/examples_tasks.py --node agent-1
    dalsegno agent --help
    """
    os.execv(sys.executable, [sys.executable, "-m", "node_agent", *arguments])  # noqa: S606 -- becomes it
