"""The node agent of Dal Segno: it runs tasks on a host and reports what came of them.

What a module with tasks needs:

    from node_agent import TaskContext, TaskError, task

    @task(name="census.parse")
    async def parse(path: str, ctx: TaskContext) -> dict[str, int]: ...
"""

from node_agent.context import TaskContext
from node_agent.errors import TaskCancelled, TaskError
from node_agent.lists import LargeList
from node_agent.signatures import Inputs
from node_agent.tasks import Outcome, interceptor, subprocess_task, task

__all__ = [
    "Inputs",
    "LargeList",
    "Outcome",
    "TaskCancelled",
    "TaskContext",
    "TaskError",
    "interceptor",
    "subprocess_task",
    "task",
]
