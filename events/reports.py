"""The door for reports: agents in any language may send them, and so may agents with mistakes.

A report that cannot be stored (NaN, integers over 64 bits, text that is no Unicode, a field of
another type) is refused alone; the others of its batch are taken. Where it would have ended its
attempt it is replaced by a permanent failure with the code `bad_report`: nobody would send another
one, and the attempt would be outstanding for ever. A bad word on the way (started, progressed) is
left out.

What every batch pays is a look for a long row of digits and one for a NUL. Only a batch with one,
with values nested deep, or that cannot be decoded as it is, is read again, slowly, one report at a
time.
"""

import json

import msgspec

from events.errors import Corrupt, InvalidValue
from events.facts import Failure
from events.ids import Attempt
from events.limits import VALUE_DEPTH_MAX
from events.messages import Completed, Deferred, Failed, Once, Progressed, Report, Reports
from events.reading import NUL, REPORTS, has_long_number
from events.task_facts import Said
from events.values import Value, admit

BAD_REPORT = "bad_report"
PASSING = frozenset({"started", "progressed"})


class BadReport(msgspec.Struct, frozen=True, kw_only=True):
    """`attempt` is None where the report did not say it; `ends`: it is failed for this."""

    attempt: Attempt | None
    ends: bool
    problem: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What can be taken, and what was refused of it."""

    reports: Reports
    refused: tuple[BadReport, ...] = ()


def read_reports(data: bytes) -> Received:
    """Raises `Corrupt` when this is no batch of reports at all."""
    try:
        reports = REPORTS.read(data)
    except Corrupt as error:
        return _read_slowly(data, error)
    if has_long_number(data) or NUL in data or any(map(_may_be_deep, reports.reports)):
        return _read_slowly(data, None)
    return Received(reports=reports)


def _may_be_deep(report: Report) -> bool:
    """Whether values have to be looked at that nobody looks at later. Outputs the kernel bounds."""
    if isinstance(report, Completed | Deferred):
        return report.said is not None and _is_deep_said(report.said)
    if isinstance(report, Progressed):
        return _is_deep(report.details, VALUE_DEPTH_MAX)
    if isinstance(report, Once):
        return _is_deep(report.value, VALUE_DEPTH_MAX)
    if isinstance(report, Failed):
        said = report.said is not None and _is_deep_said(report.said)
        return said or _is_deep(report.failure.details, VALUE_DEPTH_MAX)
    return False


def _is_deep_said(said: Said) -> bool:
    values = [*(one.data for one in said.emitted), *(one.input for one in said.spawned)]
    return any(_is_deep(value, VALUE_DEPTH_MAX) for value in values)


def _is_deep(value: Value, levels: int) -> bool:
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, list):
        items = value
    else:
        return False
    return not levels or any(_is_deep(item, levels - 1) for item in items)


# -- one report at a time -------------------------------------------------------------------------


def _read_slowly(data: bytes, error: Corrupt | None) -> Received:
    """`error`: why it cannot be decoded as a whole."""
    loose = _loose(data, error)
    node, incarnation, found = (loose.get(key) for key in ("node", "incarnation", "reports"))
    if not (isinstance(node, str) and isinstance(incarnation, str) and isinstance(found, list)):
        raise error or Corrupt("this is not a batch of reports")
    if "\0" in node + incarnation:
        raise Corrupt("this batch of reports is of a node whose name has a NUL")
    taken: list[Report] = []
    refused: list[BadReport] = []
    for one in found:
        try:
            taken.append(_report(one))
        except (InvalidValue, msgspec.MsgspecError) as problem:
            bad = _refuse(one, str(problem))
            refused.append(bad)
            if bad.ends and bad.attempt is not None:
                taken.append(_failure(bad.attempt, node, bad.problem))
    reports = Reports(node=node, incarnation=incarnation, reports=tuple(taken))
    return Received(reports=reports, refused=tuple(refused))


def _loose(data: bytes, error: Corrupt | None) -> dict[str, object]:
    """The batch as the most tolerant reader takes it; what it lets pass is refused by `admit`."""
    try:
        loose = json.loads(data.decode(errors="surrogateescape"))
    except (ValueError, RecursionError) as problem:
        raise error or Corrupt(f"this is not a batch of reports: {problem}") from problem
    return loose if isinstance(loose, dict) else {}


def _report(loose: object) -> Report:
    """Raises `InvalidValue`, or msgspec's error for what is no report."""
    fields = loose if isinstance(loose, dict) else {}
    admitted = {key: admit(value, key) for key, value in fields.items()}
    report: Report = msgspec.convert(admitted, Report)
    _named(report.attempt)
    return report


def _refuse(loose: object, problem: str) -> BadReport:
    fields = loose if isinstance(loose, dict) else {}
    return BadReport(
        attempt=_attempt(fields.get("attempt")),
        ends=fields.get("type") not in PASSING,
        problem=problem,
    )


def _attempt(loose: object) -> Attempt | None:
    try:
        return _named(msgspec.convert(admit(loose), Attempt))
    except (InvalidValue, msgspec.MsgspecError):
        return None


def _named(attempt: Attempt) -> Attempt:
    """No run and no step of ours has a NUL in its name, and no stream can."""
    if "\0" in attempt.run_id + attempt.step:
        raise InvalidValue("its attempt has a NUL in the name of its run or step")
    return attempt


def _failure(attempt: Attempt, node: str, problem: str) -> Failed:
    message = f"node {node} sent a report that cannot be stored: {problem}"
    return Failed(
        attempt=attempt, failure=Failure(code=BAD_REPORT, message=message), retryable=False
    )
