"""Writing a definition in its YAML form, so that whatever built it can be read and edited."""

import yaml

from events.definition import (
    ITERATIONS_MAX,
    MAP_CONCURRENCY,
    CallStep,
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    Handler,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    Update,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.policies import Needs, Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.authoring.located import reads_as_text
from orchestrator.kernel.durations import duration_text

Form = dict[str, Value]


class _Dumper(yaml.SafeDumper):
    """Quotes whatever would not be read back as text, and writes nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() and reads_as_text(text) else '"'
    if _is_paragraph(text):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_paragraph(text: str) -> bool:
    """Whether `text` is well readable line by line."""
    lines = text.split("\n")
    return len(lines) > 1 and all(
        line.isprintable() and line == line.rstrip() and bool(line) for line in lines[:-1]
    )


_Dumper.add_representer(str, _represent_text)


def dump(definition: Definition) -> str:
    """The definition as YAML; reading it gives an equal definition."""
    form: Form = {"workflow": definition.name}
    _put(form, "description", definition.description)
    _put(form, "options", _options(definition.options))
    form["steps"] = _steps(definition.steps)
    if definition.output is not None:
        form["output"] = definition.output
    _put(form, "updates", {name: _update(one) for name, one in definition.updates.items()})
    return yaml.dump(form, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _update(update: Update) -> Form:
    form: Form = {}
    _put(form, "accept", update.accept)
    form["set"] = update.variables
    return form


def _put(form: Form, key: str, value: Value) -> None:
    """Adds what is not empty."""
    if value is not None and value not in ("", [], {}):
        form[key] = value


def _steps(steps: tuple[Step, ...]) -> list[Value]:
    return [_step(step) for step in steps]


def _step(step: Step) -> Form:
    form: Form = {"id": step.id}
    _kind(form, step)
    if step.depends_on is not None:
        form["depends_on"] = list(step.depends_on)
    if step.when is not None:
        form["when"] = step.when
    return form


def _kind(form: Form, step: Step) -> None:
    match step:
        case TaskStep():
            form["task"] = step.task
            _task(form, step)
        case SetStep(variables=variables):
            form["set"] = variables
        case ChoiceStep(cases=cases, default=default):
            form["choice"] = [*map(_case, cases), {"default": _steps(default)}]
        case ParallelStep(branches=branches):
            form["parallel"] = {name: _steps(steps) for name, steps in branches.items()}
        case FailStep(code=code, message=message):
            form["fail"] = {"code": code, "message": message}
        case WaitStep():
            form["wait"] = _wait(step)
            _put(form, "on_error", [_handler(handler) for handler in step.on_error])
        case WhileStep() | UntilStep() | ForEachStep() | WithinStep():
            _body(form, step)
        case CallStep():
            _call(form, step)
        case MapStep():
            form["map"] = _map(step)
            _put(form, "on_error", [_handler(handler) for handler in step.on_error])


def _call(form: Form, step: CallStep) -> None:
    called: Form = {"workflow": step.workflow}
    _put(called, "version", step.version)
    if step.input is not None:
        called["input"] = step.input
    form["call"] = called
    if step.retry is not None:
        form["retry"] = _retry(step.retry)
    _put(form, "on_error", [_handler(handler) for handler in step.on_error])


def _case(case: Case) -> Form:
    return {"when": case.when, "steps": _steps(case.steps)}


def _map(step: MapStep) -> Form:
    form: Form = {"items": step.items, "task": step.task}
    _task_parts(form, step)
    if step.concurrency != MAP_CONCURRENCY:
        form["concurrency"] = step.concurrency
    _put(form, "batch", step.batch)
    if step.complete_when in {"count", "percent"}:
        number = int(step.number) if step.number == int(step.number) else step.number
        form["complete_when"] = {step.complete_when: number}
    elif step.complete_when != "all":
        form["complete_when"] = step.complete_when
    return form


def _task(form: Form, step: TaskStep) -> None:
    _task_parts(form, step)
    _put(form, "on_error", [_handler(handler) for handler in step.on_error])


def _task_parts(form: Form, step: TaskStep | MapStep) -> None:
    _put(form, "with", step.inputs)
    if step.retry is not None:
        form["retry"] = _retry(step.retry)
    if step.timeouts is not None:
        form["timeouts"] = _timeouts(step.timeouts)
    if step.needs is not None:
        form["needs"] = _needs(step.needs)
    _put(form, "labels", dict(step.labels))


def _body(form: Form, step: LoopStep | WithinStep) -> None:
    match step:
        case WhileStep(condition=condition):
            form["while"] = condition
        case UntilStep(condition=condition):
            form["until"] = condition
        case ForEachStep(items=items):
            form["for_each"] = items
        case WithinStep(timeout_s=timeout_s):
            form["within"] = timeout_s
    if not isinstance(step, WithinStep) and step.iterations_max != ITERATIONS_MAX:
        form["max"] = step.iterations_max
    form["steps"] = _steps(step.steps)
    _put(form, "on_error", [_handler(handler) for handler in step.on_error])


def _wait(step: WaitStep) -> Form:
    form: Form = {}
    for key, value in (
        ("for", _length(step.duration)),
        ("until", step.until or None),
        ("signal", step.signal or None),
        ("correlation", step.correlation),
        ("timeout", _length(step.timeout_s)),
    ):
        if value is not None:
            form[key] = value
    return form


def _handler(handler: Handler) -> Form:
    form: Form = {}
    _put(form, "codes", list(handler.codes))
    form["steps"] = _steps(handler.steps)
    return form


def _options(options: RunOptions) -> Form:
    usual = RunOptions()
    form: Form = {}
    _put(form, "timeout", _length(options.timeout_s))
    if options.error_policy != usual.error_policy:
        form["error_policy"] = options.error_policy
    if options.retry is not None:
        form["retry"] = _retry(options.retry)
    if options.timeouts is not None:
        form["timeouts"] = _timeouts(options.timeouts)
    _put(form, "tags", dict(options.tags))
    _put(form, "attributes", dict(options.attributes))
    if options.priority:
        form["priority"] = options.priority
    _put(form, "concurrency_max", options.concurrency_max)
    _put(form, "build", options.build)
    _put(form, "personal", options.personal)
    return form


def _retry(retry: Retry) -> Form:
    form: Form = {
        "attempts": retry.attempts_max,
        "kind": retry.kind,
        "initial": _length(retry.initial_s),
        "factor": retry.factor,
        "cap": _length(retry.cap_s),
    }
    _put(form, "retryable", list(retry.retryable_codes))
    _put(form, "permanent", list(retry.permanent_codes))
    return form


def _timeouts(timeouts: Timeouts) -> Form:
    form: Form = {}
    _put(form, "schedule_to_start", _length(timeouts.schedule_to_start_s))
    _put(form, "start_to_close", _length(timeouts.start_to_close_s))
    _put(form, "schedule_to_close", _length(timeouts.schedule_to_close_s))
    _put(form, "heartbeat", _length(timeouts.heartbeat_s))
    return form


def _length(duration: Value) -> Value:
    """A duration as people write it; an expression as it is."""
    return duration_text(duration) if isinstance(duration, float) else duration


def _needs(needs: Needs) -> Form:
    form: Form = {
        "cpu": needs.cpu,
        "memory": needs.memory_bytes,
        "disk": needs.disk_bytes,
        "gpu": needs.gpu,
    }
    _put(form, "custom", dict(needs.custom))
    return form
