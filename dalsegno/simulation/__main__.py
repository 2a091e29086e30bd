"""`python -m dalsegno.simulation`: reads a plan from stdin, and writes what came of each seed to
stdout, one JSON document a line, in order of the seeds. The first line is of an undisturbed world.

It is what `dalsegno simulate` starts; its exit code is 0 unless it could not simulate at all.
"""

import sys

import msgspec

from dalsegno.simulation.playing import played, undisturbed
from events.errors import DalsegnoError
from events.simulation import Plan, SimulatedSeed


def main() -> int:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    try:
        calm = undisturbed(plan)
        _write(calm)
        for found in played(plan, calm):
            _write(found)
    except DalsegnoError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1
    return 0


def _write(found: SimulatedSeed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
