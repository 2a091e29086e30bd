"""The client: what the command line and programs talk to coordinators with.

Requests are safe to repeat, so a client repeats them until somebody answers or the deadline passes:
an owner may just be dying and another taking over.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import assert_never

import anyio
import msgspec

from events.api import (
    AnyAnswer,
    AnyRequest,
    AwaitRun,
    CancelRun,
    CompleteStep,
    CompleteTask,
    CordonNode,
    DrainNode,
    ErasePersonal,
    FailStep,
    FailTask,
    FetchValues,
    ForkRun,
    Hello,
    Here,
    KeepValues,
    ListNodes,
    MoveStep,
    PauseRun,
    QueryRun,
    Refused,
    RegisterWorkflow,
    RepinRun,
    RerunRun,
    RestoreRun,
    ResumeRun,
    RunAnswer,
    RunView,
    ShowNode,
    ShowRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UncordonNode,
    UpdateRun,
)
from events.codec import encode
from events.completion_tokens import read_token
from events.connection import Connection
from events.errors import BY_CODE, Conflict, Fenced, Rejected, Unavailable
from events.ids import shard_of
from events.jetstream import Call
from events.reading import ANSWER
from events.streams import Topology
from events.subjects import Subjects
from events.values import Value
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.session import NobodyAnswers, TooSlow

TIMEOUT_S = 30.0
ANSWER_FIRST_S, ANSWER_LAST_S = 2.0, 8.0
"""How long one try waits for its answer, beyond what the request itself asks the owner to wait; the
first is short, as an owner that was killed with the request in its hands never answers, the next
ones are longer, as one that is slow does."""
AWAIT_S = 3.0
NO_TIME = "no time to try"
PAUSE_FIRST_S, PAUSE_LAST_S = 0.02, 0.5


@asynccontextmanager
async def connect(
    connection: Connection, prefix: str = "dalsegno", timeout_s: float = TIMEOUT_S
) -> AsyncIterator["Client"]:
    """Raises `Unavailable` when NATS cannot be reached, `Misconfigured` when it refuses us."""
    subjects = Topology(subjects=Subjects(prefix)).subjects
    link = Link(connection, "client")
    try:
        await link.start()
        yield Client(link, subjects, timeout_s, time.monotonic)
    finally:
        await link.close()


class Client:
    """Sends requests to coordinators; made by `connect`."""

    def __init__(
        self, link: Link, subjects: Subjects, timeout_s: float, clock: Callable[[], float]
    ) -> None:
        self._link = link
        self._subjects = subjects
        self._timeout_s = timeout_s
        self._clock = clock
        self._shards: int | None = None

    async def request(self, request: AnyRequest, timeout_s: float | None = None) -> AnyAnswer:
        """Returns the answer, never `Refused`: that is raised as the error its code names, e.g.
        `Rejected`. Raises `Unavailable` when nobody answered within `timeout_s`."""
        deadline = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
        name = _about(request)
        shard = None if name is None else shard_of(name, await self._shard_count(deadline))
        return await self._repeat(request, shard, deadline)

    async def run(self, request: StartRun, timeout_s: float | None = None) -> RunView:
        """Starts a run and returns it as `await_run` does; with one request if it ends soon."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        wait_s = AWAIT_S if timeout_s is None else max(0.0, min(AWAIT_S, timeout_s))
        answer = await self.request(msgspec.structs.replace(request, wait_s=wait_s))
        if isinstance(answer, RunAnswer) and answer.run.ended_at is not None:
            return answer.run
        left_s = None if deadline is None else max(0.0, deadline - self._clock())
        return await self.await_run(request.run_id, left_s)

    async def complete_task(self, token: str, output: Value = None, actor: str = "user") -> RunView:
        """Completes the task's attempt for which a handler has made the token; returns its run. Of
        a handler that has not ended yet it waits for the end. Raises `Rejected` for a token that is
        none, or fenced, and `Unavailable`."""
        run_id = read_token(token).attempt.run_id
        request = CompleteTask(run_id=run_id, token=token, output=output, actor=actor)
        return await self._redeemed(request)

    async def fail_task(
        self, token: str, message: str, code: str = "failed", retryable: bool = True
    ) -> RunView:
        """Fails it, like `complete_task`; its retry policy may try again if it is `retryable`."""
        run_id = read_token(token).attempt.run_id
        request = FailTask(
            run_id=run_id, token=token, message=message, code=code, retryable=retryable
        )
        return await self._redeemed(request)

    async def _redeemed(self, request: CompleteTask | FailTask) -> RunView:
        answer = await self.request(request)
        if isinstance(answer, RunAnswer):
            return answer.run
        raise Unavailable(f"a coordinator answers {type(answer).__name__} to a completion")

    async def greet(self, shard: int | None, timeout_s: float) -> Here:
        """Who owns a shard; or any coordinator. Raises `Unavailable` when nobody answers."""
        answer = await self._repeat(Hello(), shard, self._clock() + timeout_s)
        if isinstance(answer, Here):
            return answer
        raise Unavailable(f"a coordinator answers {type(answer).__name__} to hello")

    async def await_run(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """Returns the run as soon as it has ended, or as it is after `timeout_s` (None: never)."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        while True:
            left_s = AWAIT_S if deadline is None else deadline - self._clock()
            wait_s = max(0.0, min(AWAIT_S, left_s))
            answer = await self.request(AwaitRun(run_id=run_id, wait_s=wait_s))
            if not isinstance(answer, RunAnswer):
                raise Unavailable(f"a coordinator answers {type(answer).__name__} to await_run")
            if answer.run.ended_at is not None or (left_s <= AWAIT_S and deadline is not None):
                return answer.run

    async def _shard_count(self, deadline: float) -> int:
        if self._shards is None:
            here = await self._repeat(Hello(), None, deadline)
            if not isinstance(here, Here):
                raise Unavailable(f"a coordinator answers {type(here).__name__} to hello")
            self._shards = here.shards
        return self._shards

    async def _repeat(self, request: AnyRequest, shard: int | None, deadline: float) -> AnyAnswer:
        verb = str(request.__struct_config__.tag)
        call = Call(self._subjects.api(verb, shard), encode(request))
        wait_s = request.wait_s if isinstance(request, (AwaitRun, StartRun)) else 0.0
        pause_s, answer_s, trouble = PAUSE_FIRST_S, ANSWER_FIRST_S, ""
        nobody_since: float | None = None
        while (left_s := deadline - self._clock()) > 0:
            try:
                return await self._try(call, min(left_s, answer_s + wait_s))
            except NobodyAnswers as error:
                trouble, asked_at = str(error), deadline - left_s
                nobody_since = asked_at if nobody_since is None else nobody_since
            except TooSlow as error:
                trouble = trouble or str(error)  # what was said tells more
                if left_s >= answer_s + wait_s:  # else it is the try that had too little time
                    nobody_since = None
                answer_s = min(2 * answer_s, ANSWER_LAST_S)
            except (Unavailable, Fenced, Conflict) as error:
                trouble, nobody_since = str(error), None
            await anyio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, PAUSE_LAST_S)
        for_s = None if nobody_since is None else self._clock() - nobody_since
        raise Unavailable(f"{verb}: {self._unanswered(shard, for_s, trouble or NO_TIME)}")

    def _unanswered(self, shard: int | None, for_s: float | None, trouble: str) -> str:
        """Why there was no answer before the deadline; for so long there was nobody to give one."""
        mend = f"is a coordinator with the prefix {self._subjects.prefix!r} running?"
        if shard is not None and for_s is not None:
            return (
                f"shard {shard} has no owner on NATS at {self._link.shown}, since {for_s:.3g} s "
                f"ago at least; {mend} `dalsegno doctor` says more"
            )
        whom = "a coordinator" if shard is None else f"the owner of shard {shard}"
        return f"no answer from {whom} on NATS at {self._link.shown} ({trouble}); {mend}"

    async def _try(self, call: Call, timeout_s: float) -> AnyAnswer:
        try:
            with anyio.fail_after(timeout_s):
                session = await self._link.session()
        except TimeoutError:
            raise Unavailable(f"there is no connection to NATS at {self._link.shown}") from None
        if len(call.body) > session.bytes_max:
            raise Rejected(
                f"the request has {len(call.body)} bytes, NATS takes {session.bytes_max}: make its "
                "input smaller or raise max_payload of the server"
            )
        answer = ANSWER.read(await session.ask(call, timeout_s))
        if isinstance(answer, Refused):
            raise BY_CODE.get(answer.code, Rejected)(answer.message)
        return answer


def _about(request: AnyRequest) -> str | None:
    """The run, node or workflow whose owner has to answer; None when any coordinator can."""
    match request:
        case (
            StartRun()
            | CancelRun()
            | SignalRun()
            | PauseRun()
            | CompleteTask()
            | FailTask()
            | ResumeRun()
            | RepinRun()
            | SkipStep()
            | CompleteStep()
            | FailStep()
            | MoveStep()
            | TerminateRun()
            | RestoreRun()
            | RerunRun()
        ):
            return request.run_id
        case UpdateRun() | QueryRun() | ForkRun() | ShowRun() | AwaitRun() | ErasePersonal():
            return request.run_id
        case ShowNode() | CordonNode() | DrainNode() | UncordonNode():
            return request.node
        case RegisterWorkflow():
            return request.definition.name
        case Hello() | ListNodes() | KeepValues() | FetchValues():
            return None
        case _:
            assert_never(request)
