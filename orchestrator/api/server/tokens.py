"""Tokens: who may ask. Only their hashes are kept; a token is long and random, so that a plain hash
of it says nothing.

    NAME sha256:HEX        one a line; `#` begins a comment
"""

import hashlib
import hmac
import re

import msgspec

from events.errors import Misconfigured
from events.limits import API_TOKENS_MAX

LINE = re.compile(r"([A-Za-z0-9_.@-]{1,64})\s+sha256:([0-9a-f]{64})")
CHARACTERS = "A-Z a-z 0-9 _.@-"
FORM = "NAME sha256:HEX, as `dalsegno api-token new NAME` prints"


class Known(msgspec.Struct, frozen=True):
    name: str
    digest: bytes


class Tokens:
    """Those that are known; none: nobody is asked for one."""

    def __init__(self, known: tuple[Known, ...] = ()) -> None:
        self._known = known

    def __bool__(self) -> bool:
        return bool(self._known)

    def name(self, token: str) -> str | None:
        """Whose token it is; None: nobody's. Takes as long whichever it is."""
        digest, found = _digest(token), None
        for one in self._known:
            if hmac.compare_digest(one.digest, digest):
                found = one.name
        return found


def read_tokens(text: str, source: str) -> Tokens:
    """Raises `Misconfigured` naming the line that is none."""
    known: list[Known] = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        found = LINE.fullmatch(said)
        if found is None:
            raise Misconfigured(f"{source}, line {number}: expected {FORM}")
        if any(one.name == found[1] for one in known):
            raise Misconfigured(f"{source}, line {number}: {found[1]} has a token already")
        known.append(Known(found[1], bytes.fromhex(found[2])))
    if len(known) > API_TOKENS_MAX:
        raise Misconfigured(f"{source} has {len(known)} tokens, over {API_TOKENS_MAX}")
    return Tokens(tuple(known))


def token_line(name: str, token: str) -> str:
    """What is kept of a token. Raises `Misconfigured` for a name that is none."""
    line = f"{name} sha256:{_digest(token).hex()}"
    if LINE.fullmatch(line) is None:
        raise Misconfigured(f"{name!r} is no name for a token: expected 1 to 64 of {CHARACTERS}")
    return line


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
