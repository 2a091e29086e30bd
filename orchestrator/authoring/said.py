"""What is said of a step after it was made: how it is tried again, for how long, where, when done.

Handles of the builder change the step that they stand for; expressions of the algebra give another
expression. Both say it in the same words, which are here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, Self, TypeAlias

import msgspec

from events.definition import NO_NUMBER, Step
from events.policies import Needs, Retry, Timeouts
from orchestrator.authoring.making import Duration, seconds_of
from orchestrator.authoring.quantities import seconds, size_bytes

Change: TypeAlias = Callable[[Step], Step]
Rule: TypeAlias = Literal["all", "any", "fail_fast", "collect"]


class Said(ABC):
    """A step of which more can be said."""

    @abstractmethod
    def _changed(self, key: str, change: Change) -> Self:
        """With another step; `key` is the part of the authored form that changes."""


class Retried(Said):
    """A step that runs something which can be tried again."""

    def retry(
        self,
        policy: Retry | int,
        *,
        initial: Duration | None = None,
        cap: Duration | None = None,
        factor: float | None = None,
    ) -> Self:
        """A policy, or the most attempts; and how long to wait: before the second one, at most,
        and how much longer each time. Seconds, or durations such as `"200ms"`."""
        usual = Retry(attempts_max=policy) if isinstance(policy, int) else policy
        retry = msgspec.structs.replace(
            usual,
            initial_s=usual.initial_s if initial is None else seconds(initial),
            factor=usual.factor if factor is None else factor,
            cap_s=usual.cap_s if cap is None else seconds(cap),
        )
        return self._changed("retry", lambda step: msgspec.structs.replace(step, retry=retry))


class OfTask(Retried):
    """A step that nodes work at."""

    def timeouts(
        self,
        start_to_close: Duration | None = None,
        schedule_to_start: Duration | None = None,
        schedule_to_close: Duration | None = None,
        heartbeat: Duration | None = None,
    ) -> Self:
        """Seconds, or durations such as `"5m"`."""
        limits = Timeouts(
            schedule_to_start_s=seconds_of(schedule_to_start),
            start_to_close_s=seconds_of(start_to_close),
            schedule_to_close_s=seconds_of(schedule_to_close),
            heartbeat_s=seconds_of(heartbeat),
        )
        return self._changed(
            "timeouts", lambda step: msgspec.structs.replace(step, timeouts=limits)
        )

    def needs(
        self,
        cpu: float = 0.0,
        memory: int | str = 0,
        disk: int | str = 0,
        gpu: int = 0,
        custom: dict[str, float] | None = None,
    ) -> Self:
        """What the task needs of a node: cores, bytes (`"512MB"`), devices, named units."""
        needs = Needs(
            cpu=cpu,
            memory_bytes=size_bytes(memory),
            disk_bytes=size_bytes(disk),
            gpu=gpu,
            custom=custom or {},
        )
        return self._changed("needs", lambda step: msgspec.structs.replace(step, needs=needs))

    def labels(self, **labels: str) -> Self:
        """Labels that the node must carry."""
        return self._changed("labels", lambda step: msgspec.structs.replace(step, labels=labels))


class OfMap(OfTask):
    """A task for each item of a list: `retry`, `timeouts`, `needs` and `labels` are those of each;
    `output` is the list of their outputs."""

    def done_when(self, rule: Rule) -> Self:
        """`all` have completed (as it is when nothing is said), `any` has; `fail_fast`: as all, and
        the first failure ends it; `collect`: all are over, failures are among the results."""
        return self._done_when(rule, NO_NUMBER)

    def done_when_count(self, number: int) -> Self:
        """Done when so many have completed."""
        return self._done_when("count", float(number))

    def done_when_percent(self, number: float) -> Self:
        """Done when so many of a hundred have completed."""
        return self._done_when("percent", float(number))

    def _done_when(self, rule: str, number: float) -> Self:
        return self._changed(
            "map.complete_when",
            lambda step: msgspec.structs.replace(step, complete_when=rule, number=number),
        )
