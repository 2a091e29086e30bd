"""The redactor: secrets are taken out of whatever is shown or logged, by field name and by pattern.

It works on copies and never on what is stored. A field is secret by its name; inside texts, known
shapes of secrets are covered: passwords in URLs and key=value lists, bearer tokens, private keys.
It errs on the side of covering too much.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

COVERED: Final = "***"

SECRET_NAME: Final = re.compile(
    r"(?:^|[_\-.])(?:password|passwd|passphrase|pwd|secret|secrets|token|api[_\-]?key|access[_\-]?key"
    r"|private[_\-]?key|authorization|credential|credentials|cookie)(?:$|[_\-.](?!file|dir|path))",
    re.IGNORECASE,
)
"""Names such as `password`, `db_password`, `api-key`; not `password_file`, which names a place."""

_PATTERNS: Final = (
    # scheme://user:password@host, and scheme://token@host without a colon
    (re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^\s:/@]+:)[^\s/@]+(@)", re.IGNORECASE), r"\1***\2"),
    (re.compile(r"(\bnats://)[^\s:/@]+(@)", re.IGNORECASE), r"\1***\2"),
    (
        re.compile(
            r"(\b(?:[\w\-]*(?:password|passwd|passphrase|secret|token|api[_\-]?key))"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (re.compile(r"(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE), r"\1***"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)", re.S),
        COVERED,
    ),
)

_KEYS = (f"{of}{dash}key" for of in ("api", "access", "private") for dash in ("", "_", "-"))
_SIGNS: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "authorization", "credential"),
    *("cookie", "://", "bearer", "basic", "-----begin"),
    *_KEYS,
)
"""What every secret name and every pattern has one of, in small letters."""


def _has_signs(text: str) -> bool:
    """Whether a text may have something to cover; of most it costs a twentieth to know that they
    have not. Other letters than ASCII may stand for these, so such a text is looked at."""
    if not text.isascii():
        return True
    small = text.lower()
    return any(sign in small for sign in _SIGNS)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Returns `text` with everything covered that looks like a secret. O(length)."""
    if _has_signs(text):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def redact(value: object, name: str = "") -> object:
    """Returns a copy of a JSON-like value, called `name`, with its secrets covered.

    Empty secrets stay as they are: that one is not set is worth knowing. Other objects come back
    unchanged.
    """
    if name and is_secret_name(name) and isinstance(value, str | bytes | int | float):
        return COVERED if value not in {"", b""} else value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, name) for item in value]
    return value


def redacted_json(value: object) -> bytes:
    """A value as JSON with its secrets covered: by the names of fields, and inside each text by
    itself, so that it stays JSON."""
    plain = msgspec.json.encode(value)
    if not _has_signs(plain.decode()):
        return plain
    return msgspec.json.encode(redact(msgspec.to_builtins(value)))
