"""Pages with marked parts, and which part is made by what."""

import re
from collections.abc import Callable
from pathlib import Path

from docs.generator import codes, commands, facts, settings

REFERENCE = Path(__file__).parents[1] / "reference"
MARKED = re.compile(r"<!-- begin ([a-z-]+)[^>]*-->\n.*?<!-- end \1 -->", re.DOTALL)

PARTS: dict[str, Callable[[], str]] = {
    "settings": settings.of_the_orchestrator,
    "agent-settings": settings.of_agents,
    "fixed-limits": settings.fixed_limits,
    "commands": commands.all_commands,
    "streams": facts.streams,
    "facts": facts.all_facts,
    "parts": facts.all_parts,
    "errors": codes.tree,
    "failures": codes.failures,
}


def names(page: Path) -> list[str]:
    """The parts that a page has marks for, in order."""
    return [found[1] for found in MARKED.finditer(page.read_text("utf-8"))]


def renewed(page: Path) -> str:
    """The page with every marked part as it should be. Raises `KeyError` for an unknown part."""
    return MARKED.sub(_part, page.read_text("utf-8"))


def current(page: Path) -> bool:
    return renewed(page) == page.read_text("utf-8")


def _part(found: re.Match[str]) -> str:
    name = found[1]
    text = PARTS[name]().strip()
    return f"<!-- begin {name}: made by `make docs` -->\n{text}\n<!-- end {name} -->"
