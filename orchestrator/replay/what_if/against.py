"""A recorded run against a changed definition: would it have gone the same way?

Nothing is executed and nothing written. What the run was given (results, signals, losses, timers,
each at its recorded instant) is given once more, and the kernel decides anew, by the net of the
changed definition. As long as what it decides has the outcomes that were recorded, the run would
have been where it was, and what it was given next is right for it:

    recorded fact ──► what was given ──► decide by the other net ──► the same outcome? ──► next
                                                                          └─► here they part

From there on what was recorded may be what the run would never have come to; `otherwise` tells how
far it still goes. Two states are folded side by side: the recorded one says what was given, the
other one is decided on. A fork begins from the recorded state of its source, which the changed
definition has to take. O(events).
"""

from collections.abc import Mapping, Sequence

import msgspec

from events import run_facts as r
from events.cluster_facts import DefinitionRegistered
from events.errors import Corrupt, DalsegnoError, InvariantViolation, Rejected
from events.facts import Fact, Flow, PartOf
from events.limits import Limits
from events.net import Call, Map, Net, Task
from events.operator_facts import KeptSignal, RunRestored
from events.policies import RunOptions
from events.run_facts import SignalReceived
from events.task_facts import AttemptFailed, TaskDeferred
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.env import Env, microseconds
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.forking import options_of
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.what_if.givens import Given, begun_by, given_by
from orchestrator.replay.what_if.lateness import late
from orchestrator.replay.what_if.outcomes import same
from orchestrator.replay.what_if.partings import Parting, Sides, early, other_work, parting, refused

UNFOLDABLE = (LookupError, ValueError, TypeError, AttributeError, InvariantViolation)
"""What folding and deciding raise where events do not follow from one another."""


class Untold(Exception):
    """Nobody can tell what a run would have done, since what it would read is not recorded."""


class Told(msgspec.Struct, frozen=True):
    """A run's events, in order: facts, when each was recorded, and by whose doing. `source`: of a
    fork, the state of its source at the version that it began from."""

    run_id: str
    facts: Sequence[Fact]
    at: Sequence[int]
    actors: Sequence[str]
    source: RunState | None = None


class Version(msgspec.Struct, frozen=True):
    """A version of a workflow, ready to decide by."""

    workflow_version: str
    options: RunOptions
    net: NetIndex

    @classmethod
    def of(cls, fact: DefinitionRegistered) -> "Version":
        return cls(fact.workflow_version, fact.definition.options, NetIndex(fact.net))

    @classmethod
    def new(cls, version: str, options: RunOptions, net: Net) -> "Version":
        return cls(version, options, NetIndex(net))


class Against:
    """A changed definition, against which any number of runs of one workflow are played.

    `known`: the versions of the workflow that its runs have.
    """

    def __init__(
        self,
        changed: Version,
        known: Mapping[str, Version],
        expressions: Expressions,
        limits: Limits,
    ) -> None:
        self.changed = changed
        self.known = known
        self.expressions = expressions
        self.limits = limits
        self._other_work: dict[str, frozenset[str]] = {}
        self._own: dict[str, Against] = {}

    def own(self, name: str) -> "Against":
        """A version of the workflow, against which its own runs are played. Raises `Corrupt`."""
        if name not in self._own:
            own = Against(self.version(name), self.known, self.expressions, self.limits)
            self._own[name] = own
        return self._own[name]

    def version(self, name: str) -> Version:
        """Raises `Corrupt` for one that is not in the log."""
        if name not in self.known:
            raise Corrupt(f"version {name} of the workflow is not in the log")
        return self.known[name]

    def env(self, now: int) -> Env:
        return Env(now=now, expressions=self.expressions, limits=self.limits)

    def other_work(self, name: str) -> frozenset[str]:
        """Steps that another task, or workflow, does by the changed definition."""
        if name not in self._other_work:
            before, after = self.version(name).net.steps, self.changed.net.steps
            self._other_work[name] = frozenset(
                step
                for step in before.keys() & after.keys()
                if _work(before[step].step.action) != _work(after[step].step.action)
            )
        return self._other_work[name]


def _work(action: object) -> str:
    if isinstance(action, Map):
        action = action.body
    if isinstance(action, Task):
        return action.task
    return f"{action.workflow}@{action.version}" if isinstance(action, Call) else ""


