"""Origins: where the values that a step was given come from, within one run.

balance                       its inputs read these paths …
├── vars.returns  -204.4      … of which each was set, or returned, by an event,
│   └── steps.returns.output.total  -204.4      from values that were read in turn
└── …
"""

from collections.abc import Iterator

import msgspec

from events.limits import CAUSES_MAX
from events.net import Loop, Map, Set
from events.values import Value
from orchestrator.insight.comparing.readings import Reading, paths_of, resolve, templates_of
from orchestrator.insight.comparing.told import Key, Kind, Thing, Told, name_of
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.instances import static_of


class Origin(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A value that was read, what the path is called, and the event that says it; in the run
    `run_id`, when that is not this one but one that it was forked from. `note`: how it came about
    where that is not the workflow. `seen`: where it comes from was told already."""

    what: str
    kind: Kind
    value: Value = None
    version: int = 0
    run_id: str = ""
    note: str = ""
    seen: bool = False
    origins: "list[Origin]" = []


def origins(told: Told, step: str, expressions: Expressions) -> Origin | None:
    """Where all that a step instance was given comes from, at most `CAUSES_MAX` values; None when
    it was given nothing."""
    given = told.of("inputs", step) or told.of("choice", step)
    if given is None:
        return None
    return _Tracer(told, expressions).of(name_of(given.key), given, given.value)


class _Tracer:
    def __init__(self, told: Told, expressions: Expressions) -> None:
        self._told = told
        self._expressions = expressions
        self._seen: set[tuple[Key, str]] = set()
        self._room = CAUSES_MAX

    def of(self, what: str, thing: Thing, value: Value) -> Origin:
        came = self._told.of("outcome", thing.key.name) if thing.key.kind == "output" else None
        found = Origin(
            what=what,
            kind=thing.key.kind,
            value=value,
            version=thing.version,
            run_id="" if thing.run_id == self._told.recording.run_id else thing.run_id,
            note=thing.note or ("" if came is None else came.note),
            origins=[],
        )
        if (thing.key, what) in self._seen:
            found.seen = True
            return found
        self._seen.add((thing.key, what))
        self._room -= 1
        found.origins = list(self._made_of(thing))
        return found

    def _made_of(self, thing: Thing) -> Iterator[Origin]:
        step, told = thing.key.name, self._told
        match thing.key.kind:
            case "output" | "inputs":
                given = told.of("inputs", step)
                yield from self._read(self._templates(step), step, given)
            case "choice":
                yield from self._read(list(thing.values), step, thing)
            case "variable" if not thing.note:
                setter = told.steps.get(static_of(thing.by))
                if setter is not None and isinstance(setter.action, Set):
                    paths = paths_of([setter.action.variables.get(step)], self._expressions)
                    yield from self._read(paths, thing.by, thing)
            case _:
                pass

    def _templates(self, step: str) -> list[str]:
        net_step = self._told.steps.get(static_of(step))
        if net_step is None:
            return []
        found = paths_of(templates_of(net_step), self._expressions)
        inside = isinstance(net_step.action, Map | Loop)
        return [path for path in found if not (inside and path.startswith("iteration"))]

    def _read(self, paths: list[str], reader: str, thing: Thing | None) -> Iterator[Origin]:
        for path in paths:
            if self._room <= 0:
                return
            found: Reading = resolve(self._told, path, reader, thing)
            if found[0] is not None and found[1] is not msgspec.UNSET:
                yield self.of(path, found[0], found[1])
