"""A span for each run, recorded when it has ended.

The span's ids are those of the run's trace context, which every command carries, so the spans of
attempts that agents recorded meanwhile are its children. State lives in the log: a coordinator that
dies in between loses nothing but this picture.
"""

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Status, StatusCode

from events.api import RunView
from events.errors import Misconfigured

SAMPLED = "01"
NANOSECONDS = 1000
"""In a microsecond."""


class GivenIds(IdGenerator):
    """Hands out the ids that it was given."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class RunSpans:
    """Records ended runs in batches; `close` sends what has not been sent yet."""

    def __init__(self, exporter: SpanExporter, coordinator: str) -> None:
        self._ids = GivenIds()
        names = {"service.name": "dalsegno-coordinator", "service.instance.id": coordinator}
        self._provider = TracerProvider(
            resource=Resource.create(names), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("dalsegno.coordinator")

    def ended(self, run: RunView, traceparent: str) -> None:
        """Records the span of a run that has ended, unless its trace is not sampled."""
        _, trace, span_id, flags = traceparent.split("-")
        if flags != SAMPLED:
            return
        self._ids.trace, self._ids.span = int(trace, 16), int(span_id, 16)
        span = self._tracer.start_span(
            f"run {run.workflow}",
            context=Context(),
            start_time=(run.started_at or 0) * NANOSECONDS,
            attributes={
                "dalsegno.run_id": run.run_id,
                "dalsegno.workflow": run.workflow,
                "dalsegno.workflow_version": run.workflow_version,
                "dalsegno.status": run.status,
                "dalsegno.version": run.version,
            },
        )
        if run.status != "completed":
            span.set_status(Status(StatusCode.ERROR, run.error.message if run.error else None))
        span.end(end_time=(run.ended_at or 0) * NANOSECONDS)

    def close(self) -> None:
        self._provider.shutdown()


def make_exporter(name: str) -> SpanExporter:
    """Raises `Misconfigured` for an exporter that is unknown or not installed."""
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise Misconfigured(f"OTEL_TRACES_EXPORTER is {name!r}: expected otlp, console or none")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
    except ImportError as error:
        raise Misconfigured(
            "OTEL_* asks for traces over OTLP and the exporter is not installed: install the extra "
            "`otlp`, or set OTEL_TRACES_EXPORTER=none"
        ) from error
    return OTLPSpanExporter()
