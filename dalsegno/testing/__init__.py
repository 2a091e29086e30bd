"""The test kit: a cluster in memory under virtual time, for tests of your own workflows.

    from dalsegno.testing import dalsegno_env

    async with dalsegno_env(tasks=[fetch]) as env:
        env.fake("payments.charge", returns={"receipt": 1})
        run = await env.start(flow, input={"order": 7})
        assert await run.result() == {"receipt": 1}

It works in any test runner, with asyncio; `run_workflow` needs no coroutine.
"""

from dalsegno.testing.env import Env, dalsegno_env, run_workflow
from dalsegno.testing.errors import Stuck, WorkflowFailed
from dalsegno.testing.fakes import Call
from dalsegno.testing.history import Replayed, replay_history
from dalsegno.testing.nodes import Node
from dalsegno.testing.run import Run

__all__ = [
    "Call",
    "Env",
    "Node",
    "Replayed",
    "Run",
    "Stuck",
    "WorkflowFailed",
    "dalsegno_env",
    "replay_history",
    "run_workflow",
]
