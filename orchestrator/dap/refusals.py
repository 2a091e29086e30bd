"""Why a request of a debug client is refused; each says what to do instead."""

from collections.abc import Iterable

from events.errors import Rejected
from orchestrator.authoring.problems import suggestion


class DapRefused(Rejected):
    """A request that cannot be answered. `id_` numbers the kind, for clients."""

    code = "dap_refused"
    id_ = 1000


class Malformed(DapRefused):
    """A message that is no request, or whose arguments are not those of its command."""

    code = "dap_malformed"
    id_ = 1001


class UnknownCommand(DapRefused):
    """A command that this adapter does not have."""

    code = "dap_unknown"
    id_ = 1002

    def __init__(self, command: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(
            f"there is no request `{command[:60]}` here{suggestion(command[:60], known)}; the "
            "answer to `initialize` names what there is"
        )


class OutOfOrder(DapRefused):
    """A request before the one that it rests on."""

    code = "dap_order"
    id_ = 1003


class Stale(DapRefused):
    """A reference of an earlier stop."""

    code = "dap_stale"
    id_ = 1004


class ReadOnly(DapRefused):
    """Something that would change a history; only a fork can have another."""

    code = "dap_read_only"
    id_ = 1005
