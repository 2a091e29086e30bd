"""Catalogue: stored names to types, and the upcasters of names that are no longer written.

A stored name and its fields are ours for ever. A fact that changes shape gets a new name (`.v2`)
and its old name an upcaster: a pure function from the old fields to the next name's fields.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from events import cluster_facts, operator_facts, run_facts, task_facts
from events.codec import decode
from events.errors import Corrupt
from events.facts import Fact
from events.values import Value

if TYPE_CHECKING:
    from events.envelope import Whole

Fields = dict[str, Value]
Upcaster = Callable[[Fields], tuple[str, Fields]]
"""Takes the fields stored under an old name; returns the next name and its fields."""


def facts_of(*modules: object) -> tuple[type[Fact], ...]:
    """All facts that the modules define, in order of definition."""
    found = (item for module in modules for item in vars(module).values())
    return tuple(f for f in found if isinstance(f, type) and issubclass(f, Fact) and f is not Fact)


FACTS = facts_of(run_facts, task_facts, operator_facts, cluster_facts)


class Catalogue:
    """Decodes the data of stored events; immutable after construction."""

    def __init__(
        self,
        facts: Iterable[type[Fact]] = FACTS,
        upcasters: Mapping[str, Upcaster] | None = None,
    ) -> None:
        self._types = {fact.TYPE: fact for fact in facts}
        self._decoders = {name: msgspec.json.Decoder(fact) for name, fact in self._types.items()}
        self._upcasters = dict(upcasters or {})
        self.readers: dict[str, Callable[[bytes], Whole]] = {}
        """Of whole events by type, as `envelope` has made them."""

    def names(self) -> tuple[str, ...]:
        return (*self._types, *self._upcasters)

    def fact(self, name: str) -> type[Fact] | None:
        """The type that is stored under `name`; None for one of before, or an unknown one."""
        return self._types.get(name)

    def decode(self, name: str, data: msgspec.Raw | bytes, what: str) -> Fact:
        """Returns the fact stored under `name`; raises `Corrupt` naming `what`."""
        decoder = self._decoders.get(name)
        if decoder is None:
            return self._upcast(name, data, what)
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Corrupt(f"{what} is not a {name}: {error}") from error

    def _upcast(self, name: str, data: msgspec.Raw | bytes, what: str) -> Fact:
        if name not in self._upcasters:
            raise Corrupt(
                f"{what} has the type {name!r}, which this version does not know: "
                "was it written by a newer one?"
            )
        fields: Fields = decode(data, dict, what)
        try:
            for _ in self._upcasters:
                if name in self._types:
                    break
                name, fields = self._upcasters[name](fields)
            return msgspec.convert(fields, self._types[name])
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            raise Corrupt(f"{what} cannot be read as {name}: {error}") from error
