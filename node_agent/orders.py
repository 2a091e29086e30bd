"""What operators want of this node, as its owner repeats with every grant. Part of the core.

An order is heard again and again, so nothing is lost with a message, and an agent that has been
restarted learns at once that its name is cordoned. The newest grant goes; answers may overtake each
other.
"""

from events.messages import Granted, Order
from node_agent.settings import microseconds


class Orders:
    def __init__(self) -> None:
        self.cordoned: bool | None = None
        """None: nobody who owns this node has answered yet."""
        self._order = Order()
        self._sequence = 0
        self._drain_due_us: int | None = None

    @property
    def version(self) -> int:
        return self._order.version

    @property
    def reason(self) -> str:
        return self._order.reason if self._order.cordoned else ""

    @property
    def refusal(self) -> str:
        """Why the node takes nothing new, "" if it does."""
        if self._order.drain_in_s is None:
            return ""
        return f"the node is drained: {self.reason}" if self.reason else "the node is drained"

    def begin_incarnation(self) -> None:
        """Heartbeats are counted anew; what was ordered holds for the name."""
        self._sequence = 0

    def hear(self, granted: Granted, now_us: int) -> bool:
        """Takes what the grant says; returns whether that is another order than before."""
        order = granted.order
        if order is None or granted.sequence < self._sequence:
            return False
        before = (self.cordoned, self.reason, self.refusal)
        self._sequence = granted.sequence
        self._order = order
        self.cordoned = order.cordoned
        left_s = order.drain_in_s
        self._drain_due_us = None if left_s is None else now_us + microseconds(left_s)
        return before != (self.cordoned, self.reason, self.refusal)

    def next_us(self) -> int | None:
        return self._drain_due_us

    def take_due(self, now_us: int) -> bool:
        """Whether what still runs is to be given back now; said again with the next grant."""
        if self._drain_due_us is None or now_us < self._drain_due_us:
            return False
        self._drain_due_us = None
        return True
