"""`dalsegno api-token`: tokens for the HTTP API."""

import base64
import os
from pathlib import Path

from events.errors import Misconfigured
from orchestrator.api.server.tokens import read_tokens, token_line
from orchestrator.config import read_text

BYTES = 32
BEGINNING = "dalsegno_"
"""So that tools which look for secrets in texts can find it."""


def new(name: str, *, file: Path | None = None) -> None:
    """Make a token and print it. It is shown this once: only its hash is kept.

    Parameters
    ----------
    name
        Whose it is: what is done with it is recorded as done by `user:NAME`.
    file
        Add its line to this file, which `api.tokens_file` names; else the line is printed as well.

    Examples
    --------
    dalsegno api-token new alex --file api-tokens
    """
    random = base64.urlsafe_b64encode(os.urandom(BYTES)).rstrip(b"=").decode()
    token = f"{BEGINNING}{random}"
    line = token_line(name, token)
    if file is None:
        print(line)
    else:
        _add(file, line)
    print(token)


def _add(file: Path, line: str) -> None:
    """Raises `Misconfigured` when the name is taken, or the file cannot be written."""
    before = read_text(file) if file.exists() else ""
    text = f"{before}{'' if before.endswith(chr(10)) or not before else chr(10)}{line}\n"
    read_tokens(text, str(file))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
    except OSError as error:
        raise Misconfigured(f"--file {file} cannot be written: {error.strerror}") from None
