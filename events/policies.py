"""Policies that an author sets and a run keeps: retry, timeouts, error policy, resource needs."""

from typing import Literal

import msgspec

Attribute = bool | int | float | str
"""A search attribute's value."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the plain data below: frozen, named fields, defaults not stored."""


class Retry(Policy, frozen=True, kw_only=True):
    """How often and when a failed attempt is followed by another.

    Delay before attempt n+1: fixed `initial_s`; linear `initial_s * n`; exponential
    `initial_s * factor**(n-1)`; decorrelated: uniform between `initial_s` and three times the
    previous delay (Brooker, "Exponential Backoff And Jitter"). Always at most `cap_s`.
    `retryable_codes` empty means every code that is not in `permanent_codes`.
    """

    kind: Literal["fixed", "linear", "exponential", "decorrelated"] = "exponential"
    attempts_max: int = 1
    initial_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0
    retryable_codes: tuple[str, ...] = ()
    permanent_codes: tuple[str, ...] = ()


class Timeouts(Policy, frozen=True, kw_only=True):
    """Seconds; None is no limit.

    `schedule_to_start`: from ready to the instant the agent stamps the start, each attempt anew.
    `start_to_close`: one attempt's execution. `schedule_to_close`: from first ready to the end,
    retries and waits included. `heartbeat`: longest silence of a handler that heartbeats.
    """

    schedule_to_start_s: float | None = None
    start_to_close_s: float | None = None
    schedule_to_close_s: float | None = None
    heartbeat_s: float | None = None


class Needs(Policy, frozen=True, kw_only=True):
    """What a task needs of a node, or a node has: cores, bytes, bytes, devices, named units."""

    cpu: float = 0.0
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpu: int = 0
    custom: dict[str, float] = {}


PINNED = "pinned"
"""In place of a build id: that of the node which the run's first attempt is given to."""


class RunOptions(Policy, frozen=True, kw_only=True):
    """A run's own options, kept in its first fact."""

    timeout_s: float | None = None
    error_policy: Literal["fail_fast", "finish_others"] = "fail_fast"
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    priority: int = 0
    tags: dict[str, str] = {}
    attributes: dict[str, Attribute] = {}
    """What runs are searched by, beside tags: values that have a type, so that numbers compare."""
    concurrency_max: int | None = None
    """Most tasks of this run outstanding at one time."""
    build: str = ""
    """The build of the tasks that the run keeps to: an agent's build id, or `pinned`; empty: any.
    """
    personal: bool = False
    """Whether what users and handlers say in the run is sealed with a key that can be dropped."""


class Origin(Policy, frozen=True, kw_only=True):
    """Where a run comes from: a client's request, a parent run's step, or a fork of another run."""

    kind: Literal["request", "parent", "fork"] = "request"
    run_id: str = ""
    step: str = ""
    version: int = 0
    depth: int = 0
    """How many runs stand above one that a parent's step started."""
