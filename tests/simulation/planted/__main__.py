"""`python -m tests.simulation.planted`: does the simulator find the bugs that were planted?

Each patch beside this file is a bug. It is applied to a copy of the tree, of which the standard mix
is then searched until a promise is seen broken. Prints a line for each, and the median of the
seeds and of the seconds that it took. Ends with 1 when a bug is not found.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.planted.planting import PATCHES, Outcome, hunts

SAID_CHARS = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    parser.add_argument("names", nargs="*", help="patches, without `.patch`; all by default")
    parser.add_argument("--seeds", type=int, default=1000, help="most seeds to try for each")
    parser.add_argument("--workers", type=int, default=2, help="bugs hunted at the same time")
    options = parser.parse_args()
    unknown = set(options.names) - {patch.stem for patch in PATCHES}
    if unknown:
        parser.error(f"there is no patch {min(unknown)!r} in {Path(__file__).parent}")
    wanted = [p for p in PATCHES if not options.names or p.stem in options.names]
    print(f"{'bug':48} {'seeds':>6} {'s':>7}  seen as", flush=True)
    outcomes: list[Outcome] = []
    for outcome in hunts(wanted, options.seeds, options.workers):
        outcomes.append(outcome)
        print(_row(outcome), flush=True)
    return _summed_up(outcomes)


def _row(outcome: Outcome) -> str:
    seeds = str(outcome.seeds) if outcome.found else "-"
    said = outcome.said if outcome.found else f"NOT FOUND: {outcome.said}"
    return f"{outcome.name:48} {seeds:>6} {outcome.took_s:7.1f}  {said[:SAID_CHARS]}"


def _summed_up(outcomes: Sequence[Outcome]) -> int:
    found = [one for one in outcomes if one.found]
    print(f"{len(found)} of {len(outcomes)} found", end="")
    if found:
        seeds = statistics.median(one.seeds for one in found)
        took_s = statistics.median(one.took_s for one in found)
        print(f"; median {seeds:g} seeds, {took_s:.1f} s", end="")
    print()
    return int(len(found) < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
