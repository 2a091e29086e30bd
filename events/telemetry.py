"""Whether traces are asked for: only by OpenTelemetry's own variables, and never by default."""

from collections.abc import Mapping

ASKING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)


def traces_exporter(environment: Mapping[str, str]) -> str | None:
    """The name of the exporter that the environment asks for, None when it asks for none."""
    wanted = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip()
    asked = any(environment.get(name) for name in ASKING)
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return wanted if asked and not disabled and wanted != "none" else None
