"""Steering nodes, keeping runs to builds, and waiting for runs, from the shell."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, Done, dalsegno, dev

GREET = '{"name": "ann", "fail": false}'
NODES = ("agent-1", "agent-2")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    with dev(made, "--agents", "2", "--import", "greet.py"):
        assert dalsegno(made, "workflow", "register", "greet.py").code == 0
        yield made
    shutil.rmtree(made)


def begun(folder: Path, run_id: str, *more: str, given: str = GREET) -> None:
    done = dalsegno(folder, "run", "start", "greet", "--input", given, "--id", run_id, *more)
    assert done.code == 0, done


def steered(folder: Path, *arguments: str) -> Done:
    done = dalsegno(folder, "nodes", *arguments)
    assert done.code == 0, done
    return done


def waits_for(folder: Path, run_id: str, *words: str) -> None:
    """Looks until all words are there; each look is a process, so this does not spin."""
    shown: list[Done] = []
    for _ in range(40):
        shown.append(dalsegno(folder, "run", "show", run_id))
        if all(word in shown[-1].out for word in words):
            return
    raise AssertionError(shown[-1])


@pytest.mark.timeout(120)
def test_cordoned_nodes_get_nothing_until_they_are_uncordoned(folder: Path) -> None:
    said = steered(folder, "cordon", "agent-1", "--reason", "a bad disk").out
    assert said == "agent-1: healthy, cordoned, nothing at work\n"
    drained = steered(folder, "drain", "agent-2", "--deadline", "5s", "--wait").out
    assert drained == "agent-2: draining, cordoned, nothing at work\n"
    shown = steered(folder, "show", "agent-1", "--json").json
    cordon = shown["cordon"]
    assert isinstance(cordon, dict)
    assert cordon["reason"] == "a bad disk"
    begun(folder, "held")
    waits_for(folder, "held", "no_node", "agent-1: cordoned by", "a bad disk")
    open_ = dalsegno(folder, "run", "wait", "held", "--timeout", "1s")
    assert open_.code == 4, open_
    assert "held is still open after 1s" in open_.err
    for node in NODES:
        steered(folder, "uncordon", node)
    assert dalsegno(folder, "run", "wait", "held", "--json").json["status"] == "completed"
    facts = dalsegno(folder, "events", "tail", "--stream", "node:agent-1", "--limit", "100").out
    assert facts.count("reason=a bad disk") == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("nodes cordon agent-3", 3, "(did you mean agent-"),
        ("nodes drain nobody", 3, "there is no node 'nobody'"),
        ("nodes uncordon agent", 3, "(did you mean agent-"),
        ("nodes drain agent-1 --deadline soon", 2, "--deadline: "),
        ("run wait x --timeout soon", 2, "--timeout: "),
        ("run repin x b --any", 2, "expected either a build id or --any"),
        ("run repin x", 2, "expected either a build id or --any"),
        ("run repin x b", 3, "there is no run x"),
    ],
)
def test_what_cannot_be_steered_is_refused(
    folder: Path, command: str, code: int, said: str
) -> None:
    done = dalsegno(folder, *command.split())
    assert done.code == code, done
    assert said in done.err


@pytest.mark.timeout(120)
def test_a_run_that_is_kept_to_a_build_waits_until_it_is_given_another(folder: Path) -> None:
    begun(folder, "kept", "--build", "2026.11")
    waits_for(folder, "kept", "build 2026.11", "no_node", "is not 2026.11")
    again = dalsegno(folder, "run", "repin", "kept", "2026.12", "--reason", "a try")
    assert again.out == "kept is running, its tasks go to nodes of 2026.12\n"
    waits_for(folder, "kept", "is not 2026.12")
    free = dalsegno(folder, "run", "repin", "kept", "--any", "--reason", "any will do")
    assert free.out == "kept is running, its tasks go to nodes of any build\n"
    assert dalsegno(folder, "run", "wait", "kept").out.startswith("kept  completed")
    over = dalsegno(folder, "run", "repin", "kept", "--any")
    assert (over.code, "run kept is completed" in over.err) == (3, True)


@pytest.mark.timeout(120)
def test_several_runs_are_awaited_and_the_worst_one_counts(folder: Path) -> None:
    begun(folder, "good")
    begun(folder, "bad", given='{"name": "bo", "fail": true}')
    both = dalsegno(folder, "run", "wait", "good", "bad", "good")
    assert both.code == 1, both
    lines = sorted(" ".join(line.split()[:2]) for line in both.out.splitlines())
    assert lines == ["bad failed", "good completed"]
    assert "too_loud: no shouting here" in both.out
    data = dalsegno(folder, "run", "wait", "good", "bad", "--json").out.splitlines()
    assert {json.loads(line)["run_id"] for line in data} == {"good", "bad"}
    one = dalsegno(folder, "run", "wait", "good")
    assert (one.code, '"HELLO ANN"' in one.out) == (0, True)
