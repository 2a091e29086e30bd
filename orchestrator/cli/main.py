"""`dalsegno`: the command line.

Commands are imported when they are called, so that each starts as fast as what it needs itself.
"""

import os
import sys
from importlib.metadata import version

import cyclopts

from events.errors import Misconfigured
from orchestrator.cli.exits import DONE, tell, the_cause
from orchestrator.cli.help_page import Page
from orchestrator.cli.teaching import shown_default, teach
from orchestrator.cli.usage import wrong_usage

HERE = "orchestrator.cli"
HELP = frozenset({"--help", "-h"})

FIRST_STEPS = """First steps:
  dalsegno demo
  dalsegno new shop && cd shop
  dalsegno try workflow.py --input '{"items": ["pen", "book"]}'
  dalsegno dev --import tasks.py

`dalsegno COMMAND --help` explains a command, with examples.
Exit codes: 0 done, 1 what was asked for failed, 2 wrong usage or settings,
3 rejected, 4 unavailable, 5 corrupt, 130 interrupted."""


def make_app() -> cyclopts.App:
    """The whole command line, nothing of it imported yet."""
    app = cyclopts.App(
        name="dalsegno",
        help="Durable workflows over Postgres and NATS.",
        help_format="plaintext",
        help_formatter=Page(),
        help_epilogue=FIRST_STEPS,
        default_parameter=cyclopts.Parameter(show_default=shown_default, negative=()),
        version=lambda: f"dalsegno {version('dalsegno')}",
        suppress_keyboard_interrupt=False,  # it would end us without a word
    )
    options = cyclopts.Group("Options", sort_key=9)
    for flag in ("--help", "--version"):
        app[flag].group = options
    _serve(app, cyclopts.Group("Processes", sort_key=1))
    _work(app, cyclopts.Group("Workflows and runs", sort_key=2))
    _look(app, cyclopts.Group("History and state", sort_key=3))
    _care(app, cyclopts.Group("Care", sort_key=4))
    return app


