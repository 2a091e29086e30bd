"""How to reach NATS, as one value that the composition root reads from the configuration."""

from typing import Literal

import msgspec

from events.constraints import Duration, Prefix, Urls


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Servers of one NATS and what they ask for. Files are PEM, credentials as `nsc` writes them.

    `user` and `password`, `token`, or a `credentials_file`; or all in the url. TLS is on when one
    of its files is given or a url begins with `tls:`; then a server without TLS is refused.
    """

    urls: Urls = ("nats://127.0.0.1:4222",)
    """Servers of one NATS; `tls:` turns TLS on."""
    user: str = ""
    """User name, if not in the URL."""
    password: str = ""
    """Password, if not in the URL."""
    token: str = ""
    """Token, instead of user and password."""
    credentials_file: str = ""
    """Credentials as `nsc` writes them."""
    tls_ca_file: str = ""
    """PEM; turns TLS on."""
    tls_certificate_file: str = ""
    """PEM of the client's certificate."""
    tls_key_file: str = ""
    """PEM of its key."""
    inbox_prefix: Prefix = "_INBOX"
    """For users who may subscribe to inboxes of their own only."""
    connect_timeout_s: Duration = 3.0
    """Longest time of one try to connect."""
    replicas: Literal[1, 3, 5] = 1
    """Servers of a NATS cluster that keep each stream: 3 survive the loss of one. The same for all
    processes; a coordinator changes streams that have another number."""

    @property
    def tls(self) -> bool:
        files = self.tls_ca_file or self.tls_certificate_file or self.tls_key_file
        return bool(files) or any(url.startswith("tls:") for url in self.urls)

    @property
    def shown(self) -> str:
        """The urls without their secrets, for messages."""
        return ", ".join(_without_secrets(url) for url in self.urls)

    def __repr__(self) -> str:
        return f"Connection({self.shown})"


def _without_secrets(url: str) -> str:
    scheme, slashes, rest = url.rpartition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
