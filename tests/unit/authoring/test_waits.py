"""Waits as authors write them: read, built, checked, written again."""

import pytest

from events.definition import Handler, SetStep, WaitStep
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Workflow, check, dump, read_yaml

HEAD = "workflow: w\nsteps:\n"


def read(*steps: str) -> tuple[object, ...]:
    return read_yaml(HEAD + "".join(f"  - {step}\n" for step in steps)).definition.steps


def test_every_form_of_a_wait_is_read_and_written_again() -> None:
    text = HEAD + (
        "  - {id: a, wait: {for: 1h30m}}\n"
        "  - {id: b, wait: {for: '${ input.pause }'}}\n"
        "  - {id: c, wait: {until: 2026-12-24T18:00:00Z}, when: input.x}\n"
        "  - id: d\n"
        "    wait: {signal: approved, correlation: {order: '${ input.n }'}, timeout: 2d}\n"
        "    on_error: [{codes: [signal_timeout], steps: [{id: e, set: {late: true}}]}]\n"
    )
    definition = read_yaml(text).definition
    assert definition.steps == (
        WaitStep(id="a", duration=5400.0),
        WaitStep(id="b", duration="${ input.pause }"),
        WaitStep(id="c", until="2026-12-24T18:00:00Z", when="input.x"),
        WaitStep(
            id="d",
            signal="approved",
            correlation={"order": "${ input.n }"},
            timeout_s=172_800.0,
            on_error=(
                Handler(
                    codes=("signal_timeout",), steps=(SetStep(id="e", variables={"late": True}),)
                ),
            ),
        ),
    )
    assert read_yaml(dump(definition)).definition == definition
    assert check(definition, CelExpressions()).is_accepted


def test_the_builder_says_the_same() -> None:
    flow = Workflow("w")
    flow.sleep("a", "1h30m")
    flow.sleep("b", flow.input.pause)
    flow.wait_until("c", "2026-12-24T18:00:00Z").when("input.x")
    approval = flow.wait_for("d", "approved", correlation={"order": flow.input.n}, timeout="2d")
    with approval.on_error("signal_timeout"):
        flow.set("e", late=True)
    flow.set("f", by=approval.output.by)
    assert flow.definition().steps == read(
        "{id: a, wait: {for: 5400}}",
        "{id: b, wait: {for: '${ input.pause }'}}",
        "{id: c, wait: {until: 2026-12-24T18:00:00Z}, when: input.x}",
        "{id: d, wait: {signal: approved, correlation: {order: '${ input.n }'}, timeout: 2d}, "
        "on_error: [{codes: [signal_timeout], steps: [{id: e, set: {late: true}}]}]}",
        "{id: f, set: {by: '${ steps.d.output.by }'}}",
    )


@pytest.mark.parametrize(
    ("step", "where", "words"),
    [
        ("wait: {}", "steps[0].wait", "exactly one of for, until, signal; found none"),
        ("wait: {for: 1s, signal: x}", "steps[0].wait", "found for and signal"),
        ("wait: {for: 1s, timeout: 1s}", "steps[0].wait", "go with `signal`"),
        ("wait: {signal: 'a b'}", "steps[0].wait.signal", "the signal 'a b' is not valid"),
        ("wait: {until: tomorrow}", "steps[0].wait.until", "'tomorrow' is no instant"),
        ("wait: {for: 4000d}", "steps[0].wait.for", "over"),
        ("wait: {signal: x, timeout: 0}", "steps[0].wait.timeout", "expected more than 0"),
        ("wait: {for: '${ input. }'}", "steps[0].wait.for", ""),
        (
            "{wait: {signal: x}, on_error: [{codes: ['a b'], steps: []}]}",
            "steps[0].on_error[0].codes[0]",
            "the code",
        ),
    ],
)
def test_a_wrong_wait_is_refused_at_its_place(step: str, where: str, words: str) -> None:
    inner = step.removeprefix("{").removesuffix("}") if step.startswith("{") else step
    authored = read_yaml(HEAD + f"  - {{id: a, {inner}}}\n")
    report = check(authored.definition, CelExpressions(), places=authored.places)
    found = {problem.where: problem for problem in report.problems}
    assert where in found, report.problems
    assert words in found[where].message
    assert found[where].place is not None
