"""Compiling a definition into the net that runs execute.

Every step becomes a piece of net with one entry and one exit, so the whole is sound by
construction: whatever branches are taken, the run reaches its end once and no token stays behind.

    task, set, fail,  the step itself
    wait, map, call
    choice            Choice ──conditional*, default──► branch ──► Join(any) `<id>/end`
    parallel          Split ──► every branch ──► Join(all) `<id>/end`
    while, until,     the step; its body is a scope of its own, `<id>/start` ──► … ──► `<id>/end`,
    for_each          which the step repeats
    within            Within ──► the steps, in a scope of their own with its limit of time ──►
                      Join(all) `<id>/end`
    when              Choice `<id>/when` ──► the step ──► Join(any) `<id>/after` ◄──default── Choice
    on_error          the step ──error──► handler ──► Join(any) `<id>/after` ◄── the step

Several arcs into a step are an implicit AND join, several normal arcs out of it a parallel split.
Branches of a choice and handlers with several first or last steps get a Split or Join of their own,
because the arc into them is one.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import chain
from typing import Literal, TypeAlias

import msgspec

from events import net as n
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
from events.errors import InvariantViolation
from orchestrator.authoring.outline import Block, Node, handlers_of, has_output, outline, waits
from orchestrator.kernel.expressions import Expressions

ArcKind: TypeAlias = Literal["normal", "conditional", "default", "error", "cancel", "compensation"]
START = "/start"
END = "/end"
VERSION_CHARS = 20

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(definition: Definition) -> Definition:
    """The definition with the keys of all objects sorted and numbers in their declared types.

    Definitions that mean the same by JSON's rules have one canonical form, so the version names
    exactly one net.
    """
    return msgspec.json.decode(_encode(definition), type=Definition)


def workflow_version(definition: Definition) -> str:
    """The content hash that names this definition: 20 hexadecimal digits."""
    return sha256(_encode(canonical(definition))).hexdigest()[:VERSION_CHARS]


def compile_net(definition: Definition, expressions: Expressions) -> n.Net:
    """The net of a definition that `check` has passed. Raises `InvalidExpression`."""
    definition = canonical(definition)
    root = outline(definition, expressions)
    builder = _Builder()
    builder.step(START, n.Start())
    first, last = builder.block(root)
    builder.step(END, n.End())
    builder.arcs_between([START], first or [END])
    builder.arcs_between(last, [END])
    net = n.Net(
        steps=tuple(builder.steps),
        arcs=tuple(builder.arcs),
        output=definition.output,
        sinks=tuple(sinks(root)),
    )
    if definition.updates:
        updates = {
            name: n.Update(accept=one.accept, variables=one.variables)
            for name, one in definition.updates.items()
        }
        net = msgspec.structs.replace(net, updates=updates)
    # Scopes that are the default are left out: a net without loops has the bytes it always had.
    more = len(builder.scopes) > 1
    return msgspec.structs.replace(net, scopes=tuple(builder.scopes)) if more else net


def sinks(block: Block) -> Iterable[str]:
    """Ids of the steps whose outputs are the block's when nothing else is said: the last ones that
    have an output, those of its last choices and parallels included.
    """
    awaited = {wait.index for waiting in waits(block) for wait in waiting}
    for index, node in enumerate(block.nodes):
        if index in awaited:
            continue
        if has_output(node.step):  # a loop's is that of what is inside it
            yield node.step.id
        else:
            inside = node.blocks[:1] if isinstance(node.step, WithinStep) else node.blocks
            for inner in inside:
                yield from sinks(inner)


class _Way(msgspec.Struct, frozen=True):
    """What an arc is like, apart from where it leads."""

    kind: ArcKind = "normal"
    when: str = ""
    codes: tuple[str, ...] = ()


PLAIN = _Way()


class _Builder:
    """Steps and arcs so far; arcs of a step keep the order in which they are made."""

    def __init__(self) -> None:
        self.steps: list[n.NetStep] = []
        self.arcs: list[n.Arc] = []
        self.scopes: list[n.Scope] = [n.Scope(id="")]
        self._scope = ""
        self._pairs: dict[tuple[str, str], int] = {}

    def step(self, step_id: str, action: n.Action, name: str = "", joins_any: bool = False) -> str:
        join: Literal["any", "all"] = "any" if joins_any else "all"
        self.steps.append(
            n.NetStep(id=step_id, action=action, name=name, scope=self._scope, join=join)
        )
        return step_id

    def arc(self, source: str, target: str, way: _Way = PLAIN) -> str:
        count = self._pairs[source, target] = self._pairs.get((source, target), 0) + 1
        arc = n.Arc(
            id=f"{source}>{target}" + (f"#{count}" if count > 1 else ""),
            source=source,
            target=target,
            kind=way.kind,
            when=way.when,
            codes=way.codes,
        )
        self.arcs.append(arc)
        return arc.id

    def arcs_between(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        targets = tuple(targets)
        for source in sources:
            for target in targets:
                self.arc(source, target)

    # -- blocks -----------------------------------------------------------------------------------

    def block(self, block: Block) -> tuple[list[str], list[str]]:
        """Makes the block's net; returns the entries of its first, the exits of its last steps."""
        pieces = [self.piece(node) for node in block.nodes]
        all_waits = waits(block)
        awaited: set[int] = set()
        for (entry, _), waiting in zip(pieces, all_waits, strict=True):
            for wait in waiting:
                self.arc(pieces[wait.index][1], entry)
                awaited.add(wait.index)
        first = [
            entry for (entry, _), waiting in zip(pieces, all_waits, strict=True) if not waiting
        ]
        last = [exit_ for index, (_, exit_) in enumerate(pieces) if index not in awaited]
        return first, last

    def piece(self, node: Node) -> tuple[str, str]:
        """Makes a step's net; returns its entry and its exit."""
        step = node.step
        handlers = handlers_of(step)
        entry, exit_ = self._plain(node)
        if step.when is None and not handlers:
            return entry, exit_
        after = self.step(f"{step.id}/after", n.Join(), joins_any=True)
        self.arc(exit_, after)
        for handler, block in zip(handlers, node.blocks[-len(handlers) :], strict=False):
            self._branch(step.id, block, after, _Way("error", codes=handler.codes))
        if step.when is not None:
            entry = self._when(node, step.when, entry, after)
        return entry, after

    def _plain(self, node: Node) -> tuple[str, str]:
        step = node.step
        match step:
            case TaskStep() | SetStep() | FailStep() | WaitStep() | MapStep() | CallStep():
                self.step(step.id, _action(step), step.id)
                return step.id, step.id
            case ChoiceStep():
                return step.id, self._choice(step, node.blocks)
            case ParallelStep():
                return step.id, self._parallel(step, node.blocks)
            case WhileStep() | UntilStep() | ForEachStep():
                self._loop(step, node.blocks[0])
                return step.id, step.id
            case WithinStep():
                return step.id, self._within(step, node.blocks[0])

    def _parallel(self, step: ParallelStep, blocks: tuple[Block, ...]) -> str:
        self.step(step.id, n.Split(), step.id)
        pieces = [self.block(block) for block in blocks]
        end = self.step(f"{step.id}/end", n.Join(closes=step.id))
        for first, last in pieces:
            self.arcs_between([step.id], first or [end])
            self.arcs_between(last, [end])
        return end

    def _loop(self, step: LoopStep, body: Block) -> None:
        """The step, and its body as a scope of its own that begins and ends like a net."""
        self.step(step.id, _loop_action(step, tuple(sinks(body))), step.id)
        outer, self._scope = self._scope, step.id
        self.scopes.append(n.Scope(id=step.id, parent=outer, repeats=True))
        start = self.step(f"{step.id}/start", n.Start())
        first, last = self.block(body)
        end = self.step(f"{step.id}/end", n.End())
        self.arcs_between([start], first or [end])
        self.arcs_between(last, [end])
        self._scope = outer

    def _within(self, step: WithinStep, body: Block) -> str:
        """The step, which leads on into the scope, and the join that leaves it."""
        self.step(step.id, n.Within(), step.id)
        outer, self._scope = self._scope, step.id
        self.scopes.append(n.Scope(id=step.id, parent=outer, timeout_s=step.timeout_s))
        first, last = self.block(body)
        end = self.step(f"{step.id}/end", n.Join(closes=step.id))
        self.arcs_between([step.id], first or [end])
        self.arcs_between(last, [end])
        self._scope = outer
        return end

    def _choice(self, step: ChoiceStep, blocks: tuple[Block, ...]) -> str:
        place = len(self.steps)
        end = f"{step.id}/end"
        *cases, default = blocks
        taken = [
            self._branch(step.id, block, end, _Way("conditional", case.when))
            for case, block in zip(step.cases, cases, strict=True)
        ]
        taken.append(self._branch(step.id, default, end, _Way("default")))
        action = n.Choice(skips=_skips(taken, blocks))
        choice = n.NetStep(id=step.id, action=action, name=step.id, scope=self._scope)
        self.steps.insert(place, choice)
        return self.step(end, n.Join(closes=step.id), joins_any=True)

    def _when(self, node: Node, when: str, entry: str, after: str) -> str:
        choice = f"{node.step.id}/when"
        self.arc(choice, entry, _Way("conditional", when))
        skipping = self.arc(choice, after, _Way("default"))
        return self.step(choice, n.Choice(skips={skipping: node.own_ids}))

    def _branch(self, source: str, block: Block, target: str, way: _Way) -> str:
        """Leads from `source` through the block to `target`; returns the arc that enters it."""
        label = f"{source}/{block.label}"
        first, last = self.block(block)
        if len(first) > 1:
            split = self.step(f"{label}/start", n.Split())
            self.arcs_between([split], first)
            first = [split]
        if len(last) > 1:
            join = self.step(f"{label}/end", n.Join())
            self.arcs_between(last, [join])
            last = [join]
        entering = self.arc(source, first[0] if first else target, way)
        self.arcs_between(last, [target])
        return entering


