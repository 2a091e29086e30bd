"""Weather: how much goes wrong by itself, and what kinds of faults strike. Each seed has its own.

A seed enables a random part of what can go wrong, so that some worlds know one kind of trouble only
and others know all of it: faults that hide each other are met apart as well as together.
"""

from collections.abc import Callable, Collection
from random import Random

import msgspec

POINTS_OF_COORDINATOR = ("step", "outputs", "append", "publish", "acknowledge", "answer")
"""Where a coordinator can be told to die: before a step; after some of its outputs; between a
commit and its answer; before commands leave; before reports are acknowledged; before an answer."""

POINTS_OF_AGENT = (
    "step",
    "outputs",
    "journal",
    "sync",
    "publish",
    "published",
    "acknowledge",
    "start",
)
"""Where an agent can be told to die: before a step; after some of its outputs; between writing
the journal and its sync; after the sync; before reports leave; after they arrived; before
commands are acknowledged; right after an execution began."""

KINDS = (
    "crash coordinator",
    "crash coordinator at",
    "stop coordinator",
    "pause coordinator",
    "pause coordinator at",
    "cut coordinator",
    "mute coordinator",
    "deafen coordinator",
    "part coordinator and agent",
    "cut coordinator from store",
    "lose answers of store",
    "crash agent",
    "crash agent at",
    "power loss",
    "lose journal",
    "slow disk of agent",
    "pause agent",
    "cut agent",
    "mute agent",
    "deafen agent",
    "drain agent",
    "clock jump",
    "slow store",
    "store outage",
    "bus outage",
    "bus wipe",
)


THEMES = {
    "ownership": (
        "crash coordinator",
        "crash coordinator at",
        "pause coordinator",
        "pause coordinator at",
        "cut coordinator",
        "cut coordinator from store",
    ),
    "nodes": ("crash agent", "crash agent at", "power loss", "pause agent", "cut agent"),
    "servers": ("store outage", "bus outage", "bus wipe", "slow store", "crash coordinator at"),
    "one way": (
        "mute coordinator",
        "deafen coordinator",
        "mute agent",
        "deafen agent",
        "part coordinator and agent",
        "lose answers of store",
    ),
    "disks": ("power loss", "lose journal", "slow disk of agent", "slow store", "crash agent at"),
    "upgrade": ("stop coordinator", "crash coordinator", "drain agent", "crash agent"),
    "clocks": ("clock jump", "clock jump", "pause agent", "crash agent", "crash coordinator"),
}
"""Worlds with one kind of trouble, so that it is met often and in a row."""


JUMP_S_MAX = 5.0
"""What the wall clock of a coordinator jumps at most."""


class Weather(msgspec.Struct):
    """Shares are probabilities for each message or call."""

    lose: float = 0.0
    repeat: float = 0.0
    late: float = 0.0
    """Messages that take up to `late_s` instead of a few milliseconds, and so overtake others."""
    late_s: float = 3.0
    store_dies_before: float = 0.0
    store_dies_after: float = 0.0
    store_slow: float = 0.0
    store_slow_s: float = 0.5
    coordinators: int = 2
    upgraded: float = 1.0
    """Share of coordinators whose first life is of this release; those of the release before write
    older forms of some facts, and come back as one of this release now and then."""
    faults: int = 0
    kinds: tuple[str, ...] = ()
    skew_s: float = 0.0
    """How far wall clocks of processes are off at most."""

    @property
    def clocks_differ_s(self) -> float:
        """More than the wall clocks of two coordinators ever do."""
        jumps = self.kinds.count("clock jump") and self.faults
        return 1.0 + 2 * self.skew_s + jumps * JUMP_S_MAX

    def clear_up(self) -> None:
        """From now on the world is fair."""
        self.lose = self.repeat = self.late = 0.0
        self.store_dies_before = self.store_dies_after = self.store_slow = 0.0


KINDS_OF = {
    "crashes": ("crash coordinator", "crash coordinator at", "crash agent", "crash agent at"),
    "pauses": ("pause coordinator", "pause coordinator at", "pause agent"),
    "partitions": (
        "cut coordinator",
        "cut agent",
        "mute coordinator",
        "mute agent",
        "deafen coordinator",
        "deafen agent",
        "part coordinator and agent",
        "cut coordinator from store",
    ),
    "messages": (),
    "disks": ("power loss", "lose journal", "slow disk of agent"),
    "clocks": ("clock jump",),
    "store": ("slow store", "store outage", "lose answers of store"),
    "bus": ("bus outage", "bus wipe"),
    "drains": ("stop coordinator", "drain agent"),
}
"""What users ask for by one word."""


def asked_for(names: Collection[str], rng: Random) -> Weather:
    """The weather of a seed with these kinds of faults, each seed with some part of them."""
    weather = draw(rng)
    kinds = tuple(kind for name in names for kind in KINDS_OF[name])
    weather.kinds = tuple(kind for kind in kinds if rng.random() < 0.5) or kinds
    if not kinds:
        weather.faults = 0
    if "messages" not in names:
        weather.lose = weather.repeat = weather.late = 0.0
    if "store" not in names:
        weather.store_dies_before = weather.store_dies_after = weather.store_slow = 0.0
    if "clocks" not in names:
        weather.skew_s = 0.0
    return weather


def fair() -> Weather:
    return Weather()


def draw(rng: Random) -> Weather:
    """The weather of a seed."""

    def maybe(share: float, most: float) -> float:
        return rng.random() * most if rng.random() < share else 0.0

    kinds = tuple(kind for kind in KINDS if rng.random() < 0.5) or KINDS
    theme = rng.choice(("", "", "", *THEMES))
    weather = _any_weather(rng, maybe, kinds)
    if theme:
        weather.kinds = THEMES[theme]
        weather.faults = rng.choice((3, 6, 12))
    if theme == "ownership":
        weather.store_slow, weather.store_slow_s = rng.choice((0.0, 0.1)), 9.0
        weather.store_dies_before = weather.store_dies_after = rng.choice((0.0, 0.15))
    if theme == "upgrade":
        weather.upgraded = 0.0
    if theme == "clocks":
        weather.skew_s = 3.0
    if theme == "nodes":
        weather.late, weather.late_s = rng.choice((0.0, 0.25)), 8.0
    return weather


def _any_weather(
    rng: Random, maybe: Callable[[float, float], float], kinds: tuple[str, ...]
) -> Weather:
    return Weather(
        lose=maybe(0.5, 0.2),
        repeat=maybe(0.5, 0.3),
        late=maybe(0.5, 0.15),
        late_s=rng.choice((0.5, 3.0, 8.0)),
        store_dies_before=maybe(0.4, 0.08),
        store_dies_after=maybe(0.5, 0.15),
        store_slow=maybe(0.4, 0.1),
        store_slow_s=rng.choice((0.2, 1.0, 9.0)),
        coordinators=rng.choice((2, 2, 2, 3)),
        upgraded=rng.choice((1.0, 0.5, 0.0)),
        faults=rng.choice((1, 3, 6, 12)),
        kinds=kinds,
        skew_s=maybe(0.4, 3.0),
    )
