"""What the parts of the service have: the ports, who asks, and ids."""

from events.ids import derived_id
from orchestrator.api.service.ports import Ports
from orchestrator.api.service.recordings import Recordings


class Served:
    """Carries operations out, for one `actor`."""

    def __init__(self, ports: Ports, actor: str, look: Recordings | None = None) -> None:
        """`look`: recordings that are at hand already."""
        self._ports = ports
        self._actor = actor
        self._look = look or Recordings(ports.log)

    def _id(self, given: str, key: str, operation: str) -> str:
        """An id for what is to be done once: the one given, or one made of the idempotency key, so
        that the same key names the same for ever; else a fresh one."""
        if given:
            return given
        return derived_id(self._actor, operation, key) if key else self._ports.fresh_id()