class Play:
    """One run, played against a definition as far as it goes the same way.

    `recorded` and `other` are the states so far, after `done` events; `parting` is where they part.
    `made` are the facts of the decision with which they do.
    """

    def __init__(self, against: Against, told: Told) -> None:
        self.against = against
        self.told = told
        self.recorded = RunState()
        self.other = RunState()
        self.done = 0
        self.head = -1
        """The place of the event whose input was given last."""
        self.made: list[Fact] = []
        self.parting: Parting | None = None
        self._targets = {f.version for f in told.facts if isinstance(f, RunRestored)}
        self._kept: dict[int, bytes] = {}
        self._kept_other: dict[int, bytes] = {}

    def run(self) -> "Play":
        """Plays to the end, or to where they part. Raises `Corrupt` for a history that does not
        fold, or whose definition is not known, and `Untold`."""
        while self.done < len(self.told.facts) and self.parting is None:
            self._decision()
        return self

    @property
    def has_begun(self) -> bool:
        """Whether the changed definition has led to a state of its own: one that cannot take the
        state of a fork's source has not."""
        return bool(self.made) or self.done > 0

    # -- a decision -------------------------------------------------------------------------------

    def _decision(self) -> None:
        place, at = self.done, self.told.at[self.done]
        fact = self.told.facts[place]
        if self.recorded.timers != self.other.timers:
            self.parting = early(self.sides(), at)
            if self.parting is not None:
                return
        try:
            given = self.given(place)
            self.head = place
            self.made = self.decide(given, at)
        except (Corrupt, InvariantViolation):
            raise
        except DalsegnoError as error:
            self.made = []
            self.parting = refused(self.sides(), fact, error)
            return
        self._compare()

    def _compare(self) -> None:
        """Each made fact with the recorded one in its place."""
        facts, made = self.told.facts, self.made
        for number in range(max(len(made), 1)):
            fact = facts[self.done] if self.done < len(facts) else None
            other = made[number] if number < len(made) else None
            if fact is None or other is None or not same(fact, other):
                self.parting = parting(self.sides(), fact, other)
                return
            self.parting = self._other_work(fact) or late(self.sides(), fact)
            self.fold(self.done)
            if isinstance(fact, (AttemptFailed, r.ChildFailed)):
                self._adopt_wait(fact.step)
            elif isinstance(fact, TaskDeferred):
                self._adopt_time(fact.step)
            if self.parting is not None:
                return

    def decide(self, given: i.RunInput, at: int) -> list[Fact]:
        """What follows from `given` by the changed definition; `other` has gone on by it. Raises
        `Rejected`, and `InvariantViolation` where the kernel knows no answer."""
        observe = self._observe if self._targets else None
        env = self.against.env(at)
        try:
            return decide(self.other, self.against.changed.net, given, env, observe=observe)
        except UNFOLDABLE as error:
            what = f"{type(given).__name__} at event {self.done + 1} of run {self.told.run_id}"
            raise InvariantViolation(f"{what} cannot be decided: {error}") from error

    def _observe(self, state: RunState) -> None:
        if state.version in self._targets:
            self._kept_other[state.version] = serialise(state)

    def _other_work(self, fact: Fact) -> Parting | None:
        """Another task would do what begins with a fact."""
        steps = self.against.other_work(self.version)
        flow = getattr(fact, "flow", None)
        if not steps or not isinstance(flow, Flow):
            return None
        begun = [
            *(one.step for one in flow.enabled),
            *(one.step for one in flow.calls),
            *(one.step for one in flow.maps),
        ]
        found = next((step for step in begun if static_of(step) in steps), "")
        return other_work(self.sides(), fact, found) if found else None

    def _adopt_time(self, step_id: str) -> None:
        """How long a handler took that has deferred its task is not recorded, only until when it
        may be completed."""
        key, nets = f"defer:{step_id}", (self.sides().before, self.against.changed.net)
        if key not in self.other.timers or key not in self.recorded.timers:
            return
        limits = [
            timeouts(net.task(step_id), state).start_to_close_s
            for net, state in zip(nets, (self.recorded, self.other), strict=True)
        ]
        longer_s = (limits[1] or 0.0) - (limits[0] or 0.0)
        self.other.timers[key] = self.recorded.timers[key] + microseconds(longer_s)

    def _adopt_wait(self, step_id: str) -> None:
        """The wait before the next attempt is what it was, where its policy is the same: it may
        have come from settings that are others now."""
        name = static_of(step_id)
        before, after = self.sides().before.steps.get(name), self.against.changed.net.steps[name]
        if before is None or _retry(before.step.action) != _retry(after.step.action):
            return
        key, step, known = f"retry:{step_id}", self.other.steps[step_id], self.recorded.steps
        if key in self.other.timers and key in self.recorded.timers:
            self.other.timers[key] = self.recorded.timers[key]
            step.next_attempt_at = known[step_id].next_attempt_at
            step.delay_s = known[step_id].delay_s

    def sides(self) -> Sides:
        return Sides(
            recorded=self.recorded,
            other=self.other,
            before=self.against.version(self.version).net,
            after=self.against.changed.net,
            version=self.done + 1,
            at=self.told.at[self.done] if self.done < len(self.told.at) else 0,
        )

    @property
    def version(self) -> str:
        """Of the workflow, which the run was recorded with."""
        first = self.told.facts[0]
        return first.workflow_version if isinstance(first, r.RunStarted | r.RunForked) else ""

    def fold(self, place: int) -> None:
        """The recorded state goes on by one event."""
        fact = self.told.facts[place]
        if isinstance(fact, r.RunForked) and self.told.source is not None:
            self.recorded = restore(serialise(self.told.source))
        elif isinstance(fact, RunRestored):
            if fact.version not in self._kept:
                raise Corrupt(f"run {self.told.run_id} goes back to a version that was not played")
            rewind(self.recorded, restore(self._kept[fact.version]))
        self._evolve(fact, place)
        self.done = place + 1
        if self.done in self._targets:
            self._kept[self.done] = serialise(self.recorded)

    def _evolve(self, fact: Fact, place: int) -> None:
        try:
            evolve(self.recorded, fact, self.told.at[place])
        except UNFOLDABLE as error:
            raise self._unsound(place, error) from error

    def _unsound(self, place: int, error: Exception) -> Corrupt:
        what = f"event {place + 1} of run {self.told.run_id}, {self.told.facts[place].TYPE},"
        return Corrupt(f"{what} does not follow from those before it: {error}")

    # -- what was given ---------------------------------------------------------------------------

    def given(self, place: int) -> i.RunInput:
        """What was given to the decision that began with an event. Raises `Corrupt` for one that
        does not follow from those before it."""
        fact = self.told.facts[place]
        match fact:
            case r.RunStarted():
                return self._begin(fact)
            case r.RunForked():
                return self._fork(fact)
            case RunRestored():
                return self._restore(fact)
            case _:
                try:
                    return self._usual(place)
                except UNFOLDABLE as error:
                    raise self._unsound(place, error) from error

    def _usual(self, place: int) -> i.RunInput:
        fact, facts = self.told.facts[place], self.told.facts
        following = facts[place + 1] if place + 1 < len(facts) else None
        actor = self.told.actors[place]
        return given_by(Given(state=self.recorded, fact=fact, following=following, actor=actor))

    def _begin(self, fact: r.RunStarted) -> i.RunInput:
        changed = self.against.changed
        if fact.part is not None:
            self._check_part(fact.part)
        return i.Start(
            request=begun_by(fact),
            workflow_version=changed.workflow_version,
            options=self._options(fact.options, fact.workflow_version),
            part=fact.part,
            mapped=fact.flow.maps[0] if fact.part is not None and fact.flow.maps else None,
        )

    def _check_part(self, part: PartOf) -> None:
        """What items read beside themselves was read where the map began. Raises `Rejected` when
        there is no such map any more, `Untold` when its items read what was not handed on."""
        step = self.against.changed.net.steps.get(static_of(part.step))
        if step is None or not isinstance(step.step.action, Map):
            raise Rejected(f"{part.step}, of which the run does a part, is no map any more")
        paths = step.body.paths(self.against.expressions) if step.body is not None else ()
        beside = [path for path in paths if path.partition(".")[0] != "iteration"]
        if missing := [path for path in beside if path not in part.values]:
            raise Untold(
                f"the items of {part.step} would be given {', '.join(missing)}, which was not read "
                "for them when the map began"
            )

    def _options(self, own: RunOptions, version: str) -> RunOptions:
        return options_of(own, self.against.version(version).options, self.against.changed.options)

    def _fork(self, fact: r.RunForked) -> i.RunInput:
        source, changed = self.told.source, self.against.changed
        if source is None:
            raise Corrupt(f"the source of run {self.told.run_id} is not in the log")
        before = self.against.version(source.workflow_version)
        self.other = restore(serialise(source))
        definition = i.NewDefinition(
            workflow_version=changed.workflow_version,
            options=self._options(fact.options, fact.workflow_version),
            before=before.net,
        )
        return i.Fork(
            run_id=fact.run_id,
            source_version=fact.source_version,
            variables=fact.variables,
            reason=fact.reason,
            steps=fact.retried,
            definition=definition,
        )

    def _restore(self, fact: RunRestored) -> i.RunInput:
        if fact.version not in self._kept_other:
            raise Corrupt(f"run {self.told.run_id} goes back to a version that was not played")
        since = self.told.facts[fact.version : fact.at - 1]
        return i.Restore(
            id=fact.id,
            version=fact.version,
            earlier=restore(self._kept_other[fact.version]),
            signals=tuple(
                KeptSignal(id=one.id, name=one.name, data=one.data, correlation=one.correlation)
                for one in since
                if isinstance(one, SignalReceived)
            ),
            mode=fact.mode,
            steps=fact.steps,
            by=fact.by,
            reason=fact.reason,
            unsettled=bool(fact.unsettled),
        )


def _retry(action: object) -> object:
    if isinstance(action, Map):
        action = action.body
    return action.retry if isinstance(action, Task | Call) else None
