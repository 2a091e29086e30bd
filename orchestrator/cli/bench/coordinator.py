"""The coordinator as `dalsegno bench` starts it: as ever, and ready to sample its own stacks.

    python -m orchestrator.cli.bench.coordinator FILE

Nothing is sampled until a signal says so; see `orchestrator.adapters.host.stacks`.
"""

import sys
from pathlib import Path

from orchestrator.adapters.host.stacks import StackSampler
from orchestrator.cli.bench.profile import room_of
from orchestrator.cli.main import run


def main() -> None:
    StackSampler(Path(sys.argv[1]), room_of).install()
    sys.exit(run(["coordinator"]))


if __name__ == "__main__":
    main()
