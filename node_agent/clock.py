"""The clock as a port."""

from typing import Protocol

from node_agent.steps import Now


class Clock(Protocol):
    def now(self) -> Now:
        """Both clocks. The monotonic one goes on while the host sleeps."""

    def thread_cpu_us(self) -> int:
        """CPU microseconds that the calling thread has used."""
