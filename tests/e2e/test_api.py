"""`dalsegno api` before a real cluster: who may ask, what is answered, and what is done once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from events.errors import Rejected
from events.values import Value
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import operations
from orchestrator.api.shapes import BatchShown
from orchestrator.client import BatchGiven, Client, EventsWanted, RunsWanted, Start
from tests.e2e.api_howto import follow_howto
from tests.e2e.api_lists import check_lists
from tests.e2e.api_requests import check_every_operation
from tests.e2e.apis import PATIENCE_S, Site, found_by, order, refused, site, sums
from tests.e2e.command_line import COMMAND

pytestmark = pytest.mark.timeout(180)

RUNS = "/api/v1/runs"
IN_BATCH = 40


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("api")) as made:
        yield made


def asking(url: str, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False, headers=headers)


# -- who may ask ----------------------------------------------------------------------------------


def test_others_cannot_reach_it_without_tokens(here: Site) -> None:
    done = refused(here.cluster, "--host", "0.0.0.0", "--port", "0")

    assert (done.returncode, done.stdout) == (2, "")
    assert "dalsegno api-token new NAME" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_others_reach_it_tokens_say_who_acts(here: Site) -> None:
    token = made_token(here, "alex")
    open_ = Site(here.cluster, "open")
    open_.start("--host", "0.0.0.0", DALSEGNO_API_TOKENS_FILE="tokens")

    async def play() -> None:
        await open_.is_ready()
        async with asking(open_.url) as anybody:
            nobody = await anybody.get(RUNS)
        async with Client.http(open_.url, token=token) as client:
            await client.register_workflow(order())
            started = await client.start_run("order", run_id="of-alex")
            first = (await client.list_run_events("of-alex")).items[0]

        assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")
        assert started.created
        assert first.actor == "user:alex"

    anyio.run(play)
    open_.kill()


def made_token(here: Site, name: str) -> str:
    command = [*COMMAND, "api-token", "new", name, "--file", "tokens"]
    done = subprocess.run(
        command,
        cwd=here.cluster.folder,
        env=found_by(here.cluster),
        capture_output=True,
        text=True,
        check=True,
    )
    token = done.stdout.strip()
    kept = here.cluster.folder / "tokens"
    assert token not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    return token


# -- what is answered -----------------------------------------------------------------------------


def test_answers_feeds_and_what_is_done_once(here: Site) -> None:
    anyio.run(play_answers, here)


async def play_answers(here: Site) -> None:
    async with Client.http(here.url) as client, asking(here.url) as raw:
        await client.register_workflow(order())
        key = {"Idempotency-Key": "deploy-17"}
        begun = [await raw.post(RUNS, json={"workflow": "order"}, headers=key) for _ in range(2)]
        assert [one.status_code for one in begun] == [201, 201]
        assert begun[0].content == begun[1].content
        run_id = begun[0].json()["run"]["run_id"]
        await check_problems(raw, run_id)

        socket_url = f"{here.url.replace('http', 'ws')}/api/v1/feeds/runs/{run_id}"
        async with connect(socket_url) as socket, client.follow_run(run_id) as told:
            first = await anext(told)
            assert json.loads(await socket.recv())["event"]["id"] == first.event.id

            here.kill()
            here.start()
            await here.is_ready()
            again = await raw.post(RUNS, json={"workflow": "order"}, headers=key)
            assert (again.status_code, again.json()["run"]["run_id"]) == (201, run_id)
            assert again.json()["created"] is False

            await client.signal_run(run_id, "approved", data={"by": "ann"})
            types = [first.event.type, *[one.event.type async for one in told]]
        shown = await client.await_run(run_id, wait_s=PATIENCE_S / 3)
        assert (shown.status, shown.output) == ("completed", "ann")
        assert types == [one.type for one in (await client.list_run_events(run_id)).items]
        await check_telemetry(raw)


async def check_problems(raw: httpx.AsyncClient, run_id: str) -> None:
    """Every refusal is a problem with a code of ours."""
    answers = {
        "not_found": await raw.get(f"{RUNS}/none"),
        "rejected": await raw.post(f"{RUNS}/{run_id}/retry", json={}),
        "invalid_request": await raw.get(RUNS, params={"limit": "many"}),
        "invalid_definition": await raw.post(
            "/api/v1/workflows", json={"source": "workflow: x\nstep: []"}
        ),
        "method_not_allowed": await raw.put(RUNS, json={}),
        "unsupported": await raw.post(RUNS, content="workflow=order"),
        "key_reused": await raw.post(
            RUNS, json={"workflow": "other"}, headers={"Idempotency-Key": "deploy-17"}
        ),
        "forbidden": await raw.get(RUNS, headers={"Origin": "https://other.example"}),
    }
    assert {code: one.json().get("code") for code, one in answers.items()} == {
        code: code for code in answers
    }
    assert {one.headers["content-type"] for one in answers.values()} == {"application/problem+json"}
    assert [one.json()["status"] for one in answers.values()] == [
        one.status_code for one in answers.values()
    ]
    problems = answers["invalid_definition"].json()["problems"]
    assert [(one["place"]["line"], one["message"][:11]) for one in problems][-1] == (
        2,
        "unknown key",
    )


async def check_telemetry(raw: httpx.AsyncClient) -> None:
    health, ready, metrics = [await raw.get(path) for path in ("/healthz", "/readyz", "/metrics")]
    assert (health.json()["status"], ready.json()["coordinators"]) == ("ok", "ok")
    assert 'dalsegno_api_requests_total{operation="signal_run",status="200"} 1' in metrics.text
    assert "# TYPE dalsegno_api_request_seconds histogram" in metrics.text


def test_no_request_is_answered_with_what_the_document_does_not_say(here: Site) -> None:
    known = anyio.run(prepare, here.url)

    answers = check_every_operation(here.url, known)
    anyio.run(give_back, here.url)

    assert {said.split()[0] for said in answers} == {
        operation.id for operation in operations(Operations).values()
    }
    assert sum(count for said, count in answers.items() if said.endswith(("200", "201"))) > 50


async def give_back(url: str) -> None:
    """The node, which was cordoned and drained among other things, to the tests that follow."""
    async with Client.http(url) as client:
        node = await client.uncordon_node("n1")
    assert node.cordon is msgspec.UNSET


async def prepare(url: str) -> dict[str, list[Value]]:
    """Runs that wait, have failed and have ended, a snapshot, a batch."""
    async with Client.http(url) as client:
        await client.register_workflow(sums())
        await client.register_workflow(order("asked"))
        for run_id in ("waits-1", "waits-2"):
            await client.start_run("asked", run_id=run_id)
        for run_id, failures in {"ended": 0, "failed": 1}.items():
            given: Value = {"n": 1, "failures": failures}
            await client.run_to_end(Start(workflow="sum", input=given, run_id=run_id))
        snapshot = await client.create_snapshot("ended", version=2)
        wanted = RunsWanted(workflow="sum", status="failed")
        batch = await client.start_batch("retry", wanted, batch_id="again")
    runs: list[Value] = ["waits-1", "waits-2", "ended", "failed"]
    return {
        "run_id": runs,
        "other": runs,
        "workflow": ["sum", "asked"],
        "step": ["one", "two", "approval"],
        "steps": [[], ["one"]],
        "node": ["n1"],
        "version": [1, 2, 3, ""],
        "snapshot": [snapshot.id],
        "batch_id": [batch.batch_id],
        "cursor": [""],
        "source": [sums().source, order("asked", "anew").source],
        "definition": [{}],
        "name": ["approved"],
        "where": ["", "payload.size() > 0"],
        "status": ["", "failed"],
    }


def test_the_how_to_says_what_happens(here: Site, tmp_path: Path) -> None:
    theirs = found_by(here.cluster)
    theirs["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), theirs["PATH"]])

    assert follow_howto(here.url, tmp_path, theirs) > 15


# -- lists ----------------------------------------------------------------------------------------


def test_lists_are_stable_while_others_write(here: Site) -> None:
    anyio.run(check_lists, here.url)


# -- batches --------------------------------------------------------------------------------------


def test_a_batch_is_done_whoever_is_killed(here: Site) -> None:
    anyio.run(play_batch, here)


async def play_batch(here: Site) -> None:
    """Killed are the coordinator and the API, as soon as the first run is signalled."""
    wanted, given = RunsWanted(workflow="batched"), BatchGiven(signal="approved", data={"by": "b"})
    ids = {f"b{number}" for number in range(IN_BATCH)}
    async with Client.http(here.url, patience_s=PATIENCE_S) as client:
        await client.register_workflow(order("batched"))
        await client.start_many([Start(workflow="batched", run_id=id_) for id_ in sorted(ids)])
        await client.cancel_run("b0")

        plan = await client.preview_batch("signal", wanted, given=given)
        assert (plan.count, [one.run_id for one in plan.left_out]) == (IN_BATCH - 1, ["b0"])
        with pytest.raises(Rejected, match="look at the preview again"):
            await client.start_batch("signal", wanted, given=given, expected=IN_BATCH)

        async def start() -> BatchShown:
            return await client.start_batch(
                "signal", wanted, given=given, expected=plan.count, idempotency_key="approve"
            )

        async with client.follow_events(EventsWanted(workflows=("batched",))) as told:
            batch = await start()
            assert (await anext(told)).event.type == "signal.received.v1"
            here.kill()
            here.cluster.kill("c1")
        here.start()
        here.cluster.start_coordinator("c1")
        assert (await start()).batch_id == batch.batch_id

        ended = await until_over(client, batch.batch_id)
        assert (ended.status, ended.count, ended.done) == ("completed", plan.count, plan.count)
        assert (ended.refused, ended.refusals) == (0, ())
        for run_id in sorted(ids - {"b0"}):
            types = [one.type for one in (await client.list_run_events(run_id)).items]
            assert types.count("signal.received.v1") == 1, (run_id, types)
        assert len((await client.list_runs(wanted, limit=100)).items) == IN_BATCH


async def until_over(client: Client, batch_id: str) -> BatchShown:
    with anyio.fail_after(PATIENCE_S):
        await client.await_run(batch_id, wait_s=PATIENCE_S / 2)
        return await client.show_batch(batch_id)


def test_a_batch_cancels_and_retries(here: Site) -> None:
    anyio.run(play_other_batches, here)


async def play_other_batches(here: Site) -> None:
    """What a run refuses is told of; the others are done."""
    async with Client.http(here.url) as client:
        await client.register_workflow(order("dropped"))
        await client.register_workflow(sums("sums"))
        drop = RunsWanted(workflow="dropped")
        await client.start_many([Start(workflow="dropped", run_id=f"d{n}") for n in range(5)])
        failing = [
            Start(workflow="sums", input={"n": 1, "failures": n % 2}, run_id=f"s{n}")
            for n in range(6)
        ]
        for start in failing:
            await client.run_to_end(start)

        batch = await client.start_batch("cancel", drop, given=BatchGiven(reason="a test"))
        over = await until_over(client, batch.batch_id)
        rows = (await client.list_runs(drop)).items
        assert (over.done, over.refused, {row.status for row in rows}) == (5, 0, {"cancelled"})

        batch = await client.start_batch("retry", RunsWanted(workflow="sums"))
        over = await until_over(client, batch.batch_id)
        assert (over.count, over.refused) == (3, 0)
        rows = (await client.list_runs(RunsWanted(workflow="sums"), limit=100)).items
        first = [(await client.list_run_events(row.run_id, limit=1)).items[0] for row in rows]
        sources = sorted(str(one.data.get("source_run_id", "")) for one in first)
        assert sources == [*[""] * 6, "s1", "s3", "s5"]

        with pytest.raises(Rejected, match="no run that this could be done to"):
            await client.start_batch("cancel", drop)
        listed = (await client.list_batches()).items
        assert {"cancel", "retry"} <= {one.action for one in listed}
