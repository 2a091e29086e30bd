"""Level: a run that is open in a session, where it stands, and why."""

from orchestrator.dap.breakpoints import Breakpoints
from orchestrator.dap.moving import BEGINNING, Mover, Stop
from orchestrator.dap.replica import At, Replica


class Level:
    def __init__(self, replica: Replica, breakpoints: Breakpoints, mover: Mover) -> None:
        self.replica = replica
        self.breakpoints = breakpoints
        self.mover = mover
        self.stop = Stop(at=At(0), focus="", reason=BEGINNING)

    def go(self, stop: Stop) -> None:
        """Stands there from now on. Raises what folding the events on the way raises."""
        self.replica.cursor.to(stop.at.version)
        self.stop = stop
