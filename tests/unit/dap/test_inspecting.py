"""What a client sees while it stands: scopes, values, expressions, text; and what it cannot do."""

import msgspec
import pytest

from events.limits import DAP_TEXT_CHARS_MAX, DAP_VARIABLES_MAX
from events.values import Value
from orchestrator.dap.values import References, Row, below, kind_of, text_of
from orchestrator.dap.wants import Change
from tests.debugging import FILE, TEXT, DebugClient, Message, Refused, client


def rows(answer: Message, name: str) -> list[Message]:
    found = answer[name]
    assert isinstance(found, list)
    return found


def standing(at: int | str) -> DebugClient:
    one = client()
    one.begin(at=at)
    return one


def values(found: dict[str, Message]) -> dict[str, object]:
    return {name: row["value"] for name, row in found.items()}


def test_variables_tell_which_event_and_which_step_has_set_them() -> None:
    one = standing(18)
    assert one.scope("Variables") == {
        "total": {
            "name": "total",
            "value": "11",
            "type": "integer, set at version 18 by add[1]",
            "variablesReference": 0,
            "evaluateName": "vars.total",
        }
    }
    assert values(standing(16).scope("Variables")) == {"total": "5"}


def test_scopes_of_a_step_inside_a_loop() -> None:
    one = standing(17)
    assert values(one.scope("Iteration")) == {"index": "1", "item": "6"}
    step = one.scope("Step page[1]")
    assert (step["status"]["value"], step["node"]["value"]) == ('"dispatched"', '"n1"')
    assert values(one.inside(step["inputs"])) == {"n": "6"}
    attempts = one.inside(step["attempts"])
    assert attempts["1"]["value"] == "on n1: under way, from version 17"
    assert values(one.scope("Input")) == {"items": "[5, 6]"}
    outputs = one.scope("Outputs")
    assert (outputs["fetch"]["value"], outputs["fetch"]["type"]) == (
        '{"x": 1}',
        "object of 1, completed",
    )
    outer = one.scope("Step pages", frame=1)
    assert outer["iteration"]["value"] == "1 of 2"


def test_scopes_of_the_event_its_changes_and_the_run() -> None:
    one = standing(15)
    event = one.scope("Event")
    assert (event["type"]["value"], event["version"]["value"]) == ('"task.completed.v1"', "15")
    changed = one.scope("Changes")
    assert values(one.inside(changed["variables.total"])) == {"before": "0", "after": "5"}
    why = one.scope("Why")
    assert "page[0]" in str(why["why"]["value"])
    assert list(one.inside(why["causes"])) == ["version 14"]
    run = one.scope("Run")
    assert (run["status"]["value"], run["version"]["value"]) == ('"running"', "15 of 28")
    assert "outstanding attempts" in standing(14).scope("Run")


def test_lists_are_opened_page_by_page() -> None:
    one = standing("start")
    found = one.ask("evaluate", expression="input.items")
    assert (found["result"], found["indexedVariables"]) == ("[5, 6]", 2)
    reference = found["variablesReference"]
    page = one.ask("variables", variables_reference=reference, start=1, count=1)
    assert rows(page, "variables") == [
        {
            "name": "[1]",
            "value": "6",
            "type": "integer",
            "variablesReference": 0,
            "evaluateName": "input.items[1]",
        }
    ]
    none = one.ask("variables", variables_reference=reference, filter="named")
    assert rows(none, "variables") == []


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("vars.total + 1", "12"),
        ("${ steps.fetch.output.x }", "1"),
        ("fetch", '{"error": null, "output": {"x": 1}}'),
        ("vars", '{"total": 11}'),
        ("run.status", '"running"'),
        ("iteration", '{"index": 1, "item": 6}'),
        ("state.version", "18"),
        ("change.after['variables.total']", "11"),
        ("step.name", '"add[1]"'),
    ],
)
def test_expressions_are_those_of_workflows_and_more(expression: str, found: str) -> None:
    assert standing(18).ask("evaluate", expression=expression)["result"] == found


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("vars.nothing", "`vars.nothing` is not set yet"),
        ("1 +", "at line 1, column"),
        ("error.code", "only there where something failed"),
        ("", "empty expression"),
        ("nobody.knows", "is not known"),
    ],
)
def test_expressions_without_a_value_say_why(expression: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        standing(18).ask("evaluate", expression=expression)


def test_the_frame_that_one_looks_from_matters() -> None:
    one = standing(18)
    inner, outer = one.frames()
    assert one.ask("evaluate", expression="iteration.item", frame_id=inner["id"])["result"] == "6"
    with pytest.raises(Refused, match=r"iteration\.item"):
        one.ask("evaluate", expression="iteration.item", frame_id=outer["id"])


def test_the_clipboard_gets_all_of_a_value() -> None:
    one = standing(18)
    found = one.ask("evaluate", expression="steps.fetch.output", context="clipboard")
    assert found["result"] == '{\n  "x": 1\n}'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vars.", ["total"]),
        ("1 + steps.f", ["fetch", "first"]),
        ("input.it", ["items"]),
        ("iter", ["iteration"]),
        ("steps.fetch.output.", ["x"]),
        ("nobody.", []),
    ],
)
def test_completions(text: str, found: list[str]) -> None:
    answer = standing(18).ask("completions", text=text, column=len(text) + 1)
    labels = [row["label"] for row in rows(answer, "targets")]
    assert sorted(map(str, labels)) == found


