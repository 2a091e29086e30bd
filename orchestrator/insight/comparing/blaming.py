"""Blaming: from a difference of two runs back to where it comes from.

Everything that a step, a choice or a variable is made of was read somewhere: the paths stand in the
definition, or with the decision. Of these the ones count whose values differ, each with its own
origin, until there is one that reads nothing which differs.
"""

from collections.abc import Iterable, Iterator

import msgspec

from events.codec import encode
from events.limits import CAUSES_MAX
from events.net import Loop, Map, NetStep, Set
from events.values import Value
from orchestrator.insight.comparing.readings import Found, differ, paths_of, resolve, templates_of
from orchestrator.insight.comparing.told import Key, Kind, Thing, Told, name_of
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.instances import static_of, suffix_of

Readers = tuple[Thing | None, Thing | None]
SAME_INPUTS = "from the same inputs"
OTHER_INPUTS = "from other inputs"
GIVEN = "given when the run was started"


class Cause(msgspec.Struct, kw_only=True):
    """Something that differs, and what it comes from. `what` is a path as expressions know it, or
    a step. `a`, `b`: values, or words in place of them; unset on the side that does not have it.
    `note`: what is to be said of an origin. `seen`: its own causes were told already."""

    what: str
    kind: Kind
    a: Found = msgspec.UNSET
    b: Found = msgspec.UNSET
    version_a: int = 0
    version_b: int = 0
    run_a: str = ""
    run_b: str = ""
    note: str = ""
    seen: bool = False
    causes: "list[Cause]" = []


