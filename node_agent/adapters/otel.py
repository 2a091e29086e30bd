"""OpenTelemetry: a span for each attempt, child of the run's trace, as an interceptor.

Nothing is done, and nothing of it imported, unless an `OTEL_*` variable asks for traces: a
recording span costs more than most of the path that it would measure. Whether a run is sampled was
decided where its trace began; the sampler follows the parent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from events.errors import Misconfigured
from events.telemetry import traces_exporter
from node_agent.context import TaskContext
from node_agent.errors import TaskCancelled, TaskError
from node_agent.tasks import Arguments, Handler, Interceptor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer


class Tracing(msgspec.Struct, frozen=True):
    """`close` sends what has not been sent yet."""

    interceptor: Interceptor
    close: Callable[[], None]


def tracing(environment: Mapping[str, str], node: str) -> Tracing | None:
    """Returns None when nobody asked for traces.

    Raises `Misconfigured` for an exporter that is not there.
    """
    wanted = traces_exporter(environment)
    return None if wanted is None else traced_by(_exporter(wanted), node)


def traced_by(exporter: SpanExporter, node: str) -> Tracing:
    """Returns the interceptor whose spans go to `exporter`, in batches."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- only when asked for
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    attributes = {"service.name": "dalsegno-agent", "service.instance.id": node}
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("dalsegno.node_agent")
    return Tracing(_interceptor(tracer, node), provider.shutdown)


def _interceptor(tracer: Tracer, node: str) -> Interceptor:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 -- only when asked for
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    propagator = TraceContextTextMapPropagator()

    async def trace(ctx: TaskContext, arguments: Arguments, proceed: Handler) -> object:
        parent = propagator.extract({"traceparent": ctx.traceparent}) if ctx.traceparent else None
        with tracer.start_as_current_span(
            f"task {ctx.task}",
            context=parent,
            attributes={
                "dalsegno.run_id": ctx.run_id,
                "dalsegno.step": ctx.step,
                "dalsegno.attempt": ctx.attempt,
                "dalsegno.workflow": ctx.workflow,
                "dalsegno.node": node,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await proceed(ctx, arguments)
            except TaskCancelled:
                span.set_attribute("dalsegno.cancelled", True)
                raise
            except TaskError as error:
                span.set_status(Status(StatusCode.ERROR, error.failure_code))
                raise
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    return trace


def _exporter(name: str) -> SpanExporter:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

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