def _skips(taken: list[str], blocks: tuple[Block, ...]) -> dict[str, tuple[str, ...]]:
    """For each arc of a choice, the steps behind the other arcs."""
    ids = [block.own_ids for block in blocks]
    skips = {
        arc: tuple(chain.from_iterable(ids[:place] + ids[place + 1 :]))
        for place, arc in enumerate(taken)
    }
    return {arc: skipped for arc, skipped in skips.items() if skipped}


def _loop_action(step: LoopStep, last: tuple[str, ...]) -> n.Loop:
    most = step.iterations_max
    match step:
        case WhileStep(condition=condition):
            return n.Loop(kind="while", when=condition, iterations_max=most, sinks=last)
        case UntilStep(condition=condition):
            return n.Loop(kind="until", when=condition, iterations_max=most, sinks=last)
        case ForEachStep(items=items):
            return n.Loop(kind="for_each", items=items, iterations_max=most, sinks=last)


def _task(step: TaskStep | MapStep) -> n.Task:
    return n.Task(
        task=step.task,
        inputs=step.inputs,
        retry=step.retry,
        timeouts=step.timeouts,
        needs=step.needs,
        labels=step.labels,
    )


def _action(step: Step) -> n.Action:
    match step:
        case TaskStep():
            return _task(step)
        case MapStep():
            return n.Map(
                items=step.items,
                body=_task(step),
                concurrency=step.concurrency,
                batch=step.batch or 0,
                rule=step.complete_when,
                number=step.number,
            )
        case CallStep(workflow=workflow, version=version, retry=retry):
            return n.Call(workflow=workflow, version=version, input=step.input, retry=retry)
        case SetStep(variables=variables):
            return n.Set(variables=variables)
        case FailStep(code=code, message=message):
            return n.Fail(code=code, message=message)
        case WaitStep():
            return n.Wait(
                duration=step.duration,
                until=step.until,
                signal=step.signal,
                correlation=step.correlation,
                timeout_s=step.timeout_s,
            )
        case _:
            raise InvariantViolation(f"{step.id} is more than one step of a net")
