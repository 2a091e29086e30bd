"""The faults of a session, drawn from a seed before it begins: what, when, to whom, for how long.

Each is mended after a while. A fault that stops the majority of anything, or the only Postgres, is
short; while one lasts, others begin. The promotions stand at fixed shares of the session, so that
there is one at least in each.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

# Who is in the cluster, by name.
COORDINATORS = ("c1", "c2")
AGENTS = ("n1", "n2", "n3")
NATS = ("nats1", "nats2", "nats3")
PROJECTORS = ("p1",)
CLIENTS = (*COORDINATORS, *AGENTS, *PROJECTORS, "client")

FIRST_AT_S = 3.0
PAUSE_S = (1.0, 7.0)
QUIET_S = 1.0
"""Nothing begins so shortly before the end."""
PROMOTIONS_AT = (0.3, 0.7)
"""Shares of the session."""
CUT_OFF = "cut-off"
"""A standby that hears nothing of its primary any more, for so long before that one dies. Commits
wait meanwhile, and whoever made them gives up waiting: the new primary has none of them."""
CUT_OFF_S = 15.0
LONG_S = 60.0
"""From this length on the second promotion is of such a standby."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`at_s` from the beginning; `lasts_s` until it is mended. `extra`: seconds of delay, or which
    ways of a wire."""

    at_s: float
    kind: str
    target: str
    lasts_s: float
    extra: str = ""

    def __str__(self) -> str:
        what = f"{self.kind} {self.target} {self.extra}".strip()
        return f"{what} for {self.lasts_s:.1f} s"


class Kind(msgspec.Struct, frozen=True):
    name: str
    weight: int
    targets: tuple[str, ...]
    lasts_s: tuple[float, float]
    extras: tuple[str, ...] = ("",)


def _pairs(near: Sequence[str], far: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{one}>{other}" for one in near for other in far if one != other)


TO_NATS = _pairs(CLIENTS, NATS)
TO_POSTGRES = _pairs((*COORDINATORS, *PROJECTORS), ("pg-a", "pg-b"))
ROUTES = _pairs(NATS, NATS)
REPLICATION = ("standby>primary",)

KINDS = (
    Kind("kill", 8, COORDINATORS, (0.2, 8.0)),
    Kind("kill", 8, AGENTS, (0.2, 8.0)),
    Kind("kill", 5, NATS, (0.5, 8.0)),
    Kind("kill", 2, PROJECTORS, (0.2, 5.0)),
    Kind("pause", 1, PROJECTORS, (0.5, 20.0)),
    Kind("kill-all", 1, ("coordinators", "agents", "nats", "everybody"), (0.2, 3.0)),
    Kind("pause", 5, COORDINATORS, (0.5, 12.0)),
    Kind("pause", 4, AGENTS, (0.5, 10.0)),
    Kind("pause", 3, NATS, (0.5, 10.0)),
    Kind("pause", 2, ("primary",), (0.5, 5.0)),
    Kind("pause", 2, ("standby",), (0.5, 16.0)),
    Kind("kill", 2, ("primary",), (0.2, 1.0)),
    Kind("kill", 2, ("standby",), (0.5, 3.0)),
    Kind("restart", 3, (*COORDINATORS, *AGENTS, *PROJECTORS), (0.1, 1.0)),
    Kind("hold", 5, TO_NATS, (0.5, 10.0), ("there", "back", "both")),
    Kind("hold", 4, TO_POSTGRES, (0.5, 14.0), ("there", "back", "both")),
    Kind("hold", 2, ROUTES, (0.5, 8.0), ("there", "back", "both")),
    Kind("hold", 2, REPLICATION, (0.5, 14.0), ("there", "back", "both")),
    Kind("cut-off", 4, (*COORDINATORS, *AGENTS), (0.5, 12.0)),
    Kind("sever", 4, (*TO_NATS, *TO_POSTGRES), (0.1, 5.0)),
    Kind("slow", 3, (*TO_NATS, *TO_POSTGRES, *ROUTES), (1.0, 8.0), ("0.02", "0.1", "0.4")),
    Kind("wipe", 2, ("jetstream",), (0.2, 2.0)),
    Kind("lose-journal", 3, AGENTS, (0.2, 5.0)),
)
FILL = Kind("fill-disk", 4, ("n1",), (1.0, 8.0))
PROMOTE = "promote"


def make_plan(seed: int, seconds: float, small_disk: bool, kinds: str = "all") -> list[Fault]:
    """In order of time. `kinds`: `all`, `none`, or names with commas between."""
    if kinds == "none":
        return []
    chance = random.Random(f"chaos/{seed}")
    wanted = _wanted(kinds)
    drawn = [kind for kind in (*KINDS, *((FILL,) if small_disk else ())) if wanted(kind.name)]
    faults = []
    if wanted(PROMOTE):
        faults = _promotions(chance, seconds)
    at_s = FIRST_AT_S
    while drawn and at_s < seconds - QUIET_S:
        faults.append(_draw(chance, drawn, at_s, seconds))
        at_s += chance.uniform(*PAUSE_S)
    return sorted(faults, key=lambda fault: fault.at_s)


def _promotions(chance: random.Random, seconds: float) -> list[Fault]:
    extras = ("", CUT_OFF if seconds >= LONG_S else "")
    return [
        Fault(
            at_s=(share + chance.uniform(-0.1, 0.1)) * seconds,
            kind=PROMOTE,
            target="standby",
            lasts_s=2.0,
            extra=extra,
        )
        for share, extra in zip(PROMOTIONS_AT, extras, strict=True)
    ]


def _wanted(kinds: str) -> Callable[[str], bool]:
    names = set(kinds.split(","))
    known = {PROMOTE, FILL.name, *(kind.name for kind in KINDS)}
    if kinds != "all" and (unknown := names - known):
        raise ValueError(
            f"unknown faults {', '.join(sorted(unknown))}: expected all, none, or some of "
            f"{', '.join(sorted(known))}"
        )
    return lambda name: kinds == "all" or name in names


def _draw(chance: random.Random, kinds: Sequence[Kind], at_s: float, seconds: float) -> Fault:
    kind = chance.choices(kinds, [kind.weight for kind in kinds])[0]
    return Fault(
        at_s=at_s,
        kind=kind.name,
        target=chance.choice(kind.targets),
        lasts_s=min(chance.uniform(*kind.lasts_s), max(0.2, seconds - at_s)),
        extra=chance.choice(kind.extras),
    )
