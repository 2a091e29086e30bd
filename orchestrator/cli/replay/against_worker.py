"""A process that plays runs against a changed definition: a job on stdin, a verdict a line out.

`python -m orchestrator.cli.replay.against_worker`, started by `dalsegno replay --against` only.
"""

import sys

import anyio
import anyio.lowlevel
import msgspec

from events.definition import Definition
from events.errors import DalsegnoError
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import accept
from orchestrator.cli.common import go
from orchestrator.cli.exits import exit_code, the_cause
from orchestrator.cli.stores import open_logs
from orchestrator.config import Config
from orchestrator.replay.ports import History
from orchestrator.replay.what_if.against import Against, Version
from orchestrator.replay.what_if.verdicts import AT_A_TIME, Verdict, verdicts, versions


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs of one workflow to play, against which definition, and where they are."""

    config: Config
    definition: Definition
    run_ids: tuple[str, ...]


async def against_of(history: History, definition: Definition, config: Config) -> Against:
    """The definition, compiled once, with all versions that runs of its workflow may have."""
    expressions = CelExpressions()
    version, net = accept(definition, expressions, config.limits)
    changed = Version.new(version, definition.options, net)
    known = await versions(history, definition.name)
    return Against(changed, known, expressions, config.limits)


async def work(job: Job) -> None:
    async with await open_logs(job.config) as store:
        against = await against_of(store, job.definition, job.config)
        for start in range(0, len(job.run_ids), AT_A_TIME):
            chunk = job.run_ids[start : start + AT_A_TIME]
            for one in await verdicts(store, against, job.definition.name, chunk):
                tell(one)
            await anyio.lowlevel.checkpoint()


def tell(one: Verdict) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(one) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        go(lambda: work(job))
    except (DalsegnoError, BaseExceptionGroup) as error:
        cause = the_cause(error)
        code = cause.code if isinstance(cause, DalsegnoError) else "bug"
        print(f"{code}: {cause}", file=sys.stderr)
        return exit_code(cause)
    return 0


if __name__ == "__main__":
    sys.exit(main())
