"""The task type `http.request`."""

from node_agent.context import TaskContext
from node_agent.signatures import Inputs
from node_agent.tasks import task
from node_agent.web.answer import NotAnswered, Reply, judged, unanswered
from node_agent.web.request import Attempted, Request, sending


@task(name="http.request")
async def http_request(ctx: TaskContext, request: Inputs[Request]) -> Reply:
    """Sends one HTTP request and returns status, headers and body of the response.

    Whether another attempt follows a failure is the step's retry policy, within `retry_on`.
    """
    # Only agents that send pay for the client's import, a tenth of a second of every start.
    from node_agent.adapters.http import exchange  # noqa: PLC0415

    attempted = Attempted(
        idempotency_key=ctx.idempotency_key,
        traceparent=ctx.traceparent,
        secret=ctx.secrets.get,
    )
    what = sending(request, attempted)
    try:
        answer = await exchange(what, request)
    except NotAnswered as error:
        raise unanswered(request, what, error) from error
    return judged(request, what, answer)
