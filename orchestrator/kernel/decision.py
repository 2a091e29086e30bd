"""Decision: the state under decision and the facts decided so far."""

from collections.abc import Callable

from events.facts import Fact
from orchestrator.kernel.env import Env
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState

FACTS_MAX = 500
"""Facts after which a decision begins nothing more that can be put off: the next `Due` goes on. All
facts of a decision are appended together, and an append is bounded."""

Observer = Callable[[RunState], None]
"""Called with the state after each fact; test mode notes its hash."""


class Decision:
    """`record` both notes a fact and evolves the state by it."""

    __slots__ = ("_observe", "env", "facts", "net", "state")

    def __init__(
        self, state: RunState, net: NetIndex, env: Env, observe: Observer | None = None
    ) -> None:
        self._observe = observe
        self.state = state
        self.net = net
        self.env = env
        self.facts: list[Fact] = []

    @property
    def full(self) -> bool:
        return len(self.facts) >= FACTS_MAX

    def record(self, fact: Fact) -> None:
        self.facts.append(fact)
        evolve(self.state, fact, self.env.now)
        if self._observe is not None:
            self._observe(self.state)
