"""What a check accepts compiles to a net that ends exactly once and leaves nothing behind."""

import random

from hypothesis import given
from hypothesis import strategies as st

from events.codec import encode
from events.definition import Definition
from events.net import Choice
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import check, compile_net, workflow_version
from orchestrator.authoring.compile import canonical
from orchestrator.authoring.walk import spots
from tests.unit.authoring.nets import Game, definitions

EXPRESSIONS = CelExpressions()


@given(definition=definitions())
def test_an_accepted_definition_has_a_net_with_every_step_in_it(definition: Definition) -> None:
    report = check(definition, EXPRESSIONS)

    assert report.problems == ()
    assert report.net is not None
    names = [step.name for step in report.net.steps if step.name]
    assert sorted(names) == sorted(spot.step.id for spot in spots(definition))
    ids = [step.id for step in report.net.steps]
    assert len(set(ids)) == len(ids)
    arcs = [arc.id for arc in report.net.arcs]
    assert len(set(arcs)) == len(arcs)


@given(definition=definitions(), seed=st.integers(0, 2**32))
def test_a_net_ends_exactly_once_with_no_token_left(definition: Definition, seed: int) -> None:
    game = Game(compile_net(definition, EXPRESSIONS), random.Random(seed).choice)
    game.play()

    assert game.ends == 1
    assert game.left_over == {}
    assert game.most_on_an_arc == 1
    once = [step_id for step_id in game.fired if game.scope_of(step_id) == ""]
    assert max(map(once.count, once)) == 1


@given(definition=definitions(), seed=st.integers(0, 2**32))
def test_what_did_not_run_was_skipped_by_a_choice_or_is_a_handler(
    definition: Definition, seed: int
) -> None:
    net = compile_net(definition, EXPRESSIONS)
    game = Game(net, random.Random(seed).choice)
    game.play()

    skips = [step.action.skips for step in net.steps if isinstance(step.action, Choice)]
    skipped = {
        name
        for by_arc in skips
        for arc, names in by_arc.items()
        if arc in game.taken
        for name in names
    }
    not_run = {
        step.name
        for step in net.steps
        if step.name and step.id not in game.fired and not step.scope
    }
    handlers = {
        spot.step.id
        for spot in spots(definition)
        if any("on_error" in one.block for one in spot.chain)
    }
    inside = {step.name for step in net.steps if step.scope}
    assert not skipped - not_run - inside
    assert not_run - skipped <= handlers


@given(definition=definitions())
def test_the_version_names_the_content_and_not_its_order(definition: Definition) -> None:
    again = canonical(definition)

    assert workflow_version(again) == workflow_version(definition)
    assert encode(compile_net(again, EXPRESSIONS)) == encode(compile_net(definition, EXPRESSIONS))
