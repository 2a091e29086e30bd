"""What a step that waits was reached with: its instant or signal, from its rendered template."""

from events.facts import Waiting
from events.net import Wait
from events.values import Value
from orchestrator.kernel.durations import instant, seconds
from orchestrator.kernel.env import Env
from orchestrator.kernel.expressions import ExpressionFailed


class InvalidWait(ExpressionFailed):
    """What a template gave is no duration or instant."""

    code = "invalid_wait"


def template_of(wait: Wait) -> dict[str, Value]:
    """What of a wait may hold expressions."""
    parts: dict[str, Value] = {
        "for": wait.duration,
        "until": wait.until or None,
        "correlation": wait.correlation,
    }
    return {name: value for name, value in parts.items() if value is not None}


def waiting(step_id: str, wait: Wait, values: dict[str, Value], env: Env) -> Waiting:
    """Raises `InvalidWait`."""
    if wait.signal:
        return Waiting(
            step=step_id,
            due_at=env.due(wait.timeout_s),
            signal=wait.signal,
            correlation=values.get("correlation"),
        )
    try:
        if wait.until:
            return Waiting(step=step_id, due_at=instant(values.get("until")), absolute=True)
        duration_s = seconds(values.get("for"))
    except ValueError as error:
        what = "until" if wait.until else "for"
        raise InvalidWait(f"what {step_id} is to wait {what}: {error}") from error
    if duration_s > env.limits.duration_s_max:
        raise InvalidWait(f"{step_id} is to wait {duration_s} s, over {env.limits.duration_s_max}")
    return Waiting(step=step_id, due_at=env.after(duration_s))
