"""The host's clocks."""

import time

from node_agent.steps import Now


class SystemClock:
    """`CLOCK_BOOTTIME` where there is one: it goes on while the host is suspended, as leases do."""

    def __init__(self) -> None:
        self._clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> Now:
        return Now(time.clock_gettime_ns(self._clock) // 1000, time.time_ns() // 1000)

    def thread_cpu_us(self) -> int:
        return time.thread_time_ns() // 1000
