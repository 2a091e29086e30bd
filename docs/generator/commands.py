"""The command line as its own help describes it, with its examples."""

import re

from orchestrator.cli.help_page import BY_TYPE, VALUES, several
from orchestrator.cli.main import make_app
from orchestrator.cli.teaching import Example, examples_of, teach_all

CLUSTER = re.compile(r"\*\*Where the cluster is\*\*:\n\n.*?(?=\n#|\n\*\*|\Z)", re.DOTALL)
NOT_SAID = re.compile(r' \*\[default: (""|False|True)\]\*|:? \*\*\[required\]\*\*')
PARAMETER = re.compile(r"^\* `(.+?)`(.*)$", re.MULTILINE)
TWICE = re.compile(r"^dalsegno (\S.*?) \1(?= |$)", re.MULTILINE)


def all_commands() -> str:
    app = make_app()
    taught = dict(teach_all(app))
    text = app.generate_docs(output_format="markdown", include_hidden=False, heading_level=1)
    text = _lines(text.partition("\n## ")[2].partition("\n## dalsegno ")[2], "## dalsegno ")
    text = CLUSTER.sub("It takes `--config`, `--dsn` and `--nats-url` too.\n", text)
    text = TWICE.sub(r"dalsegno \1", NOT_SAID.sub("", PARAMETER.sub(_as_help_says, text)))
    for name, command in taught.items():
        text = _with_examples(text, name, examples_of(command))
    return text


def _as_help_says(found: re.Match[str]) -> str:
    """A parameter as `--help` writes it: `NODE`, `--limit N`."""
    first, *others = found[1].split(", ")
    rest = NOT_SAID.sub("", found[2])
    if not first.startswith("--"):
        return f"* `{several(first)}`{rest}"
    if "[default: True]" in found[2]:
        return f"* `{others[-1]}`{rest}"
    name, _, kind = first.partition(" ")
    value = VALUES.get(name, BY_TYPE.get(kind.removesuffix("..."), kind)) if kind else ""
    return f"* `{f'{name} {value}'.strip()}`{rest}"


def _with_examples(text: str, name: str, found: list[Example]) -> str:
    """At the end of the section of the command."""
    head = re.search(rf"^#+ dalsegno {name}$", text, re.MULTILINE)
    if head is None or not found:
        return text
    following = re.search(r"^#+ ", text[head.end() :], re.MULTILINE)
    end = head.end() + (following.start() if following else len(text))
    lines = [f"{one.line}{f'  # {one.words}' if one.words else ''}" for one in found]
    block = "\n".join(["**Examples**:", "", "```console", *lines, "```"])
    return f"{text[:end].rstrip()}\n\n{block}\n\n{text[end:]}".rstrip("\n") + "\n"


def _lines(text: str, first: str) -> str:
    """Without spaces at line ends, and never more than one empty line."""
    stripped = "\n".join(line.rstrip() for line in f"{first}{text}".splitlines())
    return re.sub(r"\n{3,}", "\n\n", stripped)
