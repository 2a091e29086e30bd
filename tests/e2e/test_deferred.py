"""A third party completes a task by token, from the shell; the agent that ran it is long dead."""

import subprocess
import sys
from pathlib import Path

import anyio
import msgspec
import pytest

from events.definition import Definition, TaskStep
from events.errors import Rejected
from events.policies import Retry, Timeouts
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import read_log
from tests.e2e.cluster import ROOT, Cluster, cluster
from tests.e2e.ledgers import Noted, noted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]
SIGNED = '{"by": "Ada"}'


class Told(msgspec.Struct):
    code: int
    text: str


async def dalsegno(it: Cluster, *arguments: str) -> Told:
    done = await anyio.run_process(
        [sys.executable, "-m", "orchestrator.cli.main", *arguments],
        cwd=ROOT,
        env=it.environment(),
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Told(done.returncode, done.stdout.decode())


async def token(it: Cluster, attempt: int = 1) -> str:
    path = anyio.Path(it.folder / f"token-{attempt}")
    with anyio.fail_after(30):
        while True:
            if await path.exists() and (text := await path.read_text()):
                return text
            await anyio.sleep(0.05)


async def until_deferred(client: Client, run_id: str) -> None:
    with anyio.fail_after(30):
        while True:
            run = await client.await_run(run_id, 0.1)
            if run.tasks[0].status == "deferred":
                return


def signed(it: Cluster, **fields: object) -> Definition:
    step = TaskStep(id="a", task="e2e.signed", inputs={"folder": str(it.folder)})
    return Definition(name="signed", steps=(msgspec.structs.replace(step, **fields),))


async def test_a_third_party_completes_it_after_the_agent_has_died(tmp_path: Path) -> None:
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await it.register(client, signed(it))
            await it.start(client, "signed", "r1", 0)
            given = await token(it)
            await until_deferred(client, "r1")
            it.kill("n1")
            it.kill("c1")
            it.start_coordinator()
            shown = await dalsegno(it, "run", "show", "r1")
            assert "its completion by token" in shown.text
            forged = await dalsegno(it, "task", "complete", f"{given[:-2]}xx")
            assert (forged.code, "not the one that was made" in forged.text) == (3, True), forged
            for _ in range(2):
                done = await dalsegno(it, "task", "complete", given, "--output", SIGNED)
                assert done.code == 0, done
            other = await dalsegno(it, "task", "complete", given, "--output", "1")
            assert (other.code, "fenced" in other.text) == (3, True), other
            run = await client.await_run("r1", 30.0)
        assert (run.status, run.output) == ("completed", {"by": "Ada"})
        assert noted(it) == [Noted("a", 1, "start")]
        (secret,) = given.split(".")[2:]
        log = await read_log(it.dsn)
        assert all(secret.encode() not in msgspec.json.encode(e.fact) for e in log["run:r1"])
        assert "sound" in (await dalsegno(it, "verify", "r1")).text


async def test_a_token_of_an_attempt_that_was_too_late_is_fenced(tmp_path: Path) -> None:
    with cluster(tmp_path, agents=1) as it:
        limits = Timeouts(start_to_close_s=8.0)
        again = Retry(kind="fixed", attempts_max=5, initial_s=0.1)
        async with it.client() as client:
            await it.register(client, signed(it, timeouts=limits, retry=again))
            await it.start(client, "signed", "r1", 0)
            first, second = await token(it), await token(it, 2)
            with pytest.raises(Rejected, match="fenced"):
                await client.complete_task(first, "too late")
            told = await dalsegno(it, "task", "fail", second, "--message", "no", "--final")
            run = await client.await_run("r1", 30.0)
        assert (told.code, run.status) == (0, "failed"), told
        assert run.error is not None
        assert (run.error.code, run.error.message) == ("failed", "no")
