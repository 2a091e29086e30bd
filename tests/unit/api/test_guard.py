"""Who may come in: by host, by site, by token."""

import hashlib

import httpx
import pytest
from litestar.types import ASGIApp

from events.errors import Misconfigured
from events.limits import API_TOKENS_MAX
from orchestrator.api.server.app import Access
from orchestrator.api.server.guard import is_loopback
from orchestrator.api.server.tokens import Tokens, read_tokens, token_line
from tests.api import FakeService, make

pytestmark = pytest.mark.anyio

TOKEN = "dalsegno_secret"
TOKENS = read_tokens(f"# of the team\n{token_line('alex', TOKEN)}\n\n", "tokens")


async def asked(
    app: ASGIApp, path: str = "/api/v1/runs", **headers: str
) -> tuple[int, dict[str, object]]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        response = await client.get(path, headers=given)
    is_json = "json" in response.headers["content-type"]
    return response.status_code, response.json() if is_json else {}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"])
async def test_this_machine_may_be_called_by_its_names(host: str) -> None:
    status, _ = await asked(make(FakeService()), Host=host)

    assert status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"])
async def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    """DNS rebinding: the page is of the same origin then, only the Host header tells."""
    status, problem = await asked(make(FakeService()), Host=host)

    assert (status, problem["code"]) == (403, "forbidden")


async def test_a_host_that_is_configured_is_taken() -> None:
    app = make(FakeService(), Access(hosts=("flow.example",)))

    assert (await asked(app, Host="flow.example"))[0] == 200
    assert (await asked(app, Host="other.example"))[0] == 403


async def test_at_an_open_address_any_host_is_taken_unless_some_are_named() -> None:
    anyhow = make(FakeService(), Access(tokens=TOKENS, loopback=False))
    named = make(FakeService(), Access(tokens=TOKENS, loopback=False, hosts=("flow.example",)))
    bearer = f"Bearer {TOKEN}"

    assert (await asked(anyhow, Host="any.example", Authorization=bearer))[0] == 200
    assert (await asked(named, Host="any.example", Authorization=bearer))[0] == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8080", 200),
        ("http://127.0.0.1:9999", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_pages_of_other_sites_may_not_ask(origin: str, status: int) -> None:
    assert (await asked(make(FakeService()), Origin=origin))[0] == status


async def test_there_is_no_cors() -> None:
    transport = httpx.ASGITransport(make(FakeService()))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.get("/api/v1/runs")

    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_known_token_says_who_acts() -> None:
    service = FakeService()
    app = make(service, Access(tokens=TOKENS))

    assert (await asked(app, Authorization=f"Bearer {TOKEN}"))[0] == 200
    assert (await asked(app, Cookie=f"dalsegno_token={TOKEN}"))[0] == 200
    assert service.actors == ["user:alex", "user:alex"]


@pytest.mark.parametrize("said", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
async def test_without_a_token_that_is_known_nothing_is_answered(said: str) -> None:
    app = make(FakeService(), Access(tokens=TOKENS))

    status, problem = await asked(app, Authorization=said)

    assert (status, problem["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["//api/v1/runs", "/api//v1/runs", "/%61pi/v1/runs", "/api%2Fv1/runs", "//metrics"]
)
async def test_however_a_path_is_written_it_is_the_one_that_is_answered(path: str) -> None:
    service = FakeService()
    app = make(service, Access(tokens=TOKENS))

    assert (await asked(app, f"http://127.0.0.1:8080{path}"))[0] == 401
    assert not service.asked


async def test_health_document_and_pages_are_open_metrics_are_not() -> None:
    service = FakeService()
    service.answers["show_health"] = {}
    app = make(service, Access(tokens=TOKENS))

    assert [(await asked(app, path))[0] for path in ("/healthz", "/openapi.json", "/")] == [200] * 3
    assert (await asked(app, "/metrics"))[0] == 401


def test_only_hashes_of_tokens_are_kept() -> None:
    line = token_line("alex", TOKEN)

    assert TOKEN not in line
    assert line == f"alex sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"
    assert TOKENS.name(TOKEN) == "alex"
    assert TOKENS.name("other") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alex plain", "line 1: expected NAME sha256:HEX"),
        (f"{token_line('a', 'x')}\n{token_line('a', 'y')}", "line 2: a has a token already"),
    ],
)
def test_a_file_of_tokens_says_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_tokens(text, "tokens file t")

    assert said in str(refused.value)


@pytest.mark.edge("API_TOKENS_MAX")
def test_a_file_has_so_many_tokens_at_most() -> None:
    lines = [token_line(f"n{number}", str(number)) for number in range(API_TOKENS_MAX + 1)]

    assert read_tokens("\n".join(lines[:-1]), "t")
    with pytest.raises(Misconfigured, match=f"over {API_TOKENS_MAX}"):
        read_tokens("\n".join(lines), "t")


def test_no_tokens_are_none() -> None:
    assert not Tokens()


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.1.2.3", False),
        ("flow.example", False),
    ],
)
def test_who_can_reach_an_address(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here
