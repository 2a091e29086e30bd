"""Files and functions stay small enough to be read in one go."""

import ast
import statistics

from tests.architecture.tree import OLDEST_PYTHON, PRODUCT, Function, functions, modules

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 10
PARAMETERS_MAX = 6


def test_files_are_valid_on_the_oldest_python() -> None:
    invalid = [
        module.path for module in modules(*PRODUCT, "tests") if module.text and not module.tree.body
    ]
    assert not invalid, f"not valid Python {OLDEST_PYTHON}: {invalid}"


def test_files_are_short() -> None:
    too_long = [
        f"{module.path}: {lines} lines"
        for module in modules()
        if (lines := module.text.count("\n")) > FILE_LINES_MAX
    ]
    assert not too_long, f"over {FILE_LINES_MAX} lines, split by responsibility: {too_long}"


def test_functions_are_short() -> None:
    too_long = [
        f"{module.path}:{function.lineno} {function.name}: {lines} lines"
        for module in modules()
        for function in functions(module)
        if (lines := _lines(function)) > FUNCTION_LINES_MAX
    ]
    assert not too_long, f"over {FUNCTION_LINES_MAX} lines: {too_long}"


def test_the_median_function_fits_in_a_glance() -> None:
    lengths = [
        _lines(function)
        for module in modules()
        for function in functions(module)
        if not _is_stub(function)
    ]
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN_MAX


def test_functions_take_few_parameters() -> None:
    too_many = [
        f"{module.path}:{function.lineno} {function.name}: {count}"
        for module in modules()
        for function in functions(module)
        if (count := _parameters(function)) > PARAMETERS_MAX and not _is_command(module.path)
    ]
    assert not too_many, f"over {PARAMETERS_MAX} parameters, make them a struct: {too_many}"


def _lines(function: Function) -> int:
    """From `def` to the last line; a docstring is for the reader and does not count."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _is_stub(function: Function) -> bool:
    """A method of a protocol: nothing but a docstring or an ellipsis."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in function.body
    )


def _parameters(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([one for one in named if one.arg not in {"self", "cls"}])


def _is_command(path: str) -> bool:
    """A command's parameters are its options on the command line; there it has what users need."""
    return path.startswith("orchestrator/cli/")
