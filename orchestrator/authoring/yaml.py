"""The YAML form of a definition; JSON is YAML.

Reads everything before it complains: one `InvalidDefinition` carries all problems with line and
column.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from events.definition import (
    ITERATIONS_MAX,
    MAP_CONCURRENCY,
    NO_NUMBER,
    BaseStep,
    CallStep,
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    Handler,
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
from events.limits import Limits
from events.policies import Needs, Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.authoring import shapes
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.form import Field, FormReader
from orchestrator.authoring.located import Mapping, parse
from orchestrator.authoring.problems import InvalidDefinition, Place, Problems
from orchestrator.authoring.shapes import (
    COUNTED,
    ERROR_POLICIES,
    RETRY_KINDS,
    RULES,
    ErrorPolicy,
    RetryKind,
    Rule,
)

KINDS = tuple(shapes.STEPS)

T = TypeVar("T")
S = TypeVar("S", bound=BaseStep)


def read_yaml(text: str, name: str = "", limits: Limits | None = None) -> Authored:
    """The definition in `text`. Raises `InvalidDefinition`.

    What is read is well formed; whether it makes sense is for `check` to say.
    """
    limits = limits or Limits()
    problems = Problems(limits.problems_max)
    size = len(text.encode(errors="replace"))
    if size > limits.definition_bytes_max:
        message = f"{size} bytes, over {limits.definition_bytes_max}: split the workflow"
        problems.add("too_large", "", message, Place(1, 1))
        raise InvalidDefinition(problems.found, name)
    form = FormReader(problems)
    definition = _Reader(form).definition(Field("", parse(text, name)))
    if problems.found:
        raise InvalidDefinition(problems.in_order(), name, problems.more)
    return Authored(definition, form.places, name)


def _read(found: dict[str, Field], key: str, read: Callable[[Field], T], default: T) -> T:
    return read(found[key]) if key in found else default


class _Reader:
    def __init__(self, form: FormReader) -> None:
        self._form = form

    def definition(self, field: Field) -> Definition:
        found = self._form.fields(field, shapes.WORKFLOW)
        _read(found, "$schema", self._form.text, "")  # for editors only
        return Definition(
            name=_read(found, "workflow", self._form.text, ""),
            description=_read(found, "description", self._form.text, ""),
            options=_read(found, "options", self._options, RunOptions()),
            steps=_read(found, "steps", self._steps, ()),
            output=_read(found, "output", self._form.value, None),
            updates=_read(found, "updates", self._updates, {}),
        )

    def _updates(self, field: Field) -> dict[str, Update]:
        return {name: self._update(entry) for name, entry in self._form.entries(field).items()}

    def _update(self, field: Field) -> Update:
        found = self._form.fields(field, shapes.UPDATE)
        return Update(
            accept=_read(found, "accept", self._form.text, ""),
            variables=_read(found, "set", self._form.values, {}),
        )

    # -- steps ------------------------------------------------------------------------------------

    def _steps(self, field: Field) -> tuple[Step, ...]:
        found = (self._step(item) for item in self._form.items(field))
        return tuple(step for step in found if step is not None)

    def _step(self, field: Field) -> Step | None:
        entries = self._form.entries(field)
        kinds = [kind for kind in KINDS if kind in entries]
        if len(kinds) != 1:
            told = " and ".join(kinds) if kinds else "none"
            expected = f"a step has exactly one of {', '.join(KINDS)}; found {told}"
            self._form.complain("step_kind", field, expected)
            return None
        kind = kinds[0]
        return self._of_kind(kind, self._form.fields(field, shapes.STEPS[kind]))

    def _of_kind(self, kind: str, found: dict[str, Field]) -> Step:
        common = _Common(
            id=_read(found, "id", self._form.text, ""),
            depends_on=_read(found, "depends_on", self._form.texts, None),
            when=_read(found, "when", self._form.text, None),
        )
        match kind:
            case "task":
                return self._task(common, found)
            case "choice":
                return self._choice(common, found["choice"])
            case "parallel":
                return self._parallel(common, found["parallel"])
            case "set":
                variables = self._form.values(found["set"])
                return _with(common, SetStep(id="", variables=variables))
            case "wait":
                return self._wait(common, found)
            case "while" | "until" | "for_each":
                return self._loop(common, kind, found)
            case "map" | "call" | "within":
                readers = {"map": self._map, "call": self._call, "within": self._within}
                return readers[kind](common, found)
            case _:
                return self._fail(common, found["fail"])

    def _task(self, common: "_Common", found: dict[str, Field]) -> Step:
        step = TaskStep(
            id="",
            task=self._form.text(found["task"]),
            inputs=_read(found, "with", self._form.values, {}),
            retry=_read(found, "retry", self._retry, None),
            timeouts=_read(found, "timeouts", self._timeouts, None),
            needs=_read(found, "needs", self._needs, None),
            labels=_read(found, "labels", self._form.text_map, {}),
            on_error=_read(found, "on_error", self._handlers, ()),
        )
        return _with(common, step)

    def _handlers(self, field: Field) -> tuple[Handler, ...]:
        return tuple(self._handler(item) for item in self._form.items(field))

    def _handler(self, field: Field) -> Handler:
        found = self._form.fields(field, shapes.HANDLER)
        return Handler(
            codes=_read(found, "codes", self._form.texts, ()),
            steps=_read(found, "steps", self._steps, ()),
        )

    def _choice(self, common: "_Common", field: Field) -> Step:
        items = self._form.items(field)
        cases: list[Case] = []
        default: tuple[Step, ...] | None = None
        for item in items:
            if default is not None:
                self._form.complain("case_after_default", item, "`default` must be the last case")
            elif isinstance(item.node, Mapping) and "default" in item.node.items:
                found = self._form.fields(item, shapes.DEFAULT)
                default = self._steps(found["default"])
            else:
                cases.append(self._case(item))
        if items and default is None:
            mend = "add `- default: [...]` as the last case (`[]` does nothing)"
            self._form.complain("no_default", field, f"a choice needs a default: {mend}")
        return _with(common, ChoiceStep(id="", cases=tuple(cases), default=default or ()))

    def _case(self, field: Field) -> Case:
        found = self._form.fields(field, shapes.CASE)
        return Case(
            when=_read(found, "when", self._form.text, ""),
            steps=_read(found, "steps", self._steps, ()),
        )

    def _parallel(self, common: "_Common", field: Field) -> Step:
        entries = self._form.entries(field)
        branches = {name: self._steps(branch) for name, branch in entries.items()}
        return _with(common, ParallelStep(id="", branches=branches))

    def _wait(self, common: "_Common", found: dict[str, Field]) -> Step:
        said = self._form.fields(found["wait"], shapes.WAIT)
        step = WaitStep(
            id="",
            duration=_read(said, "for", self._duration, None),
            until=_read(said, "until", self._form.text, ""),
            signal=_read(said, "signal", self._form.text, ""),
            correlation=_read(said, "correlation", self._form.value, None),
            timeout_s=_read(said, "timeout", self._form.seconds, None),
            on_error=_read(found, "on_error", self._handlers, ()),
        )
        return _with(common, step)

    def _loop(self, common: "_Common", kind: str, found: dict[str, Field]) -> Step:
        steps: tuple[Step, ...] = _read(found, "steps", self._steps, ())
        most = _read(found, "max", self._form.integer, ITERATIONS_MAX)
        handlers: tuple[Handler, ...] = _read(found, "on_error", self._handlers, ())
        if kind == "for_each":
            items = self._form.value(found[kind])
            each = ForEachStep(
                id="", items=items, steps=steps, iterations_max=most, on_error=handlers
            )
            return _with(common, each)
        condition = self._form.text(found[kind])
        loop = WhileStep if kind == "while" else UntilStep
        made: WhileStep | UntilStep = loop(
            id="", condition=condition, steps=steps, iterations_max=most, on_error=handlers
        )
        return _with(common, made)

    def _map(self, common: "_Common", found: dict[str, Field]) -> Step:
        said = self._form.fields(found["map"], shapes.MAP)
        rule, number = _read(said, "complete_when", self._rule, (RULES[0], NO_NUMBER))
        step = MapStep(
            id="",
            items=_read(said, "items", self._form.value, None),
            task=_read(said, "task", self._form.text, ""),
            inputs=_read(said, "with", self._form.values, {}),
            concurrency=_read(said, "concurrency", self._form.integer, MAP_CONCURRENCY),
            batch=_read(said, "batch", self._form.integer, None),
            complete_when=rule,
            number=number,
            retry=_read(said, "retry", self._retry, None),
            timeouts=_read(said, "timeouts", self._timeouts, None),
            needs=_read(said, "needs", self._needs, None),
            labels=_read(said, "labels", self._form.text_map, {}),
            on_error=_read(found, "on_error", self._handlers, ()),
        )
        return _with(common, step)

    def _call(self, common: "_Common", found: dict[str, Field]) -> Step:
        said = self._form.fields(found["call"], shapes.CALL)
        step = CallStep(
            id="",
            workflow=_read(said, "workflow", self._form.text, ""),
            version=_read(said, "version", self._form.text, ""),
            input=_read(said, "input", self._form.value, None),
            retry=_read(found, "retry", self._retry, None),
            on_error=_read(found, "on_error", self._handlers, ()),
        )
        return _with(common, step)

    def _within(self, common: "_Common", found: dict[str, Field]) -> Step:
        step = WithinStep(
            id="",
            timeout_s=self._form.seconds(found["within"]),
            steps=_read(found, "steps", self._steps, ()),
            on_error=_read(found, "on_error", self._handlers, ()),
        )
        return _with(common, step)

    def _rule(self, field: Field) -> tuple[Rule, float]:
        """When a map is done: a word, or one of `count` and `percent` with its number."""
        if not isinstance(field.node, Mapping):
            return self._form.one_of(field, RULES, RULES[0]), NO_NUMBER
        found = self._form.fields(field, shapes.COUNT)
        named = [rule for rule in COUNTED if rule in found]
        if len(named) != 1:
            message = "expected one of `count: n` and `percent: n`, or all, any, fail_fast, collect"
            self._form.complain("wrong_type", field, message)
            return RULES[0], NO_NUMBER
        return named[0], self._form.number(found[named[0]])

    def _duration(self, field: Field) -> Value:
        """Seconds, unless an expression gives the duration when the run gets there."""
        value = self._form.value(field)
        if isinstance(value, str) and "${" in value:
            return value
        return self._form.seconds(field)

    def _fail(self, common: "_Common", field: Field) -> Step:
        found = self._form.fields(field, shapes.FAIL)
        step = FailStep(
            id="",
            code=_read(found, "code", self._form.text, ""),
            message=_read(found, "message", self._form.text, ""),
        )
        return _with(common, step)

    # -- policies ---------------------------------------------------------------------------------

    def _options(self, field: Field) -> RunOptions:
        found = self._form.fields(field, shapes.OPTIONS)
        policy = _read(found, "error_policy", self._error_policy, ERROR_POLICIES[0])
        return RunOptions(
            timeout_s=_read(found, "timeout", self._form.seconds, None),
            error_policy=policy,
            retry=_read(found, "retry", self._retry, None),
            timeouts=_read(found, "timeouts", self._timeouts, None),
            priority=_read(found, "priority", self._form.integer, 0),
            tags=_read(found, "tags", self._form.text_map, {}),
            attributes=_read(found, "attributes", self._form.scalar_map, {}),
            concurrency_max=_read(found, "concurrency_max", self._form.integer, None),
            build=_read(found, "build", self._form.text, ""),
            personal=_read(found, "personal", self._form.boolean, False),
        )

    def _error_policy(self, field: Field) -> ErrorPolicy:
        return self._form.one_of(field, ERROR_POLICIES, ERROR_POLICIES[0])

    def _retry(self, field: Field) -> Retry:
        found = self._form.fields(field, shapes.RETRY)
        usual = Retry()
        return Retry(
            kind=_read(found, "kind", self._retry_kind, usual.kind),
            attempts_max=_read(found, "attempts", self._form.integer, usual.attempts_max),
            initial_s=_read(found, "initial", self._form.seconds, usual.initial_s),
            factor=_read(found, "factor", self._form.number, usual.factor),
            cap_s=_read(found, "cap", self._form.seconds, usual.cap_s),
            retryable_codes=_read(found, "retryable", self._form.texts, ()),
            permanent_codes=_read(found, "permanent", self._form.texts, ()),
        )

    def _retry_kind(self, field: Field) -> RetryKind:
        return self._form.one_of(field, RETRY_KINDS, Retry().kind)

    def _timeouts(self, field: Field) -> Timeouts:
        found = self._form.fields(field, shapes.TIMEOUTS)
        return Timeouts(
            schedule_to_start_s=_read(found, "schedule_to_start", self._form.seconds, None),
            start_to_close_s=_read(found, "start_to_close", self._form.seconds, None),
            schedule_to_close_s=_read(found, "schedule_to_close", self._form.seconds, None),
            heartbeat_s=_read(found, "heartbeat", self._form.seconds, None),
        )

    def _needs(self, field: Field) -> Needs:
        found = self._form.fields(field, shapes.NEEDS)
        return Needs(
            cpu=_read(found, "cpu", self._form.number, 0.0),
            memory_bytes=_read(found, "memory", self._form.size, 0),
            disk_bytes=_read(found, "disk", self._form.size, 0),
            gpu=_read(found, "gpu", self._form.integer, 0),
            custom=_read(found, "custom", self._numbers, {}),
        )

    def _numbers(self, field: Field) -> dict[str, float]:
        return {name: self._form.number(entry) for name, entry in self._form.entries(field).items()}


class _Common(msgspec.Struct, frozen=True):
    """What every step has."""

    id: str
    depends_on: tuple[str, ...] | None
    when: str | None


def _with(common: _Common, step: S) -> S:
    return msgspec.structs.replace(
        step, id=common.id, depends_on=common.depends_on, when=common.when
    )
