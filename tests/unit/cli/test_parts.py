"""Small parts of the command line: inputs, errors, the connection file, the timeline."""

from pathlib import Path

import pytest

from events.errors import Corrupt, InvalidValue, Misconfigured, Rejected, Unavailable
from orchestrator.cli.exits import BUG, INTERRUPTED, exit_code, tell, the_cause
from orchestrator.cli.local.connection_file import Addresses, ConnectionFile, read_addresses
from orchestrator.cli.local.demo.story import Node, Story, Try
from orchestrator.cli.local.demo.timeline import timeline
from orchestrator.cli.output import instant, took
from orchestrator.cli.run.inputs import given_values, read_input
from orchestrator.kernel.durations import length

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("x"), 2),
        (Rejected("x"), 3),
        (InvalidValue("x"), 3),
        (Unavailable("x"), 4),
        (Corrupt("x"), 5),
        (KeyboardInterrupt(), INTERRUPTED),
        (ZeroDivisionError(), BUG),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_inside_groups_is_told_as_itself() -> None:
    ours = Rejected("no")
    group = ExceptionGroup("a", [ValueError("x"), ExceptionGroup("b", [ours])])
    assert the_cause(group) is ours


def test_a_told_error_has_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(Unavailable("nats://tok@h is away"), as_json=True) == 4
    said = capsys.readouterr()
    assert said.err == "dalsegno: nats://***@h is away\n"
    assert said.out == (
        '{"error":{"code":"unavailable","message":"nats://***@h is away"},"exit_code":4}\n'
    )


def test_inputs(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"n": [1, 2.5, null]}')
    assert read_input("") is None
    assert read_input('"text"') == "text"
    assert read_input(f"@{file}") == {"n": [1, 2.5, None]}


def test_values_of_variables_go_by_their_names_with_or_without_vars() -> None:
    found = given_values("--set", ["price=5", "vars.city=Oslo", 'rules=["a=b"]'])

    assert found == {"price": 5, "city": "Oslo", "rules": ["a=b"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("price", "expected NAME=VALUE"),
        ("vars.=1", "expected NAME=VALUE"),
        ("vars.order.total=1", "a variable is given whole, as order=JSON"),
    ],
)
def test_what_is_no_value_of_a_variable_is_refused(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        given_values("--set", [text])


def test_a_bad_value_is_told_by_its_own_flag() -> None:
    with pytest.raises(Rejected, match="--data is not JSON"):
        read_input("{", "--data")
    with pytest.raises(Rejected, match=r"data\.n is nan"):
        read_input('{"n": NaN}', "--data")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{n: 1}", "--input is not JSON"),
        ('{"n": NaN}', "input.n is nan"),
        ('{"n": 18446744073709551616}', "input.n is an integer of 65 bits, over 64"),
        ("@/no/such/file", "cannot be read: No such file"),
        ("@/", "cannot be read: Is a directory"),
        ("@/dev/zero", "has over 67108864 bytes: pass a reference instead"),
    ],
)
def test_inputs_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_input(text)
    assert said in str(refused.value)


def test_the_connection_file_counts_for_as_long_as_its_writer_lives(tmp_path: Path) -> None:
    addresses = Addresses(dsn="d", nats_url="n", pid=1)
    with ConnectionFile(tmp_path) as file:
        file.write(addresses)
        assert read_addresses(tmp_path) == addresses
        assert file.path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Misconfigured, match="another `dalsegno dev` runs"):
            ConnectionFile(tmp_path).__enter__()
        left = file.path.read_bytes()
    assert read_addresses(tmp_path) is None
    (tmp_path / "connection.json").write_bytes(left)
    assert read_addresses(tmp_path) is None, "left by one that was killed"


def test_instants_and_durations() -> None:
    assert instant(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert instant(None) is None
    assert took(0, 1_500) == "1.5 ms"
    assert took(0, 12 * SECOND) == "12 s"
    assert took(0, 0) == "0 s"
    assert took(None, 0) == ""


@pytest.mark.parametrize(
    ("time_s", "said"),
    [
        (4.32e-4, "432 µs"),
        (9.996e-4, "1 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1 s"),
        (99.94, "99.9 s"),
        (99.96, "1.67 min"),
        (5_999.0, "1.67 h"),
        (172_800.0, "48 h"),
        (360_000.0, "4.17 d"),
        (86_400.0 * 999.6, "1000 d"),
    ],
)
def test_a_length_has_three_figures_and_a_unit_that_fits(time_s: float, said: str) -> None:
    assert length(time_s) == said


def test_the_timeline_marks_what_was_lost() -> None:
    story = Story("r", 2)
    story.started_at, story.ended_at = 0, 10 * SECOND
    story.nodes = {"a": Node("a", "lost", killed_at=4 * SECOND), "b": Node("b")}
    story.outages = [[5 * SECOND, 6 * SECOND]]
    tries = [
        Try("part-01", 1, "a", SECOND, "lost", SECOND, 7 * SECOND),
        Try("part-02", 1, "b", SECOND, "done", SECOND, 5 * SECOND),
        Try("part-01", 2, "b", 7 * SECOND, "done", 7 * SECOND, 9 * SECOND),
    ]
    story.tries = {(one.step, one.number): one for one in tries}
    coordinator, lost, done, *_ = (line.plain for line in timeline(story, 60, in_colour=False))
    assert coordinator.count("✗") == 1
    assert lost.rstrip().endswith("✗")
    assert lost.index("✗") < done.index("01") < len(done.rstrip())
    assert all(len(line) <= 60 for line in (coordinator, lost, done))
