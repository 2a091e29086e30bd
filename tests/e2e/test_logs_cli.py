"""The command line over a cluster of two logs: lists are merged, each run is read where it is."""

import json
from pathlib import Path

import anyio
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.e2e.command_line import Done, dalsegno
from tests.e2e.definitions import chain
from tests.e2e.logs import EAST, WEST, TwoLogs, two_logs

RUNS = 8
IDS = [f"r{number}" for number in range(RUNS)]


async def play(it: TwoLogs) -> None:
    async with it.client() as client:
        await it.register(client, chain(2))
        for number in range(RUNS):
            await it.start(client, "chain", f"r{number}", number)
            await client.await_run(f"r{number}", timeout_s=60)


class Commands:
    def __init__(self, it: TwoLogs, folder: Path) -> None:
        self.it, self.folder = it, folder

    def __call__(self, *arguments: str, code: int = 0) -> Done:
        done = dalsegno(self.folder, *arguments, **self.it.addresses())
        assert done.code == code, done
        return done


def check_lists(command: Commands) -> None:
    first = json.loads(command("run", "list", "--limit", "5", "--json").out)
    rest = command("run", "list", "--before", first[-1]["run_id"], "--json")
    found = [row["run_id"] for row in first + json.loads(rest.out)]
    assert found == IDS[::-1]
    (workflow,) = json.loads(command("workflow", "list", "--json").out)
    assert workflow["workflow"] == "chain"


def check_runs(command: Commands) -> None:
    for log in (EAST, WEST):
        run = next(one for one in IDS if command.it.map.of(one) == log)
        lines = command("events", "show", run, "--json").out.splitlines()
        assert {json.loads(line)["log"] for line in lines} == {log}
        assert command("replay", run, "--json").json["status"] == "completed"
        assert "chain" in command("run", "tree", run).out
    audits = command("verify", "--all", "--json").json
    assert (audits["runs"], audits["bad"]) == (RUNS, 0)
    refused = command("run", "tree", "r77", code=3)
    assert "did you mean r7?" in refused.err


def check_tail(command: Commands) -> None:
    lines = command("events", "tail", "--limit", "30", "--json").out.splitlines()
    found = [json.loads(line) for line in lines]
    times = [one["recorded_at"] for one in found]
    assert (len(found), times) == (30, sorted(times))
    assert {one["log"] for one in found} == {EAST, WEST}
    last = {log: max(o["position"] for o in found if o["log"] == log) for log in (EAST, WEST)}
    after = f"{EAST}:{last[EAST] - 1},{WEST}:{last[WEST]}"
    (one,) = command("events", "tail", "--after", after, "--json").out.splitlines()
    assert (json.loads(one)["log"], json.loads(one)["position"]) == (EAST, last[EAST])
    refused = command("events", "tail", "--after", "12", code=2)
    assert "expected east:POSITION, west:POSITION" in refused.err


def check_projections(command: Commands) -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(_until_projected, command)
    statistics = command("stats", "--json").json
    statuses = statistics["statuses"]
    assert isinstance(statuses, dict)
    assert {name: count for name, count in statuses.items() if count} == {"completed": RUNS}
    (tasks,) = [one for one in statistics["tasks"] if one["task"] == "e2e.add"]  # type: ignore[attr-defined]
    assert tasks["completed"] == 2 * RUNS
    assert {one["node"] for one in statistics["node_states"]} == {"n1"}  # type: ignore[attr-defined]
    told = command("projections", "verify").out
    assert f"of log {EAST}" in told
    assert f"of log {WEST}" in told


async def _until_projected(command: Commands) -> None:
    with anyio.fail_after(30):
        while True:
            done = dalsegno(
                command.folder, "projections", "status", "--json", **command.it.addresses()
            )
            found = done.json["generations"] if done.code == 0 else []
            assert isinstance(found, list)
            serving = [one for one in found if one["state"] == "serving"]
            if len(serving) == 2 and not any(one["events_behind"] for one in serving):
                return
            await anyio.sleep(0.1)


def check_cluster(command: Commands) -> None:
    findings = json.loads(command("doctor", "--json").out)
    areas = {one["area"] for one in findings}
    assert {f"postgres of {EAST}", f"postgres of {WEST}", "coordinator"} <= areas
    (shards,) = [one for one in findings if one["what"] == "shards"]
    assert shards["found"] == "all 4 have an owner"
    made = json.loads(command("migrate", "--json").out)
    assert [one["name"] for one in made] == [EAST, WEST]
    shown = command("config", "show", "--changed").out
    assert EAST in shown
    password = conninfo_to_dict(command.it.dsn)["password"]
    assert password
    assert str(password) not in shown


@pytest.mark.timeout(240)
def test_commands_see_both_logs(tmp_path: Path) -> None:
    with two_logs(tmp_path) as it:
        it.start_projections()
        try:
            anyio.run(play, it)
            command = Commands(it, tmp_path)
            check_lists(command)
            check_runs(command)
            check_tail(command)
            check_projections(command)
            check_cluster(command)
        except BaseException:
            print(it.logs())
            raise
