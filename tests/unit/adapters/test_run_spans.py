"""A trace a run: the span of a run has the ids that its attempts' spans name as their parent."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from events.api import ErrorView, RunView
from events.ids import traceparent
from events.telemetry import traces_exporter
from orchestrator.adapters.otel.runs import RunSpans


def view(status: str) -> RunView:
    error = ErrorView(code="boom", message="it broke") if status == "failed" else None
    return RunView(
        run_id="r1",
        workflow="w",
        workflow_version="v",
        version=4,
        status=status,
        error=error,
        started_at=1_000_000,
        ended_at=3_500_000,
    )


def test_span_has_the_ids_and_instants_of_the_run() -> None:
    exporter = InMemorySpanExporter()
    spans = RunSpans(exporter, "c1")
    context = traceparent("r1")
    spans.ended(view("failed"), context)
    spans.close()
    (span,) = exporter.get_finished_spans()
    found = span.get_span_context()
    assert found is not None
    assert f"00-{found.trace_id:032x}-{found.span_id:016x}-01" == context
    assert (span.start_time, span.end_time) == (1_000_000_000, 3_500_000_000)
    assert span.status.description == "it broke"


def test_unsampled_runs_leave_no_span() -> None:
    exporter = InMemorySpanExporter()
    spans = RunSpans(exporter, "c1")
    spans.ended(view("completed"), traceparent("r1")[:-2] + "00")
    spans.close()
    assert exporter.get_finished_spans() == ()


def test_traces_are_off_unless_asked_for() -> None:
    assert traces_exporter({}) is None
    assert traces_exporter({"OTEL_TRACES_EXPORTER": "none"}) is None
    assert traces_exporter({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}) == "otlp"
    on = {"OTEL_TRACES_EXPORTER": "console"}
    assert traces_exporter(on) == "console"
    assert traces_exporter({**on, "OTEL_SDK_DISABLED": "true"}) is None
