"""What is shown of many steps, of long events, and before something begins."""

import io

import msgspec
import pytest
from rich.console import Console
from rich.spinner import Spinner

from events.api import RunView, StepView, TaskView
from events.errors import Misconfigured
from orchestrator.cli.confirming import confirm
from orchestrator.cli.events.showing import show_line
from orchestrator.cli.main import run
from orchestrator.cli.progress import OneLine, Progress, words_of
from orchestrator.cli.run.display import print_run
from orchestrator.cli.run.summary import by_kind, print_summary

HEAD, DATA = "     66     1 10:53:13.358 run.forked.v1           ", "reason=retry " * 12


def printed(width: int, *, is_terminal: bool = True) -> list[str]:
    out = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=is_terminal)
    show_line(out, HEAD, DATA.strip())
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_an_event_is_wrapped_and_never_cut(width: int) -> None:
    lines = printed(width)
    assert len(lines) > 1
    assert max(map(len, lines)) <= width
    assert sum(line.count("reason=retry") for line in lines) == 12
    assert all(line.startswith("      ") for line in lines[1:])


def test_an_event_is_one_line_in_a_pipe_and_where_it_fits() -> None:
    assert len(printed(80, is_terminal=False)) == 1
    assert len(printed(300)) == 1


def view_of(count: int) -> RunView:
    """Steps of two task types; the last one failed, the one before it is the slowest."""
    names = [f"step-{number}" for number in range(count)]
    ends = {names[-2]: 9_000_000, names[-1]: 2_000}
    steps = tuple(
        StepView(
            name=name,
            kind="task",
            status="failed" if name == names[-1] else "completed",
            started_at=0,
            ended_at=ends.get(name, 1_000),
        )
        for name in names
    )
    tasks = tuple(
        TaskView(name=name, status="completed", attempts=1, task="odd" if number % 2 else "even")
        for number, name in enumerate(names)
    )
    return RunView(
        run_id="r", workflow="w", workflow_version="v", version=9, status="failed",
        steps=steps, tasks=tasks,
    )  # fmt: skip


def test_many_steps_are_counted_by_task_type() -> None:
    kinds = by_kind(view_of(101))
    assert [(kind.name, len(kind.steps), kind.count("failed")) for kind in kinds] == [
        ("even", 51, 1),
        ("odd", 50, 0),
    ]


def test_a_summary_shows_what_failed_and_what_is_slow() -> None:
    out = Console(file=io.StringIO(), width=100, highlight=False)
    print_summary(out, view_of(101))
    assert isinstance(out.file, io.StringIO)
    said = out.file.getvalue()
    assert "step-100" in said
    assert "9 s" in said
    assert "step-50 " not in said
    assert "101 steps; --all shows a row for each" in said


def test_a_line_about_a_run_under_way() -> None:
    said = words_of(view_of(4))
    assert "3 steps done" in said
    assert "1 failed" in said


@pytest.mark.parametrize(("at_work", "is_said"), [("ready", True), ("running", False)])
def test_a_line_says_what_is_waited_for_when_nothing_is_at_work(
    at_work: str, is_said: bool
) -> None:
    lacking = TaskView(name="a", status="ready", pending="no_node: b: does not know x")
    retrying = TaskView(name="c", status="retrying", pending="timer")
    steps = tuple(
        StepView(name=name, kind="task", status=status)
        for name, status in (("a", "ready"), ("z", at_work))
    )
    run = msgspec.structs.replace(view_of(2), steps=steps, tasks=(retrying, lacking))
    said = words_of(run)
    assert ("a waits for no_node: b: does not know x" in said) is is_said
    assert "timer" not in said


@pytest.mark.parametrize(("status", "shown"), [("completed", True), ("cancelled", False)])
def test_only_what_is_completed_has_an_output(
    status: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_run(msgspec.structs.replace(view_of(2), status=status, ended_at=1))
    assert ("output" in capsys.readouterr().out) is shown


def test_a_line_that_is_painted_over_stays_one_line() -> None:
    out = Console(file=io.StringIO(), width=60, highlight=False)
    words = words_of(view_of(4)) + " at " + ", ".join(["a-step-with-a-long-name"] * 9)
    out.print(OneLine(Spinner("dots", words)))
    assert isinstance(out.file, io.StringIO)
    (line,) = out.file.getvalue().splitlines()
    assert len(line) <= 60
    assert line.endswith("…")


def test_nobody_looks_at_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("working") as progress:
        progress.say("still working")
    assert not progress.is_live
    assert capsys.readouterr() == ("", "")


def test_what_nobody_can_confirm_needs_the_flag() -> None:
    confirm("Begin?", yes=True)
    with pytest.raises(Misconfigured, match="give --yes"):
        confirm("Begin?", yes=False)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--runs 0", "--runs is 0: expected 1 to 1000000"),
        ("--in-flight 0", "--in-flight is 0: expected 1 to 100000"),
        ("--agents 65", "--agents is 65: expected 1 to 64"),
    ],
)
def test_bench_refuses_what_measures_nothing(
    flags: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *flags.split()]) == 2
    assert said in capsys.readouterr().err
