"""Arguments of the requests that are understood, as the protocol names them."""

from typing import Literal

from orchestrator.dap.messages import Arguments


class Nothing(Arguments, frozen=True):
    """Of requests whose arguments do not matter here."""


class Initialize(Arguments, frozen=True):
    lines_start_at1: bool = True
    columns_start_at1: bool = True
    path_format: str = "path"
    supports_variable_type: bool = False
    client_name: str = ""


class Attach(Arguments, frozen=True):
    """Either `run`, the id of a run in the log, or `file`, an exported history (of several runs in
    it the one called `run`).

    `folder`: where relative paths begin, and where a `dalsegno dev` may run. `definition`: the file
    (or files) that the workflow was written in. `at`: where to begin: a version, `start`, `end` or
    `failure`. `stop_on_entry`: false goes on from there at once. `stepping`: what `next` and
    `stepBack` move by.
    """

    run: str = ""
    file: str = ""
    folder: str = ""
    definition: str | list[str] = []
    at: int | str = "start"
    stop_on_entry: bool = True
    stepping: Literal["steps", "events"] = "steps"


class Source(Arguments, frozen=True):
    path: str = ""
    source_reference: int = 0
    name: str = ""


class SourceBreakpoint(Arguments, frozen=True):
    line: int
    condition: str = ""
    hit_condition: str = ""
    log_message: str = ""


class SetBreakpoints(Arguments, frozen=True):
    source: Source
    breakpoints: list[SourceBreakpoint] | None = None
    lines: list[int] = []


class FunctionBreakpoint(Arguments, frozen=True):
    name: str
    condition: str = ""
    hit_condition: str = ""


class SetFunctionBreakpoints(Arguments, frozen=True):
    breakpoints: list[FunctionBreakpoint]


class FilterOptions(Arguments, frozen=True):
    filter_id: str
    condition: str = ""


class SetExceptionBreakpoints(Arguments, frozen=True):
    filters: list[str] = []
    filter_options: list[FilterOptions] = []


class DataBreakpointInfo(Arguments, frozen=True):
    name: str
    variables_reference: int = 0


class DataBreakpoint(Arguments, frozen=True):
    data_id: str
    condition: str = ""
    hit_condition: str = ""


class SetDataBreakpoints(Arguments, frozen=True):
    breakpoints: list[DataBreakpoint]


class BreakpointLocations(Arguments, frozen=True):
    source: Source
    line: int
    end_line: int = 0


class Move(Arguments, frozen=True):
    """Of `continue`, `next`, `stepBack` and their like."""

    thread_id: int = 0
    granularity: str = "statement"


class StackTrace(Arguments, frozen=True):
    thread_id: int
    start_frame: int = 0
    levels: int = 0


class Frame(Arguments, frozen=True):
    frame_id: int


class Variables(Arguments, frozen=True):
    variables_reference: int
    filter: Literal["", "indexed", "named"] = ""
    start: int = 0
    count: int = 0


class SetVariable(Arguments, frozen=True):
    variables_reference: int
    name: str
    value: str


class SetExpression(Arguments, frozen=True):
    expression: str
    value: str


class Evaluate(Arguments, frozen=True):
    expression: str
    frame_id: int = 0
    context: str = ""


class Completions(Arguments, frozen=True):
    text: str
    column: int
    line: int = 0
    frame_id: int = 0


class ReadSource(Arguments, frozen=True):
    source: Source = Source()
    source_reference: int = 0


class GotoTargets(Arguments, frozen=True):
    source: Source
    line: int


class Goto(Arguments, frozen=True):
    target_id: int
    thread_id: int = 0


class Modules(Arguments, frozen=True):
    start_module: int = 0
    module_count: int = 0


class ExceptionInfo(Arguments, frozen=True):
    thread_id: int = 0


class Disconnect(Arguments, frozen=True):
    terminate_debuggee: bool = False
