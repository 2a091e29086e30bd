"""`python -m tests.simulation.planted`: does the simulator find the bugs that were planted?

Each patch beside this file is a bug. It is applied to a copy of the tree, which is then searched
until a promise is seen broken. Ends with 1 when a bug is not found.
"""

import argparse
import statistics
import sys
from pathlib import Path

from tests.simulation.planted.planting import PATCHES, hunt


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    parser.add_argument("names", nargs="*", help="patches, without `.patch`; all by default")
    parser.add_argument("--seeds", type=int, default=1000, help="most seeds to try for each")
    parser.add_argument("--workers", type=int, default=2, help="processes that search")
    options = parser.parse_args()
    wanted: list[Path] = [p for p in PATCHES if not options.names or p.stem in options.names]
    seconds, missed = [], 0
    for patch in wanted:
        outcome = hunt(patch, options.seeds, options.workers)
        if outcome.found:
            seconds.append(outcome.took_s)
        else:
            missed += 1
        print(f"{patch.stem:45} {outcome.line}", flush=True)
    if seconds:
        print(f"{len(seconds)} of {len(wanted)} found, median {statistics.median(seconds):.1f} s")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
