"""Ports for servers on this machine.

Not from the range that the kernel hands out for outgoing connections: while a server is down, a
client that keeps trying to reconnect could be given the server's own port as its local one, and
connect to itself; the server would then find its port taken.
"""

import secrets
import socket
from pathlib import Path

from orchestrator.errors import Misconfigured, Unavailable

HOST = "127.0.0.1"
PORTS = range(1024, 65_536)
"""Of which servers may have one; those below are root's."""
PORT_MIN = 15_000
ROUNDS = 100
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port on which nothing listened a moment ago; the caller retries if it is taken since.

    Raises:
        Unavailable: none was found in a hundred draws.
    """
    last = first_ephemeral_port() - 1
    if last - PORT_MIN < ROUNDS:  # an unusual setting: take what the kernel gives
        return port_of_kernel()
    for _ in range(ROUNDS):
        port = PORT_MIN + secrets.randbelow(last - PORT_MIN + 1)
        if is_free(port):
            return port
    raise Unavailable(f"no free port between {PORT_MIN} and {last} on {HOST}: close some servers")


def require_free(port: int, server: str, option: str) -> None:
    """Refuse a port that cannot be served.

    Raises:
        Misconfigured: out of range, reserved for root, or in use.
    """
    if port not in PORTS:
        raise Misconfigured(
            f"port {port} for {server}: expected {PORTS[0]} to {PORTS[-1]}; give such a {option}, "
            "or none"
        )
    if not is_free(port):
        raise Misconfigured(
            f"port {port} on {HOST} is in use, so {server} cannot listen there: stop what uses it, "
            f"give another {option}, or none to let a free one be chosen"
        )


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of a former server in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def port_of_kernel() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def first_ephemeral_port() -> int:
    try:
        return int(EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
