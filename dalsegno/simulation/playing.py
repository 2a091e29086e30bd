"""Playing a plan: an undisturbed world, then one for each seed, over several processes."""

import multiprocessing
from collections.abc import Iterator
from functools import partial
from random import Random

import msgspec

from dalsegno.simulation.weather import asked_for, fair
from dalsegno.simulation.world import World
from dalsegno.testing.twins.scheduler import SECOND
from events.simulation import Plan, SimulatedSeed

HORIZON_S = (10.0, 600.0)
"""Faults strike for as long as a run takes undisturbed, but not shorter or longer than this."""
AHEAD = 2
"""Seeds that a worker is given at a time."""


def undisturbed(plan: Plan) -> SimulatedSeed:
    """The first seed without any fault."""
    quiet = msgspec.structs.replace(plan, timeline=False)
    return World(quiet, plan.seeds[0], fair(), 0).run()


def horizon_us(plan: Plan, calm: SimulatedSeed) -> int:
    """Until when faults strike."""
    longest_s = max((run.took_s for run in calm.runs), default=0.0)
    return round((plan.within_s or min(max(longest_s, HORIZON_S[0]), HORIZON_S[1])) * SECOND)


def play(plan: Plan, until_us: int, seed: int) -> SimulatedSeed:
    weather = asked_for(plan.faults, Random(f"weather {seed}")) if plan.faults else fair()
    return World(plan, seed, weather, until_us if plan.faults else 0).run()


def played(plan: Plan, calm: SimulatedSeed) -> Iterator[SimulatedSeed]:
    work = partial(play, plan, horizon_us(plan, calm))
    if plan.workers <= 1 or len(plan.seeds) == 1:
        yield from map(work, plan.seeds)
        return
    with multiprocessing.get_context("spawn").Pool(plan.workers) as pool:
        yield from pool.imap(work, plan.seeds, chunksize=AHEAD)
