"""The shards of a cluster lie in two databases, each with its own log."""

from pathlib import Path

import anyio
import pytest

from events.cluster_facts import DefinitionRegistered
from tests.e2e.checks import read_log
from tests.e2e.definitions import chain
from tests.e2e.logs import EAST, WEST, TwoLogs, two_logs

RUNS = 12


async def play(it: TwoLogs) -> None:
    async with it.client() as client:
        await it.register(client, chain())
        for number in range(RUNS):
            await it.start(client, "chain", f"r{number}", number)
        for number in range(RUNS):
            run = await client.await_run(f"r{number}", timeout_s=60)
            assert (run.status, run.output) == ("completed", number + 6), run
    for log in (EAST, WEST):
        streams = await read_log(it.settings(log))
        found = {name.removeprefix("run:") for name in streams if name.startswith("run:")}
        assert found == {name for name in map("r{}".format, range(RUNS)) if it.map.of(name) == log}
        (fact,) = (event.fact for event in streams["definition:chain"])
        assert isinstance(fact, DefinitionRegistered)


@pytest.mark.timeout(90)
def test_runs_lie_in_the_log_of_their_shard(tmp_path: Path) -> None:
    with two_logs(tmp_path) as it:
        try:
            anyio.run(play, it)
        except BaseException:
            print(it.logs())
            raise
