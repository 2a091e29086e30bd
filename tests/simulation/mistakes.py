"""Promise 8: clients who get it wrong. Whatever they ask for is refused, with an error that names
the offender, and nothing of it is in the log, ever.

Who asks says in the request what is wrong with it (`actor`), so that the answer can be judged, and
so that an event that came of it would show.
"""

from collections.abc import Callable
from random import Random

from events.api import (
    AnyAnswer,
    AnyRequest,
    CancelRun,
    CompleteStep,
    CompleteTask,
    CordonNode,
    DrainNode,
    FailStep,
    FailTask,
    ForkRun,
    MoveStep,
    PauseRun,
    Refused,
    RegisterWorkflow,
    RepinRun,
    RerunRun,
    RestoreRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UpdateRun,
)
from events.definition import Case, ChoiceStep, Definition, Step, TaskStep
from events.envelope import Event
from events.errors import Unavailable
from events.policies import Origin, Retry
from events.values import Value

MISTAKEN = "mistaken about "
BAD = "bad-"
"""How names begin that nothing in the log may have. Ids of child runs are digests, and one in some
thousands begins with any three hexadecimal digits: none has a hyphen."""
NOTHING = "nothing"
"""How names begin that are asked about, and nobody has given to anything."""
LONG = BAD + "x" * 300

Make = Callable[[str, str], AnyRequest]
"""With the actor, of a run that there may be."""


def _deep(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = [value]
    return value


def _workflow(actor: str, *steps: Step) -> RegisterWorkflow:
    definition = Definition(name=f"{BAD}workflow", steps=steps)
    return RegisterWorkflow(definition=definition, actor=actor)


def _task(step: str, **of: object) -> TaskStep:
    return TaskStep(id=step, task="work", **of)  # type: ignore[arg-type]


MISTAKES: dict[str, Make] = {
    # -- definitions: the word is the step, or what it names
    "twice": lambda a, _: _workflow(a, _task("twice"), _task("twice")),
    "missing": lambda a, _: _workflow(a, _task("a", depends_on=("missing",))),
    "ring": lambda a, _: _workflow(
        a, _task("ring", depends_on=("b",)), _task("b", depends_on=("ring",))
    ),
    "steps.nobody": lambda a, _: _workflow(a, _task("a", inputs={"x": "${ steps.nobody.output }"})),
    "input.n >": lambda a, _: _workflow(
        a, ChoiceStep(id="c", cases=(Case(when="input.n >", steps=(_task("a"),)),), default=())
    ),
    "0 attempts": lambda a, _: _workflow(a, _task("a", retry=Retry(attempts_max=0))),
    # -- runs that are to be started
    "unheard": lambda a, _: StartRun(run_id=f"{BAD}1", workflow="unheard", actor=a),
    "input": lambda a, _: StartRun(run_id=f"{BAD}2", workflow="w0", input=_deep(70), actor=a),
    "bytes": lambda a, _: StartRun(run_id=f"{BAD}3", workflow="w0", input="x" * 30_000, actor=a),
    "run_id": lambda a, _: StartRun(run_id=LONG, workflow="w0", actor=a),
    "origin": lambda a, _: StartRun(
        run_id=f"{BAD}4", workflow="w0", origin=Origin(kind="parent", run_id="r1"), actor=a
    ),
    "source_version": lambda a, r: ForkRun(
        run_id=f"{BAD}5", source_run_id=r, source_version=0, actor=a
    ),
    "no version 99999": lambda a, r: ForkRun(
        run_id=f"{BAD}6", source_run_id=r, source_version=99_999, actor=a
    ),
    "nothing7": lambda a, _: ForkRun(
        run_id=f"{BAD}7", source_run_id="nothing7", source_version=1, actor=a
    ),
    # -- runs that are not there
    "nothing1": lambda a, _: CancelRun(run_id="nothing1", actor=a),
    "nothing2": lambda a, _: PauseRun(run_id="nothing2", actor=a),
    "nothing3": lambda a, _: SignalRun(run_id="nothing3", name="s", id=BAD, actor=a),
    "nothing4": lambda a, _: TerminateRun(run_id="nothing4", actor=a),
    "nothing5": lambda a, _: RerunRun(run_id="nothing5", id=BAD, all=True, actor=a),
    "nothing6": lambda a, _: SkipStep(run_id="nothing6", id=BAD, step="s1", actor=a),
    # -- what cannot be done to a run, whatever it is
    "data": lambda a, r: SignalRun(run_id=r, name="s", id=BAD, data=2**63, actor=a),
    "id is empty": lambda a, r: SignalRun(run_id=r, name="s", id="", actor=a),
    "expected 1 or more": lambda a, r: RestoreRun(run_id=r, id=BAD, version=0, actor=a),
    "output": lambda a, r: CompleteStep(run_id=r, id=BAD, step="s1", output=float("nan"), actor=a),
    "code": lambda a, r: FailStep(run_id=r, id=BAD, step="s1", code="no code!", actor=a),
    "off names": lambda a, r: MoveStep(run_id=r, id=BAD, step="s1", to="n1", off=("n1",), actor=a),
    "expected one of the two": lambda a, r: RerunRun(
        run_id=r, id=BAD, steps=("s1",), all=True, actor=a
    ),
    "build": lambda a, r: RepinRun(run_id=r, build=LONG, actor=a),
    "unknown_update": lambda a, r: UpdateRun(run_id=r, name="unknown_update", id=BAD, actor=a),
    # -- tokens that were guessed, and nodes
    "token": lambda a, r: CompleteTask(run_id=r, token="guessed", actor=a),
    "completion token": lambda a, r: FailTask(run_id=r, token="a.b.c", code="x", actor=a),
    "no node!": lambda a, _: CordonNode(node="no node!", reason="why", actor=a),
    "deadline_s": lambda a, _: DrainNode(node="n1", reason="why", deadline_s=-1.0, actor=a),
}
"""What is wrong, in words that a refusal of it has."""


def mistake(rng: Random, run_id: str) -> AnyRequest:
    """One of a run, or of nothing."""
    about = rng.choice(list(MISTAKES))
    return MISTAKES[about](MISTAKEN + about, run_id)


def name_of(request: AnyRequest) -> str:
    """What it is about: a run, a workflow or a node."""
    match request:
        case RegisterWorkflow():
            return request.definition.name
        case CordonNode() | DrainNode():
            return request.node
        case _:
            return str(getattr(request, "run_id", ""))


def is_mistake(actor: str) -> bool:
    return actor.startswith(MISTAKEN)


def complaint(request: AnyRequest, answer: AnyAnswer) -> str:
    """What is wrong with an answer to somebody who was mistaken, if anything. What is wrong first
    may be the run that was asked about: it has ended, or has not been started."""
    about = request.actor.removeprefix(MISTAKEN)
    if not isinstance(answer, Refused):
        return f"{_short(request)} was to be refused, and the answer is {answer}"
    runs = (getattr(request, "run_id", about), getattr(request, "source_run_id", about))
    named = (about, *runs)
    if answer.code != Unavailable.code and not any(one in answer.message for one in named):
        return f"{_short(request)} is refused without a word of {about!r}: {answer.message}"
    return ""


def came_of_it(event: Event) -> bool:
    """Whether somebody's mistake has left a trace in the log."""
    _, _, name = event.header.stream.partition(":")
    return event.header.actor.startswith(MISTAKEN) or name.startswith((BAD, NOTHING))


def _short(request: AnyRequest) -> str:
    return str(request)[:300]
