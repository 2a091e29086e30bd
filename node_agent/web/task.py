"""The task type `http.request`."""

from collections.abc import Awaitable, Callable

import anyio.to_thread

from node_agent.context import TaskContext
from node_agent.signatures import Inputs
from node_agent.tasks import task
from node_agent.web.answer import Answer, NotAnswered, Reply, judged, unanswered
from node_agent.web.request import Attempted, Request, Sending, sending


@task(name="http.request")
async def http_request(ctx: TaskContext, request: Inputs[Request]) -> Reply:
    """Sends one HTTP request and returns status, headers and body of the response.

    Whether another attempt follows a failure is the step's retry policy, within `retry_on`.
    """
    attempted = Attempted(
        idempotency_key=ctx.idempotency_key,
        traceparent=ctx.traceparent,
        secret=ctx.secrets.get,
    )
    what = sending(request, attempted)
    exchange = await anyio.to_thread.run_sync(_client)
    try:
        answer = await exchange(what, request)
    except NotAnswered as error:
        raise unanswered(request, what, error) from error
    return judged(request, what, answer)


def _client() -> Callable[[Sending, Request], Awaitable[Answer]]:
    """The client is imported when the first request is sent, as most agents send none; in a thread,
    as it takes long and leases have to be renewed meanwhile.
    """
    from node_agent.adapters.http import exchange, trusted  # noqa: PLC0415

    trusted()
    return exchange
