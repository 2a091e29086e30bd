"""Requests and their answers over HTTP, with a service that is made up."""

import anyio
import httpx
import pytest
from litestar.types import ASGIApp

from events.errors import Conflict, Corrupt, InvalidValue, NotFound, Rejected, Unavailable
from events.limits import API_BODY_BYTES_MAX, API_KEYS_MAX
from orchestrator.api.server.repeats import Answered, Repeats
from orchestrator.api.shapes import Page
from orchestrator.authoring import InvalidDefinition, Place, Problem
from tests.api import DEADLINE_S, FakeService, make

pytestmark = pytest.mark.anyio


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("no"), 404, "not_found"),
        (Rejected("no"), 409, "rejected"),
        (Conflict("no"), 409, "conflict"),
        (InvalidValue("no"), 422, "invalid_value"),
        (Unavailable("no"), 503, "unavailable"),
        (Corrupt("no"), 500, "corrupt"),
    ],
)
async def test_errors_are_problems_with_stable_codes(
    error: Exception, status: int, code: str
) -> None:
    service = FakeService()
    service.failure = error
    async with client_of(make(service)) as client:
        response = await client.get("/api/v1/runs/r1")

    problem = response.json()
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"], problem["detail"]) == (status, code, "no")
    assert problem["type"] == f"urn:dalsegno:error:{code}"
    assert ("retry-after" in response.headers) == (status == 503)


async def test_what_is_wrong_with_a_definition_is_said_with_its_places() -> None:
    service = FakeService()
    problem = Problem(code="unknown_key", where="steps[0]", message="no", place=Place(3, 7))
    service.failure = InvalidDefinition([problem])
    async with client_of(make(service)) as client:
        response = await client.post("/api/v1/workflows", json={"source": "x"})

    assert response.status_code == 422
    assert response.json()["problems"] == [
        {
            "code": "unknown_key",
            "where": "steps[0]",
            "message": "no",
            "place": {"line": 3, "column": 7},
        }
    ]


async def test_a_bug_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    service.failure = ZeroDivisionError("a secret")
    async with client_of(make(service)) as client:
        response = await client.get("/api/v1/runs/r1")

    assert (response.status_code, response.json()["code"]) == (500, "bug")
    assert "a secret" not in response.text
    assert "GET /api/v1/runs/r1 failed" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/runs", 405),
        ("GET", "/assets/app.js", 404),
    ],
)
async def test_paths_and_methods_that_there_are_not(method: str, path: str, status: int) -> None:
    async with client_of(make(FakeService())) as client:
        response = await client.request(method, path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_name_in_a_path_may_have_slashes_when_they_are_quoted() -> None:
    service = FakeService()
    async with client_of(make(service)) as client:
        await client.get("/api/v1/runs/order%2F17")

    assert service.asked == [("show_run", {"run_id": "order/17"})]


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b'{"workflow": "greet"}', "application/json", 201),
        (b'{"workflow": "greet"}', "application/json; charset=utf-8", 201),
        (b'{"workflow": "greet"}', "text/plain", 415),
        (b"workflow=greet", "application/x-www-form-urlencoded", 415),
        (b'{"workflow": ', "application/json", 400),
        (b'{"workflow": "greet", "inptu": 1}', "application/json", 400),
        (b'{"workflow": 7}', "application/json", 400),
        (b'"\xff"', "application/json", 400),
        (b"", "", 400),
    ],
)
async def test_a_body_is_json_of_the_form_that_is_said(sent: bytes, kind: str, status: int) -> None:
    async with client_of(make(FakeService())) as client:
        headers = {"Content-Type": kind} if kind else {}
        response = await client.post("/api/v1/runs", content=sent, headers=headers)

    assert response.status_code == status, response.text


@pytest.mark.edge("API_BODY_BYTES_MAX")
async def test_a_body_has_so_many_bytes_at_most() -> None:
    async def sent(size: int, *, told: bool) -> int:
        body = b'{"workflow": "greet", "input": "' + b"x" * (size - 34) + b'"}'

        async def parts() -> object:
            for start in range(0, len(body), 1 << 20):
                yield body[start : start + (1 << 20)]

        async with client_of(make(FakeService())) as client:
            response = await client.post(
                "/api/v1/runs",
                content=body if told else parts(),  # type: ignore[arg-type]
                headers={"Content-Type": "application/json"},
            )
        return response.status_code

    assert await sent(API_BODY_BYTES_MAX, told=True) == 201
    assert await sent(API_BODY_BYTES_MAX + 1, told=True) == 413
    assert await sent(API_BODY_BYTES_MAX + 1, told=False) == 413


async def test_the_same_key_is_carried_out_once_and_answered_alike() -> None:
    service = FakeService()
    async with client_of(make(service)) as client:
        headers = {"Idempotency-Key": "once"}
        first = await client.post("/api/v1/runs", json={"workflow": "greet"}, headers=headers)
        again = await client.post("/api/v1/runs", json={"workflow": "greet"}, headers=headers)
        other = await client.post("/api/v1/runs", json={"workflow": "other"}, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert len(service.asked) == 1
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


async def test_a_refusal_under_a_key_is_kept_an_outage_is_not() -> None:
    service, headers = FakeService(), {"Idempotency-Key": "refusal"}
    async with client_of(make(service)) as client:
        service.failure = Unavailable("away")
        away = await client.post("/api/v1/runs/r1/cancel", headers=headers)
        service.failure = Rejected("it has ended")
        refused = await client.post("/api/v1/runs/r1/cancel", headers=headers)
        service.failure = None
        again = await client.post("/api/v1/runs/r1/cancel", headers=headers)

    assert [one.status_code for one in (away, refused, again)] == [503, 409, 409]
    assert len(service.asked) == 2


async def test_requests_with_one_key_at_the_same_time_wait_for_one_answer() -> None:
    repeats, calls, go_on = Repeats(), 0, anyio.Event()
    answers: list[Answered] = []

    async def carry_out() -> Answered:
        nonlocal calls
        calls += 1
        await go_on.wait()
        return Answered(200, "application/json", b"{}")

    async def ask() -> None:
        answers.append(await repeats.once(("user", "start_run", "k"), {}, carry_out))

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            go_on.set()

    assert (calls, len(answers)) == (1, 3)


@pytest.mark.edge("API_KEYS_MAX")
async def test_so_many_keys_are_remembered() -> None:
    repeats, calls = Repeats(), list[str]()

    async def ask(key: str) -> None:
        async def carry_out() -> Answered:
            calls.append(key)
            return Answered(200, "", b"")

        await repeats.once(("user", "start_run", key), {}, carry_out)

    for number in range(API_KEYS_MAX + 1):
        await ask(str(number))
    await ask(str(API_KEYS_MAX))
    await ask("0")

    assert calls[-2:] == [str(API_KEYS_MAX), "0"]


async def test_metrics_count_requests_by_operation_and_status() -> None:
    service = FakeService()
    service.answers["list_forks"] = Page(items=())
    async with client_of(make(service)) as client:
        await client.get("/api/v1/runs/r1/forks")
        service.failure = NotFound("no")
        await client.get("/api/v1/runs/r2/forks")
        text = (await client.get("/metrics")).text

    assert 'dalsegno_api_requests_total{operation="list_forks",status="200"} 1' in text
    assert 'dalsegno_api_requests_total{operation="list_forks",status="404"} 1' in text
    assert 'dalsegno_up{part="projections"} 0' in text
