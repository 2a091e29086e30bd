"""`http.request` over real connections: what is sent, what comes back, and every way to fail."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterator

import anyio
import pytest

from events.messages import Execute
from events.values import Value
from node_agent.adapters.clock import SystemClock
from node_agent.adapters.logs import TELLTALES, set_up_logging
from node_agent.adapters.secret_values import HostSecrets
from node_agent.executors.execution import Executions, Surroundings
from node_agent.executors.handlers import Handlers
from node_agent.executors.processes import Finished, Job
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.registry import TaskRegistry
from node_agent.steps import Broke, Ceased, Done, ExecutionEnded, Result, StartExecution
from node_agent.web.task import http_request
from tests.unit.node_agent.fakes import FakeLists, attempt
from tests.web import DEADLINE_S, Scripted, serving

pytestmark = pytest.mark.anyio
SECRETS = HostSecrets({"DALSEGNO_SECRET_SHOP_TOKEN": "s3cr3t-value"}, None)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tests run there may be a proxy, and it cannot reach this machine's servers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,nobody.invalid")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What an agent's process would have written to its log, at the most talkative level."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers.clear()  # those of pytest would be closed
    set_up_logging("DEBUG", "json", "node-1")
    yield lambda: capsys.readouterr().err
    root.handlers[:], level = before
    root.setLevel(level)
    for name in TELLTALES:
        logging.getLogger(name).setLevel(logging.NOTSET)


class NoProcesses:
    def run(self, job: Job) -> Finished:
        raise AssertionError(job)

    def close(self) -> None: ...


class Sender:
    """Executes attempts of `http.request` as an agent does."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        clock = SystemClock()
        self._ended: dict[str, Result] = {}
        self._over = asyncio.Event()
        around = Surroundings(
            registry=TaskRegistry([http_request]),
            handlers=Handlers(anyio.CapacityLimiter(1), clock, NoProcesses(), 1_000_000),
            clock=clock,
            secrets=SECRETS,
            lists=ListReader(FakeLists()),
            keeper=Keeper(lambda kept: None),
            signal=lambda sign: None,
            ended=self._note,
            output_bytes_max=1_000_000,
        )
        self._until_us = clock.now().monotonic_us + 60_000_000
        self.executions = Executions(around, group)

    def start(self, what: Execute) -> None:
        self._over.clear()
        self.executions.start(StartExecution(what, 1, self._until_us))

    async def ended(self) -> Result:
        with anyio.fail_after(DEADLINE_S):
            await self._over.wait()
        return self._ended.popitem()[1]

    def _note(self, end: ExecutionEnded) -> None:
        self._ended[str(end.attempt)] = end.result
        self._over.set()


def request(number: int = 1, /, **inputs: Value) -> Execute:
    return Execute(attempt=attempt(number=number), shard=0, task="http.request", inputs=inputs)


async def sent(number: int = 1, /, **inputs: Value) -> Result:
    """What comes of one attempt with these inputs."""
    async with asyncio.TaskGroup() as group:
        sender = Sender(group)
        sender.start(request(number, **inputs))
        return await sender.ended()


async def completed(**inputs: Value) -> dict[str, Value]:
    result = await sent(**inputs)
    assert isinstance(result, Done), result
    assert isinstance(result.output, dict)
    return result.output


async def failed(**inputs: Value) -> Broke:
    result = await sent(**inputs)
    assert isinstance(result, Broke), result
    return result


async def test_a_request_goes_out_as_it_is_said() -> None:
    said = Scripted(
        status=201, body=b'{"id": 7}', headers={"Content-Type": "application/json", "X-Other": "1"}
    )
    with serving(said) as service:
        output = await completed(
            url=f"{service.url}/orders?a=1",
            method="POST",
            headers={"X-Shop": "north"},
            query={"b": [2, True], "c": None, "d": "x y"},
            json={"order": "A-17"},
        )
    assert output == {"status": 201, "headers": {"content-type": "application/json"},
                      "body": {"id": 7}}  # fmt: skip
    (seen,) = service.seen
    assert (seen.method, seen.path) == ("POST", "/orders?a=1&b=2&b=true&d=x+y")
    assert json.loads(seen.body) == {"order": "A-17"}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-shop"] == "north"
    assert seen.headers["user-agent"].startswith("dalsegno/")


