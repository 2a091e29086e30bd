"""`dalsegno dead-letter list` and `show`: tasks that took too many agents with them."""

import msgspec

from events.errors import Misconfigured, Rejected
from events.limits import RUNS_LISTED_MAX
from events.task_facts import Killed
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.nearest import about
from orchestrator.cli.output import console, day, instant, plain, print_json, rows, table
from orchestrator.cli.stores import with_store
from orchestrator.insight.dead_letters import POSITION_MAX, DeadLetter, newest, of_run
from orchestrator.kernel.settling import UNSETTLED

INSTANTS = ("dispatched_at", "started_at", "lost_at")


def list_(*, limit: int = 20, before: int | None = None, common: Common = COMMON) -> None:
    """List dead letters, the newest first, from the log; needs no coordinator.

    A task becomes one, and fails with code `poison_task`, when `limits.kills_max` agents died while
    they may have been running it. Others are not given it any more.

    Parameters
    ----------
    limit
        Most dead letters to list.
    before
        Only those before this position of the log: for the next page.

    Examples
    --------
    dalsegno dead-letter list
    dalsegno dead-letter list --json
        With the evidence, for programs.
    """
    if not 0 < limit <= RUNS_LISTED_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 1 to {RUNS_LISTED_MAX}")
    if before is not None and not 0 < before <= POSITION_MAX:
        raise Misconfigured(f"--before is {before}: expected a position, 1 to {POSITION_MAX}")
    last = before or POSITION_MAX
    found = with_store(common, lambda store: newest(store, limit + 1, last))
    shown = found[:limit]
    if common.json:
        print_json([_json(one) for one in shown])
        return
    if not shown:
        print("no dead letters")
        return
    made = table("run", "step", "task", "at (UTC)", "agents lost>?", "nodes>?")
    lines = (
        (
            plain(one.run_id),
            plain(one.step),
            plain(one.task),
            day(one.at),
            str(len(one.kills)),
            plain(", ".join(one.nodes)),
        )
        for one in shown
    )
    console().print(rows(made, lines))
    if len(found) > limit:
        print(f"\nthere are more: --before {shown[-1].position}")


def show(run_id: str, step: str = "", *, common: Common = COMMON) -> None:
    """Show the evidence of a run's dead letters, and how to go on.

    Parameters
    ----------
    run_id
        The run's id.
    step
        Only that of this step.

    Examples
    --------
    dalsegno dead-letter show nightly-17
    dalsegno dead-letter show nightly-17 "parse[3]" --json
    """
    with about(common, run_id) as run:
        found, version = with_store(common, lambda store: of_run(store, run))
        if not version:
            raise Rejected(f"there is no run {run}: `dalsegno dead-letter list` shows those")
    found = [one for one in found if step in {"", one.step}]
    if not found:
        of = f"step {step} of run {run}" if step else f"run {run}"
        raise Rejected(
            f"{of} has no dead letter: `dalsegno dead-letter list` shows those there are"
        )
    if common.json:
        print_json([_json(one) for one in found])
        return
    for one in found:
        _print(one)


def _print(one: DeadLetter) -> None:
    out = console()
    out.print(f"[bold]{plain(one.run_id)}[/] step {plain(one.step)}, task {plain(one.task)}")
    out.print(f"{one.code} since {day(one.at)} UTC, version {one.version} of the run\n")
    if one.code == UNSETTLED:
        _print_unsettled(one)
        return
    made = table("attempt>", "node", "incarnation?", "given at", "began", "lost at", "how")
    out.print(rows(made, map(_kill_row, one.kills)))
    if one.details is not None:
        out.print(
            f"\nsaid last of its progress: {plain(msgspec.json.encode(one.details).decode())}"
        )
    run = plain(one.run_id)
    out.print(
        "\nMend the task, or give its node what it needs (memory, as a rule), then go on:\n"
        f"  dalsegno run retry {run}     a new run, from before the failure\n"
        f"  dalsegno run rerun {run}     what failed, and what follows it\n"
        f"  dalsegno events show {run}   all that happened"
    )


def _print_unsettled(one: DeadLetter) -> None:
    out, run = console(), plain(one.run_id)
    out.print(
        "Nobody could say what became of its transaction: "
        f"{plain(msgspec.json.encode(one.details).decode())}\n"
        "It is asked again once in a long while. Give a node reach of its database, then have it "
        "asked at once:\n"
        f"  dalsegno run fail {run} {plain(one.step)}     or another action, which waits for it\n"
        "If the database is gone for ever, give the same with --unsettled."
    )


def _kill_row(one: Killed) -> tuple[str, ...]:
    began = day(one.started_at) if one.started_at else "not said"
    given = day(one.dispatched_at)
    place = (str(one.attempt), plain(one.node), plain(one.incarnation))
    return (*place, given, began, day(one.lost_at), one.loss)


def _json(one: DeadLetter) -> dict[str, object]:
    return {
        "run_id": one.run_id,
        "step": one.step,
        "task": one.task,
        "code": one.code,
        "at": instant(one.at),
        "version": one.version,
        "position": one.position or None,
        "kills": [_kill_json(kill) for kill in one.kills],
        "details": one.details,
    }


def _kill_json(kill: Killed) -> dict[str, object]:
    said = {"attempt": kill.attempt, "node": kill.node, "incarnation": kill.incarnation}
    times = {name: instant(getattr(kill, name) or None) for name in INSTANTS}
    return {**said, **times, "loss": kill.loss}
