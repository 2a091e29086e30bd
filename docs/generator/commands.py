"""The command line as its own help describes it."""

import re

from orchestrator.cli.main import make_app


def all_commands() -> str:
    text = make_app().generate_docs(output_format="markdown", include_hidden=False, heading_level=1)
    return _lines(text.partition("\n## ")[2].partition("\n## dalsegno ")[2], "## dalsegno ")


def _lines(text: str, first: str) -> str:
    """Without spaces at line ends, and never more than one empty line."""
    stripped = "\n".join(line.rstrip() for line in f"{first}{text}".splitlines())
    return re.sub(r"\n{3,}", "\n\n", stripped)
