"""Check: everything that is wrong with a definition, before it is registered.

One pass gathers all problems. Later stages need what earlier ones make sure of, so they are left
out when those failed: references and order need unique ids and valid expressions, the net needs no
problem at all.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from events.codec import encode
from events.definition import Definition, MapStep, TaskStep
from events.errors import InvalidValue
from events.limits import Limits
from events.net import Net
from events.values import admit
from orchestrator.authoring.compile import compile_net, workflow_version
from orchestrator.authoring.order import loop_message, order
from orchestrator.authoring.outline import Block, outline, waits
from orchestrator.authoring.problems import (
    InvalidDefinition,
    Place,
    Problem,
    Problems,
    suggestion,
)
from orchestrator.authoring.references import References
from orchestrator.authoring.schemas import TaskSchema, mismatches
from orchestrator.authoring.step_rules import StepRules
from orchestrator.authoring.walk import (
    Spot,
    Written,
    blocks,
    item_inputs,
    loop_condition,
    spots,
    written,
    written_in_updates,
)
from orchestrator.kernel.expressions import Expressions, InvalidExpression
from orchestrator.kernel.templates import compile_template

Paths = dict[str, tuple[str, ...]]
"""What is read, by the path of the piece that reads it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. `net` and `workflow_version` are there when nothing is wrong; `more`
    counts problems that were found beyond those reported.
    """

    problems: tuple[Problem, ...] = ()
    more: int = 0
    net: Net | None = None
    workflow_version: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.problems

    def accepted(self, name: str = "") -> Net:
        """The net; raises `InvalidDefinition` with all problems when there are any."""
        if self.net is None:
            raise InvalidDefinition(self.problems, name, self.more)
        return self.net


def check(
    definition: Definition,
    expressions: Expressions,
    task_schemas: Mapping[str, TaskSchema] | None = None,
    places: Mapping[str, Place] | None = None,
    limits: Limits | None = None,
) -> Report:
    """Checks a definition and compiles it when it is right.

    Task types and their parameters are checked when `task_schemas` are given; `places` are those of
    the text that it was read from.
    """
    limits = limits or Limits()
    problems = Problems(limits.problems_max, places)
    net = _Check(definition, expressions, problems, limits).run(task_schemas)
    if net is None or problems.found:
        return Report(problems=problems.in_order(), more=problems.more)
    return Report(net=net, workflow_version=workflow_version(definition))


def accept(
    definition: Definition, expressions: Expressions, limits: Limits | None = None
) -> tuple[str, Net]:
    """The version and the net of a definition, for those who only want it when it is right.

    Raises `InvalidDefinition` with all problems.
    """
    report = check(definition, expressions, limits=limits)
    net = report.accepted(definition.name)
    return report.workflow_version, net


class _Check:
    def __init__(
        self,
        definition: Definition,
        expressions: Expressions,
        problems: Problems,
        limits: Limits,
    ) -> None:
        self._definition = definition
        self._expressions = expressions
        self._problems = problems
        self._limits = limits
        self._spots: tuple[Spot, ...] = ()
        self._updates: Paths = {}
        self._broken: set[str] = set()
        """Paths of pieces that are no values or hold no valid expression."""

    def run(self, task_schemas: Mapping[str, TaskSchema] | None) -> Net | None:
        """The net, when nothing is wrong."""
        if not self._is_well_formed() or not self._is_of_bounded_size():
            return None
        rules = StepRules(self._spots, self._problems, self._limits)
        rules.apply(self._definition)
        output = [Written("output", self._definition.output, is_condition=False)]
        reads = [(spot, self._paths(written(spot))) for spot in self._spots]
        for reader, condition in filter(None, map(loop_condition, self._spots)):
            reads.append((reader, self._paths([condition])))
        for reader, inputs in filter(None, map(item_inputs, self._spots)):
            reads.append((reader, self._paths(inputs)))
        output_reads = self._paths(output)
        self._updates = self._paths(written_in_updates(self._definition))
        if task_schemas is not None:
            self._tasks(task_schemas)
        if rules.are_ids_unique and not self._broken:
            self._references([*reads, (None, output_reads)])
        return None if self._problems.found else self._compile()

    # -- shape ------------------------------------------------------------------------------------

    def _is_well_formed(self) -> bool:
        """Definitions built in Python may hold anything; nothing below has to expect it."""
        try:
            msgspec.convert(msgspec.to_builtins(self._definition), Definition)
        except RecursionError:
            message = f"nested deeper than {self._limits.nesting_max} levels: flatten it"
            self._problems.add("too_large", "steps", message)
            return False
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            self._problems.add("malformed", "", f"not a definition: {error}")
            return False
        return True

    def _is_of_bounded_size(self) -> bool:
        found: list[Spot] = []
        for spot in spots(self._definition):
            found.append(spot)
            if len(found) > self._limits.steps_max:
                message = f"over {self._limits.steps_max} steps: split the workflow"
                self._problems.add("too_large", "steps", message)
                return False
            if len(spot.chain) > self._limits.nesting_max:
                message = f"steps nested deeper than {self._limits.nesting_max} levels: flatten it"
                self._problems.add("too_large", spot.where, message)
                return False
        self._spots = tuple(found)
        return True

    # -- expressions ------------------------------------------------------------------------------

    def _paths(self, pieces: Iterable[Written]) -> Paths:
        """The paths that each piece reads; a piece that is not valid is reported."""
        found: Paths = {}
        for piece in pieces:
            try:
                found[piece.where] = self._read(piece)
            except InvalidExpression as error:
                self._broken.add(piece.where)
                self._problems.add_expression(piece.where, piece.value, error)
            except InvalidValue as error:
                self._broken.add(piece.where)
                self._problems.add("invalid_value", piece.where, str(error))
        return found

    def _read(self, piece: Written) -> tuple[str, ...]:
        value = admit(piece.value, piece.where)
        if not piece.is_condition:
            size = len(encode(value))
            if size > (most := self._limits.payload_bytes_max):
                mend = "store it elsewhere and pass a reference"
                self._problems.add("too_large", piece.where, f"{size} bytes, over {most}: {mend}")
            return compile_template(value).paths(self._expressions)
        source = str(value)
        if source.lstrip().startswith("${"):
            raise InvalidExpression("a condition is an expression already: drop `${ }`", source)
        return self._expressions.paths(source)

    # -- order and references ---------------------------------------------------------------------

    def _references(self, reads: Iterable[tuple[Spot | None, Paths]]) -> None:
        by_id = {spot.step.id: spot for spot in self._spots}
        root = outline(self._definition, self._expressions)
        try:
            references = References(by_id, dict(self._orders("steps", root, by_id)))
        except InvalidDefinition as error:
            for problem in error.problems:
                self._problems.add(problem.code, problem.where, problem.message)
            return
        for where, paths in self._updates.items():
            for message in references.complaints_of_update(paths, self._definition):
                self._problems.add("invalid_reference", where, message)
        for reader, pieces in reads:
            if self._problems.is_overflowing:
                break
            for where, paths in pieces.items():
                for message in references.complaints(paths, reader):
                    self._problems.add("invalid_reference", where, message)

    def _orders(
        self, path: str, block: Block, by_id: Mapping[str, Spot]
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """For each list of steps, by path, what each step comes after; loops are reported."""
        waiting = waits(block)
        found = order(waiting)
        ids = tuple(node.step.id for node in block.nodes)
        for loop in found.loops:
            message = loop_message(loop, waiting, ids)
            self._problems.add("loop", f"{path}[{loop[0]}]", message)
        yield path, found.after
        for node in block.nodes:
            inner_paths = (where for where, _ in blocks(by_id[node.step.id]))
            for inner_path, inner in zip(inner_paths, node.blocks, strict=True):
                yield from self._orders(inner_path, inner, by_id)

    # -- tasks ------------------------------------------------------------------------------------

    def _tasks(self, schemas: Mapping[str, TaskSchema]) -> None:
        for spot in self._spots:
            where = spot.where
            if isinstance(spot.step, MapStep) and spot.step.task:
                self._task(f"{where}.map", spot.step, schemas)
            elif isinstance(spot.step, TaskStep) and spot.step.task:
                self._task(where, spot.step, schemas)

    def _task(
        self, where: str, step: TaskStep | MapStep, schemas: Mapping[str, TaskSchema]
    ) -> None:
        schema = schemas.get(step.task)
        if schema is None:
            mend = suggestion(step.task, schemas) or "; import the module that defines it"
            message = f"no loaded module has the task `{step.task}`{mend}"
            self._problems.add("unknown_task", f"{where}.task", message)
            return
        if self._broken.intersection(f"{where}.with.{name}" for name in step.inputs):
            return
        for found in mismatches(step.inputs, schema):
            at = f"{where}.with.{found.at}" if found.at else f"{where}.with"
            self._problems.add("invalid_input", at, found.message)

    # -- the net ----------------------------------------------------------------------------------

    def _compile(self) -> Net:
        net = compile_net(self._definition, self._expressions)
        sizes = (
            ("arcs", len(net.arcs), self._limits.arcs_max),
            ("bytes of net", len(encode(net)), self._limits.net_bytes_max),
            ("bytes", len(encode(self._definition)), self._limits.definition_bytes_max),
        )
        for what, size, most in sizes:
            if size > most:
                message = f"{size} {what}, over {most}: split the workflow"
                self._problems.add("too_large", "", message)
        return net
