"""The client port: requests to whoever owns them, repeated until somebody answers."""

import re
from collections.abc import AsyncIterator, Callable

import anyio
import nats
import pytest
from anyio.abc import TaskGroup

from events.api import (
    AnyAnswer,
    AnyRequest,
    AwaitRun,
    Hello,
    Here,
    ListNodes,
    Nodes,
    Refused,
    RegisterWorkflow,
    RunAnswer,
    RunView,
    ShowRun,
)
from events.connection import Connection
from events.definition import Definition
from events.errors import Conflict, Corrupt, DalsegnoError, InvalidValue, Rejected, Unavailable
from events.ids import shard_of
from events.reading import ANSWER
from events.streams import Topology
from events.subjects import Subjects
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.nats.client import Client, connect
from tests.contract.planes import DEADLINE_S

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]

SHARDS = 4
Answering = Callable[[AnyRequest], AnyAnswer | None]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def group() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as made:
        yield made
        made.cancel_scope.cancel()


@pytest.fixture
async def client(nats_server: EmbeddedNats, nats_prefix: str) -> AsyncIterator[Client]:
    connection = Connection(urls=(nats_server.url,))
    async with connect(connection, nats_prefix, timeout_s=10.0) as made:
        yield made


class Coordinators:
    """Coordinators that answer as they are told; `asked` says who was asked what."""

    def __init__(self, url: str, prefix: str, group: TaskGroup) -> None:
        self.asked: list[tuple[str, AnyRequest]] = []
        self.buses: list[NatsBus] = []
        self._connection = Connection(urls=(url,))
        self._topology = Topology(subjects=Subjects(prefix))
        self._group = group

    def start(self, name: str, shards: list[int], answering: Answering) -> NatsBus:
        bus = NatsBus(self._connection, self._topology, name)
        self.buses.append(bus)
        self._group.start_soon(self._serve, name, bus, shards, answering)
        return bus

    async def _serve(
        self, name: str, bus: NatsBus, shards: list[int], answering: Answering
    ) -> None:
        async for request, reply_to in bus.requests(shards):
            self.asked.append((name, request))
            if (answer := answering(request)) is not None:
                await bus.answer(reply_to, answer)


@pytest.fixture
async def coordinators(
    nats_server: EmbeddedNats, nats_prefix: str, group: TaskGroup
) -> AsyncIterator[Coordinators]:
    made = Coordinators(nats_server.url, nats_prefix, group)
    yield made
    for bus in made.buses:
        await bus.close()


def run_view(run_id: str, ended_at: int | None = None) -> RunAnswer:
    return RunAnswer(
        run=RunView(
            run_id=run_id,
            workflow="w",
            workflow_version="v1",
            version=1,
            status="running" if ended_at is None else "completed",
            ended_at=ended_at,
        )
    )


def politely(request: AnyRequest) -> AnyAnswer:
    match request:
        case Hello():
            return Here(coordinator="c", shards=SHARDS)
        case ShowRun() | AwaitRun():
            return run_view(request.run_id, ended_at=1)
        case _:
            return Nodes(nodes=())


async def test_a_run_is_asked_of_its_owner(client: Client, coordinators: Coordinators) -> None:
    coordinators.start("even", [0, 2], politely)
    coordinators.start("odd", [1, 3], politely)
    for number in range(12):
        answer = await client.request(ShowRun(run_id=f"run-{number}"))
        assert answer == run_view(f"run-{number}", ended_at=1)
    for name, request in coordinators.asked:
        if isinstance(request, ShowRun):
            assert name == ("even", "odd")[shard_of(request.run_id, SHARDS) % 2]


async def test_what_concerns_the_cluster_is_asked_of_one_coordinator_only(
    client: Client, coordinators: Coordinators
) -> None:
    for name in ("c1", "c2", "c3"):
        coordinators.start(name, [], politely)
    await client.request(ListNodes())
    before = len(coordinators.asked)
    for _ in range(20):
        await client.request(ListNodes())
    assert len(coordinators.asked) == before + 20


async def test_nobody_there_is_said_with_the_mend(client: Client) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1.*is a coordinator .* running\?"):
        await client.request(Hello(), timeout_s=0.3)


async def test_a_shard_without_an_owner_is_named_with_how_long(
    client: Client, coordinators: Coordinators
) -> None:
    """A try that nobody answers in its time, as on a busy machine, does not say that there is
    nobody: then it is asked once more."""
    shard = shard_of("run", SHARDS)
    coordinators.start("other", [one for one in range(SHARDS) if one != shard], politely)
    await client.request(ListNodes())
    expected = rf"show_run: shard {shard} has no owner on NATS .*, since 1\.\d* s ago at least"
    with anyio.fail_after(DEADLINE_S):
        while True:
            with pytest.raises(Unavailable) as caught:
                await client.request(ShowRun(run_id="run"), timeout_s=1.4)
            if re.search(expected, str(caught.value)):
                break


