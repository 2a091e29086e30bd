"""WfFormat: recorded workflow traces of the WfCommons project as definitions.

A trace (schema 1.5 or 1.6, https://github.com/wfcommons/WfFormat) lists tasks with parents,
children and files, and how long each task ran. Every task becomes a task step of the built-in type
`trace.task`, whose inputs are the recorded runtime and the sizes of its files. A step waits for

- the parents that the trace names, on either side: as `parents` of the one or `children` of the
  other;
- whoever writes a file that it reads. A writer that by its parents comes after the reader
  overwrites what was there before, so nobody waits for it.

The file is decoded by the schema first and judged as a whole then: one `InvalidDefinition` carries
all problems with their paths in the trace. Lines and columns are looked for only when there is
something to complain about, since that costs more than all the rest.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from events.definition import Definition, TaskStep
from events.limits import Limits
from events.values import Value
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.located import Located, Mapping, Sequence, parse
from orchestrator.authoring.problems import InvalidDefinition, Place, Problem, Problems
from orchestrator.authoring.wfformat_order import dependencies
from orchestrator.authoring.wfformat_trace import Judge, Trace, TraceTask

VERSIONS = ("1.5", "1.6")
"""The later one only adds what is passed over here."""
TASK = "trace.task"
AS_RECORDED = 1.0
READABLE_CHARS_MAX = 120
DIGEST_CHARS = 8

_STEP_CHARS = re.compile(r"[^A-Za-z0-9_-]+")
_WORKFLOW_CHARS = re.compile(r"[^A-Za-z0-9_.-]+")
_PART = re.compile(r"[^.\[\]]+")


class _Head(msgspec.Struct, rename="camel"):
    """What tells a trace from a definition in our own form, whose `workflow` is a text."""

    schema_version: Value = None
    workflow: msgspec.Raw = msgspec.Raw(b"")


def is_trace(text: str) -> bool:
    """Whether a JSON text is meant as a trace, be it a right one or not."""
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return head.schema_version is not None or bytes(head.workflow).startswith(b"{")


def read_trace(
    text: str, name: str = "", limits: Limits | None = None, time_scale: float = AS_RECORDED
) -> Authored:
    """The definition of the trace in `text`; runtimes are multiplied by `time_scale`.

    Raises `InvalidDefinition`.
    """
    limits = limits or Limits()
    problems = Problems(limits.problems_max)
    definition = _read(text, problems, limits, time_scale)
    if problems.found or definition is None:
        raise InvalidDefinition(_placed(problems.found, text, name), name, problems.more)
    return Authored(definition, {}, name)


def _read(text: str, problems: Problems, limits: Limits, time_scale: float) -> Definition | None:
    trace = _decoded(text, problems)
    if trace is None:
        return None
    Judge(trace, problems, time_scale, limits).judge()
    waits = () if problems.found else dependencies(trace, problems, limits.arcs_max)
    return None if problems.found else _definition(trace, waits, time_scale, limits)


def _decoded(text: str, problems: Problems) -> Trace | None:
    version = msgspec.json.decode(text, type=_Head).schema_version
    if version not in VERSIONS:
        told = "missing" if version is None else repr(version)
        message = (
            f"the version is {told}: expected {' or '.join(map(repr, VERSIONS))}; the tools of "
            "WfFormat migrate older traces"
        )
        problems.add("schema_version", "schemaVersion", message)
        return None
    try:
        return msgspec.json.decode(text, type=Trace)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        problems.add("malformed", where.strip("`."), message)
        return None


# -- the definition -------------------------------------------------------------------------------


def _definition(
    trace: Trace, waits: tuple[tuple[int, ...], ...], time_scale: float, limits: Limits
) -> Definition:
    ids = step_ids([task.id for task in trace.tasks])
    sizes, runtimes_s = trace.sizes(), trace.runtimes_s()
    steps = tuple(
        TaskStep(
            id=ids[task.id],
            task=TASK,
            inputs={
                "name": task.id.replace("${", "$${"),
                "runtime_s": runtimes_s.get(task.id, 0.0),
                "time_scale": time_scale,
                **_files(task, sizes),
            },
            depends_on=tuple(ids[trace.tasks[at].id] for at in waiting),
        )
        for task, waiting in zip(trace.tasks, waits, strict=True)
    )
    told = f"WfFormat trace {trace.name}, runtimes times {time_scale:g}. {trace.description}"
    return Definition(
        name=_readable(trace.name.removesuffix(".json"), _WORKFLOW_CHARS, "trace_"),
        steps=steps,
        description=told.strip()[: limits.description_chars_max],
    )


def _files(task: TraceTask, sizes: dict[str, int]) -> dict[str, Value]:
    """Bytes of each file, 0 where the trace lists none at all."""
    kinds = (("reads", task.input_files), ("writes", task.output_files))
    return {kind: {file: sizes.get(file, 0) for file in files} for kind, files in kinds if files}


def step_ids(ids: Iterable[str]) -> dict[str, str]:
    """A valid step id for each task id: itself where it is one, else readable, and with a digest
    where two would be read alike. It depends on the ids alone, not on their order.
    """
    made = {one: _readable(one, _STEP_CHARS, "task_") for one in ids}
    counts = Counter(made.values())
    return {
        one: made[one]
        if one == made[one] or counts[made[one]] == 1
        else f"{made[one]}_{hashlib.sha256(one.encode()).hexdigest()[:DIGEST_CHARS]}"
        for one in made
    }


def _readable(name: str, others: re.Pattern[str], prefix: str) -> str:
    made = others.sub("_", name)[:READABLE_CHARS_MAX]
    return made if made[:1].isalpha() or made.startswith("_") else f"{prefix}{made}"


# -- places ---------------------------------------------------------------------------------------


def _placed(found: list[Problem], text: str, name: str) -> tuple[Problem, ...]:
    """The problems with the lines and columns of what they are about, in the order of the text."""
    root = parse(text, name)
    placed = [msgspec.structs.replace(one, place=_place(root, one.where)) for one in found]
    return tuple(sorted(placed, key=lambda problem: problem.place or Place(0, 0)))


def _place(node: Located, where: str) -> Place:
    """Where `where` is in the text, or else the nearest thing that it lies in."""
    place = node.place
    for part in _PART.findall(where):
        if isinstance(node, Mapping) and part in node.items:
            place = node.keys[part]
            node = node.items[part]
        elif isinstance(node, Sequence) and part.isdecimal() and int(part) < len(node.items):
            node = node.items[int(part)]
            place = node.place
        else:
            break
    return place
