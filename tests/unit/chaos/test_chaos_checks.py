"""The checkers of a chaos session find what they are there for: each is shown a broken promise."""

from collections.abc import Callable

import msgspec
import pytest

from events import run_facts as r
from events import task_facts as t
from events.api import RunView
from events.envelope import Event, Header
from events.facts import Fact
from tests.chaos.checks import check
from tests.chaos.evidence import Evidence, Recorded
from tests.chaos.flows import input_of
from tests.chaos.handlers import Line
from tests.chaos.load import Started

RUN = "waits-1"
N = 5
SIGNAL_ID = "waits-1-told"


class World:
    """A run of two tasks that went well, to be spoilt in one point."""

    def __init__(self) -> None:
        self.facts: list[Fact] = [
            r.RunStarted(run_id=RUN, workflow="waits", workflow_version="v", input=input_of(N)),
            r.SignalReceived(id=SIGNAL_ID, name="go"),
            t.TaskCompleted(step="first", attempt=1, output=N + 1),
            t.TaskCompleted(step="last", attempt=2, output=N + 2),
            t.TaskCompleted(step="pay", attempt=1),
            t.OnceRecorded(step="part", attempt=1, name="first", value="a"),
            r.RunCompleted(output=N + 2),
        ]
        self.epochs = [3, 3, 4, 4, 4, 4, 4]
        self.paid = {f"{RUN}/pay~0": 1}
        self.lines = [
            line("first", 1, "start", 100),
            line("first", 1, "end", 150),
            line("last", 1, "start", 210),
            line("last", 2, "start", 250),
            line("last", 2, "end", 260),
            line("pay", 1, "start", 420),
            line("pay", 1, "end", 430),
            line("part", 1, "did first", 580, "a"),
            line("part", 1, "saw first", 610, "a"),
        ]
        view = RunView(
            run_id=RUN, workflow="waits", workflow_version="v", version=5, status="completed"
        )
        self.client = Started(
            run_id=RUN,
            workflow="waits",
            n=N,
            asked_at_s=0.0,
            accepted=True,
            signalled=True,
            end=view,
        )

    def violations(self) -> list[str]:
        log = [self._recorded(version) for version in range(1, len(self.facts) + 1)]
        ledger: dict[str, list[Line]] = {}
        for one in self.lines:
            ledger.setdefault(one.key, []).append(one)
        streams = {f"run:{RUN}": log} if log else {}
        return check(
            Evidence(log=log, streams=streams, ledger=ledger, leases=[], paid=self.paid),
            {RUN: self.client},
        )

    def _recorded(self, version: int) -> Recorded:
        """The event of version n committed at n * 100 microseconds."""
        fact = self.facts[version - 1]
        header = Header(
            id=f"e{version}",
            stream=f"run:{RUN}",
            version=version,
            type=fact.TYPE,
            recorded_at=version * 100,
            epoch=self.epochs[version - 1],
        )
        return Recorded(Event(header, fact, ""), version, version * 100)


def line(step: str, attempt: int, what: str, at_us: int, value: str = "") -> Line:
    return Line(
        what=what,
        key=f"{RUN}/{step}~0",
        attempt=attempt,
        token=attempt,
        pid=1,
        wall_us=at_us,
        monotonic_us=at_us,
        value=value,
    )


def test_a_sound_session_has_no_violation() -> None:
    assert World().violations() == []


def start_after_completion(it: World) -> None:
    it.lines.append(line("first", 2, "start", 301))


def complete_twice(it: World) -> None:
    it.facts[3] = t.TaskCompleted(step="first", attempt=1)


def complete_without_effect(it: World) -> None:
    it.lines = [one for one in it.lines if one.what == "start"]


def lower_the_token(it: World) -> None:
    it.lines[3] = msgspec.structs.replace(it.lines[3], token=1)


def execute_for_nobody(it: World) -> None:
    it.lines.append(msgspec.structs.replace(it.lines[0], key="other/first~0"))


def append_with_an_older_epoch(it: World) -> None:
    it.epochs[6] = 3


def go_on_after_the_end(it: World) -> None:
    it.facts[3], it.facts[6] = it.facts[6], it.facts[3]


def end_wrongly(it: World) -> None:
    it.facts[6] = r.RunCompleted(output=N)


def tell_another_end(it: World) -> None:
    assert it.client.end is not None
    it.client.end = msgspec.structs.replace(it.client.end, status="failed")


def never_end(it: World) -> None:
    it.client.end = None


def forget_the_signal(it: World) -> None:
    it.facts[1] = t.TaskRetryDue(step="first")


def signal_twice(it: World) -> None:
    it.facts[2] = it.facts[1]


def forget_the_run(it: World) -> None:
    it.facts = []


def start_it_twice(it: World) -> None:
    it.client.refused.append("made once more")


def go_on_with_another_value(it: World) -> None:
    it.lines.append(line("part", 2, "saw first", 720, "b"))


def go_on_too_early(it: World) -> None:
    it.lines[-1] = line("part", 1, "saw first", 590, "a")


def do_a_part_again(it: World) -> None:
    it.lines.append(line("part", 2, "did first", 620, "b"))


def pay_twice(it: World) -> None:
    it.paid = dict.fromkeys(it.paid, 2)


def pay_nothing(it: World) -> None:
    it.paid = {}


def pay_for_nobody(it: World) -> None:
    it.paid["other/pay~0"] = 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (start_after_completion, "first~0@2 was started 0.0 ms after its completion"),
        (complete_twice, "first~0 has 2 completions"),
        (complete_without_effect, "first~0@1 is completed without end"),
        (lower_the_token, "the token of waits-1/last~0 does not grow"),
        (execute_for_nobody, "other/first~0 was executed, and its run is not in the log"),
        (append_with_an_older_epoch, "version 7 of epoch 3, after epoch 4"),
        (go_on_with_another_value, "part~0 went on with b, while a is recorded"),
        (go_on_too_early, "0.0 ms before that was recorded"),
        (pay_twice, "pay~0 has 2 effects"),
        (pay_nothing, "pay~0 is completed without its effect"),
        (pay_for_nobody, "other/pay~0 has an effect and no completion"),
        (do_a_part_again, "did first again, 0.0 ms after"),
        (go_on_after_the_end, "its last event is TaskCompleted"),
        (end_wrongly, "which it could not have undisturbed"),
        (tell_another_end, "a client was told failed"),
        (never_end, "waits-1 has not ended in time"),
        (forget_the_signal, "the signal for waits-1 was accepted and is not in the log"),
        (signal_twice, "waits-1 has a signal twice"),
        (forget_the_run, "the start of waits-1 was accepted and is not in the log"),
        (start_it_twice, "waits-1: made once more"),
    ],
)
def test_a_broken_promise_is_named(spoil: Callable[[World], None], said: str) -> None:
    world = World()
    spoil(world)
    assert any(said in found for found in world.violations()), world.violations()