async def test_every_attempt_has_the_same_idempotency_key() -> None:
    with serving(Scripted(status=503), Scripted()) as service:
        first = await sent(1, url=service.url, method="POST")
        second = await sent(2, url=service.url, method="POST")
        await sent(url=service.url, idempotency_header="X-Request-Key")
        await sent(url=service.url, idempotency_header="")
    assert isinstance(first, Broke)
    assert isinstance(second, Done)
    keys = [seen.headers.get("idempotency-key") for seen in service.seen]
    assert keys == [attempt(number=1).task_key, attempt(number=2).task_key, None, None]
    assert keys[0] == keys[1]
    assert service.seen[2].headers["x-request-key"] == keys[0]


@pytest.mark.parametrize(
    ("status", "inputs", "retryable"),
    [
        (500, {}, True),
        (503, {}, True),
        (408, {}, True),
        (429, {}, True),
        (400, {}, False),
        (404, {}, False),
        (409, {}, False),
        (304, {}, False),
        (409, {"retry_on": [409]}, True),
        (409, {"retry_on": ["4xx"]}, True),
        (503, {"retry_on": ["timeout"]}, False),
        (503, {"retry_on": []}, False),
    ],
)
async def test_the_status_says_whether_another_attempt_is_worth_it(
    status: int, inputs: dict[str, Value], retryable: bool
) -> None:
    with serving(Scripted(status=status, body=b"no")) as service:
        broke = await failed(url=f"{service.url}/x?key=hidden", **inputs)
    assert broke.retryable is retryable
    assert broke.failure.code == f"http_{status}"
    assert f"GET {service.url}/x answered {status}" in broke.failure.message
    assert "hidden" not in broke.failure.message
    assert broke.failure.details == {"status": status, "body": "" if status == 304 else "no"}


async def test_statuses_may_be_accepted_and_looked_at() -> None:
    with serving(Scripted(status=404, body=b"not here")) as service:
        output = await completed(url=service.url, accept=["2xx", 404])
    assert (output["status"], output["body"]) == (404, "not here")


@pytest.mark.parametrize(
    ("status", "headers", "inputs", "seconds"),
    [
        (503, {"Retry-After": "7"}, {}, 7.0),
        (429, {"Retry-After": "9000"}, {}, 300.0),
        (429, {"Retry-After": "9000"}, {"retry_after_max_s": 1000}, 1000.0),
        (503, {"Retry-After": "soon"}, {}, 0.0),
        (503, {}, {}, 0.0),
        (404, {"Retry-After": "7"}, {}, 0.0),
    ],
)
async def test_the_service_may_ask_for_time(
    status: int, headers: dict[str, str], inputs: dict[str, Value], seconds: float
) -> None:
    with serving(Scripted(status=status, headers=headers)) as service:
        broke = await failed(url=service.url, **inputs)
    assert broke.retry_after_s == seconds


