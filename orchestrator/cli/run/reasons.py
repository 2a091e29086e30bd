"""What every action of an operator on a run is given: why, under which id, and a yes."""

import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from events.errors import Misconfigured, Rejected
from orchestrator.cli.confirming import confirm
from orchestrator.cli.ids import given_run_id, new_run_id

REASON = "Why; kept in the run's history. Asked for on a terminal, needed elsewhere."
ID = (
    "Of this action, and of the run that it begins if it begins one: sent again under the same id "
    "it is the same one, and changes nothing."
)

UNSETTLED = (
    "Do not wait until it is known what became of a transactional task: it may commit afterwards. "
    "For a database that is gone."
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Deed:
    """Options of every action on a run."""

    reason: Annotated[str, Parameter(help=REASON)] = ""
    yes: Annotated[bool, Parameter(help="Begin without being asked.", negative="")] = False
    id: Annotated[str | None, Parameter(help=ID)] = None

    def given_id(self) -> str:
        """The id, a fresh one when none is given. Raises `Rejected`."""
        if self.id == "":
            raise Rejected("--id is empty: leave it out for a fresh one")
        return new_run_id() if self.id is None else given_run_id(self.id)

    def why(self, otherwise: str = "") -> str:
        """The reason: as it is given, as something else says it, or as it is typed on a terminal.

        Raises `Misconfigured` for an empty one, and where nobody is there to be asked.
        """
        reason = self.reason.strip() or otherwise.strip()
        if not reason and sys.stdin.isatty() and sys.stderr.isatty():
            print("Why? ", end="", file=sys.stderr, flush=True)
            reason = sys.stdin.readline().strip()
        if not reason:
            raise Misconfigured(
                "--reason is missing, and nothing was done: say why, it is kept in the history"
            )
        return reason

    def confirmed(self, question: str) -> None:
        """Returns when it may begin. Raises as `confirm`."""
        confirm(question, yes=self.yes)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SettledDeed(Deed):
    """The same of one that waits until it is known what became of transactions."""

    unsettled: Annotated[bool, Parameter(help=UNSETTLED, negative="")] = False


DEED = Deed()
SETTLED_DEED = SettledDeed()
