"""`python -m node_agent`: the agent process, and the description of its tasks.

Exit codes: 0 ended in good order, 1 something was cut short or failed, 2 misconfigured, 4 a server
or the disk is not available, 5 the journal is damaged.
"""

import argparse
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec

from events.errors import DalsegnoError, Misconfigured
from node_agent.adapters.logs import set_up_logging
from node_agent.bootstrap import run_agent
from node_agent.config import AgentConfig, Given, label, load_config
from node_agent.importing import load_registry
from node_agent.registry import TaskRegistry

EXIT_CUT_SHORT = 1
EXIT_CODES = {
    "misconfigured": 2,
    "node_taken": 2,
    "unavailable": 4,
    "corrupt": 5,
    "journal_damaged": 5,
}
STRAYS_WAIT_S = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; every error is one message."""
    flags = _parser().parse_args(arguments)
    environment = os.environ  # noqa: TID251 -- the one place where this process reads it
    try:
        config = _config(flags, environment)
        if not config.imports:
            raise Misconfigured("no task could run here: give --import with a module of tasks")
        registry = load_registry(config.imports)
        if flags.describe:
            _describe(registry, flags.json)
            return 0
        return _run(config, registry, environment)
    except DalsegnoError as error:
        return _failed(error)


def _run(config: AgentConfig, registry: TaskRegistry, environment: Mapping[str, str]) -> int:
    set_up_logging(config.log_level, config.log_format, config.node)
    exit_code = EXIT_CUT_SHORT

    async def run() -> bool:
        return await run_agent(config, registry, environment, _leave_without_strays)

    try:
        exit_code = 0 if anyio.run(run, backend_options={"use_uvloop": True}) else EXIT_CUT_SHORT
    except* DalsegnoError as group:
        exit_code = _failed(_first(group))
    return exit_code


def _leave_without_strays() -> None:
    """Ends the process for good soon, should handlers that ignore their cancellation hold it up."""
    timer = threading.Timer(STRAYS_WAIT_S, os._exit, (EXIT_CUT_SHORT,))
    timer.daemon = True
    timer.start()


def _describe(registry: TaskRegistry, as_json: bool) -> None:
    described = registry.describe()
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(described)).decode() + "\n")
        return
    for one in described:
        first_line = one.description.partition("\n")[0]
        sys.stdout.write(f"{one.name:32} {one.kind:10} {first_line}\n")


def _failed(error: DalsegnoError) -> int:
    sys.stderr.write(f"node agent: {error}\n")
    return EXIT_CODES.get(error.code, EXIT_CUT_SHORT)


def _first(group: BaseExceptionGroup[DalsegnoError]) -> DalsegnoError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


# -- flags ----------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m node_agent",
        description="Run tasks on this host, or describe them.",
        epilog="Every setting may also come from [agent] and [nats] of the file, or from "
        "DALSEGNO_<NAME>; flags win over the environment, the environment over the file.",
    )
    parser.add_argument("--node", metavar="NAME", help="name of this node, unique in its cluster")
    parser.add_argument("--import", dest="imports", action="append", metavar="MODULE",
                        help="module of tasks, dotted or a path; may be repeated")  # fmt: skip
    parser.add_argument("--nats-url", dest="nats.urls", action="append", metavar="URL",
                        help="NATS server; may be repeated")  # fmt: skip
    parser.add_argument("--prefix", metavar="TEXT", help="subject prefix of the cluster")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="folder of the journal")
    parser.add_argument("--slots", metavar="N", help="attempts that run at a time")
    parser.add_argument("--credits", metavar="N", help="attempts held at a time")
    parser.add_argument("--label", dest="labels", action="append", metavar="KEY=VALUE",
                        help="label of this node; may be repeated")  # fmt: skip
    parser.add_argument("--build-id", dest="build_id", metavar="TEXT", help="build of the tasks")
    parser.add_argument("--log-level", dest="log_level", metavar="LEVEL", help="DEBUG, INFO, …")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument("--describe", action="store_true", help="print the tasks and exit")
    parser.add_argument("--json", action="store_true", help="with --describe: as JSON")
    return parser


def _config(flags: argparse.Namespace, environment: Mapping[str, str]) -> AgentConfig:
    given: Given = {
        name: value
        for name, value in vars(flags).items()
        if value is not None and name not in {"config", "describe", "json"}
    }
    if flags.labels:
        given["labels"] = dict(label(text) for text in flags.labels)
    file = flags.config
    if file is None and (path := environment.get("DALSEGNO_CONFIG")):
        file = Path(path)
    return load_config(given, environment, file).config


if __name__ == "__main__":
    sys.exit(main())
