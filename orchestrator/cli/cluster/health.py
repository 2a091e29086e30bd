"""`dalsegno health`: is it there, and does it work? For health checks of containers and units."""

from typing import Annotated

import anyio
from cyclopts import Parameter

from events.api import Hello, Here, ListNodes, Nodes
from events.errors import Misconfigured, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.output import print_json
from orchestrator.config import Config

ASK_AGAIN_S = 0.05
LOOK_AGAIN_S = 0.2
WELL = ("healthy", "draining")


def health(
    *,
    coordinator: str = "",
    node: str = "",
    timeout_s: Annotated[float, Parameter(name="--timeout-s")] = 5.0,
    common: Common = COMMON,
) -> None:
    """Ask whether a coordinator answers and what is named is well. Exit code 0 if so, 4 if not.

    Parameters
    ----------
    coordinator
        This one has to answer, not any.
    node
        This one has to be known to the coordinators, healthy or draining.
    timeout_s
        Longest wait until all of it is so.

    Examples
    --------
    dalsegno health --timeout-s 2
    dalsegno health --node agent-1
    """
    if timeout_s <= 0:
        raise Misconfigured(f"--timeout-s is {timeout_s:g}: expected more than 0")
    config = configured(common)
    here = go(lambda: _ask(config, coordinator, node, timeout_s))
    if common.json:
        print_json({"coordinator": here.coordinator, "release": here.release, "node": node})
    else:
        print(f"{here.coordinator} answers" + (f", {node} is well" if node else ""))


async def _ask(config: Config, coordinator: str, node: str, timeout_s: float) -> Here:
    try:
        with anyio.fail_after(timeout_s):
            async with client_of(config, timeout_s) as client:
                here = await _hello(client, coordinator)
                if node:
                    await _look_for(client, node)
                return here
    except TimeoutError:
        whom = coordinator or "a coordinator"
        raise Unavailable(f"no answer from {whom} within {timeout_s:g} s") from None


async def _hello(client: Client, coordinator: str) -> Here:
    """Any coordinator answers a greeting, so it is repeated until the right one does."""
    while True:
        answer = await client.request(Hello())
        if isinstance(answer, Here) and coordinator in {"", answer.coordinator}:
            return answer
        await anyio.sleep(ASK_AGAIN_S)


async def _look_for(client: Client, node: str) -> None:
    """Until it is well: right after its start it is not known yet. Raises `Unavailable` with how it
    is, just before the time is over."""
    while True:
        answer = await client.request(ListNodes())
        found = answer.nodes if isinstance(answer, Nodes) else ()
        status = next((one.status for one in found if one.node == node), "not known")
        if status in WELL:
            return
        if anyio.current_time() + 2 * LOOK_AGAIN_S > anyio.current_effective_deadline():
            raise Unavailable(f"the node {node} is {status}")
        await anyio.sleep(LOOK_AGAIN_S)
