"""Durable subscriptions beside the log: one reader at a time, and what operators do to them."""

import json
from collections.abc import Callable

import anyio
import pytest

from events.limits import SUBSCRIPTIONS_MAX
from orchestrator.adapters.postgres import subscriptions as module
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.main import run
from orchestrator.errors import Fenced, Rejected
from orchestrator.insight.following.filters import Filter
from tests.logs import batch, begin
from tests.postgres import Observer, prepare
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = pytest.mark.real
RUNS = Filter(types=("run.*",))
TTL_S = 60.0


class TestStore:
    pytestmark = pytest.mark.anyio

    async def test_one_is_made_once(self, store: PostgresStore) -> None:
        subscriptions = store.subscriptions()
        assert await subscriptions.create("billing", 7, RUNS)
        assert not await subscriptions.create("billing", 9, Filter())
        (found,) = await subscriptions.all()
        assert (found.name, found.position, found.filter) == ("billing", 7, RUNS)
        assert not found.held
        assert await subscriptions.all("nobody") == []

    @pytest.mark.edge("SUBSCRIPTIONS_MAX")
    async def test_there_are_so_many_at_most(
        self, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert SUBSCRIPTIONS_MAX == 1000
        monkeypatch.setattr(module, "SUBSCRIPTIONS_MAX", 2)
        subscriptions = store.subscriptions()
        assert await subscriptions.create("a", 0, Filter())
        assert await subscriptions.create("b", 0, Filter())
        assert not await subscriptions.create("b", 0, Filter())
        with pytest.raises(Rejected, match="there are 2 subscriptions, the most"):
            await subscriptions.create("c", 0, Filter())

    async def test_one_reads_until_it_leaves(self, store: PostgresStore) -> None:
        subscriptions = store.subscriptions()
        await subscriptions.create("billing", 7, RUNS)
        held = await subscriptions.acquire("billing", "one", TTL_S)
        assert held is not None
        assert (held.position, held.filter) == (7, RUNS)
        assert await subscriptions.acquire("billing", "two", TTL_S) is None
        await subscriptions.advance(held, 9, TTL_S)
        await subscriptions.advance(held, 8, TTL_S)
        (found,) = await subscriptions.all("billing")
        assert (found.position, found.owner, found.held) == (9, "one", True)
        await subscriptions.release(held)
        second = await subscriptions.acquire("billing", "two", TTL_S)
        assert second is not None
        assert second.position == 9

    async def test_who_was_replaced_moves_nothing(
        self, store: PostgresStore, eyes: Observer
    ) -> None:
        subscriptions = store.subscriptions()
        await subscriptions.create("billing", 0, RUNS)
        first = await subscriptions.acquire("billing", "one", TTL_S)
        assert first is not None
        await eyes.do("UPDATE dalsegno.subscription SET expires_at = clock_timestamp()")
        second = await subscriptions.acquire("billing", "two", TTL_S)
        assert second is not None
        with pytest.raises(Fenced):
            await subscriptions.advance(first, 5, TTL_S)
        await subscriptions.release(first)
        assert await subscriptions.acquire("billing", "three", TTL_S) is None
        await subscriptions.advance(second, 3, TTL_S)

    async def test_what_is_set_anew_or_deleted_fences_its_reader(
        self, store: PostgresStore
    ) -> None:
        subscriptions = store.subscriptions()
        await subscriptions.create("billing", 0, RUNS)
        held = await subscriptions.acquire("billing", "one", TTL_S)
        assert held is not None
        assert await subscriptions.reset("billing", 3, Filter())
        with pytest.raises(Fenced):
            await subscriptions.advance(held, 5, TTL_S)
        again = await subscriptions.acquire("billing", "one", TTL_S)
        assert again is not None
        assert (again.position, again.filter) == (3, Filter())
        assert await subscriptions.delete("billing")
        with pytest.raises(Fenced):
            await subscriptions.advance(again, 5, TTL_S)
        assert not await subscriptions.delete("billing")
        assert not await subscriptions.reset("billing", 3, Filter())

    async def test_of_many_that_ask_at_once_one_gets_it(self, store: PostgresStore) -> None:
        subscriptions = store.subscriptions()
        await subscriptions.create("billing", 0, RUNS)
        got: list[object] = []

        async def ask(owner: str) -> None:
            got.append(await subscriptions.acquire("billing", owner, TTL_S))

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(ask, str(number))
        assert len([one for one in got if one is not None]) == 1


Command = Callable[..., str]


def filled(dsn: str) -> None:
    async def write() -> None:
        async with await PostgresStore.open(dsn) as store:
            leases = await store.acquire([0], "a", 60.0)
            await store.append(batch(leases, begin("run:r1", 5)))

    prepare(dsn)
    anyio.run(write)


@pytest.fixture
def command(
    database_factory: DatabaseFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """`dalsegno subscription …`: what it says, on both outputs when it fails."""
    monkeypatch.setenv("DALSEGNO_POSTGRES__DSN", database_factory(filled))

    def call(*arguments: str, code: int = 0) -> str:
        assert run(["subscription", *arguments]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return call


def test_operators_make_them_look_at_them_and_set_them_anew(command: Command) -> None:
    assert command("list", "--json") == "[]\n"
    command("create", "billing", "--type", "run.completed", "--workflow", "orders")
    command("create", "audit", "--after", "end")
    audit, billing = json.loads(command("list", "--json"))
    assert (audit["name"], audit["position"], audit["behind"]) == ("audit", 5, 0)
    assert (billing["position"], billing["behind"], billing["held"]) == (0, 5, False)
    assert billing["filter"] == {"types": ["run.completed"], "workflows": ["orders"]}
    assert "types run.completed, workflows orders" in command("show", "billing")
    assert "read by nobody" in command("show", "billing")
    assert "billing" in command("list")
    command("reset", "billing", "--after", "3", "--yes")
    (shown,) = json.loads(command("show", "billing", "--json"))
    assert (shown["position"], shown["filter"]) == (3, billing["filter"])
    command("reset", "billing", "--after", "beginning", "--node", "n1", "--yes")
    (shown,) = json.loads(command("show", "billing", "--json"))
    assert (shown["position"], shown["filter"]) == (0, {"nodes": ["n1"]})
    command("delete", "billing", "--yes")
    assert [one["name"] for one in json.loads(command("list", "--json"))] == ["audit"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "audit"), 3, "there is a subscription audit"),
        (("create", " x"), 2, "printable characters without space"),
        (("create", "x", "--type", "run.complete"), 3, "did you mean run.completed"),
        (("create", "x", "--until", "1h"), 2, "leave it out"),
        (("create", "x", "--after", "soon"), 2, "--after is 'soon': expected a position"),
        (("show", "nobody"), 3, "there is no subscription nobody"),
        (("reset", "nobody", "--after", "0", "--yes"), 3, "there is no subscription nobody"),
        (("reset", "audit", "--after", "-1", "--yes"), 2, "expected a position"),
        (("reset", "audit", "--after", "1"), 2, "nobody is there to confirm this"),
        (("delete", "nobody", "--yes"), 3, "there is no subscription nobody"),
        (("delete", "audit"), 2, "nobody is there to confirm this"),
    ],
)
def test_what_is_refused(
    command: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    command("create", "audit")
    assert said in command(*arguments, code=code)
