"""How a page of help looks: headings and two columns, the same on a terminal and in a pipe.

No boxes and no colours: it can be read on every ground, and copied.
"""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import cyclopts
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDTH_MAX = 100
"""Longer lines are hard to read, however wide the terminal."""
NAMES_MAX = 26
"""Columns of names beside which there are words; longer ones stand above theirs."""
GAP = 2
BY_TYPE = {"STR": "TEXT", "INT": "N", "FLOAT": "X", "PATH": "PATH"}
VALUES = {
    "--after": "POSITION",
    "--against": "FILE",
    "--all-of": "WORKFLOW",
    "--also": "FILE",
    "--attribute": "KEY=VALUE",
    "--before": "RUN",
    "--behind-max-s": "SECONDS",
    "--build": "BUILD",
    "--config": "FILE",
    "--coordinator": "NAME",
    "--correlation": "VALUE",
    "--cursor": "FILE",
    "--data": "JSON|@FILE",
    "--data-dir": "FOLDER",
    "--deadline": "DURATION",
    "--definition": "FILE",
    "--dsn": "URL",
    "--id": "ID",
    "--import": "MODULE",
    "--input": "JSON|@FILE",
    "--name": "NAME",
    "--nats-port": "PORT",
    "--nats-url": "URLS",
    "--node": "NODE",
    "--of": "EXPRESSION",
    "--format": "FORMAT",
    "--output": "FILE",
    "--postgres-port": "PORT",
    "--retry": "STEP",
    "--run-id": "ID",
    "--set": "NAME=VALUE",
    "--since": "TIME",
    "--status": "STATUS",
    "--run": "RUN",
    "--step": "STEP",
    "--stream": "PREFIX",
    "--tag": "KEY=VALUE",
    "--timeout": "DURATION",
    "--timeout-s": "SECONDS",
    "--type": "TYPE",
    "--until": "TIME",
    "--where": "EXPRESSION",
    "--workflow": "NAME",
}
"""What stands for the value of an option, where its type says too little."""


class Page:
    """A formatter of the help of `cyclopts`."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        lines = [(labels(entry), told(entry)) for entry in panel.entries]
        if not lines:
            return
        _print(console, f"\n{panel.title}:")
        if words := _text(panel.description):
            _print(console, f"  {words}")
        wide = max((len(name) for name, _ in lines if len(name) <= NAMES_MAX), default=0)
        for name, words in lines:
            _print(console, beside(name, words, wide, _width(console)))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: object) -> None:
        _print(console, f"Usage: {_text(usage)}")

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: object
    ) -> None:
        for paragraph in _text(description).split("\n\n"):
            _print(console, "\n" + textwrap.fill(" ".join(paragraph.split()), _width(console)))


def _print(console: "Console", text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _width(console: "Console") -> int:
    return min(console.width, WIDTH_MAX)


def _text(given: object) -> str:
    """What a renderable of the library says."""
    inner = getattr(given, "primary_renderable", given)
    return str(getattr(inner, "plain", inner or "")).strip()


def beside(name: str, words: str, wide: int, width: int) -> str:
    """A name, and beside it what it is; below it when it is a long one."""
    start = " " * (GAP + wide + GAP)
    text = textwrap.fill(words, width, initial_indent=start, subsequent_indent=start)
    if len(name) <= wide:
        return f"{' ' * GAP}{name:<{wide}}{text[GAP + wide :]}".rstrip()
    return f"{' ' * GAP}{name}\n{text}".rstrip()


def labels(entry: "HelpEntry") -> str:
    """How it is written: `--limit N`, `NODE`, `RUN-ID...`, the name of a command."""
    if entry.positional_label:
        return several(entry.positional_label)
    names = ", ".join((*entry.positive_shorts, *entry.positive_names))
    if entry.negative_names and entry.default == "True":
        names = ", ".join(entry.negative_names)  # what it can be used for
    if not entry.metavar:
        return names
    kind = entry.metavar.removesuffix("...")
    shown = next((VALUES[name] for name in entry.positive_names if name in VALUES), None)
    return f"{names} {shown or BY_TYPE.get(kind, kind)}"


def several(name: str) -> str:
    """The name of an argument; that of a list says that there may be more of it."""
    return f"{name.removesuffix('S')}..." if name.endswith("-IDS") else name


def told(entry: "HelpEntry") -> str:
    words = " ".join(_text(entry.description).split())
    if entry.choices:
        words += f" One of {', '.join(entry.choices)}."
    return words if entry.default in {None, "True"} else f"{words} Default: {entry.default}."


def usage(app: "cyclopts.App", command: str) -> str:
    """`dalsegno run wait [OPTIONS] RUN-ID...`"""
    parts, has_options = list[str](), False
    for argument in app.assemble_argument_collection(parse_docstring=False):
        if argument.show and argument.index is None:
            has_options = True
        elif argument.show:
            is_rest = argument.field_info.kind is argument.field_info.VAR_POSITIONAL
            name = "ARGUMENT..." if is_rest else several(argument.name.lstrip("-").upper())
            parts.append(name if argument.required else f"[{name}]")
    return " ".join([command, *(["[OPTIONS]"] if has_options else []), *parts])
