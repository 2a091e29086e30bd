"""The options of `dalsegno replay` that ask where runs would go by another definition."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from events.errors import Misconfigured
from events.limits import RUNS_LISTED_MAX
from orchestrator.cli.common import Common
from orchestrator.cli.workflow.definitions import AS_IT_IS, Reading

GROUP = Group("Against a changed definition", sort_key=5)
AGAINST = (
    "A definition to play what was recorded against: a file, NAME or NAME@VERSION. Nothing is "
    "executed. Exit code 1 if a run would have gone another way."
)
ALL_OF = "Play all runs of this workflow, the newest first, in several processes."
SINCE = 'Only runs that began since then: "15m", "2h", "7d" back from now, or an instant.'
UNTIL = "Only runs that began before."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """Which runs, against which definition."""

    against: Annotated[str, Parameter(help=AGAINST, group=GROUP)] = ""
    all_of: Annotated[str, Parameter(help=ALL_OF, group=GROUP)] = ""
    since: Annotated[str, Parameter(help=SINCE, group=GROUP)] = ""
    until: Annotated[str, Parameter(help=UNTIL, group=GROUP)] = ""
    limit: Annotated[int, Parameter(help="Most runs to play.", group=GROUP)] = RUNS_LISTED_MAX
    workers: Annotated[int, Parameter(help="Processes; one a core if 0.", group=GROUP)] = 0
    reading: Reading = AS_IT_IS

    @property
    def is_asked(self) -> bool:
        """Whether this is what a `replay` is about. Raises `Misconfigured` for half of it."""
        if self.against:
            return True
        for flag, given in (("all-of", self.all_of), ("since", self.since), ("until", self.until)):
            if given:
                raise Misconfigured(f"--{flag} is for --against: give the definition, too")
        return False

    def play(self, target: str, run: str, common: Common) -> int:
        """Plays the run `target`, or all that are asked for. Raises `Misconfigured`."""
        from orchestrator.cli.replay import against

        if bool(target) == bool(self.all_of):
            raise Misconfigured("--against: expected either a run or --all-of WORKFLOW")
        if target:
            return against.of_one(target, run, self.against, self.reading, common)
        asked = against.Asked(
            workflow=self.all_of,
            since=self.since,
            until=self.until,
            limit=self.limit,
            workers=self.workers,
        )
        return against.of_many(asked, self.against, self.reading, common)


NOTHING_ELSE = WhatIf()
