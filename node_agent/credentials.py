"""Where secrets come from: the port. Values are resolved at the handler and never logged."""

from typing import Protocol


class SecretSource(Protocol):
    def resolve(self, name: str) -> str | None:
        """Returns the secret called `name`, or None when there is none."""


class NoSecrets:
    """A source without any."""

    def resolve(self, name: str) -> str | None:
        return None
