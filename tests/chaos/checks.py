"""The promises, checked on the log, the ledger and what clients were answered.

Each checker is a pure function of the evidence and returns what it found violated, one line each.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from events import cluster_facts as c
from events import run_facts as r
from events import task_facts as t
from events.ids import shard_of
from tests.chaos.cluster import SHARDS
from tests.chaos.evidence import Evidence, Recorded
from tests.chaos.flows import PAID_STEP, Ended, Flow, all_flows
from tests.chaos.handlers import Line
from tests.chaos.load import Started

F = TypeVar("F")

TERMINAL: Mapping[type, str] = {
    r.RunCompleted: "completed",
    r.RunFailed: "failed",
    r.RunCancelled: "cancelled",
    r.RunTimedOut: "timed_out",
}


def check(evidence: Evidence, runs: Mapping[str, Started]) -> list[str]:
    """Everything that is not as it was promised."""
    found: list[str] = []
    for checker in (versions_follow, epochs_follow, effects, parts, transactions):
        found += checker(evidence)
    for checker_of_runs in (ends, accepted):
        found += checker_of_runs(evidence, runs)
    return found


# -- the log itself ------------------------------------------------------------------------------


def versions_follow(evidence: Evidence) -> list[str]:
    """No gap in any stream, in order of position."""
    return [
        f"{stream} has version {one.event.header.version} where {expected} was expected"
        for stream, events in evidence.streams.items()
        for expected, one in enumerate(events, start=1)
        if one.event.header.version != expected
    ]


def epochs_follow(evidence: Evidence) -> list[str]:
    """Of two owners of a shard the older one never appends after the younger one."""
    newest: dict[int, int] = {}
    found = []
    for one in evidence.log:
        header = one.event.header
        kind, _, name = header.stream.partition(":")
        if kind != "run":
            continue
        shard = shard_of(name, SHARDS)
        if header.epoch < newest.get(shard, 0):
            found.append(
                f"{header.stream} has version {header.version} of epoch {header.epoch}, after "
                f"epoch {newest[shard]} of shard {shard} has appended"
            )
        newest[shard] = max(newest.get(shard, 0), header.epoch)
    return found + _owners(evidence)


def _owners(evidence: Evidence) -> list[str]:
    """An epoch of a shard has one holder."""
    holders = defaultdict[tuple[int, int], set[str]](set)
    for fact in facts(evidence.log, c.LeaseAcquired):
        holders[fact.shard, fact.epoch].add(fact.holder)
    return [
        f"epoch {epoch} of shard {shard} was given to {' and '.join(sorted(names))}"
        for (shard, epoch), names in holders.items()
        if len(names) > 1
    ]


# -- runs ----------------------------------------------------------------------------------------


def ends(evidence: Evidence, runs: Mapping[str, Started]) -> list[str]:
    """Each run has one end, its last event, which it could have reached undisturbed."""
    flows = {flow.name: flow for flow in all_flows()}
    found = []
    for stream, events in evidence.streams.items():
        if stream.startswith("run:"):
            found += _end_of(stream.removeprefix("run:"), events, flows, runs)
    return found


def _end_of(
    run_id: str,
    events: list[Recorded],
    flows: Mapping[str, Flow],
    runs: Mapping[str, Started],
) -> list[str]:
    begun = events[0].fact
    if not isinstance(begun, r.RunStarted):
        return [f"{run_id} begins with {type(begun).__name__}"]
    last = [one for one in events if type(one.fact) in TERMINAL]
    if len(last) != 1 or last[0] is not events[-1]:
        return [
            f"{run_id} has {len(last)} ends; its last event is {type(events[-1].fact).__name__}"
        ]
    end = ended(last[0].fact)
    n = begun.input["n"] if isinstance(begun.input, dict) else None
    if not isinstance(n, int):
        return [f"{run_id} has the input {begun.input!r}"]
    found = []
    if end not in flows[begun.workflow].ends(n):
        found.append(
            f"{run_id} ended as {end}, which it could not have undisturbed: {last[0].fact}"
        )
    if begun.origin.kind == "parent":
        return found
    client = runs.get(run_id)
    if client is None:
        found.append(f"{run_id} was started by nobody")
    elif client.end is not None and client.end.status != end.status:
        found.append(f"{run_id} ended as {end.status}, and a client was told {client.end.status}")
    return found


def ended(fact: object) -> Ended:
    output = fact.output if isinstance(fact, r.RunCompleted) else None
    return Ended(TERMINAL[type(fact)], output)


def accepted(evidence: Evidence, runs: Mapping[str, Started]) -> list[str]:
    """What a client was told to be done is in the log, once."""
    found = []
    for run in runs.values():
        events = evidence.streams.get(f"run:{run.run_id}", [])
        if run.accepted and not events:
            found.append(f"the start of {run.run_id} was accepted and is not in the log")
            continue
        signals = [fact.id for fact in facts(events, r.SignalReceived)]
        if run.signalled and not signals:
            found.append(f"the signal for {run.run_id} was accepted and is not in the log")
        if len(signals) != len(set(signals)):
            found.append(f"{run.run_id} has a signal twice")
        if run.cancelled and not any(
            isinstance(one.fact, r.RunClosing | r.RunCancelled | r.RunCompleted) for one in events
        ):
            found.append(f"the wish to cancel {run.run_id} was accepted and is not in the log")
        found += [f"{run.run_id}: {text}" for text in run.refused if "cancel" not in text.lower()]
        if run.end is None:
            found.append(f"{run.run_id} has not ended in time")
    return found


# -- effects -------------------------------------------------------------------------------------


def effects(evidence: Evidence) -> list[str]:
    """A result for each key at most, the effect of which has happened, and no execution of a key
    that begins after its completion was committed."""
    found = []
    for stream, events in evidence.streams.items():
        if stream.startswith("run:"):
            found += _effects_of_run(stream.removeprefix("run:"), events, evidence)
    for key, lines in evidence.ledger.items():
        tokens = [(line.attempt, line.token) for line in lines]
        if any(a < b and s >= u for a, s in tokens for b, u in tokens):
            found.append(f"the token of {key} does not grow with its attempts: {sorted(tokens)}")
        if f"run:{key.partition('/')[0]}" not in evidence.streams:
            found.append(f"{key} was executed, and its run is not in the log")
    return found


def _effects_of_run(run_id: str, events: list[Recorded], evidence: Evidence) -> list[str]:
    found = []
    done = [(one, one.fact) for one in events if isinstance(one.fact, t.TaskCompleted)]
    for key, count in Counter(f"{run_id}/{fact.step}~0" for _, fact in done).items():
        if count > 1:
            found.append(f"{key} has {count} completions")
    for one, fact in done:
        key = f"{run_id}/{fact.step}~0"
        lines = evidence.ledger.get(key, [])
        # A transactional task may be found completed by an attempt that executes nothing.
        own = [one for one in lines if fact.step == PAID_STEP or one.attempt == fact.attempt]
        found += [
            f"{key}@{fact.attempt} is completed without {what} in the ledger"
            for what in ("start", "end")
            if not any(line.what == what for line in own)
        ]
        found += [
            f"{key}@{line.attempt} was started {(line.wall_us - one.committed_us) / 1000:.1f} ms "
            "after its completion was committed"
            for line in lines
            if line.what == "start" and line.wall_us > one.committed_us
        ]
    return found


def transactions(evidence: Evidence) -> list[str]:
    """The effect of a transactional task is there once when it completed, and else not at all."""
    done = set[str]()
    for stream, events in evidence.streams.items():
        tasks = {one.step for one in facts(events, t.TaskCompleted) if one.step == PAID_STEP}
        done |= {f"{stream.removeprefix('run:')}/{step}~0" for step in tasks}
    found = [f"{key} has {count} effects" for key, count in evidence.paid.items() if count > 1]
    found += [f"{key} is completed without its effect" for key in done - set(evidence.paid)]
    return found + [f"{key} has an effect and no completion" for key in set(evidence.paid) - done]


def parts(evidence: Evidence) -> list[str]:
    """Of a part that is done once every attempt goes on with the recorded value, and nothing is
    called any more when it is recorded."""
    found = []
    for stream, events in evidence.streams.items():
        for one in events:
            if isinstance(one.fact, t.OnceRecorded):
                key = f"{stream.removeprefix('run:')}/{one.fact.step}~0"
                found += _part(key, one.fact, one.committed_us, evidence.ledger.get(key, []))
    for key, lines in evidence.ledger.items():
        for what in {line.what for line in lines if line.what.startswith("saw ")}:
            if len(values := {line.value for line in lines if line.what == what}) > 1:
                found.append(f"attempts of {key} went on with {' and '.join(sorted(values))}")
    return found


def _part(key: str, fact: t.OnceRecorded, committed_us: int, lines: list[Line]) -> list[str]:
    found = [
        f"{key} went on with {line.value}, while {fact.value} is recorded"
        for line in lines
        if line.what == f"saw {fact.name}" and line.value != fact.value
    ]
    found += [
        f"{key} went on with {line.value} {(committed_us - line.wall_us) / 1000:.1f} ms before "
        "that was recorded"
        for line in lines
        if line.what == f"saw {fact.name}" and line.wall_us < committed_us
    ]
    return found + [
        f"{key} did {fact.name} again, {(line.wall_us - committed_us) / 1000:.1f} ms after it was "
        "recorded"
        for line in lines
        if line.what == f"did {fact.name}" and line.wall_us > committed_us
    ]


# -- helpers -------------------------------------------------------------------------------------


def facts(events: Iterable[Recorded], kind: type[F]) -> list[F]:
    return [one.fact for one in events if isinstance(one.fact, kind)]
