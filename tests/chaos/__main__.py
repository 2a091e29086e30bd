"""A cluster of real processes under load, broken again and again, and then held to its promises.

    python -m tests.chaos [--seconds N] [--seed N] [--faults all|none|kill,promote,…] [--rate N]

Exit code 0: no promise was broken; 1: one was, and the message says which, and where the evidence
is. The same seed gives the same faults at the same times; what they hit depends on the machine.
"""

import argparse
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import anyio

from orchestrator.adapters.embedded.account import server_account
from orchestrator.adapters.embedded.home import temporary_root
from tests.chaos.cluster import Cluster
from tests.chaos.figures import shown
from tests.chaos.plan import make_plan
from tests.chaos.session import Outcome, Wanted, keep, play

CLONE_NEWNS = 0x00020000
SMALL_DISK_BYTES = 48 << 20

log = logging.getLogger("chaos")


def main() -> int:
    flags = arguments()
    logging.basicConfig(format="%(asctime)s.%(msecs)03d %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, interrupted)
    place = flags.folder or temporary_root(server_account(), runs_programs=False)
    folder = Path(tempfile.mkdtemp(prefix="dalsegno-chaos-", dir=place))
    folder.chmod(0o755)
    small_disk = mounted(folder / "small")
    if small_disk is None:
        log.info("no full disk: this user may not mount a small file system")
    plan = make_plan(flags.seed, flags.seconds, small_disk is not None, flags.faults)
    log.info("seed %d, %g s, %d faults", flags.seed, flags.seconds, len(plan))
    wanted = Wanted(
        seed=flags.seed,
        seconds=flags.seconds,
        tasks_per_s=flags.rate,
        end_within_s=flags.end_within,
        plan=plan,
    )
    kept = True
    try:
        with Cluster(folder, small_disk) as cluster:
            outcome = anyio.run(play, cluster, wanted)
        if flags.faults == "none":
            outcome.violations += undisturbed(outcome)
        kept = bool(outcome.violations) or flags.keep
        return told(outcome, folder, flags, kept)
    except TimeoutError:
        print(f"the cluster did not come up; the evidence is in {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = False
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    finally:
        clean(folder, kept)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="of faults (60)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of faults and load")
    parser.add_argument("--faults", default="all", help="all, none, or kinds with commas between")
    parser.add_argument("--rate", type=float, default=60.0, help="tasks a second (60)")
    parser.add_argument("--end-within", type=float, default=90.0, help="s, for runs to end (90)")
    parser.add_argument("--folder", type=Path, help="for data and evidence (a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep the evidence in any case")
    return parser.parse_args()


def told(outcome: Outcome, folder: Path, flags: argparse.Namespace, kept: bool) -> int:
    print(shown(outcome.figures, outcome.runs))
    if kept:
        keep(folder, outcome)
    if not outcome.violations:
        print("no promise was broken")
        return 0
    print(f"{len(outcome.violations)} violations:")
    for line in outcome.violations[:20]:
        print(f"  {line}")
    print(f"the evidence is in {folder}; again: SEED={flags.seed} SECONDS={flags.seconds:g}")
    return 1


def undisturbed(outcome: Outcome) -> list[str]:
    """A control run: nothing that only a fault explains."""
    it = outcome.figures
    counts = {
        "takeovers": it.takeovers,
        "re-executions": it.re_executions,
        "nodes lost": it.nodes_lost,
        "attempts lost": it.attempts_lost,
    }
    return [f"without faults there were {n} {what}" for what, n in counts.items() if n]


def interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def mounted(folder: Path) -> Path | None:
    """A small file system in a mount namespace of ours, gone when the last of our processes is;
    None where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        return None
    commands = (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)],
    )
    done = [subprocess.run(one, capture_output=True, check=False).returncode for one in commands]
    return None if any(done) else folder


def clean(folder: Path, kept: bool) -> None:
    """Without evidence nothing stays; the servers' data never does."""
    if os.path.ismount(folder / "small"):
        subprocess.run(["umount", str(folder / "small")], check=False)
    shutil.rmtree(folder / "servers" if kept else folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
