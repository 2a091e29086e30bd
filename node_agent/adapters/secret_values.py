"""Secrets from the environment and from files, as containers are given them."""

import re
from collections.abc import Mapping
from pathlib import Path

PREFIX = "DALSEGNO_SECRET_"


class HostSecrets:
    """`db.password` is looked up as `DALSEGNO_SECRET_DB_PASSWORD`, then as the file
    `db.password`.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path | None) -> None:
        self._values = {
            name: value for name, value in environment.items() if name.startswith(PREFIX)
        }
        self._folder = folder

    def resolve(self, name: str) -> str | None:
        value = self._values.get(PREFIX + re.sub(r"[^A-Za-z0-9]", "_", name).upper())
        if value is not None or self._folder is None:
            return value
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            return None
        try:
            return (self._folder / name).read_text().rstrip("\n")
        except OSError:
            return None
