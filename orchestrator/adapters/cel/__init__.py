"""The expression engine: CEL by the `common-expression-language` package (ADR 0008)."""

from orchestrator.adapters.cel.engine import CelExpressions

__all__ = ["CelExpressions"]