async def test_a_workflow_is_registered_with_its_owner(
    client: Client, coordinators: Coordinators
) -> None:
    for shard in range(SHARDS):
        coordinators.start(f"c{shard}", [shard], politely)
    for number in range(8):
        definition = Definition(name=f"w{number}", steps=())
        await client.request(RegisterWorkflow(definition=definition))
        assert coordinators.asked[-1][0] == f"c{shard_of(definition.name, SHARDS)}"


async def test_a_request_outlives_a_takeover(
    client: Client, coordinators: Coordinators, group: TaskGroup
) -> None:
    first = coordinators.start("c1", list(range(SHARDS)), politely)
    await client.request(ShowRun(run_id="r"))
    await first.close()
    answers: list[AnyAnswer] = []

    async def ask() -> None:
        answers.append(await client.request(ShowRun(run_id="r")))

    async with anyio.create_task_group() as asking:
        asking.start_soon(ask)
        coordinators.start("c2", list(range(SHARDS)), politely)
    assert answers == [run_view("r", ended_at=1)]
    assert coordinators.asked[-1][0] == "c2"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("rejected", Rejected),
        ("invalid_value", InvalidValue),
        ("corrupt", Corrupt),
        ("a code of a newer release", Rejected),
    ],
)
async def test_a_refusal_is_raised_as_the_error_it_names(
    code: str, expected: type[DalsegnoError], client: Client, coordinators: Coordinators
) -> None:
    coordinators.start("c1", [], lambda _: Refused(code=code, message="no: because"))
    with pytest.raises(expected, match="no: because") as caught:
        await client.request(ListNodes())
    assert type(caught.value) is expected


@pytest.mark.parametrize("code", [Unavailable.code, Conflict.code, "fenced"])
async def test_what_passes_is_tried_again(
    code: str, client: Client, coordinators: Coordinators
) -> None:
    answers: list[AnyAnswer] = [Nodes(nodes=()), Refused(code=code, message="not now")]
    coordinators.start("c1", [], lambda _: answers.pop())
    assert await client.request(ListNodes()) == Nodes(nodes=())


async def test_a_run_is_awaited_until_it_has_ended(
    client: Client, coordinators: Coordinators
) -> None:
    answers = [run_view("r", ended_at=1), run_view("r"), run_view("r")]
    coordinators.start(
        "c1",
        list(range(SHARDS)),
        lambda request: politely(request) if isinstance(request, Hello) else answers.pop(),
    )
    assert (await client.await_run("r")).status == "completed"
    assert not answers


async def test_a_run_is_awaited_for_as_long_as_was_said(
    client: Client, coordinators: Coordinators
) -> None:
    coordinators.start(
        "c1",
        list(range(SHARDS)),
        lambda request: politely(request) if isinstance(request, Hello) else run_view("r"),
    )
    assert (await client.await_run("r", timeout_s=0.2)).status == "running"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("hello", b"not json"),
        ("hello", b'{"type":"start_everything"}'),
        ("show_run", b'{"type":"show_run"}'),
        ("no_such_verb", b"{}"),
    ],
)
async def test_what_is_no_request_is_refused_by_the_door(
    verb: str, body: bytes, nats_server: EmbeddedNats, nats_prefix: str, coordinators: Coordinators
) -> None:
    coordinators.start("c1", [], politely)
    async with connect(Connection(urls=(nats_server.url,)), nats_prefix) as ready:
        await ready.request(Hello())
    raw = await nats.connect(nats_server.url)
    try:
        message = await raw.request(Subjects(nats_prefix).api(verb), body, timeout=5)
    finally:
        await raw.close()
    answer = ANSWER.read(message.data)
    assert isinstance(answer, Refused)
    assert answer.code == "invalid_value"
    assert [type(request) for _, request in coordinators.asked] == [Hello]


async def test_an_answer_beyond_the_limit_of_a_message_is_refused_in_words(
    client: Client, coordinators: Coordinators
) -> None:
    huge = RunView(
        run_id="r", workflow="w" * 9 * 2**20, workflow_version="v", version=1, status="running"
    )
    coordinators.start("c1", [], lambda _: RunAnswer(run=huge))
    with pytest.raises(Rejected, match="bytes"):
        await client.request(ListNodes())


async def test_a_request_beyond_the_limit_of_a_message_is_refused_at_once(
    client: Client, coordinators: Coordinators
) -> None:
    coordinators.start("c1", list(range(SHARDS)), politely)
    with pytest.raises(Rejected, match="bytes"):
        await client.request(ShowRun(run_id="r" * 9 * 2**20))
