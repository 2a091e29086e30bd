"""How a steady run must come out: the kernel alone, every task executed at once."""

import msgspec

from events.api import StartRun
from events.codec import decode
from events.definition import Definition
from events.facts import Failure, Placement
from events.ids import Attempt
from events.messages import Completed, Failed, Report
from events.values import Value
from orchestrator.coordinator.engine import Engine
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.env import Env
from orchestrator.kernel.mapparts import is_part, part_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState
from tests.simulation.executor import FAILING, number_of, output_of
from tests.simulation.workload import CHUNKS, Wanted

STEPS_MAX = 1000


def undisturbed(engine: Engine, definitions: dict[str, Definition], wanted: Wanted) -> RunState:
    """The end of the run when nothing goes wrong by itself; tasks fail as their inputs say."""
    definition = definitions[wanted.workflow]
    version, _ = engine.compile(definition)
    request = StartRun(run_id=wanted.run_id, workflow=wanted.workflow, input=wanted.input)
    start = i.Start(request=request, workflow_version=version, options=definition.options)
    return _end(engine, definitions, start)


def _end(engine: Engine, definitions: dict[str, Definition], start: i.Start) -> RunState:
    _, compiled = engine.compile(definitions[start.request.workflow])
    net, state, now = NetIndex(compiled), RunState(), 1
    given: list[i.RunInput] = [start]
    for _ in range(STEPS_MAX):
        env = Env(now=now, expressions=engine.expressions, limits=engine.limits)
        for one in given:
            if not isinstance(one, i.Signal) or one.id in state.awaiting:
                decide(state, net, one, env)
        if state.terminal:
            return state
        given = [_report(state, net, step) for step in state.outstanding]
        given += [
            i.Place(step=step, node="n", incarnation="i", placement=Placement())
            for step in state.ready
        ]
        given += [_signal(state, step) for step in state.awaiting]
        for step, run_id in state.calls.items():
            if is_part(state, step):
                given.append(_child(step, _end(engine, definitions, _part(state, step))))
                continue
            value = state.steps[step].inputs["input"]
            workflow = net.call(step).workflow
            called = Wanted(run_id=run_id, workflow=workflow, input=value, at=0, steady=True)
            given.append(_child(step, undisturbed(engine, definitions, called)))
        if not given:
            now = max(now, state.next_due_at or now)
            given = [i.Due()]
    raise AssertionError(f"{start.request.run_id} does not end even undisturbed")


def _part(state: RunState, step_id: str) -> i.Start:
    part, mapped, name = part_of(state, step_id)
    if name:
        data = next(chunk.data for chunk in CHUNKS if chunk.hash == name)
        items = decode(data, list[Value], "a chunk")
        mapped = msgspec.structs.replace(mapped, items=items)
    request = StartRun(run_id=state.calls[step_id], workflow=state.workflow)
    version, options = state.workflow_version, state.options
    return i.Start(
        request=request, workflow_version=version, options=options, part=part, mapped=mapped
    )


def _child(step_id: str, child: RunState) -> i.ChildEnded:
    return i.ChildEnded(
        step=step_id,
        run_id=child.run_id,
        status=child.status,
        output=child.output,
        failure=child.failure,
    )


def _signal(state: RunState, step_id: str) -> i.Signal:
    name = state.awaiting[step_id]
    return i.Signal(id=step_id, name=name, data=name, correlation=state.workflow)


def _report(state: RunState, net: NetIndex, step_id: str) -> i.Reported:
    step, task = state.steps[step_id], net.task(step_id).task
    attempt: Attempt = state.attempt_of(step_id)
    report: Report = Completed(attempt=attempt, output=output_of(task, step.inputs))
    if task in FAILING and step.counted < number_of(step.inputs, "fails"):
        code, message = str(step.inputs.get("code")), f"failure {step.counted}"
        report = Failed(attempt=attempt, failure=Failure(code=code, message=message))
    return i.Reported(report=report)
