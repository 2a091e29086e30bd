"""A census of the installed Python's standard library: honest work on data that every machine has.

    dalsegno try examples/census.py

List the source files, parse them in parallel with `ast`, add up, report. The tasks and the workflow
lie in one file; an agent takes the tasks (`--import examples/census.py`), the command line the
workflow.
"""

import ast
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from node_agent import TaskContext, TaskError, task
from orchestrator.authoring import Workflow

PARTS = 32
LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3"})
SHOWN = 8
NAMES = {
    ast.FunctionDef: "functions",
    ast.AsyncFunctionDef: "async functions",
    ast.ClassDef: "classes",
    ast.Try: "try blocks",
    ast.ListComp: "comprehensions",
    ast.SetComp: "comprehensions",
    ast.DictComp: "comprehensions",
    ast.GeneratorExp: "comprehensions",
}


@dataclass(frozen=True)
class Longest:
    """The longest function found."""

    name: str = ""
    file: str = ""
    lines: int = 0


@dataclass(frozen=True)
class Counted:
    """What was found in some files."""

    counts: dict[str, int]
    imports: dict[str, int]
    longest: Longest


@task(name="census.list")
def list_files(parts: int) -> dict[str, list[list[str]]]:
    """The library's source files in `parts` lists of about the same size in bytes."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in root.rglob("*.py") if not LEFT_OUT.intersection(path.parts)]
    if not files:
        raise TaskError("no_sources", f"there are no Python sources in {root}")
    files.sort(key=lambda path: (-path.stat().st_size, str(path)))
    lists: list[list[str]] = [[] for _ in range(parts)]
    sizes = [0] * parts
    for path in files:
        smallest = sizes.index(min(sizes))
        lists[smallest].append(str(path))
        sizes[smallest] += path.stat().st_size
    return {"parts": lists}


@task(name="census.parse")
def parse(ctx: TaskContext, files: list[str]) -> Counted:
    """Counts what is in `files`; one that this Python cannot parse counts as unreadable."""
    counts: Counter[str] = Counter()
    imports: Counter[str] = Counter()
    longest = Longest()
    for number, name in enumerate(files, start=1):
        source = Path(name).read_bytes()
        counts["files"] += 1
        counts["lines"] += source.count(b"\n")
        try:
            tree = ast.parse(source, name)
            counts["instructions"] += _instructions(compile(tree, name, "exec"))
        except (SyntaxError, ValueError):
            counts["unreadable"] += 1
            continue
        for node in ast.walk(tree):
            if type(node) in NAMES:
                counts[NAMES[type(node)]] += 1
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > longest.lines:
                    longest = Longest(node.name, Path(name).name, lines)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imports.update(_imported(node))
        ctx.progress(number / len(files))
    return Counted(dict(counts), dict(imports.most_common(40)), longest)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The packages at the top of what an import names."""
    if isinstance(node, ast.ImportFrom):
        return [node.module.partition(".")[0]] if node.module and not node.level else []
    return [alias.name.partition(".")[0] for alias in node.names]


def _instructions(code: CodeType) -> int:
    """Bytecode instructions, those of inner functions and classes included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return len(code.co_code) // 2 + sum(_instructions(one) for one in inner)


@task(name="census.add_up")
def add_up(parts: list[Counted]) -> Counted:
    """One count of all parts."""
    counts: Counter[str] = Counter()
    imports: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
        imports.update(part.imports)
    longest = max((part.longest for part in parts), key=lambda found: found.lines)
    return Counted(dict(counts), dict(imports), longest)


@task(name="census.report")
def report(totals: Counted) -> dict[str, dict[str, int] | str]:
    """What is worth telling, in order."""
    longest = totals.longest
    return {
        "counts": _ordered(totals.counts),
        "most imported": dict(list(_ordered(totals.imports).items())[:SHOWN]),
        "longest function": f"{longest.name} in {longest.file}, {longest.lines} lines",
    }


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    """The largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


flow = Workflow("census", description="A census of the installed Python's standard library.")
listing = flow.task("list", "census.list", parts=PARTS)
parsing = flow.parallel("parse")
parsed = []
for part in range(PARTS):
    with parsing.branch(f"part-{part:02}"):
        step = flow.task(f"part-{part:02}", "census.parse", files=listing.output.parts[part])
        parsed.append(step.retry(3))
total = flow.task("add_up", "census.add_up", parts=[step.output for step in parsed])
told = flow.task("report", "census.report", totals=total.output)
flow.output(told.output)