# -- no whole answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(("retry_on", "retryable"), [(["timeout"], True), (["5xx"], False)])
async def test_a_service_that_does_not_answer_in_time(
    retry_on: list[Value], retryable: bool
) -> None:
    with serving(Scripted(stalls=True)) as service:
        broke = await failed(url=service.url, timeout_s=1.0, retry_on=retry_on)
        assert service.gone.wait(DEADLINE_S)
    assert (broke.failure.code, broke.retryable) == ("http_timeout", retryable)
    assert "no whole response within 1 s" in broke.failure.message


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        broke = await failed(url=f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert (broke.failure.code, broke.retryable) == ("http_connection", True)


async def test_a_name_that_nobody_has() -> None:
    broke = await failed(url="http://nobody.invalid/")
    assert (broke.failure.code, broke.retryable) == ("http_connection", True)


async def test_a_server_without_encryption_is_not_trusted() -> None:
    with serving() as service:
        broke = await failed(url=service.url.replace("http:", "https:"))
    assert (broke.failure.code, broke.retryable) == ("http_connection", True)
    assert not service.seen


async def test_an_answer_that_ends_too_early() -> None:
    with serving(Scripted(body=b"half", is_cut=True)) as service:
        broke = await failed(url=service.url)
    assert broke.failure.code == "http_connection"


async def test_a_cancelled_request_hangs_up() -> None:
    with serving(Scripted(stalls=True)) as service:
        async with asyncio.TaskGroup() as group:
            sender = Sender(group)
            sender.start(request(url=service.url))
            assert await anyio.to_thread.run_sync(service.asked.wait, DEADLINE_S)
            sender.executions.cancel(attempt())
            assert isinstance(await sender.ended(), Ceased)
        assert service.gone.wait(DEADLINE_S)


# -- bodies ---------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/problem+json; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "headers", "inputs", "found"),
    [
        (b'{"a": 1}', JSON, {}, {"a": 1}),
        (b"", JSON, {}, None),
        (b"plain", {}, {}, "plain"),
        (b"gr\xfc\xdf", {"Content-Type": "text/plain; charset=latin-1"}, {}, "grüß"),
        (b"<a/>", {"Content-Type": "application/xml"}, {}, "<a/>"),
        (b"\x89PNG", {"Content-Type": "image/png"}, {}, None),
        (b"[1]", {"Content-Type": "text/plain"}, {"response": "json"}, [1]),
        (b"[1]", JSON, {"response": "text"}, "[1]"),
        (b"[1]", JSON, {"response": "none"}, None),
        (b"[1]", JSON, {"method": "HEAD", "response": "json"}, None),
    ],
)
async def test_bodies(
    body: bytes, headers: dict[str, str], inputs: dict[str, Value], found: Value
) -> None:
    with serving(Scripted(body=body, headers=headers)) as service:
        output = await completed(url=service.url, **inputs)
    assert output["body"] == found


async def test_what_is_not_json_is_said_so() -> None:
    with serving(Scripted(body=b"<html>", headers=JSON)) as service:
        broke = await failed(url=service.url)
    assert (broke.failure.code, broke.retryable) == ("http_invalid_body", False)
    assert broke.failure.details == {"status": 200, "body": "<html>"}


async def test_an_answer_may_be_as_large_as_allowed_and_no_larger() -> None:
    with serving(Scripted(body=b"x" * 1000)) as service:
        output = await completed(url=service.url, response_bytes_max=1000)
        broke = await failed(url=service.url, response_bytes_max=999)
        unread = await completed(url=service.url, response_bytes_max=1, response="none")
    assert output["body"] == "x" * 1000
    assert (broke.failure.code, broke.retryable) == ("http_too_large", False)
    assert unread["body"] is None


# -- secrets --------------------------------------------------------------------------------------


async def test_a_secret_reaches_the_service_and_nothing_else() -> None:
    echo = Scripted(
        status=200,
        body=b'{"you": "Bearer s3cr3t-value"}',
        headers={"Content-Type": "application/json", "Location": "/s3cr3t-value"},
    )
    inputs: dict[str, Value] = {"secret_headers": {"Authorization": "Bearer {shop.token}"}}
    with serving(echo, Scripted(status=401, body=b"bad s3cr3t-value")) as service:
        output = await completed(url=service.url, **inputs)
        broke = await failed(url=service.url, **inputs)
    assert service.seen[0].headers["authorization"] == "Bearer s3cr3t-value"
    assert output["body"] == {"you": "Bearer ***"}
    assert "s3cr3t" not in repr(output) + repr(broke)


async def test_the_log_says_nothing_of_what_was_sent(logged: Callable[[], str]) -> None:
    """The client would log whole URLs, and headers of responses."""
    said = Scripted(headers={"Set-Cookie": "session=tasty"})
    with serving(said) as service:
        await completed(
            url=f"{service.url}/?key=hidden",
            secret_headers={"Authorization": "Bearer {shop.token}"},
        )
    logging.getLogger("dalsegno.agent").debug("here")
    text = logged()
    assert "here" in text
    assert not any(word in text for word in ("hidden", "s3cr3t", "tasty", "/?"))


