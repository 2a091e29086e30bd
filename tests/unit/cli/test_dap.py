"""The edge of the debug adapter: real sockets and pipes, files, and who may read which."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from dalsegno.testing import dalsegno_env
from events.errors import Misconfigured
from events.limits import DAP_CONNECTIONS_MAX, DAP_MESSAGES_AHEAD_MAX
from orchestrator.cli.common import COMMON
from orchestrator.cli.replay.dap_files import Reach, same_file, texts_of
from orchestrator.cli.replay.debugging import Serving, serve_port
from orchestrator.dap.arguments import Attach
from orchestrator.dap.framing import framed
from tests import exports

DEADLINE_S = 25.0
Message = dict[str, object]


class Peer:
    """The other end of a connection."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._buffered = BufferedByteReceiveStream(stream)
        self._seq = 0

    async def receive(self) -> Message:
        header = await self._buffered.receive_until(b"\r\n\r\n", 1_000)
        size = int(header.partition(b": ")[2])
        found: Message = msgspec.json.decode(await self._buffered.receive_exactly(size))
        return found

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def ask(self, command: str, **arguments: object) -> Message:
        """The response; events before it are passed over."""
        self._seq += 1
        await self.send(framed(msgspec.json.encode(_request(self._seq, command, arguments))))
        while True:
            found = await self.receive()
            if found.get("request_seq") == self._seq:
                return found


def _request(seq: int, command: str, arguments: object) -> Message:
    return {"seq": seq, "type": "request", "command": command, "arguments": arguments}


@pytest.fixture(scope="module")
def history() -> bytes:
    """An exported run."""

    async def made() -> bytes:
        async with dalsegno_env(tasks=exports.TASKS) as env:
            await exports.ordered(env)
            return await exports.jsonl(exports.store_of(env), "order-1")

    return anyio.run(made)


