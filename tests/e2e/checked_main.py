"""The command line with its coordinators in test mode, and their log replayed before it goes.

    python -m tests.e2e.checked_main dev|try|demo …

The same commands, with one difference: before the embedded servers stop, every run of the log is
folded in another process with another hash seed and time zone, from its events alone and from each
snapshot, and compared with the hashes that the coordinators recorded at every commit. A difference
ends the command with the exit code of a bug.
"""

import os
import sys
from pathlib import Path
from types import TracebackType

import msgspec

from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.cli.local import dev, trying
from orchestrator.cli.local.connection_file import DATA_DIR, read_addresses
from orchestrator.cli.local.demo import command as demo
from orchestrator.cli.main import run
from tests.e2e.replay_check import check_in_another_process

VARIABLE = "DALSEGNO_COORDINATOR__HASHES_FILE"


class CheckedServers(EmbeddedServers):
    """Stops only after the log is replayed."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # The demo has a file of its own.
            named = [Path(os.environ[VARIABLE]), self.nats.home / "work" / "hashes"]
            if hashes := [path for path in named if path.exists()]:
                found = read_addresses(Path.cwd() / DATA_DIR)
                logs = found.logs if found is not None else ()
                address = msgspec.json.encode(logs).decode() if logs else self.postgres.dsn
                check_in_another_process(address, hashes)
        finally:
            super().__exit__(kind, error, trace)


def main() -> int:
    hashes = Path(f"{os.getpid()}.hashes").absolute()
    os.environ[VARIABLE] = str(hashes)
    for module in (dev, trying, demo):
        vars(module)["EmbeddedServers"] = CheckedServers
    try:
        return run(sys.argv[1:])
    finally:
        hashes.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
