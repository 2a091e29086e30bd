"""Console: evaluating what a person types, and proposing how it could go on."""

import re
from collections.abc import Iterator

from events.values import Value
from orchestrator.dap.looking import Look
from orchestrator.dap.replica import Replica
from orchestrator.dap.values import Row
from orchestrator.kernel.expressions import ExpressionFailed, Expressions
from orchestrator.replay.recording import Recording
from orchestrator.replay.why.reasons import why_event

_TEMPLATE = re.compile(r"\s*\$\{(.*)\}\s*", re.DOTALL)
_TAIL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_0-9]*)*$|$")
ROOTS = ("input", "vars", "steps", "run", "state", "event", "change", "step")
FUNCTIONS = ("has", "size", "string", "int", "double", "matches", "contains", "startsWith")
PROPOSED_MAX = 200


def evaluated(text: str, look: Look, expressions: Expressions, replica: Replica) -> Row:
    """The value of an expression, or of a text of a definition that is one. The id of a step is
    its outcome. Raises `ExpressionFailed`."""
    found = _TEMPLATE.fullmatch(text)
    expression = (found[1] if found else text).strip()
    if expression in replica.layout.stands:
        expression = f"steps.{expression}"
    value = look.evaluate(expression, expressions)
    is_path = re.fullmatch(r"[\w.]+", expression) is not None
    return Row(name="", value=value, path=expression if is_path else "")


def completions(text: str, look: Look, replica: Replica) -> list[tuple[str, int]]:
    """What the name at the end of a text could be, and how many characters of it are there."""
    tail = _TAIL.search(text)
    typed = "" if tail is None else tail[0]
    above, dot, begun = typed.rpartition(".")
    names = _below(above, look, replica) if dot else _roots(look)
    found = [name for name in dict.fromkeys(names) if name.startswith(begun)]
    return [(name, len(begun)) for name in found[:PROPOSED_MAX]]


def story(recording: Recording, version: int) -> str:
    """What led to the event at a version, from the beginning on, and why it came about."""
    reason = why_event(recording, version)
    chain = [f"{link.version:>6}  {link.sentence}" for link in reason.chain]
    return "\n".join([*chain, f"{version:>6}  {reason.sentence}"])


def _roots(look: Look) -> Iterator[str]:
    yield from ROOTS
    if look.is_inside:
        yield "iteration"
    yield from FUNCTIONS


def _below(above: str, look: Look, replica: Replica) -> Iterator[str]:
    if above == "steps":
        yield from replica.layout.stands
        return
    try:
        value: Value = look.resolve(above)
    except ExpressionFailed:
        return
    if isinstance(value, dict):
        yield from (key for key in value if key.isidentifier())