def _serve(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add(
        app, "try", "trying:try_", group, "Run one workflow file to its end, on servers of its own."
    )
    _add(
        app,
        "simulate",
        "simulating:simulate",
        group,
        "Play a workflow many times in a simulated cluster, under faults.",
    )
    _add(app, "dev", "dev:dev", group, "Run servers, a coordinator and agents in this folder.")
    _add(app, "coordinator", "services:coordinator", group, "Run a coordinator until SIGTERM.")
    _add(app, "api", "api:api", group, "Serve the HTTP API and the console until SIGTERM.")
    _add(app, "agent", "services:agent", group, "Run a node agent until SIGTERM.")
    _add(app, "demo", "demo.command:demo", group, "See a run survive a dead agent and coordinator.")


def _work(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add(app, "new", "new:new", group, "Make a folder with tasks, a workflow and a test.")
    workflow = _group(app, "workflow", group, "Check, plan, register, compare and list workflows.")
    _add(workflow, "check", "workflows:check", None, "Say what is wrong with a file.")
    _add(workflow, "plan", "planning:plan", None, "Say what would run, in which order, and where.")
    _add(workflow, "register", "workflows:register", None, "Check a file and register it.")
    _add(workflow, "list", "registry:list_", None, "List registered workflows and versions.")
    _add(workflow, "show", "registry:show", None, "Print a registered definition as YAML.")
    _add(workflow, "diff", "comparing:diff", None, "Compare two definitions step by step.")
    _add(workflow, "schema", "workflows:schema", None, "Print the JSON Schema of workflow files.")
    run = _group(app, "run", group, "Start, list, show, steer, mend and cancel runs.")
    _add(run, "start", "runs:start", None, "Start a registered workflow, or that of a file.")
    _add(run, "list", "run_list:list_", None, "List runs, the newest first.")
    _add(run, "show", "runs:show", None, "Show a run with its steps and tasks.")
    _add(run, "wait", "waiting:wait", None, "Wait until runs have ended.")
    _add(run, "tree", "trees:tree", None, "Show a run with its children, iterations and forks.")
    _add(run, "retry", "retrying:retry", None, "Run again what failed, as a new run.")
    _add(run, "restore", "going_back:restore", None, "Go on from an earlier version of a run.")
    _add(run, "rerun", "going_back:rerun", None, "Do steps of a run again, and what follows.")
    _add(run, "skip", "operating:skip", None, "Let a run go on as if a step were done.")
    _add(run, "complete", "operating:complete", None, "Give a step its output.")
    _add(run, "fail", "operating:fail", None, "Let a step fail for good.")
    _add(run, "move", "operating:move", None, "Place a task on another node.")
    _add(run, "terminate", "operating:terminate", None, "End a run at once.")
    _add(run, "cancel", "runs:cancel", None, "Cancel a run.")
    _add(run, "signal", "steering:signal", None, "Send a signal to a run.")
    _add(run, "update", "steering:update", None, "Change a run as its workflow allows.")
    _add(run, "query", "steering:query", None, "Print what an expression finds in a run.")
    _add(run, "values", "large:values", None, "Write the values of a list, however long.")
    _add(run, "pause", "steering:pause", None, "Dispatch nothing new until it is resumed.")
    _add(run, "resume", "steering:resume", None, "Let a paused run go on.")
    _add(run, "repin", "steering:repin", None, "Give a run's tasks to nodes of another build.")
    task = _group(app, "task", group, "Complete a task by the token that its handler gave away.")
    _add(task, "complete", "redeeming:complete", None, "Say what it returns.")
    _add(task, "fail", "redeeming:fail", None, "Say that its attempt has failed.")
    _add_nodes(_group(app, "nodes", group, "List, show, cordon and drain nodes."))


def _look(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add(
        app, "stats", "stats:stats", group, "Show counts, rates and percentiles of runs and tasks."
    )
    events = _group(app, "events", group, "Show, export, import and follow events.")
    _add(events, "show", "log:show", None, "Show all events of a run.")
    _add(
        events,
        "export",
        "exporting:export",
        None,
        "Write runs to a file, to be replayed or imported.",
    )
    _add(events, "import", "importing:import_", None, "Bring runs of a file into this cluster.")
    _add(events, "tail", "log:tail", None, "Show the end of the log, and what follows.")
    _add(events, "stats", "event_stats:stats", None, "Count events by type, workflow and node.")
    _add(events, "feed", "feeding:feed", None, "Put events onto a stream of NATS until SIGTERM.")
    _add_subscriptions(
        _group(app, "subscription", group, "Look after programs that follow events.")
    )
    letters = _group(app, "dead-letter", group, "Show tasks that took too many agents with them.")
    _add(letters, "list", "dead_letters:list_", None, "List them, the newest first.")
    _add(letters, "show", "dead_letters:show", None, "Show the evidence of a run's, and ways on.")
    _add(app, "replay", "replays:replay", group, "Rebuild a run's state from its events.")
    _add(app, "why", "whys:why", group, "Say why a run or a step of it is as it is.")
    _add(app, "diff", "differing:diff", group, "Compare two runs: where they part, and why.")
    _add(app, "timeline", "timelines:timeline", group, "Show where the time of a run went.")
    _add(app, "fork", "forking:fork", group, "Begin a new run where another one was, with a fix.")
    _add(app, "dap", "dap:dap", group, "Let an editor step through runs, forwards and backwards.")
    _add(app, "verify", "verifying:verify", group, "Audit runs against the log.")
    _add_archive(_group(app, "archive", group, "Move ended runs to files, and bring them back."))
    _add_snapshots(_group(app, "snapshot", group, "Keep, list, show and delete states of runs."))


def _add_subscriptions(subscription: cyclopts.App) -> None:
    _add(subscription, "create", "subscriptions:create", None, "Make one, beginning where you say.")
    _add(subscription, "list", "subscriptions:list_", None, "List them, and how far behind.")
    _add(subscription, "show", "subscriptions:show", None, "Show one in each log, and who reads.")
    _add(subscription, "reset", "subscriptions:reset", None, "Set one to another position.")
    _add(subscription, "delete", "subscriptions:delete", None, "Delete one.")


def _add_archive(archive: cyclopts.App) -> None:
    _add(archive, "run", "archives:run", None, "Move runs that ended long ago to an archive.")
    _add(archive, "list", "archives:list_", None, "List the archives that the log knows.")
    _add(archive, "verify", "archives:verify", None, "Audit an archive, run by run.")
    _add(archive, "show", "archives:show", None, "List the runs of an archive, or show one.")
    _add(archive, "restore", "archives:restore", None, "Bring runs back into the log.")
    _add(archive, "sweep", "archives:sweep", None, "Remove stored values that no event names.")


def _add_snapshots(snapshot: cyclopts.App) -> None:
    _add(snapshot, "create", "snapshots:create", None, "Keep the state of a run at a version.")
    _add(snapshot, "list", "snapshots:list_", None, "List snapshots, why and when they were taken.")
    _add(snapshot, "show", "snapshots:show", None, "Check a snapshot and show the state in it.")
    _add(snapshot, "restore", "snapshots:restore", None, "Let a run go on from a snapshot.")
    _add(snapshot, "delete", "snapshots:delete", None, "Delete snapshots, by id or by age.")


def _add_keys(keys: cyclopts.App) -> None:
    _add(keys, "new", "keys:new", None, "Make a key and put it into a keyring.")
    _add(keys, "list", "keys:list_", None, "List keys with what is sealed with each.")
    _add(keys, "rotate-check", "keys:rotate_check", None, "Say which keys may be taken out.")
    _add(keys, "reencrypt", "keys:reencrypt", None, "Seal everything with the current key.")


def _add_projections(projections: cyclopts.App) -> None:
    _add(projections, "run", "projections:run", None, "Keep them up to date until SIGTERM.")
    _add(projections, "status", "projections:status", None, "Show how far they are, and how late.")
    _add(projections, "rebuild", "projections:rebuild", None, "Build them anew while they serve.")
    _add(projections, "verify", "projections:verify", None, "Compare them with the log.")


def _care(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add_projections(
        _group(app, "projections", group, "Keep and check what lists and statistics are read from.")
    )
    _add(app, "erase", "erasing:erase", group, "Make what users said in runs unreadable, for ever.")
    _add_keys(_group(app, "keys", group, "Make keys, see what they are used for, change them."))
    _add(app, "migrate", "care:migrate", group, "Make the schema, or bring it up to date.")
    _add(
        app,
        "task-table",
        "task_table:task_table",
        group,
        "Print the SQL of the table for transactional tasks.",
    )
    tokens = _group(app, "api-token", group, "Make tokens for the HTTP API.")
    _add(tokens, "new", "api_tokens:new", None, "Make a token and keep its hash.")
    _add(app, "doctor", "doctor:doctor", group, "Look at the whole cluster; say what to mend.")
    _add(
        app,
        "health",
        "health:health",
        group,
        "Ask whether a coordinator answers, or a node is well.",
    )
    config = _group(app, "config", group, "Show settings.")
    _add(config, "show", "care:show_config", None, "Show every setting with its value and source.")
    _add(app, "bench", "benching:bench", group, "Measure durable throughput and latency.")
    _add(
        app,
        "completion",
        "completing:completion",
        group,
        "Let your shell complete commands and options.",
    )


def _add_nodes(nodes: cyclopts.App) -> None:
    _add(nodes, "list", "nodes:list_", None, "List nodes with what they hold.")
    _add(nodes, "show", "nodes:show", None, "Show all that is known of a node.")
    _add(nodes, "cordon", "nodes:cordon", None, "Give a node no further attempt.")
    _add(nodes, "drain", "nodes:drain", None, "Cordon a node and let it finish what runs.")
    _add(nodes, "uncordon", "nodes:uncordon", None, "Give a node attempts again.")


def _add(
    app: cyclopts.App, name: str, where: str, group: cyclopts.Group | None, words: str
) -> None:
    """Commands are listed in the order in which they are added."""
    # The agent has a help of its own.
    flags = () if name == "agent" else ("--help", "-h")
    where, place = f"{HERE}.{where}", len(list(app))
    if group is None:
        app.command(where, name=name, help=words, help_flags=flags, sort_key=place)
    else:
        app.command(where, name=name, help=words, help_flags=flags, group=group, sort_key=place)


def _group(app: cyclopts.App, name: str, group: cyclopts.Group, words: str) -> cyclopts.App:
    place = len(list(app))
    inner = cyclopts.App(
        name=name,
        help=words,
        group=group,
        help_format="plaintext",
        help_epilogue=f"`dalsegno {name} COMMAND --help` explains one, with examples.",
        sort_key=place,
    )
    app.command(inner)
    return inner


def run(arguments: list[str]) -> int:
    """Carries out one command line; returns the exit code. Errors are told, never raised."""
    as_json = "--json" in arguments
    try:
        app = make_app()
        if HELP & set(arguments):
            teach(app, arguments)
        result = app(
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
