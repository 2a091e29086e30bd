"""`dalsegno`: the command line.

Commands are imported when they are called, so that each starts as fast as what it needs itself.
"""

import os
import sys
from importlib.metadata import version

import cyclopts

from events.errors import Misconfigured
from orchestrator.cli.collecting import collect_rarely
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
        app,
        "try",
        "local.trying:try_",
        group,
        "Run one workflow file to its end, on servers of its own.",
    )
    _add(
        app,
        "simulate",
        "workflow.simulating:simulate",
        group,
        "Play a workflow many times in a simulated cluster, under faults.",
    )
    _add(
        app, "dev", "local.dev:dev", group, "Run servers, a coordinator and agents in this folder."
    )
    _add(
        app,
        "coordinator",
        "cluster.services:coordinator",
        group,
        "Run a coordinator until SIGTERM.",
    )
    _add(app, "api", "cluster.api:api", group, "Serve the HTTP API and the console until SIGTERM.")
    _add(app, "agent", "cluster.services:agent", group, "Run a node agent until SIGTERM.")
    _add(
        app,
        "demo",
        "local.demo.command:demo",
        group,
        "See a run survive a dead agent and coordinator.",
    )


def _work(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add(app, "new", "local.new:new", group, "Make a folder with tasks, a workflow and a test.")
    workflow = _group(app, "workflow", group, "Check, plan, register, compare and list workflows.")
    _add(workflow, "check", "workflow.workflows:check", None, "Say what is wrong with a file.")
    _add(
        workflow,
        "plan",
        "workflow.planning:plan",
        None,
        "Say what would run, in which order, and where.",
    )
    _add(workflow, "register", "workflow.workflows:register", None, "Check a file and register it.")
    _add(
        workflow, "list", "workflow.registry:list_", None, "List registered workflows and versions."
    )
    _add(workflow, "show", "workflow.registry:show", None, "Print a registered definition as YAML.")
    _add(workflow, "diff", "workflow.comparing:diff", None, "Compare two definitions step by step.")
    _add(
        workflow,
        "schema",
        "workflow.workflows:schema",
        None,
        "Print the JSON Schema of workflow files.",
    )
    run = _group(app, "run", group, "Start, list, show, steer, mend and cancel runs.")
    _add(run, "start", "run.runs:start", None, "Start a registered workflow, or that of a file.")
    _add(run, "list", "run.lists:list_", None, "List runs, the newest first.")
    _add(run, "show", "run.runs:show", None, "Show a run with its steps and tasks.")
    _add(run, "wait", "run.waiting:wait", None, "Wait until runs have ended.")
    _add(run, "tree", "run.trees:tree", None, "Show a run with its children, iterations and forks.")
    _add(run, "retry", "run.retrying:retry", None, "Run again what failed, as a new run.")
    _add(run, "restore", "run.going_back:restore", None, "Go on from an earlier version of a run.")
    _add(run, "rerun", "run.going_back:rerun", None, "Do steps of a run again, and what follows.")
    _add(run, "skip", "run.operating:skip", None, "Let a run go on as if a step were done.")
    _add(run, "complete", "run.operating:complete", None, "Give a step its output.")
    _add(run, "fail", "run.operating:fail", None, "Let a step fail for good.")
    _add(run, "move", "run.operating:move", None, "Place a task on another node.")
    _add(run, "terminate", "run.operating:terminate", None, "End a run at once.")
    _add(run, "cancel", "run.runs:cancel", None, "Cancel a run.")
    _add(run, "signal", "run.steering:signal", None, "Send a signal to a run.")
    _add(run, "update", "run.steering:update", None, "Change a run as its workflow allows.")
    _add(run, "query", "run.steering:query", None, "Print what an expression finds in a run.")
    _add(run, "values", "run.large:values", None, "Write the values of a list, however long.")
    _add(run, "pause", "run.steering:pause", None, "Dispatch nothing new until it is resumed.")
    _add(run, "resume", "run.steering:resume", None, "Let a paused run go on.")
    _add(run, "repin", "run.steering:repin", None, "Give a run's tasks to nodes of another build.")
    batch = _group(app, "batch", group, "Cancel, terminate, retry or signal many runs at once.")
    _add(batch, "start", "run.batches:start", None, "Act on all runs that a query finds.")
    _add(batch, "list", "run.batches:list_", None, "List batches, the newest first.")
    _add(batch, "show", "run.batches:show", None, "Show how far one is, and what it was refused.")
    task = _group(app, "task", group, "Complete a task by the token that its handler gave away.")
    _add(task, "complete", "run.redeeming:complete", None, "Say what it returns.")
    _add(task, "fail", "run.redeeming:fail", None, "Say that its attempt has failed.")
    _add_nodes(_group(app, "nodes", group, "List, show, cordon and drain nodes."))


def _look(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add(
        app,
        "stats",
        "cluster.stats:stats",
        group,
        "Show counts, rates and percentiles of runs and tasks.",
    )
    events = _group(app, "events", group, "Show, export, import and follow events.")
    _add(events, "show", "events.log:show", None, "Show all events of a run.")
    _add(
        events,
        "export",
        "events.exporting:export",
        None,
        "Write runs to a file, to be replayed or imported.",
    )
    _add(
        events,
        "import",
        "events.importing:import_",
        None,
        "Bring runs of a file into this cluster.",
    )
    _add(events, "tail", "events.log:tail", None, "Show the end of the log, and what follows.")
    _add(
        events,
        "stats",
        "events.event_stats:stats",
        None,
        "Count events by type, workflow and node.",
    )
    _add(
        events,
        "feed",
        "events.feeding:feed",
        None,
        "Put events onto a stream of NATS until SIGTERM.",
    )
    _add_subscriptions(
        _group(app, "subscription", group, "Look after programs that follow events.")
    )
    letters = _group(app, "dead-letter", group, "Show tasks that took too many agents with them.")
    _add(letters, "list", "cluster.dead_letters:list_", None, "List them, the newest first.")
    _add(
        letters,
        "show",
        "cluster.dead_letters:show",
        None,
        "Show the evidence of a run's, and ways on.",
    )
    _add(app, "replay", "replay.replays:replay", group, "Rebuild a run's state from its events.")
    _add(app, "why", "replay.whys:why", group, "Say why a run or a step of it is as it is.")
    _add(app, "diff", "replay.differing:diff", group, "Compare two runs: where they part, and why.")
    _add(app, "timeline", "replay.timelines:timeline", group, "Show where the time of a run went.")
    _add(
        app, "fork", "run.forking:fork", group, "Begin a new run where another one was, with a fix."
    )
    _add(
        app,
        "dap",
        "replay.dap:dap",
        group,
        "Let an editor step through runs, forwards and backwards.",
    )
    _add(app, "verify", "cluster.verifying:verify", group, "Audit runs against the log.")
    _add_archive(_group(app, "archive", group, "Move ended runs to files, and bring them back."))
    _add_snapshots(_group(app, "snapshot", group, "Keep, list, show and delete states of runs."))


def _add_subscriptions(subscription: cyclopts.App) -> None:
    _add(
        subscription,
        "create",
        "events.subscriptions:create",
        None,
        "Make one, beginning where you say.",
    )
    _add(subscription, "list", "events.subscriptions:list_", None, "List them, and how far behind.")
    _add(
        subscription,
        "show",
        "events.subscriptions:show",
        None,
        "Show one in each log, and who reads.",
    )
    _add(subscription, "reset", "events.subscriptions:reset", None, "Set one to another position.")
    _add(subscription, "delete", "events.subscriptions:delete", None, "Delete one.")


def _add_archive(archive: cyclopts.App) -> None:
    _add(
        archive, "run", "cluster.archives:run", None, "Move runs that ended long ago to an archive."
    )
    _add(archive, "list", "cluster.archives:list_", None, "List the archives that the log knows.")
    _add(archive, "verify", "cluster.archives:verify", None, "Audit an archive, run by run.")
    _add(
        archive, "show", "cluster.archives:show", None, "List the runs of an archive, or show one."
    )
    _add(archive, "restore", "cluster.archives:restore", None, "Bring runs back into the log.")
    _add(
        archive,
        "sweep",
        "cluster.archives:sweep",
        None,
        "Remove stored values that no event names.",
    )


def _add_snapshots(snapshot: cyclopts.App) -> None:
    _add(
        snapshot,
        "create",
        "cluster.snapshots:create",
        None,
        "Keep the state of a run at a version.",
    )
    _add(
        snapshot,
        "list",
        "cluster.snapshots:list_",
        None,
        "List snapshots, why and when they were taken.",
    )
    _add(
        snapshot,
        "show",
        "cluster.snapshots:show",
        None,
        "Check a snapshot and show the state in it.",
    )
    _add(snapshot, "restore", "cluster.snapshots:restore", None, "Let a run go on from a snapshot.")
    _add(snapshot, "delete", "cluster.snapshots:delete", None, "Delete snapshots, by id or by age.")


def _add_keys(keys: cyclopts.App) -> None:
    _add(keys, "new", "cluster.keys:new", None, "Make a key and put it into a keyring.")
    _add(keys, "list", "cluster.keys:list_", None, "List keys with what is sealed with each.")
    _add(
        keys, "rotate-check", "cluster.keys:rotate_check", None, "Say which keys may be taken out."
    )
    _add(keys, "reencrypt", "cluster.keys:reencrypt", None, "Seal everything with the current key.")


def _add_projections(projections: cyclopts.App) -> None:
    _add(projections, "run", "cluster.projections:run", None, "Keep them up to date until SIGTERM.")
    _add(
        projections,
        "status",
        "cluster.projections:status",
        None,
        "Show how far they are, and how late.",
    )
    _add(
        projections,
        "rebuild",
        "cluster.projections:rebuild",
        None,
        "Build them anew while they serve.",
    )
    _add(projections, "verify", "cluster.projections:verify", None, "Compare them with the log.")


def _care(app: cyclopts.App, group: cyclopts.Group) -> None:
    _add_projections(
        _group(app, "projections", group, "Keep and check what lists and statistics are read from.")
    )
    _add(
        app,
        "erase",
        "cluster.erasing:erase",
        group,
        "Make what users said in runs unreadable, for ever.",
    )
    _add_keys(_group(app, "keys", group, "Make keys, see what they are used for, change them."))
    _add(app, "migrate", "cluster.care:migrate", group, "Make the schema, or bring it up to date.")
    _add(
        app,
        "task-table",
        "cluster.task_table:task_table",
        group,
        "Print the SQL of the table for transactional tasks.",
    )
    tokens = _group(app, "api-token", group, "Make tokens for the HTTP API.")
    _add(tokens, "new", "cluster.api_tokens:new", None, "Make a token and keep its hash.")
    _add(
        app,
        "doctor",
        "cluster.doctor:doctor",
        group,
        "Look at the whole cluster; say what to mend.",
    )
    _add(
        app,
        "health",
        "cluster.health:health",
        group,
        "Ask whether a coordinator answers, or a node is well.",
    )
    config = _group(app, "config", group, "Show settings.")
    _add(
        config,
        "show",
        "cluster.care:show_config",
        None,
        "Show every setting with its value and source.",
    )
    _add(app, "bench", "bench.command:bench", group, "Measure durable throughput and latency.")
    _add(
        app,
        "completion",
        "completing:completion",
        group,
        "Let your shell complete commands and options.",
    )


def _add_nodes(nodes: cyclopts.App) -> None:
    _add(nodes, "list", "cluster.nodes:list_", None, "List nodes with what they hold.")
    _add(nodes, "show", "cluster.nodes:show", None, "Show all that is known of a node.")
    _add(nodes, "cordon", "cluster.nodes:cordon", None, "Give a node no further attempt.")
    _add(nodes, "drain", "cluster.nodes:drain", None, "Cordon a node and let it finish what runs.")
    _add(nodes, "uncordon", "cluster.nodes:uncordon", None, "Give a node attempts again.")


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
    collect_rarely()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
