"""Reading requests: the arguments of an operation, each checked by its type."""

from collections.abc import Callable, Iterable, Mapping
from typing import get_origin
from urllib.parse import unquote

import msgspec

from events.constraints import bare
from orchestrator.api.errors import InvalidRequest, Unsupported
from orchestrator.api.operations.operation import Operation

JSON = "application/json"
Pairs = Iterable[tuple[str, str]]


class Reader:
    """Reads requests for one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._parameters = operation.parameters
        self._body = operation.body
        self._headers = [a.wire for a in operation.arguments if a.place == "header"]
        self._queried = {a.wire for a in operation.arguments if a.place == "query"}
        self._lists = {
            a.wire for a in operation.arguments if get_origin(bare(a.type)) in (tuple, list)
        }

    def parameters(
        self, path: Mapping[str, str], query: Pairs, headers: Mapping[str, str]
    ) -> dict[str, object]:
        """Raises `InvalidRequest` naming the parameter, what was expected, and what was given."""
        given: dict[str, object] = {}
        for name, value in query:
            if name not in self._queried:
                known = ", ".join(sorted(self._queried)) or "none"
                raise InvalidRequest(f"there is no parameter {name[:100]!r}: expected {known}")
            if name in self._lists:
                several = given.setdefault(name, [])
                if isinstance(several, list):
                    several.append(value)
            elif name in given:
                raise InvalidRequest(f"{name} is given more than once: expected it once")
            else:
                given[name] = value
        given |= {name: headers[name] for name in self._headers if name in headers}
        given |= {name: _text(name, value) for name, value in path.items()}
        return self._checked(lambda: msgspec.convert(given, self._parameters, strict=False))

    def body(self, content_type: str, data: bytes) -> dict[str, object]:
        """Raises `InvalidRequest`, and `Unsupported` for what is not JSON."""
        kind = self._body
        if kind is None:
            return {}
        if data and content_type.partition(";")[0].strip().lower() != JSON:
            raise Unsupported(f"content-type is {content_type[:100]!r}: expected {JSON}")
        return self._checked(lambda: msgspec.json.decode(data or b"{}", type=kind))

    def _checked(self, read: Callable[[], msgspec.Struct]) -> dict[str, object]:
        try:
            found = read()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(_said(error)) from None
        return {name: getattr(found, name) for name in found.__struct_fields__}


def _text(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{name} is not UTF-8") from None


def _said(error: Exception) -> str:
    """`Expected int >= 1 - at $.limit` as `limit: expected int >= 1`."""
    said, _, place = str(error).replace("`", "").partition(" - at ")
    name = place.removeprefix("$").lstrip(".")
    said = said[:1].lower() + said[1:]
    return f"{name}: {said}" if name else said
