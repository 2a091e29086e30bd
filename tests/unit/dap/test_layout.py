"""Layout and sources: threads and frames of steps, and the lines in which they stand."""

from textwrap import dedent

import pytest

from events.definition import Definition
from orchestrator.authoring import Workflow, read_yaml
from orchestrator.dap.layout import MAIN, Layout
from orchestrator.dap.sources import Sheet, Sources, stored_text

NESTED = """\
workflow: nested
steps:
  - id: rounds
    for_each: ${ input.rounds }
    steps:
      - id: both
        parallel:
          left:
            - id: scale
              map:
                items: [1, 2]
                task: image.scale
                with:
                  n: ${ iteration.item }
          right:
            - id: guard
              within: 5s
              steps:
                - {id: work, task: work}
            - id: maybe
              choice:
                - when: input.yes
                  steps:
                    - {id: chosen, task: work}
                - default: []
  - {id: last, task: work, on_error: [{steps: [{id: mend, task: work}]}]}
"""


def layout_of(text: str) -> Layout:
    return Layout(read_yaml(text).definition)


@pytest.mark.parametrize(
    ("instance", "thread", "frames"),
    [
        ("rounds", MAIN, []),
        ("both[2]", MAIN, ["rounds[2]"]),
        ("scale[2]", "both/left[2]", ["rounds[2]", "both[2]/left"]),
        ("scale[2][7]", "scale[2][7]", ["rounds[2]", "both[2]/left", "scale[2][7]"]),
        ("work[0]", "both/right[0]", ["rounds[0]", "both[0]/right", "guard[0]"]),
        ("chosen[1]", "both/right[1]", ["rounds[1]", "both[1]/right"]),
        ("mend", MAIN, []),
        ("unknown", MAIN, []),
    ],
)
def test_steps_know_their_thread_and_what_they_are_inside(
    instance: str, thread: str, frames: list[str]
) -> None:
    layout = layout_of(NESTED)
    suffix = instance[instance.find("[") :] if "[" in instance else ""
    assert layout.thread(instance) == thread
    assert [level.named(suffix) for level in layout.levels(instance)] == frames


def test_an_item_comes_from_its_map_and_a_branch_from_where_it_branched_off() -> None:
    layout = layout_of(NESTED)
    assert layout.outer_thread("scale[2][7]") == "both/left[2]"
    assert layout.outer_thread("scale[2]") == MAIN
    assert layout.outer_thread("last") == MAIN


def test_steps_that_may_run_beside_each_other_are_on_ways_of_their_own() -> None:
    layout = layout_of(
        """\
        workflow: graph
        steps:
          - {id: a, task: work}
          - {id: b, task: work, depends_on: [a]}
          - {id: c, task: work, depends_on: [a]}
          - {id: d, task: work, depends_on: [c]}
          - {id: e, task: work, depends_on: [b, d]}
          - {id: f, task: work, depends_on: []}
        """
    )
    threads = {step: layout.thread(step) for step in layout.stands}
    assert threads == {"a": MAIN, "b": MAIN, "c": "c", "d": "c", "e": MAIN, "f": "f"}


def at(sheet: Sheet, line: int) -> str:
    found = sheet.at(line)
    return (
        "" if found is None else f"{found.step}:{found.line}{'*' if found.part == 'item' else ''}"
    )


def test_every_line_of_yaml_belongs_to_what_it_is_part_of() -> None:
    authored = read_yaml(NESTED)
    sheet, sources = (
        Sheet("nested", "/nested.yaml", 0, NESTED),
        Sources(Layout(authored.definition)),
    )
    sources.add(sheet, authored)
    found = [at(sheet, line) for line in range(1, NESTED.count("\n") + 1)]
    assert found == [
        *["rounds:3"] * 5,
        *["both:6"] * 3,
        *["scale:9"] * 3,
        *["scale:12*"] * 3,
        "both:6",
        *["guard:16"] * 3,
        "work:19",
        *["maybe:20"] * 3,
        "maybe:20",
        "chosen:24",
        "maybe:20",
        "last:26",
    ]
    _, item = sources.find("scale[0][1]") or (None, None)
    _, whole = sources.find("scale[0]") or (None, None)
    assert (item and item.line, whole and whole.line) == (12, 9)
    assert sources.find("nobody") is None


PYTHON = dedent(
    '''\
    """A workflow."""
    from orchestrator.authoring import Workflow

    def handler():
        return 1

    flow = Workflow("built")
    first = flow.task(
        "first",
        "work",
        n=1,
    )
    first.retry(3)
    loop = flow.for_each("loop", flow.input.items)
    with loop.body():
        flow.task("inner", "work")
    flow.output(first.output)
    '''
)


def test_every_line_of_python_belongs_to_the_statement_or_to_what_comes_next() -> None:
    spaces: dict[str, object] = {}
    exec(compile(PYTHON, "", "exec"), spaces)  # noqa: S102 -- the text above
    flow = spaces["flow"]
    assert isinstance(flow, Workflow)
    authored = flow.authored()
    sheet, sources = Sheet("built", "/built.py", 0, PYTHON), Sources(Layout(authored.definition))
    sources.add(sheet, authored)
    found = [at(sheet, line) for line in range(1, PYTHON.count("\n") + 1)]
    assert found == [
        *["first:8"] * 13,
        "loop:14",
        "inner:16",
        "inner:16",
        "inner:16",
    ]
    assert [one.line for one in sheet.between(1, 99)] == [8, 14, 16]


def test_the_stored_definition_is_a_text_with_all_its_steps() -> None:
    definition = read_yaml(NESTED).definition
    text, authored = stored_text(definition)
    sources = Sources(Layout(definition))
    assert not sources.covers(Layout(definition))
    sources.add(Sheet("nested", "", 1, text), authored)
    assert sources.covers(Layout(definition))
    assert authored.definition == definition


def test_lines_of_a_file_that_was_changed_find_the_steps_with_the_same_ids() -> None:
    layout = Layout(read_yaml(NESTED).definition)
    newer = "workflow: nested\nsteps:\n  - {id: added, task: work}\n  - {id: last, task: work}\n"
    sheet, sources = Sheet("nested", "/nested.yaml", 0, newer), Sources(layout)
    sources.add(sheet, read_yaml(newer))
    assert at(sheet, 4) == "last:4"
    assert not sources.covers(layout)


def test_a_definition_without_steps_has_no_lines() -> None:
    definition = Definition(name="empty", steps=())
    text, authored = stored_text(definition)
    sheet, sources = Sheet("empty", "", 1, text), Sources(Layout(definition))
    sources.add(sheet, authored)
    assert at(sheet, 1) == ""
