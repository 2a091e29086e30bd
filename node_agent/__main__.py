"""`python -m node_agent`: the agent process, and the description of its tasks.

Exit codes: 0 ended in good order, 1 something was cut short or failed, 2 misconfigured, 4 a server
or the disk is not available, 5 the journal is damaged.
"""

import argparse
import gc
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import anyio
import msgspec

from events.configuration import Effective
from events.errors import DalsegnoError
from events.redaction import redact, redact_text
from node_agent.adapters.logs import set_up_logging
from node_agent.bootstrap import run_agent
from node_agent.builds import build_of
from node_agent.config import Config, label, load_config
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
COLLECT_AFTER = (10_000, 20, 10)
"""Objects made and not freed before the youngest are looked through for cycles, and so on. Python's
700 is met many times in one batch of attempts, and each time what is under way is looked through.
"""

log = logging.getLogger("dalsegno.agent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; every error is one message."""
    flags = _parser().parse_args(arguments)
    environment = os.environ  # noqa: TID251 -- the one place where this process reads it
    try:
        effective = _effective(flags, environment)
        if flags.show_config:
            _show(effective, flags.json)
            return 0
        config = effective.value
        registry = load_registry(config.agent.imports)
        if flags.describe:
            _describe(registry, flags.json)
            return 0
        return _run(config, registry, environment)
    except DalsegnoError as error:
        return _failed(error)


def _run(config: Config, registry: TaskRegistry, environment: Mapping[str, str]) -> int:
    set_up_logging(config.log.level, config.log.format, config.agent.node)
    config = _with_build(config)
    exit_code = EXIT_CUT_SHORT
    if not config.agent.imports:
        log.warning("only built-in tasks can run here: --import gives a module of your own")

    async def run() -> bool:
        return await run_agent(config, registry, environment, _leave_without_strays)

    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        exit_code = 0 if anyio.run(run, backend_options={"use_uvloop": True}) else EXIT_CUT_SHORT
    except* DalsegnoError as group:
        exit_code = _failed(_first(group))
    return exit_code


def _with_build(config: Config) -> Config:
    """The same, with the build's id where none is given; the tasks are imported."""
    agent = config.agent
    build_id = agent.build_id or build_of(agent.imports, version("dalsegno"))
    return msgspec.structs.replace(config, agent=msgspec.structs.replace(agent, build_id=build_id))


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


def _show(effective: Effective[Config], as_json: bool) -> None:
    settings = [
        (one.name, redact(one.value, one.name.rpartition(".")[2]), one.source)
        for one in effective.settings
    ]
    if as_json:
        shown = [{"name": n, "value": v, "source": s} for n, v, s in settings]
        sys.stdout.write(msgspec.json.encode(shown).decode() + "\n")
        return
    for name, value, source in settings:
        sys.stdout.write(f"{name:32} {msgspec.json.encode(value).decode():32} {source}\n")


def _failed(error: DalsegnoError) -> int:
    sys.stderr.write(f"node agent: {redact_text(str(error))}\n")
    return EXIT_CODES.get(error.code, EXIT_CUT_SHORT)


def _first(group: BaseExceptionGroup[DalsegnoError]) -> DalsegnoError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


# -- flags ----------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dalsegno agent",
        description="Run tasks on this host until SIGTERM, or describe them.",
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for flag, setting, shown, told in FLAGS:
        parser.add_argument(flag, dest=setting, metavar=shown, help=told)
    for flag, setting, shown, told in REPEATED:
        parser.add_argument(flag, dest=setting, action="append", metavar=shown, help=told)
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument("--describe", action="store_true", help="print the tasks and exit")
    parser.add_argument("--show-config", action="store_true",
                        help="print every setting with its source and exit")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print as JSON")
    return parser


MORE = """Every setting may also come from the file, or from DALSEGNO_<NAME>; flags win
over the environment, the environment over the file. `python -m node_agent` is
the same command.

Examples:
  dalsegno agent --import tasks.py --node agent-1
  dalsegno agent --config dalsegno.toml --label zone=eu --slots 16
  dalsegno agent --import tasks.py --describe
      The tasks with their parameters; nothing is started."""
FLAGS = (
    ("--node", "agent.node", "NAME", "name of this node, unique in its cluster"),
    ("--prefix", "prefix", "TEXT", "subject prefix of the cluster"),
    ("--data-dir", "agent.data_dir", "DIR", "folder of the journal"),
    ("--slots", "agent.slots", "N", "attempts that run at a time"),
    ("--credits", "agent.credits", "N", "attempts held at a time"),
    ("--build-id", "agent.build_id", "TEXT", "build of the tasks; else a hash of their sources"),
    ("--weight", "agent.weight", "X", "share of the work relative to other nodes"),
    ("--log-level", "log.level", "LEVEL", "DEBUG, INFO, WARNING or ERROR"),
)
REPEATED = (
    ("--import", "agent.imports", "MODULE", "module of tasks, dotted or a path; may be repeated"),
    ("--nats-url", "nats.urls", "URL", "NATS server; may be repeated"),
    ("--label", "agent.labels", "KEY=VALUE", "label of this node; may be repeated"),
)


def _effective(flags: argparse.Namespace, environment: Mapping[str, str]) -> Effective[Config]:
    said = vars(flags)
    given = {setting: said[setting] for _, setting, _, _ in FLAGS if said[setting] is not None}
    for setting in ("agent.imports", "nats.urls"):
        given[setting] = ",".join(said[setting] or ())
    if said["agent.labels"]:
        labels = dict(label(text) for text in said["agent.labels"])
        given["agent.labels"] = msgspec.json.encode(labels).decode()
    named = environment.get("DALSEGNO_CONFIG", "")
    return load_config(given, environment, flags.config or (Path(named) if named else None))


if __name__ == "__main__":
    sys.exit(main())
