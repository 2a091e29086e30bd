"""Each rule of a run is broken once by hand, and found under its name."""

from collections.abc import Callable

import anyio
import pytest
from msgspec.structs import replace

from events import run_facts as r
from events import task_facts as t
from events.catalogue import Catalogue
from events.envelope import Head, Stamp, seal
from events.facts import Enabled, Fact, Failure, Flow
from events.ids import run_stream
from events.net import Net
from events.references import Payload
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.errors import Misconfigured, MissingKey
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.settling import ABANDONED
from orchestrator.replay.audit.dependencies import Dependencies
from orchestrator.replay.audit.findings import NAMES, Finding, ignored_checks
from orchestrator.replay.audit.verify import Verifier
from tests.builders import NOW, RUN_ID, Play, parallel, started, task, workflow

Change = Callable[[list[Fact]], list[Fact]]


class OneNet(Verifier):
    """A verifier that knows the run's net without its definition in the log."""

    def __init__(self, store: MemoryStore, net: Net, ignored: frozenset[str]) -> None:
        super().__init__(store, Catalogue(), 4, ignored=ignored)
        self._one = Dependencies(net)

    async def _load_net(self, workflow: str, version: str) -> Dependencies:
        return self._one


def found(
    play: Play,
    facts: list[Fact],
    at: Callable[[int], int] = lambda number: NOW,
    ignored: frozenset[str] = frozenset({"run_index", "fold", "invariants"}),
    kind: type[MemoryStore] = MemoryStore,
) -> list[tuple[str, int]]:
    """What an audit says of a run with these facts."""
    store, head = kind(MemoryLog(lambda: NOW)), Head(run_stream(RUN_ID))
    for number, fact in enumerate(facts):
        stamp = Stamp(recorded_at=at(number), causation=str(number))
        event = seal(head, fact, f"e{number}", stamp)
        store.log._streams.setdefault(head.stream, []).append(event)
    verified = anyio.run(OneNet(store, play.net.net, ignored).run, RUN_ID)
    assert verified is not None
    return [(finding.check, finding.version) for finding in verified.findings]


def two_steps() -> Play:
    return started(workflow(task("a"), task("b"))).finish()


def of(facts: list[Fact], kind: type[Fact]) -> int:
    return next(number for number, fact in enumerate(facts) if isinstance(fact, kind))


def test_a_sound_run_keeps_every_rule() -> None:
    play = two_steps()
    assert found(play, play.facts) == []


def test_a_task_that_was_not_dispatched_cannot_complete() -> None:
    play = two_steps()
    facts = list(play.facts)
    del facts[of(facts, t.TaskDispatched)]
    assert ("transitions", 2) in found(play, facts)


def test_another_attempt_than_the_next_is_found() -> None:
    play = two_steps()
    facts = list(play.facts)
    at = of(facts, t.TaskDispatched)
    facts[at] = replace(facts[at], attempt=3)
    assert found(play, facts)[0] == ("transitions", at + 1)


def test_a_run_that_ends_gives_out_only_what_settles_a_transaction() -> None:
    play = started(workflow(task("a")))
    play.place("a", transactional=True)
    play.cancel()
    play.give_back("a")
    play.place("a")
    play.fail("a", ABANDONED)
    facts = list(play.facts)
    assert found(play, facts) == []
    del facts[of(facts, t.TaskSettling)]
    assert "transitions" in {check for check, _ in found(play, facts)}


def test_a_run_that_is_paused_dispatches_nothing() -> None:
    play = two_steps()
    facts = list(play.facts)
    facts.insert(of(facts, t.TaskDispatched), r.RunPaused())
    assert ("transitions", 3) in found(play, facts)


def test_a_run_is_resumed_only_when_it_is_paused() -> None:
    play = two_steps()
    facts = list(play.facts)
    facts.insert(1, r.RunResumed(shift_us=0))
    assert found(play, facts) == [("transitions", 2)]


