"""Telemetry of the coordinator: a trace a run, through OpenTelemetry."""
