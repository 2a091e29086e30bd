"""Findings: what an audit can find wrong, under the name of the check that found it."""

import msgspec

from events.errors import Corrupt, Misconfigured, MissingKey


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A named check: when it `holds`, and what a person does when it does not."""

    name: str
    holds: str
    mend: str


KEEP = "keep everything as it is and restore the log from a backup; other runs are not concerned"
REBUILD = "`dalsegno projections rebuild` builds them anew from the log"

CHECKS = (
    Check(
        name="chain",
        holds="every event of a run is there, decodes, and carries the digest of the one before",
        mend=KEEP,
    ),
    Check(
        name="keys",
        holds="the keyring has every key that the run's values are sealed with",
        mend="put the key into the keyring again; the run is parked until then",
    ),
    Check(
        name="batch",
        holds="what each append has added to the log is there as it was, and no append is missing",
        mend=KEEP,
    ),
    Check(
        name="fold",
        holds="the events fold into a state, one after the other",
        mend="if a newer release wrote this run, use that one; otherwise " + KEEP,
    ),
    Check(
        name="length",
        holds="the run has no more events than a run may have",
        mend="raise `limits.stream_events_max` if it was lowered",
    ),
    Check(
        name="invariants",
        holds="the state is sound after the last event of every decision",
        mend="this is a bug of ours: `dalsegno events export RUN` has what is needed to find it",
    ),
    Check(
        name="transitions",
        holds="each fact was allowed in the status that the run and the task had",
        mend="this is a bug of ours, or events were put in by hand: look at the event named",
    ),
    Check(
        name="times",
        holds="nothing was recorded before what it follows, and nothing ended before it began",
        mend="look at the clocks of the coordinators' hosts, and of the node that is named",
    ),
    Check(
        name="dependencies",
        holds="a step was only reached when the steps before it were over",
        mend="this is a bug of ours, or events were put in by hand: look at the event named",
    ),
    Check(
        name="resources",
        holds="no node held more attempts than it had announced, or one that was never given to it",
        mend="look at the node's events: `dalsegno events tail --stream node:NAME`",
    ),
    Check(
        name="snapshots",
        holds="a stored snapshot is undamaged, follows its event, and equals the fold there",
        mend="`dalsegno snapshot delete ID`; nothing needs it, the log has all",
    ),
    Check(
        name="payloads",
        holds="every stored value that an event names is there and has its hash",
        mend="restore the table `dalsegno.payloads` from a backup; the run is parked until then",
    ),
    Check(
        name="run_index",
        holds="the run's row of the index equals the fold",
        mend="if the log ends before the row, its last events have vanished: restore the log",
    ),
    Check(
        name="projections",
        holds="the projections equal a fold of the log up to their position",
        mend=REBUILD,
    ),
)

NAMES = tuple(check.name for check in CHECKS)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong. `version` is the event's place in the run, 0 when it is about none; `position`
    its place in the log, where that is known. `run_id` is empty when it is about the whole log."""

    check: str
    version: int
    message: str
    run_id: str = ""
    position: int = 0

    @property
    def mend(self) -> str:
        """What to do about it."""
        found = next(check for check in CHECKS if check.name == self.check)
        return found.mend.replace("RUN", self.run_id or "RUN")


def check_of(error: Corrupt, check: str) -> str:
    """The check that fails by this error: what cannot be opened is sound, for all that is known."""
    return "keys" if isinstance(error, MissingKey) else check


def ignored_checks(names: tuple[str, ...] | list[str]) -> frozenset[str]:
    """The checks that are not to be made. Raises `Misconfigured` for an unknown one."""
    for name in names:
        if name not in NAMES:
            raise Misconfigured(f"--ignore {name}: expected one of {', '.join(NAMES)}")
    return frozenset(names)