def test_commands_of_the_console() -> None:
    one = standing(18)
    assert one.ask("evaluate", expression=":to 3", context="repl")["result"] == "version 3"
    assert (one.version, one.stopped["reason"]) == (3, "goto")
    why = str(one.ask("evaluate", expression=":why", context="repl")["result"])
    assert [line.split()[0] for line in why.splitlines()][-1] == "3"
    assert "busy" in why
    for wrong in (":to 99", ":to", ":quit"):
        with pytest.raises(Refused, match=r"no version 99|is no command"):
            one.ask("evaluate", expression=wrong, context="repl")


def test_numbers_of_an_earlier_stop_are_refused() -> None:
    one = standing(17)
    frame = one.frames()[0]["id"]
    scopes = rows(one.ask("scopes", frame_id=frame), "scopes")
    one.go("stepIn")
    with pytest.raises(Refused, match="ask for `stackTrace` again"):
        one.ask("scopes", frame_id=frame)
    with pytest.raises(Refused, match="ask for `scopes` again"):
        one.ask("variables", variables_reference=scopes[0]["variablesReference"])


def test_the_text_of_a_definition() -> None:
    one = client(text="")
    one.begin()
    source = one.frames()[0]["source"]
    assert isinstance(source, dict)
    assert source["name"] == "workflow@version-1.yaml"
    found = one.ask("source", source=source, source_reference=source["sourceReference"])
    assert "id: fetch" in str(found["content"])
    assert one.ask("source", source_reference=source["sourceReference"]) == found
    assert rows(one.ask("loadedSources"), "sources") == [source]
    assert one.ask("modules")["totalModules"] == 1
    with pytest.raises(Refused, match="ask for `loadedSources`"):
        one.ask("source", source={"path": "/etc/passwd"}, source_reference=0)


def test_a_file_of_another_version_is_told_and_used_for_the_steps_that_it_has() -> None:
    newer = TEXT.replace("  - {id: last, task: work}\n", "").replace("total: 0", "total: 1")
    one = client(text=newer)
    one.begin(at="end")
    assert "lines are those of the steps with the same ids" in one.told
    source = one.frames()[0]["source"]
    assert isinstance(source, dict)
    assert source["name"] == "workflow@version-1.yaml"
    one.ask("evaluate", expression=":to 12", context="repl")
    assert one.frames()[0]["source"] == {"name": "workflow.yaml", "path": FILE}


def test_only_variables_are_changed_and_only_in_a_fork() -> None:
    one = standing(18)
    scopes = rows(one.ask("scopes", frame_id=one.frames()[0]["id"]), "scopes")
    numbers = {str(row["name"]): row["variablesReference"] for row in scopes}
    change = {"name": "total", "value": "7"}
    found = one.ask("setVariable", variables_reference=numbers["Variables"], **change)
    assert found == {"value": "7", "type": "in a fork only"}
    assert "In a fork from its version 18:\n  vars.total: 7\n  kept: first, " in one.told
    command = "dalsegno fork run-1 --at 18 --set total=7\n"
    assert f"To begin it: `:fork` in the console, or {command}" in one.told
    assert one.scope("Variables")["total"]["value"] == "11"
    with pytest.raises(Refused, match="only variables of the workflow can be changed"):
        one.ask("setVariable", variables_reference=numbers["Input"], name="items", value="[]")
    with pytest.raises(Refused, match="is no JSON: a text stands in quotes"):
        one.ask("setVariable", variables_reference=numbers["Variables"], name="total", value="x y")
    change["value"] = "1" + 20 * "0"
    with pytest.raises(Refused, match="total is an integer of 67 bits, over 64"):
        one.ask("setVariable", variables_reference=numbers["Variables"], **change)


