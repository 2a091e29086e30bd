"""`python -m tests.simulation --seeds 200`: searches seeds for one that breaks a promise."""

import argparse
import sys

from tests.simulation.search import first, search, show, show_sweep


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to try")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="print every action of --seed")
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--workers", type=int, default=2, help="processes that search")
    parser.add_argument("--sweep", action="store_true", help="kill before every turn of --seed")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument(
        "--logs",
        type=int,
        default=0,
        help="databases that share the shards, 1 or 2; by default the seed decides",
    )
    options = parser.parse_args()
    if options.seed is not None and options.sweep:
        return show_sweep(options.seed)
    if options.seed is not None:
        return show(options.seed, options.trace, options.calm, options.logs)
    if options.first:
        return first(options.start, options.seeds, options.workers)
    return search(options.start, options.seeds, options.workers, options.calm, options.logs)


if __name__ == "__main__":
    sys.exit(main())
