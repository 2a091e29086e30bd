"""The scenarios' workflows, whose outputs are known."""

from events.definition import (
    Case,
    ChoiceStep,
    Definition,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
)
from events.policies import Retry
from events.values import Value

AGAIN = Retry(kind="fixed", initial_s=0.3, attempts_max=6)


def add(step_id: str, left: str, takes_s: float = 0.05) -> TaskStep:
    inputs: dict[str, Value] = {"left": left, "takes_s": takes_s}
    return TaskStep(id=step_id, task="e2e.add", inputs=inputs, retry=AGAIN)


def chain(length: int = 6) -> Definition:
    """Adds one at each step: the output is `length` + input."""
    steps = [add("s0", "${ input.n }")]
    steps += [add(f"s{i}", f"${{ steps.s{i - 1}.output }}") for i in range(1, length)]
    return Definition(name="chain", steps=tuple(steps))


def mixed() -> Definition:
    """Parallel branches, a retry, a thread, a choice and a variable: the output is 4 + 4 * n."""
    thread: dict[str, Value] = {"left": "${ input.n }", "takes_s": 0.2}
    branches: dict[str, tuple[Step, ...]] = {
        "a": (add("a", "${ input.n }", 0.2),),
        "b": (
            TaskStep(
                id="b",
                task="e2e.flaky",
                inputs={"left": "${ input.n }"},
                retry=AGAIN,
            ),
        ),
        "c": (TaskStep(id="c", task="e2e.thread", inputs=thread, retry=AGAIN),),
        "d": (
            add("d0", "${ input.n }", 0.1),
            SetStep(id="d1", variables={"d": "${ steps.d0.output }"}),
        ),
    }
    total = "${ steps.a.output + steps.b.output + steps.c.output + vars.d }"
    return Definition(
        name="mixed",
        steps=(
            ParallelStep(id="work", branches=branches),
            SetStep(id="sum", variables={"total": total}),
            ChoiceStep(
                id="sign",
                cases=(
                    Case(
                        when="vars.total > 0",
                        steps=(
                            add("last", "${ vars.total - 1 }"),
                            SetStep(id="some", variables={"end": "${ steps.last.output }"}),
                        ),
                    ),
                ),
                default=(SetStep(id="none", variables={"end": 0}),),
            ),
        ),
        output={"total": "${ vars.end }"},
    )
