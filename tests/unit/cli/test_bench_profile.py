"""The profile of `dalsegno bench`: counters before and after, into a table."""

import io

import msgspec
import pytest
from rich.console import Console

from orchestrator.adapters.host.processes import Machine, Used
from orchestrator.cli.bench.command import process_table, share_table
from orchestrator.cli.bench.profile import (
    AGENTS,
    Host,
    Instant,
    Log,
    Member,
    Process,
    Profile,
    host,
    postgres_member,
    processes,
    room_of,
    shares,
)


def used(pid: int, cpu_s: float, title: str = "", **changes: float) -> Used:
    made = Used(pid=pid, title=title, cpu_s=cpu_s, queued_s=0.0, preempted=0, written_bytes=0)
    return msgspec.structs.replace(made, **changes)


def instant(clock_s: float, *members: Member) -> Instant:
    machine = Machine(cores=2, busy_s=0.0, total_s=0.0)
    return Instant(clock_s=clock_s, machine=machine, members=members)


def agent(found: Used) -> Member:
    return Member(row="agent a", group=AGENTS, single=True, used=found)


def test_a_process_counts_from_one_instant_to_the_other() -> None:
    before = instant(10.0, agent(used(7, 3.0, preempted=5, written_bytes=1_000_000)))
    last = used(7, 4.0, queued_s=0.5, preempted=9, written_bytes=5_000_000)
    assert processes(before, instant(12.0, agent(last))) == (
        Process(
            name="agent a",
            group=AGENTS,
            cores=0.5,
            queued=0.25,
            preempted_per_s=2.0,
            written_mb_per_s=2.0,
            single=True,
        ),
    )


def test_the_busiest_backend_stands_apart_and_the_servers_helpers_by_kind() -> None:
    last = instant(
        1.0,
        postgres_member(used(1, 0.2, "postgres: dalsegno bench 127.0.0.1(4711) idle")),
        postgres_member(used(2, 0.7, "postgres: dalsegno bench 127.0.0.1(4712) INSERT")),
        postgres_member(used(3, 0.1, "postgres: dalsegno bench 127.0.0.1(4713) idle")),
        postgres_member(used(4, 0.05, "postgres: walwriter")),
        postgres_member(used(5, 0.01, "postgres: io worker 0")),
        postgres_member(used(6, 0.01, "postgres: io worker 1")),
    )
    assert [(row.name, row.cores, row.single) for row in processes(instant(0.0), last)] == [
        ("postgres busiest backend", 0.7, True),
        ("postgres other backends", 0.3, False),
        ("postgres wal writer", 0.05, True),
        ("postgres io workers", 0.02, False),
    ]


def test_the_busiest_backend_is_that_of_the_time_between() -> None:
    before = instant(0.0, postgres_member(used(1, 9.0)), postgres_member(used(2, 0.0)))
    after = instant(1.0, postgres_member(used(1, 9.1)), postgres_member(used(2, 0.8)))
    assert processes(before, after)[0].cores == 0.8


def test_what_is_not_ours_is_the_work_of_others() -> None:
    ours = processes(instant(0.0), instant(2.0, agent(used(1, 1.0))))
    found = host(
        Machine(cores=2, busy_s=10.0, total_s=100.0),
        Machine(cores=2, busy_s=13.0, total_s=104.0),
        ours,
        2.0,
    )
    assert found == Host(cores=2, busy=0.75, others=0.5)


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("orchestrator.kernel.evolve", "fold"),
        ("orchestrator.kernel.flow", "decide"),
        ("orchestrator.coordinator.core", "turn"),
        ("orchestrator.adapters.nats.pull", "nats client"),
        ("nats.aio.client", "nats client"),
        ("events.envelope", "codec and envelope"),
        ("eventsourcing.domain", None),
        ("contextlib", None),
        ("__main__", None),
    ],
)
def test_modules_belong_to_rooms(module: str, room: str | None) -> None:
    assert room_of(module) == room


def test_shares_are_of_the_whole_the_largest_first() -> None:
    assert list(shares({"a": 1, "b": 3}).items()) == [("b", 0.75), ("a", 0.25)]
    assert shares({}) == {}


def test_the_tables_leave_out_what_says_nothing() -> None:
    row = Process(
        name="agent a",
        group=AGENTS,
        cores=0.5,
        queued=0.25,
        preempted_per_s=2.0,
        written_mb_per_s=2.0,
        single=True,
    )
    idler = msgspec.structs.replace(row, name="idler", cores=0.0, queued=0.0)
    reader = msgspec.structs.replace(idler, name="reader", written_mb_per_s=0.0)
    profile = Profile(
        bound="bound: nothing",
        host=Host(cores=2, busy=0.5, others=0.0),
        processes=(row, idler, reader),
        appends={},
        coordinator={"fold": 0.5, "turn": 0.001},
        log=Log(commits_per_s=1.0, events_per_commit=1.0, wal_bytes_per_event=1.0),
    )
    out = Console(file=io.StringIO(), width=100)
    out.print(process_table(profile))
    out.print(share_table("coordinator", profile.coordinator))
    assert isinstance(out.file, io.StringIO)
    said = out.file.getvalue()
    (line,) = (line for line in said.splitlines() if "agent a" in line)
    assert line.split() == ["agent", "a", "50", "%", "25", "%", "2", "2.0"]
    assert "idler" in said, "it writes"
    assert "reader" not in said
    assert "fold" in said
    assert "turn" not in said
