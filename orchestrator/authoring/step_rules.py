"""What each step must be by itself: names, dependencies, policies, nothing empty."""

from collections.abc import Iterable

from events.definition import (
    CallStep,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.limits import Limits
from events.values import Value
from orchestrator.authoring.outline import handlers_of
from orchestrator.authoring.problems import Problems, suggestion
from orchestrator.authoring.walk import Spot
from orchestrator.kernel import ranges


class StepRules:
    def __init__(self, all_spots: tuple[Spot, ...], problems: Problems, limits: Limits) -> None:
        self._spots = all_spots
        self._problems = problems
        self._limits = limits
        self._ids = {spot.step.id for spot in all_spots}
        self._lists: dict[str, set[str]] = {}
        for spot in all_spots:
            self._lists.setdefault(spot.block, set()).add(spot.step.id)

    def apply(self, definition: Definition) -> None:
        self._heading(definition)
        self._unique()
        for spot in self._spots:
            if self._problems.is_overflowing:
                break
            self._step(spot)

    @property
    def are_ids_unique(self) -> bool:
        return len(self._ids) == len(self._spots)

    def _heading(self, definition: Definition) -> None:
        self._name("workflow", "the workflow's name", definition.name, ranges.WORKFLOW_NAME)
        most = self._limits.description_chars_max
        if len(definition.description) > most:
            self._problems.add("too_large", "description", f"over {most} characters: shorten it")
        if not definition.steps:
            self._problems.add("empty", "steps", "no steps: a workflow needs at least one")
        self._updates(definition)
        self._ranges("options", ranges.options_complaints(definition.options, self._limits))

    def _updates(self, definition: Definition) -> None:
        if len(definition.updates) > (most := self._limits.updates_max):
            self._problems.add("too_large", "updates", f"over {most} updates: remove some")
            return
        for name, update in definition.updates.items():
            self._name(f"updates.{name}", "the update", name, ranges.SIGNAL_NAME)
            self._set(f"updates.{name}.set", update.variables)

    def _unique(self) -> None:
        first: dict[str, Spot] = {}
        for spot in self._spots:
            step_id = spot.step.id
            other = first.setdefault(step_id, spot)
            if other is not spot and step_id:
                first_at = f"{other.where}{self._problems.line(other.where)}"
                message = f"id `{step_id}` twice, first at {first_at}: give each its own"
                self._problems.add("duplicate_id", f"{spot.where}.id", message)

    def _step(self, spot: Spot) -> None:
        where = spot.where
        self._name(f"{where}.id", "the step's id", spot.step.id, ranges.STEP_ID)
        self._dependencies(spot)
        self._handlers(spot)
        self._kind(where, spot.step)

    def _kind(self, where: str, step: Step) -> None:
        match step:
            case TaskStep():
                self._task(where, step)
            case SetStep(variables=variables):
                self._set(f"{where}.set", variables)
            case ChoiceStep(cases=cases):
                if not cases:
                    message = "a choice without a case: add `- when: …`"
                    self._problems.add("empty", f"{where}.choice", message)
            case ParallelStep():
                self._branches(f"{where}.parallel", step)
            case FailStep(code=code):
                self._name(f"{where}.fail.code", "the code", code, ranges.CODE)
            case WaitStep():
                self._wait(f"{where}.wait", step)
            case WhileStep() | UntilStep() | ForEachStep():
                self._loop(where, step)
            case MapStep() | CallStep() | WithinStep():
                self._beyond(where, step)

    def _beyond(self, where: str, step: MapStep | CallStep | WithinStep) -> None:
        match step:
            case MapStep():
                self._map(f"{where}.map", step)
            case CallStep():
                self._call(where, step)
            case WithinStep():
                self._within(where, step)

    def _within(self, where: str, step: WithinStep) -> None:
        if not step.steps:
            self._problems.add("empty", f"{where}.steps", "no steps: a group needs at least one")
        self._ranges(where, ranges.within_complaints(step, self._limits))

    def _map(self, where: str, step: MapStep) -> None:
        if not (_may_be_list(step.items) or _is_count(step.items)):
            message = "expected a list, a number of items, or an expression that gives one of these"
            self._problems.add("wrong_type", f"{where}.items", message)
        self._ranges(where, ranges.map_complaints(step, self._limits))
        self._task(where, step)

    def _call(self, where: str, step: CallStep) -> None:
        at = f"{where}.call"
        self._name(f"{at}.workflow", "the workflow", step.workflow, ranges.WORKFLOW_NAME)
        if len(step.version) > self._limits.name_chars_max or not step.version.isprintable():
            message = "expected a version as `dalsegno workflow list` shows it"
            self._problems.add("invalid_name", f"{at}.version", message)
        if step.retry:
            self._ranges(f"{where}.retry", ranges.retry_complaints(step.retry, self._limits))

    def _set(self, where: str, variables: Iterable[str]) -> None:
        if not variables:
            self._problems.add("empty", where, "sets no variable")
        for name in variables:
            self._name(f"{where}.{name}", "the variable", name, ranges.VARIABLE)

    def _wait(self, where: str, step: WaitStep) -> None:
        named = [
            name
            for name, given in (
                ("for", step.duration is not None),
                ("until", bool(step.until)),
                ("signal", bool(step.signal)),
            )
            if given
        ]
        if len(named) != 1:
            told = " and ".join(named) or "none"
            message = f"a wait has exactly one of for, until, signal; found {told}"
            self._problems.add("step_kind", where, message)
        if step.signal:
            self._name(f"{where}.signal", "the signal", step.signal, ranges.SIGNAL_NAME)
        elif step.correlation is not None or step.timeout_s is not None:
            message = "`correlation` and `timeout` go with `signal`: remove them"
            self._problems.add("step_kind", where, message)
        self._ranges(where, ranges.wait_complaints(step, self._limits))

    def _loop(self, where: str, step: LoopStep) -> None:
        if not step.steps:
            self._problems.add("empty", f"{where}.steps", "no steps: a loop needs at least one")
        most = self._limits.iterations_max
        if not 1 <= step.iterations_max <= most:
            message = f"{step.iterations_max} iterations: expected 1 to {most}"
            self._problems.add("out_of_range", f"{where}.max", message)
        if isinstance(step, ForEachStep) and not _may_be_list(step.items):
            message = "expected a list, or an expression that gives one"
            self._problems.add("wrong_type", f"{where}.for_each", message)

    def _handlers(self, spot: Spot) -> None:
        for index, handler in enumerate(handlers_of(spot.step)):
            for place, code in enumerate(handler.codes):
                at = f"{spot.where}.on_error[{index}].codes[{place}]"
                self._name(at, "the code", code, ranges.CODE)

    def _task(self, where: str, step: TaskStep | MapStep) -> None:
        self._name(f"{where}.task", "the task type", step.task, ranges.TASK_TYPE)
        if step.retry:
            self._ranges(f"{where}.retry", ranges.retry_complaints(step.retry, self._limits))
        if step.timeouts:
            complaints = ranges.timeouts_complaints(step.timeouts, self._limits)
            self._ranges(f"{where}.timeouts", complaints)
        if step.needs:
            self._ranges(f"{where}.needs", ranges.needs_complaints(step.needs))
        for below, message in ranges.tags_complaints(step.labels, self._limits):
            self._problems.add("too_large", f"{where}.labels{below}", message)

    def _branches(self, where: str, step: ParallelStep) -> None:
        if not step.branches:
            self._problems.add("empty", where, "a parallel without a branch: add one")
        for name, steps in step.branches.items():
            self._name(f"{where}.{name}", "the branch", name, ranges.STEP_ID)
            if not steps:
                self._problems.add("empty", f"{where}.{name}", "no steps: remove the branch")

    def _dependencies(self, spot: Spot) -> None:
        siblings = self._lists[spot.block]
        for index, name in enumerate(spot.step.depends_on or ()):
            if name not in siblings:
                why = "is not in the same list of steps" if name in self._ids else "does not exist"
                message = f"`{name}` {why}{suggestion(name, sorted(siblings))}"
                self._problems.add("unknown_step", f"{spot.where}.depends_on[{index}]", message)

    def _name(self, where: str, what: str, name: str, shape: ranges.Shape) -> None:
        if message := ranges.name_complaint(what, name, shape, self._limits):
            self._problems.add("invalid_name", where, message)

    def _ranges(self, where: str, complaints: Iterable[ranges.Complaint]) -> None:
        for below, message in complaints:
            self._problems.add("out_of_range", f"{where}.{below}", message)


def _is_count(items: Value) -> bool:
    return isinstance(items, int) and not isinstance(items, bool) and items >= 0


def _may_be_list(items: Value) -> bool:
    return isinstance(items, list) or (isinstance(items, str) and "${" in items)
