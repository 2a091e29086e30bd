"""What an expression reads and calls, found without evaluating it.

The engine checks the grammar; this scanner is lenient about everything but brackets and looks only
at operands. Precedence does not matter to it, so operators are skipped: an expression is a row of
operands, an operand is a literal, a bracket or a name followed by accesses (`.name`, `["key"]`,
`[index]`, a call). Names bound by a loop (`xs.map(x, x.size)`) are local and read nothing.

Loops over an object would run in an order that differs from process to process, so the places of
their targets are returned as well: the engine has each put through a function that sorts.
"""

from collections.abc import Sequence

import msgspec

from orchestrator.adapters.cel.tokens import Token, tokens

LOOPS = frozenset({"all", "exists", "exists_one", "filter", "map"})
TYPES = frozenset(
    {"bool", "bytes", "double", "duration", "dyn", "int", "list", "map", "null_type"}
    | {"string", "timestamp", "type", "uint"}
)
LITERALS = frozenset({"true", "false", "null"})
WORD_OPERATORS = frozenset({"in"})
NAMESPACES = frozenset({"base64", "lists", "math", "optional", "sets", "strings"})
CLOSING = {"(": ")", "[": "]", "{": "}"}


class Call(msgspec.Struct, frozen=True):
    """A call of `name` (with its namespace, `math.abs`), at a place in the source."""

    name: str
    start: int


class Scan(msgspec.Struct, frozen=True):
    """`targets` are the places (start, end) of what loops run over; `loops` counts loops inside
    loops. `multiplies` says that one of these runs over something else than its outer loop's item,
    so that their rounds multiply.
    """

    paths: tuple[str, ...]
    calls: tuple[Call, ...]
    targets: tuple[tuple[int, int], ...]
    loops: int
    multiplies: bool


def nesting(source: str) -> int:
    """Levels of brackets inside each other; linear in time, safe on any text."""
    depth = deepest = 0
    for token in tokens(source):
        if token.text in CLOSING:
            depth += 1
            deepest = max(deepest, depth)
        elif token.text in CLOSING.values():
            depth -= 1
    return deepest


def scan(source: str) -> Scan:
    """Scans an expression that the engine has accepted and whose `nesting` is bounded."""
    scanner = _Scanner(tuple(tokens(source)))
    scanner.row(frozenset(), "")
    return Scan(
        paths=_outermost(scanner.paths),
        calls=tuple(scanner.calls),
        targets=tuple(scanner.targets),
        loops=scanner.deepest,
        multiplies=scanner.multiplies,
    )


def _outermost(paths: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Paths once each in order of appearance, without those that lie inside another."""
    found = dict.fromkeys(path for _, path in sorted(paths))

    def lies_inside(path: str) -> bool:
        names = path.split(".")
        return any(".".join(names[:i]) in found for i in range(1, len(names)))

    return tuple(path for path in found if not lies_inside(path))


class _Scanner:
    def __init__(self, row: tuple[Token, ...]) -> None:
        self._tokens = row
        self._texts = {token.start: token.text for token in row}
        self._at = 0
        self._loops = 0
        self.paths: list[tuple[int, str]] = []
        self.calls: list[Call] = []
        self.targets: list[tuple[int, int]] = []
        self.deepest = 0
        self.multiplies = False

    def row(self, local: frozenset[str], closing: str) -> None:
        """Operands up to `closing`, which is consumed."""
        while token := self._next():
            if token.text == closing and token.kind == "mark":
                return
            if token.text in CLOSING:
                self.row(local, CLOSING[token.text])
                self._accesses(token.start, None, local)
            elif token.kind == "name" and token.text not in WORD_OPERATORS | LITERALS:
                self._operand(token, local)
            elif token.kind in {"string", "raw"}:
                self._accesses(token.start, None, local)

    def _operand(self, token: Token, local: frozenset[str]) -> None:
        if self._peek("("):
            self._call(token.text, token, token.start, local)
            self._accesses(token.start, None, local)
            return
        known = token.text in local or (token.text in TYPES and not self._peek("."))
        self._accesses(token.start, None if known else [token.text], local)

    def _accesses(self, start: int, path: list[str] | None, local: frozenset[str]) -> None:
        """What follows an operand. `path` grows while it is a plain one; None: not read."""
        reading, open_ended = path, path is not None
        while True:
            end = self._end()
            if self._peek(".") and (name := self._name_after_dot()):
                if self._peek("("):
                    reading = self._method(name, (start, end), reading, local)
                    open_ended = False
                elif open_ended and reading is not None:
                    reading = [*reading, name.text]
            elif self._peek("["):
                key = self._constant_key() if open_ended else None
                if key is not None and reading is not None:
                    reading = [*reading, key]
                    continue
                open_ended = False
                self._next()
                self.row(local, "]")
            else:
                break
        if reading:
            self.paths.append((start, ".".join(reading)))

    def _method(
        self, name: Token, target: tuple[int, int], path: list[str] | None, local: frozenset[str]
    ) -> list[str] | None:
        """A call on an operand; returns the path that is still to be noted."""
        if path and len(path) == 1 and path[0] in NAMESPACES:
            self._call(f"{path[0]}.{name.text}", name, target[0], local)
            return None
        if name.text in LOOPS and (variable := self._loop_variable()):
            self.targets.append(target)
            self.multiplies |= self._loops > 0 and self._texts[target[0]] not in local
            self._loop(local | {variable})
        else:
            self._call(name.text, name, name.start, local)
        return path

    def _call(self, name: str, token: Token, start: int, local: frozenset[str]) -> None:
        self.calls.append(Call(name, start))
        self._next()
        self.row(local, ")")

    def _loop(self, local: frozenset[str]) -> None:
        self._loops += 1
        self.deepest = max(self.deepest, self._loops)
        self._next()
        self.row(local, ")")
        self._loops -= 1

    # -- tokens -----------------------------------------------------------------------------------

    def _next(self) -> Token | None:
        if self._at >= len(self._tokens):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self, mark: str, ahead: int = 0) -> bool:
        place = self._at + ahead
        if place >= len(self._tokens):
            return False
        token = self._tokens[place]
        return token.kind == "mark" and token.text == mark

    def _end(self) -> int:
        return self._tokens[self._at - 1].end

    def _name_after_dot(self) -> Token | None:
        self._next()
        return self._next()

    def _constant_key(self) -> str | None:
        """The key of `["key"]` when it can be part of a dotted path, consumed; else None."""
        if not self._peek("]", ahead=2):
            return None
        key = self._tokens[self._at + 1].plain_text
        if not key or "." in key:
            return None
        self._at += 3
        return key

    def _loop_variable(self) -> str | None:
        """The variable of `(x, …`, not consumed."""
        if not (self._peek("(") and self._peek(",", ahead=2)):
            return None
        token = self._tokens[self._at + 1]
        return token.text if token.kind == "name" else None
