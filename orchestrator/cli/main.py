"""`dalsegno`: the command line.

Commands are imported when they are called, so that each starts as fast as what it needs itself.
"""

import os
import sys
from importlib.metadata import version

import cyclopts

from events.errors import Misconfigured
from orchestrator.cli.exits import DONE, tell, the_cause
from orchestrator.cli.usage import wrong_usage

HERE = "orchestrator.cli"


def make_app() -> cyclopts.App:
    """The whole command line, nothing of it imported yet."""
    app = cyclopts.App(
        name="dalsegno",
        help="Durable workflows over Postgres and NATS.",
        help_format="plaintext",
        version=lambda: f"dalsegno {version('dalsegno')}",
        suppress_keyboard_interrupt=False,  # it would end us without a word
    )
    work = cyclopts.Group("Workflows and runs", sort_key=2)
    serve = cyclopts.Group("Processes", sort_key=1)
    look = cyclopts.Group("History and state", sort_key=3)
    care = cyclopts.Group("Care", sort_key=4)
    _add(app, "dev", "dev:dev", serve, "Servers, a coordinator and agents in this folder.")
    _add(app, "try", "trying:try_", serve, "Run one workflow file to its end, and stop all.")
    _add(app, "coordinator", "services:coordinator", serve, "Run a coordinator until SIGTERM.")
    _add(app, "agent", "services:agent", serve, "Run a node agent until SIGTERM.")
    _add(app, "demo", "demo.command:demo", serve, "See a run survive a dead agent and coordinator.")

    _add(app, "new", "new:new", work, "Make a folder with tasks, a workflow and a test.")
    workflow = _group(app, "workflow", work, "Check and register workflow files; their schema.")
    _add(workflow, "check", "workflows:check", None, "Say what is wrong with a file.")
    _add(workflow, "register", "workflows:register", None, "Check a file and register it.")
    _add(workflow, "schema", "workflows:schema", None, "Print the JSON Schema of workflow files.")
    run = _group(app, "run", work, "Start, list, show, steer and cancel runs.")
    _add(run, "start", "runs:start", None, "Start a registered workflow, or that of a file.")
    _add(run, "list", "runs:list_", None, "List runs, the newest first.")
    _add(run, "show", "runs:show", None, "Show a run with its steps and tasks.")
    _add(run, "cancel", "runs:cancel", None, "Cancel a run.")
    _add(run, "signal", "steering:signal", None, "Send a signal to a run.")
    _add(run, "update", "steering:update", None, "Change a run as its workflow allows.")
    _add(run, "query", "steering:query", None, "Print what an expression finds in a run.")
    _add(run, "values", "large:values", None, "Write the values of a list, however long.")
    _add(run, "pause", "steering:pause", None, "Dispatch nothing new until it is resumed.")
    _add(run, "resume", "steering:resume", None, "Let a paused run go on.")
    _add(run, "repin", "steering:repin", None, "Give a run's tasks to nodes of another build.")
    _add_nodes(_group(app, "nodes", work, "The nodes of the cluster."))

    events = _group(app, "events", look, "The event log.")
    _add(events, "show", "log:show", None, "All events of a run.")
    _add(events, "export", "log:export", None, "A run's history as a file that can be replayed.")
    _add(events, "tail", "log:tail", None, "The end of the log, and what follows.")
    _add(app, "replay", "replays:replay", look, "Rebuild a run's state from its events.")
    _add(app, "verify", "replays:verify", look, "Audit runs against the log.")

    _add(app, "migrate", "care:migrate", care, "Make the schema, or bring it up to date.")
    _add(app, "health", "health:health", care, "Whether a coordinator answers, or a node is well.")
    config = _group(app, "config", care, "The configuration.")
    _add(config, "show", "care:show_config", None, "Every setting with its value and source.")
    _add(app, "bench", "benching:bench", care, "Measure durable throughput and latency.")
    return app


def _add_nodes(nodes: cyclopts.App) -> None:
    _add(nodes, "list", "nodes:list_", None, "List nodes with what they hold.")
    _add(nodes, "show", "nodes:show", None, "Show all that is known of a node.")
    _add(nodes, "cordon", "nodes:cordon", None, "Give a node no further attempt.")
    _add(nodes, "drain", "nodes:drain", None, "Cordon a node and let it finish what runs.")
    _add(nodes, "uncordon", "nodes:uncordon", None, "Give a node attempts again.")


def _add(
    app: cyclopts.App, name: str, where: str, group: cyclopts.Group | None, words: str
) -> None:
    # The agent has a help of its own.
    flags = () if name == "agent" else ("--help", "-h")
    where = f"{HERE}.{where}"
    if group is None:
        app.command(where, name=name, help=words, help_flags=flags)
    else:
        app.command(where, name=name, help=words, help_flags=flags, group=group)


def _group(app: cyclopts.App, name: str, group: cyclopts.Group, words: str) -> cyclopts.App:
    inner = cyclopts.App(name=name, help=words, group=group, help_format="plaintext")
    app.command(inner)
    return inner


def run(arguments: list[str]) -> int:
    """Carries out one command line; returns the exit code. Errors are told, never raised."""
    as_json = "--json" in arguments
    try:
        result = make_app()(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except cyclopts.CycloptsError as error:
        return tell(Misconfigured(wrong_usage(error)), as_json=as_json)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- the last place to tell it
        if isinstance(the_cause(error), BrokenPipeError):
            return reader_has_gone()
        return tell(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def reader_has_gone() -> int:
    """What reads our output, `head` for one, has seen enough: that is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered yet
    return DONE


def main() -> None:
    """Entry point."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