async def test_a_secret_that_the_node_has_not_may_be_on_another_one() -> None:
    broke = await failed(url="http://127.0.0.1:9/", secret_headers={"X-Key": "{other}"})
    assert (broke.failure.code, broke.retryable) == ("unknown_secret", True)


# -- redirects ------------------------------------------------------------------------------------


async def test_redirects_stay_on_the_host() -> None:
    with serving(Scripted(status=303, headers={"Location": "/done"}), Scripted()) as service:
        await completed(url=f"{service.url}/form", method="POST", json={})
    assert [(seen.method, seen.path) for seen in service.seen] == [("POST", "/form"),
                                                                   ("GET", "/done")]  # fmt: skip


async def test_another_host_is_asked_only_when_that_is_wanted_and_told_no_secrets() -> None:
    inputs: dict[str, Value] = {"secret_headers": {"X-Key": "{shop.token}"}}
    with serving() as other:
        away = Scripted(status=302, headers={"Location": f"{other.url}/there?q=1"})
        with serving(away) as service:
            broke = await failed(url=service.url, **inputs)
            assert not other.seen
            await completed(url=service.url, redirects="any", **inputs)
            taken = await completed(url=service.url, redirects="none", accept=["3xx"], **inputs)
    assert (broke.failure.code, broke.retryable) == ("http_redirect", False)
    assert f"redirects to {other.url}/there, another host" in broke.failure.message
    assert "x-key" in service.seen[1].headers
    assert "x-key" not in other.seen[0].headers
    assert (taken["status"], taken["headers"]) == (302, {"location": f"{other.url}/there?q=1"})


@pytest.mark.edge("HTTP_REDIRECTS_MAX")
@pytest.mark.parametrize(("hops", "is_done"), [(5, True), (6, False)])
async def test_redirects_end(hops: int, is_done: bool) -> None:
    on = Scripted(status=307, headers={"Location": "/on"})
    with serving(*[on] * hops, Scripted()) as service:
        result = await sent(url=service.url)
    assert isinstance(result, Done) is is_done
    assert is_done or (isinstance(result, Broke) and result.failure.code == "http_redirect")


# -- what cannot be sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"url": "http://"}, "has no host"),
        ({"url": "http://a b/"}, "spaces or control characters"),
        ({"url": "http://h:99999/"}, "cannot be read"),
        ({"url": "http://[::1/"}, "cannot be read"),
        ({"url": "https://user:pw@h/"}, "holds credentials"),
        ({"json": 1, "body": "x"}, "`json` and `body`"),
        ({"headers": {"Authorization": "Bearer x"}}, "header Authorization would be in the log"),
        ({"headers": {"Cookie": "x"}}, "header Cookie would be in the log"),
        ({"headers": {"Host": "x"}}, "header Host is set by the agent"),
        ({"headers": {"A b": "x"}}, "'A b' is no name of a header"),
        ({"headers": {"A": "x\r\nB: y"}}, "characters that a header cannot have"),
        ({"headers": {"A": "x", "a": "y"}}, "header a is there twice"),
        ({"secret_headers": {"X-Key": "abc"}}, "names no secret"),
    ],
)
async def test_what_cannot_be_sent_is_never_tried_again(
    inputs: dict[str, Value], message: str
) -> None:
    broke = await failed(**{"url": "http://127.0.0.1:9/", **inputs})
    assert (broke.failure.code, broke.retryable) == ("http_invalid_request", False)
    assert message in broke.failure.message


@pytest.mark.parametrize(
    "inputs",
    [
        {"url": "ftp://h/"},
        {"url": "http://h/", "method": "BREW"},
        {"url": "http://h/", "timeout_s": 0},
        {"url": "http://h/", "accept": ["6xx"]},
        {"url": "http://h/", "retries": 3},
    ],
)
async def test_inputs_are_checked(inputs: dict[str, Value]) -> None:
    assert (await failed(**inputs)).failure.code == "invalid_inputs"