def test_a_fact_after_the_end_is_found() -> None:
    play = two_steps()
    assert ("transitions", 7) in found(play, [*play.facts, r.RunPaused()])


def test_an_event_that_was_recorded_before_the_one_before_it_is_found() -> None:
    play = two_steps()
    assert found(play, play.facts, lambda n: NOW - (n == 3)) == [("times", 4)]


def test_a_task_that_ended_long_before_it_began_is_found() -> None:
    play = two_steps()
    facts = list(play.facts)
    at = of(facts, t.TaskCompleted)
    facts[at] = replace(facts[at], started_at=NOW, ended_at=NOW - 301 * MICROSECONDS)
    assert found(play, facts) == [("times", at + 1)]
    facts[at] = replace(facts[at], started_at=NOW, ended_at=NOW - 300 * MICROSECONDS)
    assert found(play, facts) == []


def test_a_start_long_before_the_dispatch_is_found() -> None:
    play = two_steps()
    facts = list(play.facts)
    at = of(facts, t.TaskCompleted)
    early = NOW - 301 * MICROSECONDS
    facts[at] = replace(facts[at], started_at=early, ended_at=NOW)
    assert found(play, facts) == [("times", at + 1)]


def test_a_retry_before_its_time_is_found() -> None:
    play = started(workflow(task("a")))
    failing = t.AttemptFailed(
        step="a", attempt=1, failure=_failure(), next_attempt_at=NOW + 10, delay_s=1.0
    )
    play.place_all()
    facts = [*play.facts, failing, t.TaskRetryDue(step="a")]
    assert found(play, facts, lambda n: NOW) == [("times", 4)]
    assert found(play, facts, lambda n: NOW + 10 * (n == 3)) == []


def test_a_step_that_was_reached_too_early_is_found() -> None:
    play = started(workflow(task("a"), task("b")))
    facts = list(play.facts)
    first = facts[0]
    assert isinstance(first, r.RunStarted)
    both = (*first.flow.enabled, Enabled(step="b"))
    facts[0] = replace(first, flow=replace(first.flow, enabled=both))
    assert found(play, facts) == [("dependencies", 1)]


def test_a_join_waits_for_every_branch() -> None:
    play = started(workflow(parallel(x=task("x"), y=task("y")), task("z")))
    play.place_all()
    play.complete("x")
    facts = list(play.facts)
    at = len(facts) - 1
    early = Flow(enabled=(Enabled(step="z"),))
    facts[at] = replace(facts[at], flow=early)
    assert ("dependencies", at + 1) in found(play, facts)


class Keyless(MemoryStore):
    async def load_payload(self, hash_: str) -> bytes | None:
        raise MissingKey(f"payload {hash_}: key k1 is needed")


@pytest.mark.parametrize(("kind", "check"), [(MemoryStore, "payloads"), (Keyless, "keys")])
def test_a_stored_value_that_is_missing_or_sealed_is_found(
    kind: type[MemoryStore], check: str
) -> None:
    play = started(workflow(task("a")))
    facts = list(play.facts)
    hash_ = Payload.of(b"[1]").hash
    value = {"$ref": "list", "count": 1, "bytes": 3, "chunks": [{"count": 1, "hash": hash_}]}
    facts[0] = replace(facts[0], input=value)
    assert found(play, facts, kind=kind) == [(check, 1)]


def test_what_is_ignored_is_not_told() -> None:
    play = two_steps()
    facts = list(play.facts)
    facts.insert(1, r.RunResumed(shift_us=0))
    some = frozenset({"run_index", "transitions"})
    assert found(play, facts, ignored=some) == []


def test_an_unknown_check_cannot_be_ignored() -> None:
    with pytest.raises(Misconfigured, match="expected one of chain, keys, batch"):
        ignored_checks(["chains"])


@pytest.mark.parametrize("name", NAMES)
def test_every_check_says_what_to_do(name: str) -> None:
    assert Finding(check=name, version=1, message="", run_id="r1").mend


def _failure() -> Failure:
    return Failure(code="x")