class Blame:
    def __init__(self, a: Told, b: Told, expressions: Expressions) -> None:
        self._a, self._b = a, b
        self._expressions = expressions
        self._seen: set[str] = set()
        self._room = CAUSES_MAX

    def changed_steps(self) -> Iterator[str]:
        """Steps of the net that are in one definition only, or not the same in both."""
        for step_id in dict.fromkeys([*self._a.steps, *self._b.steps]):
            old, new = self._a.steps.get(step_id), self._b.steps.get(step_id)
            if old != new and any(one is not None and one.name for one in (old, new)):
                yield step_id

    def of(self, key: Key) -> Cause:
        """A difference and all that it comes from, at most `CAUSES_MAX` together."""
        a, b = self._a.things.get(key), self._b.things.get(key)
        return self._cause(name_of(key), key, a, b, _value(a), _value(b))

    def _cause(  # noqa: PLR0917 -- two of everything
        self,
        what: str,
        key: Key,
        a: Thing | None,
        b: Thing | None,
        value_a: Found,
        value_b: Found,
    ) -> Cause:
        cause = Cause(what=what, kind=key.kind, a=value_a, b=value_b, causes=[])
        if a is not None:
            cause.version_a, cause.run_a = a.version, a.run_id
        if b is not None:
            cause.version_b, cause.run_b = b.version, b.run_id
        name = f"{key.kind} {key.name} {key.number}"
        if name in self._seen:
            cause.seen = True
            return cause
        self._seen.add(name)
        self._room -= 1
        if self._room > 0:
            cause.causes = list(self._origins(key, a, b))
        cause.note = self._note(key, a, b, cause)
        return cause

    # -- what a thing was made of -----------------------------------------------------------------

    def _origins(self, key: Key, a: Thing | None, b: Thing | None) -> Iterator[Cause]:
        if a is None or b is None:
            yield from self._absence(key, a, b)
            return
        match key.kind:
            case "outcome" | "output" | "inputs":
                yield from self._of_step(key.name)
            case "choice" | "iteration":
                paths = dict.fromkeys([*a.values, *b.values])
                yield from self._read(paths, key.name, (a, b))
            case "variable":
                yield from self._of_variable(key.name, a, b)
            case "end":
                yield from self._of_end(a, b)
            case "result":
                yield from self._of_result()
            case _:
                pass

    def _of_step(self, step: str) -> Iterator[Cause]:
        """What it was given; of a map and a loop also what became of what is inside."""
        either = [told.steps.get(static_of(step)) for told in (self._a, self._b)]
        templates = [one for found in either if found is not None for one in templates_of(found)]
        given = self._a.of("inputs", step), self._b.of("inputs", step)
        yield from self._read(self._paths(templates), step, given)
        yield from self._inside(step, either[0])

    def _inside(self, step: str, net_step: NetStep | None) -> Iterator[Cause]:
        if net_step is None or not isinstance(net_step.action, Map | Loop):
            return
        for key, thing in self._a.things.items():
            other = self._b.things.get(key)
            if key.kind != "output" or other is None or not self._is_inside(key.name, step):
                continue
            if encode(thing.value) != encode(other.value) and self._room > 0:
                yield self._cause(name_of(key), key, thing, other, thing.value, other.value)

    def _is_inside(self, instance: str, holder: str) -> bool:
        if instance.startswith(f"{holder}["):
            return True
        net_step = self._a.steps.get(static_of(instance))
        suffix = suffix_of(holder)
        return (
            net_step is not None
            and net_step.scope == static_of(holder)
            and suffix_of(instance).startswith(f"{suffix}[")
        )

    def _of_variable(self, name: str, a: Thing, b: Thing) -> Iterator[Cause]:
        sides = ((a, self._a), (b, self._b))
        setters = [told.steps.get(static_of(thing.by)) for thing, told in sides if thing.by]
        templates = [
            found.action.variables.get(name)
            for found in setters
            if found is not None and isinstance(found.action, Set)
        ]
        yield from self._read(self._paths(templates), a.by or b.by, (a, b))

    def _of_end(self, a: Thing, b: Thing) -> Iterator[Cause]:
        for step in dict.fromkeys(filter(None, (a.by, b.by))):
            yield from self._thing(Key("outcome", step))

    def _of_result(self) -> Iterator[Cause]:
        net = self._a.recording.net or self._b.recording.net
        if net is not None:
            outputs = [f"steps.{sink}.output" for sink in net.sinks if net.output is None]
            yield from self._read([*self._paths([net.output]), *outputs], "", (None, None))

    def _absence(self, key: Key, a: Thing | None, b: Thing | None) -> Iterator[Cause]:
        """Why only one of the two has come to it."""
        lacking = self._b if b is None else self._a
        skipped = lacking.of("skipped", key.name)
        if skipped is not None and skipped.by:
            yield from self._thing(Key("choice", skipped.by))
            return
        end = lacking.of("end")
        if end is not None and end.by and end.by != key.name:
            yield from self._thing(Key("outcome", end.by))

    def _thing(self, key: Key) -> Iterator[Cause]:
        a, b = self._a.things.get(key), self._b.things.get(key)
        if (a or b) is not None and differ(_value(a), _value(b)):
            yield self._cause(name_of(key), key, a, b, _value(a), _value(b))

    # -- paths ------------------------------------------------------------------------------------

    def _paths(self, templates: Iterable[Value]) -> list[str]:
        return paths_of(templates, self._expressions)

    def _read(self, paths: Iterable[str], reader: str, readers: Readers) -> Iterator[Cause]:
        """Of the paths that were read, those whose values differ. `readers`: the things of both
        runs that were made of them."""
        for path in paths:
            if self._room <= 0:
                return
            a = resolve(self._a, path, reader, readers[0])
            b = resolve(self._b, path, reader, readers[1])
            known = a[0] or b[0]
            if known is not None and differ(a[1], b[1]):
                yield self._cause(path, known.key, a[0], b[0], a[1], b[1])

    # -- words ------------------------------------------------------------------------------------

    def _note(self, key: Key, a: Thing | None, b: Thing | None, cause: Cause) -> str:
        came = (self._b.of("outcome", key.name), self._a.of("outcome", key.name))
        sides = (b, a, *(came if key.kind == "output" else ()))
        said = next((one.note for one in sides if one is not None and one.note), "")
        if key.kind == "input":
            return GIVEN
        if cause.causes:
            return said
        step = static_of((a or b or Thing(key=key)).by if key.kind == "variable" else key.name)
        old, new = self._a.steps.get(step), self._b.steps.get(step)
        if old is not None and new is not None and old != new:
            return f"the definition of {step} differs"
        if (old is None) != (new is None):
            return f"{step} is in the definition of only one of them"
        if key.kind in {"outcome", "output"} and a is not None and b is not None and not said:
            given = Key("inputs", key.name)
            differs = differ(_value(self._a.things.get(given)), _value(self._b.things.get(given)))
            return OTHER_INPUTS if differs else SAME_INPUTS
        return said


def _value(thing: Thing | None) -> Found:
    return msgspec.UNSET if thing is None else thing.value
