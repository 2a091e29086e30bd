"""Which runs a command is about: the conditions that lists and batches take."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from events.errors import Misconfigured
from orchestrator.cli.names import alike
from orchestrator.cli.times import between, now
from orchestrator.kernel.state import OPEN, TERMINAL

STATUS = "Only runs of this status."
WORKFLOW = "Only runs of this workflow."
TAG = "Only runs with this tag, KEY=VALUE; may be repeated."
ATTRIBUTE = (
    "Only runs with this search attribute: KEY=VALUE, or a number's KEY>=VALUE, also > < <=; may "
    "be repeated."
)
SINCE = 'Only runs that began since then: "15m", "2h", "7d" back from now, or an instant.'
UNTIL = "Only runs that began before."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """All that are given have to hold; none holds for all runs."""

    status: Annotated[str, Parameter(help=STATUS)] = ""
    workflow: Annotated[str, Parameter(help=WORKFLOW)] = ""
    tag: Annotated[list[str] | None, Parameter(help=TAG, negative="")] = None
    attribute: Annotated[list[str] | None, Parameter(help=ATTRIBUTE, negative="")] = None
    since: Annotated[str, Parameter(help=SINCE)] = ""
    until: Annotated[str, Parameter(help=UNTIL)] = ""

    def began(self) -> tuple[int | None, int | None]:
        """Since when and until when, with the status looked at. Raises `Misconfigured`."""
        known = sorted(OPEN | TERMINAL)
        if self.status and self.status not in known:
            raise Misconfigured(
                f"--status is {self.status!r}{alike(self.status, known)}: expected one of "
                f"{', '.join(known)}"
            )
        return between(self.since, self.until, now())


ALL = Wanted()
