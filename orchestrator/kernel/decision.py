"""Decision: the state under decision and the facts decided so far."""

from collections.abc import Callable

import msgspec

from events.facts import Fact
from events.limits import FACTS_MAX
from events.references import Payload
from orchestrator.kernel.env import Env
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState

Observer = Callable[[RunState], None]
"""Called with the state after each fact; test mode notes its hash."""


Keep = Callable[[Payload], None]
"""Called with what is stored by its hash, before the facts that name it are durable."""


class Decision:
    """`record` both notes a fact and evolves the state by it.

    `now` is the instant at which facts are recorded; `env` has the run's clock, which stands still
    while the run is paused.
    """

    __slots__ = ("_env", "_keep", "_observe", "_paused", "env", "facts", "net", "now", "state")

    def __init__(
        self,
        state: RunState,
        net: NetIndex,
        env: Env,
        *,
        observe: Observer | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._observe = observe
        self._keep = keep
        self.state = state
        self.net = net
        self.now = env.now
        self._env = env
        self._set_clock()
        self.facts: list[Fact] = []

    @property
    def full(self) -> bool:
        return len(self.facts) >= FACTS_MAX

    def record(self, fact: Fact) -> None:
        self.facts.append(fact)
        evolve(self.state, fact, self.now)
        if self.state.paused is not self._paused:
            self._set_clock()
        if self._observe is not None:
            self._observe(self.state)

    def keep(self, data: bytes) -> str:
        """Returns the hash under which `data` will be stored."""
        payload = Payload.of(data)
        if self._keep is not None:
            self._keep(payload)
        return payload.hash

    def awake(self) -> None:
        """What follows is decided for a run that is not paused, whatever the state was."""
        self.env = self._env

    def _set_clock(self) -> None:
        paused = self._paused = self.state.paused
        self.env = self._env
        if paused is not None:
            self.env = msgspec.structs.replace(self._env, now=paused.at)