@pytest.fixture
def folder(tmp_path: Path, history: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "order.jsonl").write_bytes(history)
    (tmp_path / "flow.py").write_text(
        "from orchestrator.authoring import Workflow\n"
        "print('this would break the protocol')\n"
        "flow = Workflow('order')\n"
        "flow.task('price', 'shop.price')\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Adapter:
    """An adapter that listens, in this process."""

    def __init__(self, port: int, stack: AsyncExitStack) -> None:
        self.port = port
        self._stack = stack

    async def connect(self) -> Peer:
        stream = await anyio.connect_tcp("127.0.0.1", self.port)
        self._stack.push_async_callback(stream.aclose)
        return Peer(stream)


@asynccontextmanager
async def served(*files: str) -> AsyncIterator[Adapter]:
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group, AsyncExitStack() as stack:
            port: int = await group.start(serve_port, COMMON, files, 0)
            yield Adapter(port, stack)
            group.cancel_scope.cancel()


@pytest.mark.edge("DAP_CONNECTIONS_MAX")
def test_so_many_clients_are_served_and_a_further_one_is_told(folder: Path) -> None:
    async def scenario() -> None:
        async with served() as adapter:
            peers = [await adapter.connect() for _ in range(DAP_CONNECTIONS_MAX)]
            for peer in peers:
                assert (await peer.ask("initialize"))["success"] is True
            late = await adapter.connect()
            told = await late.receive()
            assert f"{DAP_CONNECTIONS_MAX} debug clients are connected already" in str(told)
            assert (await late.receive())["event"] == "terminated"
            with pytest.raises(anyio.IncompleteRead):
                await late.receive()
            await peers[0].ask("disconnect")
            with pytest.raises(anyio.IncompleteRead):
                await peers[0].receive()
            assert (await (await adapter.connect()).ask("initialize"))["success"] is True

    anyio.run(scenario)


def test_a_client_that_speaks_another_protocol_is_told_and_closed(folder: Path) -> None:
    async def scenario() -> None:
        async with served() as adapter:
            peer = await adapter.connect()
            await peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert "is the client one for debug adapters?" in str(await peer.receive())
            with pytest.raises(anyio.IncompleteRead):
                await peer.receive()

    anyio.run(scenario)


def test_who_connects_reads_what_is_below_the_folder_and_executes_nothing(folder: Path) -> None:
    (folder / "inner").mkdir()

    async def scenario() -> None:
        async with served("flow.py") as adapter:
            peer = await adapter.connect()
            await peer.ask("initialize")
            for wrong, why in (
                ({"file": "/etc/passwd"}, "is outside of"),
                ({"file": "../x.jsonl", "folder": "inner"}, "cannot be read"),
                ({"file": "../../x.jsonl", "folder": "inner"}, "is outside of"),
                ({"file": "order.jsonl", "folder": "/"}, "is outside of"),
                ({"file": "order.jsonl", "folder": "nowhere"}, "there is no folder nowhere"),
                ({"file": "order.jsonl", "definition": "flow.py"}, "would be executed"),
                ({"file": "order.jsonl", "definition": "flow.py:flow"}, "would be executed"),
                ({"file": "order.jsonl", "run": "nobody"}, "there is no run nobody"),
                ({"file": "flow.py"}, "is no export"),
            ):
                answer = await peer.ask("attach", **wrong)
                assert why in str(answer["message"]), answer
            assert (await peer.ask("attach", file="order.jsonl"))["success"] is True
            sources = await peer.ask("loadedSources")
            assert str(folder / "flow.py") in str(sources["body"])

    anyio.run(scenario)


def test_standard_input_and_output_have_the_protocol_alone(folder: Path) -> None:
    requests = [
        ("initialize", {}),
        ("attach", {"file": "order.jsonl", "definition": "flow.py"}),
        ("configurationDone", {}),
        ("stackTrace", {"threadId": 1}),
        ("disconnect", {}),
    ]
    wire = b"".join(
        framed(msgspec.json.encode(_request(seq, name, given)))
        for seq, (name, given) in enumerate(requests, 1)
    )

    async def scenario() -> None:
        command = [sys.executable, "-m", "orchestrator.cli.main", "dap"]
        with anyio.fail_after(DEADLINE_S):
            async with await anyio.open_process(command) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                assert process.stderr is not None
                await process.stdin.send(wire)
                # It ends by itself once it was told so: our end of its input stays open.
                said = b"".join([some async for some in process.stdout])
                printed = b"".join([some async for some in process.stderr])
                assert await process.wait() == 0
        bodies = [one.partition(b"{")[2] for one in said.split(b"Content-Length: ")[1:]]
        found = [msgspec.json.decode(b"{" + body) for body in bodies]
        assert [one["success"] for one in found if one["type"] == "response"] == [True] * 5
        assert said.startswith(b"Content-Length: ")
        assert b"this would break the protocol" in printed

    anyio.run(scenario)


@pytest.mark.edge("DAP_MESSAGES_AHEAD_MAX")
def test_no_more_is_read_ahead_than_that(folder: Path) -> None:
    """A client that sends without end while its first request waits."""
    read = 0

    class Wire:
        def __init__(self) -> None:
            self.stalled = anyio.Event()

        async def receive(self) -> bytes:
            nonlocal read
            read += 1
            return framed(msgspec.json.encode(_request(read, "initialize", {})))

        async def send(self, data: bytes) -> None:
            self.stalled.set()
            await anyio.sleep_forever()

    async def scenario() -> None:
        wire = Wire()
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as group:
                group.start_soon(Serving(wire, Reach(COMMON, (), is_trusted=True)).run)
                await wire.stalled.wait()
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        assert DAP_MESSAGES_AHEAD_MAX < read <= DAP_MESSAGES_AHEAD_MAX + 3

    anyio.run(scenario)


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    async def scenario() -> None:
        async with served() as adapter:
            with pytest.raises(Misconfigured, match=f"--port {adapter.port}: "):
                await serve_port(COMMON, (), adapter.port)

    anyio.run(scenario)


def test_files_of_a_definition_are_read_with_their_texts(folder: Path) -> None:
    reach = Reach(COMMON, (), is_trusted=True)
    for given in ("flow.py", "flow.py:flow"):
        (text,) = texts_of(reach, Attach(run="x", definition=[given]), folder)
        assert list(text.texts) == [str(folder / "flow.py")]
        assert text.authored.definition.name == "order"
    assert same_file("flow.py") == str((folder / "flow.py").resolve())
