"""What clients ask of runs, carried out in a turn and answered once that is durable."""

from typing import TYPE_CHECKING

from events.api import (
    AnyAnswer,
    AwaitRun,
    ErasePersonal,
    ForkRun,
    MoveStep,
    Queried,
    QueryRun,
    Refused,
    RepinRun,
    RerunRun,
    RestoreRun,
    RunAnswer,
    ShowRun,
    StartRun,
    UpdateRun,
)
from events.errors import Corrupt, DalsegnoError, Rejected, Unavailable
from events.ids import run_stream
from events.limits import CLIENT_WAIT_S_MAX
from events.policies import Origin
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.asking import Asked, asked, updated
from orchestrator.coordinator.door import admit_request
from orchestrator.coordinator.forking import fork_input, fork_slot
from orchestrator.coordinator.halting import SETTLED_FIRST, settle_first
from orchestrator.coordinator.personal import record_erasure
from orchestrator.coordinator.restoring import go_back, with_backup
from orchestrator.coordinator.starting import begin_run
from orchestrator.coordinator.transaction import Touched
from orchestrator.coordinator.waiters import Waiter
from orchestrator.insight.run_view import run_view
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.state import RunState
from orchestrator.kernel.updates import query

if TYPE_CHECKING:
    from orchestrator.coordinator.turn import Turn


def handle(turn: "Turn", work: w.RequestWork) -> None:
    request = work.request
    run_id = request.run_id
    memory = turn.memory
    if run_id in memory.parked:
        memory.refuse(work.reply_to, Corrupt(memory.parked.reason(run_id)))
    elif not memory.holds(run_id):
        message = f"coordinator {memory.identity.name} does not own run {run_id}: try again"
        memory.refuse(work.reply_to, Unavailable(message))
    elif work.tries > memory.settings.conflicts_max:
        memory.refuse(work.reply_to, Unavailable(f"run {run_id} is contended: try again"))
    else:
        try:
            _carry_out(turn, work)
        except DalsegnoError as error:
            touched = turn.tx.touch(run_stream(run_id), memory.shard(run_id))
            refused = Refused(code=error.code, message=str(error))
            touched.answers.append(s.Answer(reply_to=work.reply_to, answer=refused))


def _carry_out(turn: "Turn", work: w.RequestWork) -> None:
    request = work.request
    admit_request(request, turn.memory.engine.limits)
    match request:
        case StartRun():
            _start(turn, work, request)
        case ForkRun():
            _fork(turn, work, request)
        case ShowRun():
            slot = turn.slot(request.run_id, work)
            if slot is not None:
                _answered(turn, work, turn.touch(slot))
        case AwaitRun():
            _await(turn, work, request)
        case QueryRun():
            _query(turn, work, request)
        case RestoreRun() | RerunRun():
            touched = go_back(turn, work, request)
            if touched is not None:
                turn.memory.cluster.changes += 1  # its tasks may want other nodes now
                _answered(turn, work, touched)
        case ErasePersonal():
            record_erasure(turn, work, request)
        case _:
            _ask(turn, work, request)


def _ask(turn: "Turn", work: w.RequestWork, request: Asked) -> None:
    slot = turn.slot(request.run_id, work)
    if slot is None:
        return
    stamp = turn.stamp(slot.shard, request.actor, str(request.__struct_config__.tag))
    if isinstance(request, MoveStep) and not with_backup(turn, work, slot, request):
        return
    if isinstance(request, SETTLED_FIRST):
        settle_first(turn, work, slot, request)
    touched = turn.decide(slot, asked(request), stamp)
    if isinstance(request, RepinRun | MoveStep):
        turn.memory.cluster.changes += 1  # for it, and for the parts of its maps
    if isinstance(request, UpdateRun) and slot.net is not None:
        _tell(turn, work, touched, updated(request, slot.state, slot.net))
    else:
        _answered(turn, work, touched)


def _query(turn: "Turn", work: w.RequestWork, request: QueryRun) -> None:
    slot = turn.slot(request.run_id, work)
    if slot is None or slot.net is None:
        return
    value = query(slot.state, slot.net, request.expression, turn.env)
    state = slot.state
    answer = Queried(run_id=state.run_id, version=state.version, value=value)
    _tell(turn, work, turn.touch(slot), answer)


def _tell(turn: "Turn", work: w.RequestWork, touched: Touched, answer: AnyAnswer) -> None:
    touched.works.append(work)
    touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))


def _answered(turn: "Turn", work: w.RequestWork, touched: Touched, created: bool = False) -> None:
    """Answers with the run's view as it is once the turn is durable."""
    if work not in touched.works[-1:]:
        touched.works.append(work)
    slot = touched.slot
    if slot is not None and slot.net is not None:
        view = run_view(slot.state, slot.net.net)
        answer = RunAnswer(run=view, created=created)
        touched.answers.append(s.Answer(reply_to=work.reply_to, answer=answer))


def _start(turn: "Turn", work: w.RequestWork, request: StartRun) -> None:
    slot = turn.memory.runs.get(request.run_id)
    created = slot is None or slot.head.version == 0
    touched = begin_run(turn, work, request)
    if touched is None:
        return
    if request.wait_s > 0 and len(turn.memory.waiters) < turn.memory.settings.waiters_max:
        touched.waiters.append(_waiter(turn, work, request.wait_s))
    else:
        _answered(turn, work, touched, created)


def _fork(turn: "Turn", work: w.RequestWork, request: ForkRun) -> None:
    memory = turn.memory
    slot = memory.runs.get(request.run_id)
    if slot is None and work.tries:
        memory.load_run(request.run_id, work)
        return
    slot = turn.slot(request.run_id, work) if slot else fork_slot(turn, work, request)
    if slot is None:
        return
    created = slot.head.version == 0
    if not created:
        _same_fork(slot.state, request)
        _answered(turn, work, turn.touch(slot))
        return
    given = fork_input(memory, slot.state, request)
    stamp = turn.stamp(slot.shard, request.actor, "fork_run")
    touched = turn.decide(slot, given, stamp)
    memory.runs.add(slot, memory.now.monotonic)
    _answered(turn, work, touched, created)


def _same_fork(state: RunState, request: ForkRun) -> None:
    """The same id from the same place is the same fork. Raises `Rejected` for any other."""
    asked = Origin(kind="fork", run_id=request.source_run_id, version=request.source_version)
    if state.origin != asked:
        raise Rejected(
            f"run {state.run_id} exists already and did not begin as a fork of run "
            f"{request.source_run_id} at version {request.source_version}: choose another id"
        )
    version = request.workflow_version or state.workflow_version
    if state.workflow_version != version:
        raise Rejected(
            f"run {state.run_id} exists already, and goes on with version "
            f"{state.workflow_version} of {state.workflow}, not {version}: choose another id"
        )


def _await(turn: "Turn", work: w.RequestWork, request: AwaitRun) -> None:
    slot = turn.slot(request.run_id, work)
    if slot is None:
        return
    touched = turn.touch(slot)
    if slot.state.terminal or request.wait_s <= 0:
        _answered(turn, work, touched)
        return
    most = turn.memory.settings.waiters_max
    if len(turn.memory.waiters) >= most:
        raise Unavailable(f"{most} clients wait for runs already: try again, or show the run")
    turn.memory.waiters.add(request.run_id, _waiter(turn, work, request.wait_s))


def _waiter(turn: "Turn", work: w.RequestWork, wait_s: float) -> Waiter:
    until = turn.memory.now.monotonic + microseconds(min(wait_s, CLIENT_WAIT_S_MAX))
    return Waiter(work.reply_to, until)
