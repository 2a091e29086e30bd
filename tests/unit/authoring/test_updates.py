"""Updates as authors declare them."""

import pytest

from events.definition import Update
from events.limits import Limits
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Workflow, check, compile_net, dump, read_yaml

STEPS = "steps:\n  - {id: zero, set: {limit: 1}}\n  - {id: a, task: t}\n"
TEXT = (
    f"workflow: w\n{STEPS}"
    "updates:\n"
    "  raise:\n"
    "    accept: update.limit > vars.limit && steps.a.output == null\n"
    "    set: {limit: '${ update.limit }', by: '${ run.id }'}\n"
    "  note: {set: {text: '${ update }'}}\n"
)


def test_updates_are_read_built_compiled_and_written_again() -> None:
    definition = read_yaml(TEXT).definition
    flow = Workflow("w")
    flow.set("zero", limit=1)
    done = flow.task("a", "t")
    condition = (flow.update.limit > flow.vars.limit) & (done.output == None)  # noqa: E711
    flow.accept_update("raise", condition, limit=flow.update.limit, by=flow.run.id)
    flow.accept_update("note", text=flow.update)
    built = flow.definition()
    assert (
        built.updates["note"]
        == definition.updates["note"]
        == Update(variables={"text": "${ update }"})
    )
    assert built.updates["raise"].variables == definition.updates["raise"].variables
    assert built.steps == definition.steps
    assert read_yaml(dump(definition)).definition == definition
    report = check(definition, CelExpressions())
    assert report.problems == ()
    net = compile_net(definition, CelExpressions())
    assert net.updates["raise"].accept == definition.updates["raise"].accept


@pytest.mark.parametrize(
    ("update", "where", "words"),
    [
        ("x: {set: {}}", "updates.x.set", "sets no variable"),
        ("x: {set: {'a b': 1}}", "updates.x.set.a b", "the variable 'a b' is not valid"),
        ("'x y': {set: {a: 1}}", "updates.x y", "the update 'x y' is not valid"),
        ("x: {accept: 'a b', set: {a: 1}}", "updates.x.accept", ""),
        ("x: {accept: vars.nope, set: {a: 1}}", "updates.x.accept", "vars.nope is set nowhere"),
        ("x: {accept: steps.q.output, set: {a: 1}}", "updates.x.accept", "an update reads"),
        ("x: {set: {a: '${ steps.zero.output }'}}", "updates.x.set.a", "`zero` has no output"),
        ("x: {set: {a: '${ iteration.item }'}}", "updates.x.set.a", "an update reads"),
    ],
)
def test_a_wrong_update_is_refused_at_its_place(update: str, where: str, words: str) -> None:
    authored = read_yaml(f"workflow: w\n{STEPS}updates:\n  {update}\n")
    report = check(authored.definition, CelExpressions(), places=authored.places)
    found = {problem.where: problem for problem in report.problems}
    assert where in found, report.problems
    assert words in found[where].message
    assert found[where].place is not None


def test_an_update_cannot_read_inside_a_loop_and_there_are_only_so_many() -> None:
    steps = "steps: [{id: l, for_each: [1], steps: [{id: a, task: t}]}]\n"
    text = f"workflow: w\n{steps}updates: {{x: {{set: {{v: '${{ steps.a.output }}'}}}}}}\n"
    (problem,) = check(read_yaml(text).definition, CelExpressions()).problems
    assert "read steps.l.output" in problem.message
    (problem,) = check(
        read_yaml(TEXT).definition, CelExpressions(), limits=Limits(updates_max=1)
    ).problems
    assert "over 1 updates" in problem.message
