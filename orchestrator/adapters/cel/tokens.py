"""Tokens of the Common Expression Language, with their places."""

import re
from collections.abc import Iterator

import msgspec

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*)
    | (?P<raw>(?:[rR][bB]?|[bB][rR])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*'))
    | (?P<string>[bB]?(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''
                        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?)
    | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(msgspec.Struct, frozen=True):
    """`kind` is name, number, string, raw or mark; `start` and `end` are places in the source."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def plain_text(self) -> str | None:
        """The content of a string literal without prefix and escapes, else None."""
        quoted = self.kind == "string" and self.text[0] in "'\"" and "\\" not in self.text
        if not quoted or self.text.startswith(("'''", '"""')):
            return None
        return self.text[1:-1]


def tokens(source: str) -> Iterator[Token]:
    """The tokens of `source` without space and comments; never fails (odd characters are marks)."""
    for found in _TOKEN.finditer(source):
        kind = found.lastgroup or "mark"
        if kind != "space":
            yield Token(kind, found.group(), found.start(), found.end())
