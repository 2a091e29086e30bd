"""The sentence of `dalsegno bench`: numbers in, the bound out."""

import pytest

from orchestrator.cli.bench.bound import bound
from orchestrator.cli.bench.profile import AGENTS, CLIENT, COORDINATOR, NATS, Host, Process


def process(
    name: str, group: str, cores: float, *, queued: float = 0.0, single: bool = True
) -> Process:
    return Process(
        name=name,
        group=group,
        cores=cores,
        queued=queued,
        preempted_per_s=0.0,
        written_mb_per_s=0.0,
        single=single,
    )


EVERYBODY = (
    process("coordinator", COORDINATOR, 0.62),
    process("coordinator helper", COORDINATOR, 0.20),
    process("postgres busiest backend", "postgres", 0.40),
    process("agent a", AGENTS, 0.18),
    process("agent b", AGENTS, 0.18),
    process("bench client", CLIENT, 0.18),
    process("nats", NATS, 0.10, single=False),
    process("postgres wal writer", "postgres", 0.04),
)
HALF_IDLE = {"no statement": 0.5, "running": 0.5}
ROOMS = {"turn": 0.2, "decide": 0.1, "fold": 0.4, "placing": 0.05, "nats client": 0.25}


def test_a_full_machine_is_the_bound_and_its_users_are_named_by_group() -> None:
    said = bound(Host(cores=2, busy=0.97, others=0.02), EVERYBODY, HALF_IDLE, ROOMS)
    assert said == (
        "bound: CPU of this machine — its 2 cores are 97 % busy: "
        "coordinator 41 %, postgres 22 %, agents 18 %, bench client 9 %, nats 5 %"
    )


def test_on_a_full_machine_the_next_bound_is_who_always_wants_a_core() -> None:
    busy = (process("coordinator", COORDINATOR, 0.5, queued=0.34), process("nats", NATS, 0.1))
    said = bound(Host(cores=1, busy=1.0, others=0.0), busy, HALF_IDLE, ROOMS)
    assert said == (
        "bound: CPU of this machine — its core is 100 % busy: coordinator 50 %, nats 10 %; "
        "with more cores coordinator, which wants one 84 % of the time"
    )


def test_work_of_others_is_told_and_the_figures_are_doubted() -> None:
    said = bound(Host(cores=1, busy=1.0, others=0.6), EVERYBODY[-2:], HALF_IDLE, ROOMS)
    assert said == (
        "bound: CPU of this machine — its core is 100 % busy: others 60 %, nats 10 %, "
        "postgres 4 %; 60 % of this machine worked for others: repeat it alone"
    )


def test_a_full_core_says_what_fills_the_coordinator() -> None:
    busy = (process("coordinator", COORDINATOR, 0.95), *EVERYBODY[1:])
    said = bound(Host(cores=8, busy=0.3, others=0.0), busy, HALF_IDLE, ROOMS)
    assert said == (
        "bound: one core — coordinator keeps its own 95 % busy: "
        "fold 40 %, nats client 25 %, turn 20 %, decide 10 %"
    )


def test_a_full_core_of_another_process_is_named_alone() -> None:
    busy = (process("bench client", CLIENT, 0.99), *EVERYBODY)
    said = bound(Host(cores=8, busy=0.3, others=0.0), busy, HALF_IDLE, ROOMS)
    assert said == "bound: one core — bench client keeps its own 99 % busy"


def test_a_server_of_many_threads_may_use_more_than_a_core() -> None:
    busy = (process("nats", NATS, 1.5, single=False),)
    said = bound(Host(cores=8, busy=0.3, others=0.0), busy, HALF_IDLE, {})
    assert "one core" not in said


@pytest.mark.parametrize(
    ("appends", "said"),
    [
        (
            {"IO WalSync": 0.41, "LWLock WALWrite": 0.2, "running": 0.39},
            "the WAL flush — the backend that appends waits for it 61 % of the time",
        ),
        (
            {"Lock advisory": 0.35, "running": 0.65},
            "locks in Postgres — the backend that appends waits for Lock advisory 35 % of the time",
        ),
        (
            {"no statement": 0.7, "running": 0.2, "IO WalSync": 0.1},
            (
                "the way around, nothing is full — its 4 cores are 40 % busy, coordinator as the "
                "busiest uses 62 % of one, the backend that appends: no statement 70 %, "
                "running 20 %, IO WalSync 10 %"
            ),
        ),
    ],
)
def test_with_cores_to_spare_the_waits_decide(appends: dict[str, float], said: str) -> None:
    found = bound(Host(cores=4, busy=0.4, others=0.0), EVERYBODY, appends, ROOMS)
    assert found == f"bound: {said}"


def test_nothing_seen_is_a_sentence_too() -> None:
    said = bound(Host(cores=2, busy=0.0, others=0.0), (), {}, {})
    assert said == "bound: the way around, nothing is full — its 2 cores are 0 % busy"
