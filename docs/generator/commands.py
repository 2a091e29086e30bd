"""The command line as its own help describes it, with its examples."""

import re

from orchestrator.cli.main import make_app
from orchestrator.cli.teaching import Example, examples_of, teach_all

CLUSTER = re.compile(r"\*\*Where the cluster is\*\*:\n\n.*?(?=\n#|\n\*\*|\Z)", re.DOTALL)
NO_DEFAULTS = re.compile(r' \*\[default: (""|False)\]\*|, --no-[a-z-]+')


def all_commands() -> str:
    app = make_app()
    taught = dict(teach_all(app))
    text = app.generate_docs(output_format="markdown", include_hidden=False, heading_level=1)
    text = _lines(text.partition("\n## ")[2].partition("\n## dalsegno ")[2], "## dalsegno ")
    text = CLUSTER.sub("It takes `--config`, `--dsn` and `--nats-url` too.\n", text)
    for name, command in taught.items():
        text = _with_examples(NO_DEFAULTS.sub("", text), name, examples_of(command))
    return text


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
