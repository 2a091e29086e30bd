"""A debug client in memory: what a test says to a session, and what the session says back."""

import anyio
import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition
from events.envelope import Head, Stamp, seal
from events.errors import DalsegnoError
from events.ids import definition_stream, run_stream
from events.limits import Limits
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import read_yaml
from orchestrator.dap.foreseeing import preview_of, wish_of
from orchestrator.dap.framing import TooLong
from orchestrator.dap.opening import Opener, Text
from orchestrator.dap.requests import take
from orchestrator.dap.session import Session
from orchestrator.dap.wants import Change, Foresee, Fork, OpenCalled, OpenRun
from orchestrator.kernel.env import Env
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.recording import extend
from orchestrator.replay.what_if.forks import foresee
from tests.builders import NOW, VERSION, Play, started

Message = dict[str, object]
FILE = "/flows/workflow.yaml"
STEPS_MAX = 10_000


class Refused(Exception):
    """An error response; its text."""


class DebugClient:
    """Speaks to a session of its own. `said`: all that came, in order."""

    def __init__(self, *plays: tuple[Play, Definition], text: str = "") -> None:
        self.history = history_of(*plays)
        texts = (Text(read_yaml(text, FILE), {FILE: text}),) if text else ()
        self._numbers = 0
        self._opener = Opener(self.history, Catalogue(), texts, self._number)
        self.said: list[Message] = []
        self.forks: list[Change] = []
        self.session = Session(CelExpressions(), lambda path: path, self._take)
        self._seq = 0

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _take(self, data: bytes) -> None:
        self.said.append(msgspec.json.decode(data))

    # -- saying -----------------------------------------------------------------------------------

    def ask(self, command: str, **arguments: object) -> Message:
        """The body of the answer. Raises `Refused`."""
        self._seq += 1
        given = {_camel(name): value for name, value in arguments.items()}
        request = {"seq": self._seq, "type": "request", "command": command, "arguments": given}
        self.raw(msgspec.json.encode(request))
        found = [one for one in self.said if one.get("request_seq") == self._seq]
        assert len(found) == 1, (command, self.said[-3:])
        if not found[0]["success"]:
            raise Refused(found[0]["message"])
        body = found[0].get("body", {})
        assert isinstance(body, dict)
        return body

    def raw(self, body: bytes | TooLong) -> None:
        """Anything at all, and all that follows from it."""
        take(self.session, body)
        self.settle()

    def settle(self) -> None:
        """Lets the session do all that it can without anything from outside."""
        for _ in range(STEPS_MAX):
            if self.session.want is not None:
                self._do()
            elif self.session.is_busy:
                self.session.work()
            else:
                return
        raise AssertionError("it never comes to rest")

    def _do(self) -> None:
        session = self.session
        try:
            match session.want:
                case OpenRun(request=request, attach=attach):
                    session.opened(request, anyio.run(self._opener.open, attach.run))
                case OpenCalled(run_id=run_id):
                    session.opened(None, anyio.run(self._opener.open, run_id))
                case Foresee(change=change) as wanted:
                    env = Env(now=NOW, expressions=CelExpressions(), limits=Limits())
                    found = anyio.run(foresee, self.history, wish_of(change), env)
                    session.foreseen(wanted, preview_of(found, change))
                case Fork(change=change) as wanted:
                    self.forks.append(change)
                    session.forked(wanted, f"fork-{len(self.forks)}")
                case None:
                    pass
        except DalsegnoError as error:
            session.refused(error)

    def grow(self, play: Play) -> None:
        """The run has gone on."""
        self.history = history_of((play, Definition(name="workflow", steps=())))
        for replica in self.session.follows:
            if anyio.run(extend, replica.recording, self.history):
                self.session.grown()
        self.settle()

    # -- short ways -------------------------------------------------------------------------------

    def attach(self, run: str = "run-1", **arguments: object) -> "DebugClient":
        self.ask("initialize", adapterID="dalsegno")
        self.ask("attach", run=run, **arguments)
        return self

    def begin(self, **arguments: object) -> Message:
        """Attached, configured, and stopped: where."""
        self.attach("run-1", **arguments)
        self.ask("configurationDone")
        return self.stopped

    def go(self, motion: str, **arguments: object) -> str:
        """Moves on, and says where it stopped: the step, its line and the version."""
        self.ask(motion, **{"thread_id": self.thread, **arguments})
        return self.where

    @property
    def events(self) -> list[str]:
        return [str(one["event"]) for one in self.said if one["type"] == "event"]

    @property
    def stopped(self) -> Message:
        """The last stop."""
        found = [one["body"] for one in self.said if one.get("event") == "stopped"]
        assert isinstance(found[-1], dict)
        return found[-1]

    @property
    def thread(self) -> int:
        return int(str(self.stopped["threadId"]))

    @property
    def version(self) -> int:
        return self.session.top.stop.at.version

    @property
    def where(self) -> str:
        frame = self.frames()[0]
        return f"{frame['name']}:{frame['line']} @{self.version}"

    def frames(self, thread: int | None = None) -> list[Message]:
        found = self.ask("stackTrace", thread_id=thread or self.thread)["stackFrames"]
        assert isinstance(found, list)
        return found

    def scope(self, name: str, frame: int = 0) -> dict[str, Message]:
        """The rows of a scope whose name begins so."""
        found = self.ask("scopes", frame_id=self.frames()[frame]["id"])["scopes"]
        assert isinstance(found, list)
        one = next(scope for scope in found if scope["name"].startswith(name))
        return self.inside(one)

    def inside(self, row: Message) -> dict[str, Message]:
        answer = self.ask("variables", variables_reference=row["variablesReference"])
        rows = answer["variables"]
        assert isinstance(rows, list)
        return {one["name"]: one for one in rows}

    @property
    def told(self) -> str:
        """All that was told in the console."""
        bodies = [one["body"] for one in self.said if one.get("event") == "output"]
        return "".join(str(body["output"]) for body in bodies if isinstance(body, dict))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)


