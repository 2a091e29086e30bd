"""The end of the demo: the result, what was lost and done again, and the timeline."""

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.local.demo.story import Story
from orchestrator.cli.local.demo.timeline import timeline
from orchestrator.cli.output import BAD

TIMELINE_CELLS_MAX = 160


def show_end(console: Console, story: Story, output: object) -> None:
    _show_result(console, output)
    _heading(console, "Timeline")
    width = min(console.width, TIMELINE_CELLS_MAX)
    for line in timeline(story, width, in_colour=console.is_terminal and not console.no_color):
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    lost = sorted(one.step for one in story.tries.values() if one.state == "lost")
    told = Text("\n✗ ", f"bold {BAD}")
    told.append(f"{len(lost)} attempts died with their node ({', '.join(lost)}) ", "")
    told.append(f"and were run again; {story.done} tasks, each completed once.")
    console.print(told)


def _show_result(console: Console, output: object) -> None:
    _heading(console, "Census of the standard library")
    if not isinstance(output, dict):
        return
    tables = []
    for name, value in output.items():
        if isinstance(value, dict):
            made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
            made.add_column(str(name).capitalize())
            made.add_column("", justify="right")
            for key, number in value.items():
                made.add_row(Text(str(key)), f"{number:,}")
            tables.append(made)
    console.print(Columns(tables, padding=(0, 6)))
    texts = (f"{key}: {value}" for key, value in output.items() if isinstance(value, str))
    for text in texts:
        console.print(Text(text.capitalize()))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold underline"))
    console.print()
