"""Spans: one for each attempt, in the run's trace, and none unless asked for."""

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from events.errors import Misconfigured
from node_agent import TaskCancelled, TaskContext, TaskError
from node_agent.adapters.otel import Tracing, traced_by, tracing
from node_agent.credentials import NoSecrets
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.tasks import Arguments
from tests.unit.node_agent.fakes import FakeLists, execute

pytestmark = pytest.mark.anyio
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    made = traced_by(exporter, "n1")
    yield made
    made.close()


def context(traceparent: str) -> TaskContext:
    command = msgspec.structs.replace(execute(), traceparent=traceparent, workflow="w")
    return TaskContext(
        command,
        1,
        lambda sign: None,
        NoSecrets(),
        lists=ListReader(FakeLists()),
        keeper=Keeper(lambda kept: None),
    )


async def answer(ctx: TaskContext, arguments: Arguments) -> object:
    return 42


async def test_an_attempt_is_a_span_of_its_runs_trace(
    traces: Tracing, exporter: InMemorySpanExporter
) -> None:
    assert await traces.interceptor(context(PARENT), {}, answer) == 42
    traces.close()
    (span,) = exporter.get_finished_spans()
    assert span.name == "task t"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE
    assert span.attributes is not None
    assert span.attributes["dalsegno.run_id"] == "run-1"
    assert span.attributes["dalsegno.attempt"] == 1
    assert span.resource.attributes["service.instance.id"] == "n1"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_run_that_is_not_sampled_is_not_traced(
    traces: Tracing, exporter: InMemorySpanExporter
) -> None:
    await traces.interceptor(context(UNSAMPLED), {}, answer)
    traces.close()
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("error", "status", "description"),
    [
        (TaskError("no_luck"), StatusCode.ERROR, "no_luck"),
        (ValueError("x"), StatusCode.ERROR, "ValueError"),
        (TaskCancelled(), StatusCode.UNSET, None),
    ],
)
async def test_failures_mark_their_span(
    traces: Tracing,
    exporter: InMemorySpanExporter,
    error: Exception,
    status: StatusCode,
    description: str | None,
) -> None:
    async def failing(ctx: TaskContext, arguments: Arguments) -> object:
        raise error

    with pytest.raises(type(error)):
        await traces.interceptor(context(PARENT), {}, failing)
    traces.close()
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (status, description)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_nothing_is_traced_unless_asked_for(environment: dict[str, str]) -> None:
    assert tracing(environment, "n1") is None


def test_an_unknown_exporter_is_refused() -> None:
    with pytest.raises(Misconfigured, match="expected otlp, console or none"):
        tracing({"OTEL_TRACES_EXPORTER": "jaeger"}, "n1")


def test_an_agent_that_does_not_trace_does_not_import_the_library() -> None:
    code = "import sys, node_agent.bootstrap; print('opentelemetry.sdk' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