def history_of(*plays: tuple[Play, Definition]) -> Exported:
    """What these runs have left, with their definitions."""
    streams = {run_stream(play.setting.run_id): play.stored() for play, _ in plays}
    head, stored = Head(definition_stream("workflow")), []
    for play, definition in plays:
        registered = DefinitionRegistered(
            workflow="workflow", workflow_version=VERSION, definition=definition, net=play.net.net
        )
        stored.append(seal(head, registered, f"d{head.version}", Stamp(recorded_at=NOW)))
    streams[definition_stream("workflow")] = stored
    return Exported(plays[0][0].setting.run_id, streams)


TEXT = """\
workflow: workflow
steps:
  - id: first
    set: {total: 0}
  - id: fetch
    task: page.fetch
    retry: {attempts: 2}
  - id: both
    parallel:
      left:
        - {id: a, task: work}
        - {id: b, task: work}
      right:
        - {id: c, task: work}
  - id: pages
    for_each: ${ input.items }
    steps:
      - id: page
        task: work
        with: {n: "${ iteration.item }"}
      - id: add
        set: {total: "${ vars.total + iteration.item }"}
  - id: scale
    map:
      items: ${ input.items }
      task: image.scale
      with: {n: "${ iteration.item }"}
  - {id: last, task: work}
output: ${ vars.total }
"""


def played(last: bool = True) -> Play:
    """The run, up to its end or to its last step."""
    play = started(read_yaml(TEXT).definition, value={"items": [5, 6]})
    play.place("fetch")
    play.fail("fetch", "busy")
    play.due(10)
    play.place("fetch")
    play.complete("fetch", {"x": 1})
    play.place_all()
    play.complete("c")
    play.complete("a")
    play.run("b", "page[0]", "page[1]", "scale[0]", "scale[1]")
    if last:
        play.run("last")
    return play


def client(play: Play | None = None, text: str = TEXT) -> DebugClient:
    """A client at that run, with the file that it was written in."""
    return DebugClient((play or played(), read_yaml(TEXT).definition), text=text)
