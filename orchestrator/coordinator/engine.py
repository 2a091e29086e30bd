"""The engines that decisions use, as plain functions and values given by the composition root."""

from collections.abc import Callable

import msgspec

from events.definition import Definition
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact
from events.limits import Limits
from events.net import Net
from orchestrator.kernel.expressions import Expressions

Compile = Callable[[Definition], tuple[str, Net]]
"""From a definition to its version and net; raises `Rejected` with everything that is wrong."""

Seal = Callable[[Head, Fact, str, Stamp], Stored]
"""A fact as the next stored event of a stream, in the form in which this release writes it."""


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    expressions: Expressions
    limits: Limits
    compile: Compile
    release: str = ""
    seal: Seal = seal