def test_what_has_completed_since_and_would_be_executed_again_is_warned_of() -> None:
    one = standing(17)
    scopes = rows(one.ask("scopes", frame_id=one.frames()[0]["id"]), "scopes")
    number = next(row["variablesReference"] for row in scopes if row["name"] == "Variables")
    one.ask("setVariable", variables_reference=number, name="total", value="7")
    assert "executed again: page[1] (completed), and what follows\n" in one.told
    assert "make sure that they may be executed twice.\n" in one.told


def test_what_was_changed_is_begun_as_a_fork_when_asked_for() -> None:
    one = standing(18)
    with pytest.raises(Refused, match="nothing was changed here: change a variable first"):
        one.ask("evaluate", expression=":fork", context="repl")
    for name, value in (("total", "7"), ("other", '{"a": [1]}'), ("total", "8")):
        scopes = rows(one.ask("scopes", frame_id=one.frames()[0]["id"]), "scopes")
        number = next(row["variablesReference"] for row in scopes if row["name"] == "Variables")
        one.ask("setVariable", variables_reference=number, name=name, value=value)
    assert one.forks == []
    assert "--set total=8 --set 'other={\"a\":[1]}'\n" in one.told
    told = one.ask("evaluate", expression=":fork", context="repl")["result"]
    assert one.forks == [Change("run-1", 18, {"total": 8, "other": {"a": [1]}})]
    assert "run fork-1 has begun, forked from run run-1 at its version 18 with " in str(told)
    with pytest.raises(Refused, match="nothing was changed here"):
        one.ask("evaluate", expression=":fork", context="repl")


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (None, "null", "null"),
        (True, "true", "boolean"),
        (3, "3", "integer"),
        (2.5, "2.5", "number"),
        ("a\nb", '"a\\nb"', "text"),
        ([1, [2]], "[1, [2]]", "list of 2"),
        ({"a": {"b": None}}, '{"a": {"b": null}}', "object of 1"),
    ],
)
def test_values_are_shown_as_json(value: Value, text: str, kind: str) -> None:
    assert (text_of(value), kind_of(value)) == (text, kind)
    assert msgspec.json.decode(text) == value


@pytest.mark.edge("DAP_TEXT_CHARS_MAX")
def test_a_long_value_is_cut_off() -> None:
    whole = "x" * (DAP_TEXT_CHARS_MAX - 2)
    assert text_of(whole) == f'"{whole}"'
    longer: list[Value] = [f"{whole}x", ["y" * 10] * 100_000, {"a": whole, "b": 1}]
    for long in longer:
        shown = text_of(long)
        assert (len(shown), shown[-1]) == (DAP_TEXT_CHARS_MAX, "…")


def test_keys_that_are_no_names_are_asked_for_in_brackets() -> None:
    assert below("vars", "a") == "vars.a"
    assert below("vars.a", "b c") == 'vars.a["b c"]'
    assert below("", "a") == ""


@pytest.mark.edge("DAP_REFERENCES_MAX")
def test_beyond_the_most_references_values_are_text() -> None:
    references = References(most=2)
    row = Row(name="list", value=[1])
    numbers = [references.result(row)["variablesReference"] for _ in range(3)]
    assert numbers == [1, 2, 0]
    references.forget()
    assert references.result(row)["variablesReference"] == 3


@pytest.mark.edge("DAP_VARIABLES_MAX")
def test_children_come_in_pages() -> None:
    references = References()
    value: Value = list(range(DAP_VARIABLES_MAX + 5))
    number = int(str(references.result(Row(name="list", value=value))["variablesReference"]))
    assert len(references.rows(number, 0, 0)) == DAP_VARIABLES_MAX
    assert len(references.rows(number, 0, DAP_VARIABLES_MAX + 5)) == DAP_VARIABLES_MAX
    assert [row["name"] for row in references.rows(number, DAP_VARIABLES_MAX, 0)] == [
        f"[{DAP_VARIABLES_MAX + at}]" for at in range(5)
    ]
