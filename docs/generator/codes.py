"""Codes: of errors, by their tree, and of failures that the product itself gives."""

import importlib
import pkgutil
from collections.abc import Iterator

from docs.generator.source import doc
from events.errors import DalsegnoError

PRODUCT = ("events", "orchestrator", "node_agent", "dalsegno")

FAILURES = {
    "bad_report": "A node reported what cannot be stored: NaN, an integer over 64 bits, text "
    "that is no Unicode. Final.",
    "call_refused": "A `call` could not start its run: no such workflow, input refused, or too "
    "many levels of runs.",
    "cancelled": "A transactional task was waiting for its next attempt when its run ended.",
    "child_cancelled": "The run that a `call` started was cancelled by somebody else.",
    "expression_failed": "An expression has no value: it divides by zero, mixes types, reads what "
    "is not there.",
    "heartbeat_timeout": "The handler was silent for longer than the heartbeat timeout.",
    "invalid_expression": "A text is no expression. Usually refused at check.",
    "invalid_inputs": "The task's parameters do not accept the inputs. Final.",
    "invalid_wait": "What a `wait` computed is no duration or instant.",
    "lost": "More attempts were lost with their nodes than `limits.losses_max`.",
    "no_progress": "Nothing in the run can go on: a bug of ours, told instead of a run that hangs.",
    "not_transactional": "A node was asked what became of a transaction, and has the task as an "
    "ordinary one. Another one is asked.",
    "payload_too_large": "A value is over its limit; the message names value and limit. Final.",
    "poison_task": "`limits.kills_max` agents died with an attempt of the task. Its dead letter "
    "has the evidence: `dalsegno dead-letter show`.",
    "results_too_large": "The results of a map are together over the limit of a payload.",
    "run_timeout": "The run took longer than its `timeout`.",
    "schedule_to_close_timeout": "The task was not completed in time, attempts and waits counted.",
    "schedule_to_start_timeout": "No attempt was started in time.",
    "signal_timeout": "The signal did not come within the `timeout` of its `wait`.",
    "start_to_close_timeout": "One attempt ran for too long.",
    "terminated": "An operator has ended the run at once, or the run that had started it.",
    "too_few_completed": "Fewer items of a map completed than its rule asks for.",
    "too_many_events": "The run has as many events as a run may have.",
    "too_many_instances": "The loops of the run would make more steps than `limits.instances_max`.",
    "too_many_items": "The list of a map is longer than `limits.map_items_max`.",
    "too_many_iterations": "A loop would begin more iterations than its limit.",
    "too_much_once": "The values that `ctx.once` keeps for the task are over their limit. Final.",
    "within_timeout": "A group of steps was not over within its limit, that of a `within`.",
}
"""Every failure code that the product gives itself; a test finds those that are missing here."""


def tree() -> str:
    _import_all()
    rows = [
        f"| {'&emsp;' * depth}`{kind.code}` | {kind.__name__} | {_described(kind)} |\n"
        for depth, kind in _below(DalsegnoError)
    ]
    return f"| code | class | what it is |\n|---|---|---|\n{''.join(rows)}"


def _import_all() -> None:
    """A class is known to its parent once its module is imported."""
    for package in PRODUCT:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)


def _below(kind: type[DalsegnoError], depth: int = 0) -> Iterator[tuple[int, type[DalsegnoError]]]:
    """Those with a code of their own; a class that only tells more than its parent is left out."""
    for inner in sorted(kind.__subclasses__(), key=lambda one: one.__name__):
        if inner.__module__.partition(".")[0] in PRODUCT and inner.code != kind.code:
            yield depth, inner
            yield from _below(inner, depth + 1)


def _described(kind: type[DalsegnoError]) -> str:
    if "__doc__" not in vars(kind) or not kind.__doc__:
        raise ValueError(f"error {kind.__module__}.{kind.__name__} has no docstring")
    return doc(kind).partition("\n")[0]


def failures() -> str:
    rows = [f"| `{code}` | {text} |\n" for code, text in sorted(FAILURES.items())]
    return f"| code | when |\n|---|---|\n{''.join(rows)}"
