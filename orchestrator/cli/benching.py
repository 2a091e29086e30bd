"""`dalsegno bench`."""

import msgspec

from orchestrator.cli.bench import Plan, measure
from orchestrator.cli.common import go


def bench(*, runs: int = 2000, in_flight: int = 1000, agents: int = 2, json: bool = False) -> None:
    """Measure durable task executions a second on this machine, on embedded servers.

    Parameters
    ----------
    runs
        How many runs of ten tasks.
    in_flight
        How many of them at a time.
    agents
        How many agent processes.
    json
        Answer in JSON.
    """
    plan = Plan(runs=runs, in_flight=in_flight, agents=agents)
    figures = go(lambda: measure(plan))
    if json:
        print(msgspec.json.encode(figures).decode())
        return
    for name, value in msgspec.structs.asdict(figures).items():
        print(f"{name:24} {value:>12}")
