"""Help that teaches: a command's own help is its whole docstring, with its examples at the end.

In a list of commands each has a few words, known without importing it. Its own page imports it, and
takes from its docstring what to say and the section *Examples*: a line that works, indented below
it what it does. Tests parse every one of these lines.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from textwrap import indent, wrap

import cyclopts
import msgspec

from orchestrator.cli.help_page import usage

HEADING = "Examples\n--------\n"
WORDS_COLUMNS = 72


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """`line` begins with `dalsegno`; `words` say what it does."""

    line: str
    words: str


def shown_default(value: object) -> str | None:
    """A default that is worth a reader's time: nothing, empty and off are none."""
    return None if value in ("", False) or value is None else str(value)


def teach(app: cyclopts.App, arguments: Sequence[str]) -> None:
    """Prepares the page of the command that `arguments` name."""
    name = app.name[0]
    for word in arguments:
        if word.startswith("-") or word not in list(app):
            break
        app, name = app[word], f"{name} {word}"
    _teach(app, name)


def teach_all(app: cyclopts.App, of: str = "") -> Iterator[tuple[str, cyclopts.App]]:
    """Every command with its full name, each prepared; imports them all."""
    for name in (f"{of} {one}".strip() for one in app if not one.startswith("-")):
        inner = app[name.split()[-1]]
        _teach(inner, f"dalsegno {name}")
        if inner.default_command is not None:
            yield name, inner
        yield from teach_all(inner, name)


def _teach(app: cyclopts.App, name: str) -> None:
    command = app.default_command
    if command is not None and command.__doc__:
        app.usage = usage(app, name)
        app.help = without_examples(command)
        app.help_epilogue = page_end(examples(command))


def examples_of(app: cyclopts.App) -> list[Example]:
    return examples(app.default_command) if app.default_command is not None else []


def without_examples(command: Callable[..., object]) -> str:
    return (inspect.getdoc(command) or "").partition(HEADING)[0].rstrip()


def examples(command: Callable[..., object]) -> list[Example]:
    """Those of the docstring, in order; the section is its last one."""
    found: list[Example] = []
    for line in (inspect.getdoc(command) or "").partition(HEADING)[2].splitlines():
        if line.startswith(" ") and found:
            words = f"{found[-1].words} {line.strip()}".strip()
            found[-1] = Example(line=found[-1].line, words=words)
        elif line.strip():
            found.append(Example(line=line.rstrip(), words=""))
    return found


def page_end(found: Sequence[Example]) -> str:
    if not found:
        return ""
    lines = ["Examples:"]
    for one in found:
        lines.append(f"  {one.line}")
        lines += indent("\n".join(wrap(one.words, WORDS_COLUMNS)), " " * 6).splitlines()
    return "\n".join(lines)
