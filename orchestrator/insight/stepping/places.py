"""Places that a session is told in words: breakpoints and instants."""

from datetime import UTC, datetime

from events.errors import Rejected
from orchestrator.kernel.durations import instant, seconds
from orchestrator.kernel.expressions import Expressions
from orchestrator.replay.stops import OnError, OnStep, OnType, Stop, Together, condition

MICROSECONDS = 1_000_000
FORMS = (
    "`event task.failed`, `step NAME`, `error [CODE]` or `when EXPR`, each but the last with "
    "`when EXPR` behind it"
)
INSTANTS = "an instant such as 2026-12-24T18:00Z, a time of day such as 07:05:25, or +2s"
DAY_S = 86_400


def stop_of(text: str, expressions: Expressions) -> Stop:
    """The breakpoint that a text says. Raises `Rejected`, `InvalidExpression`."""
    kind, _, rest = text.partition(" ")
    if kind == "when" and rest.strip():
        return condition(rest.strip(), expressions)
    plain, _, source = f"{rest} ".partition(" when ") if " when " in f" {rest}" else (rest, "", "")
    if rest.startswith("when "):
        plain, source = "", rest.removeprefix("when ")
    found = _plain(kind, plain.strip())
    if not source.strip():
        return found
    step = plain.strip() if kind == "step" else ""
    return Together((found, condition(source.strip(), expressions, step)))


def _plain(kind: str, argument: str) -> Stop:
    match kind, argument:
        case "event", str() if argument:
            return OnType(argument)
        case "step", str() if argument:
            return OnStep(argument)
        case "error", _:
            return OnError(argument)
        case _:
            raise Rejected(f"{f'{kind} {argument}'.strip()!r} is no breakpoint: expected {FORMS}")


def instant_of(text: str, begun_at: int) -> int:
    """Microseconds. A time of day is of the day on which the run began, or the next one where it
    would be before that. Raises `Rejected`."""
    given = text.strip()
    try:
        if given.startswith("+"):
            return begun_at + round(seconds(given[1:].strip()) * MICROSECONDS)
        if "T" not in given and ":" in given:
            return _of_day(given, begun_at)
        return instant(given)
    except ValueError:
        raise Rejected(f"{text!r} is no time: expected {INSTANTS}") from None


def _of_day(text: str, begun_at: int) -> int:
    """Raises `ValueError`."""
    day = datetime.fromtimestamp(begun_at // MICROSECONDS, UTC).date().isoformat()
    parts = text if text.count(":") > 1 else f"{text}:00"
    at = instant(f"{day}T{parts}Z")
    whole_second = begun_at - begun_at % MICROSECONDS
    return at if at >= whole_second else at + DAY_S * MICROSECONDS
