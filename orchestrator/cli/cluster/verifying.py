"""`dalsegno verify`: the audit of a run, of a whole log, and of its end against an anchor."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from events.catalogue import Catalogue
from events.codec import decode, encode
from events.errors import Corrupt, Misconfigured, Rejected, Unavailable
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.cluster.projections import audited
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.events.files import is_file
from orchestrator.cli.exits import CORRUPT, DONE
from orchestrator.cli.nearest import about
from orchestrator.cli.output import BAD, GOOD, console, counted, plain, print_json, rows, table
from orchestrator.cli.progress import Progress
from orchestrator.cli.stores import log_settings, logs_of, with_store
from orchestrator.kernel.durations import length
from orchestrator.replay.audit.anchors import anchor_of, check_since
from orchestrator.replay.audit.archives import NOT_THERE
from orchestrator.replay.audit.findings import Finding, ignored_checks
from orchestrator.replay.audit.judging import Verified
from orchestrator.replay.audit.log_batches import Anchor
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.audit.verify_log import LogVerifier, Standing

KEPT_EVERY_S = 5.0
COUNTED = {"runs": "run", "events": "event", "snapshots": "snapshot", "batches": "append"}
SHOWN_MAX = 200
"""Findings that a person is shown; all are in --json."""

Ignored = Annotated[tuple[str, ...], Parameter(negative="")]
Places = Annotated[Path | None, Parameter()]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Anchoring:
    """The end of the log, kept outside of the database."""

    anchor: Annotated[
        Path | None,
        Parameter(
            help="Write where the log ends, and its digest, to this file; keep it elsewhere."
        ),
    ] = None
    since: Annotated[
        Path | None,
        Parameter(help="A file that --anchor wrote: whether the log still has what it had then."),
    ] = None


ANCHORING = Anchoring()


def verify(
    run_id: str = "",
    *,
    all: bool = False,  # noqa: A002
    ignore: Ignored = (),
    resume: Places = None,
    end: Anchoring = ANCHORING,
    common: Common = COMMON,
) -> int:
    """Audit a run, or the whole log. Exit code 5 if something is wrong.

    Needs nobody to stop. Each finding is told with the check that found it and what to do.

    Parameters
    ----------
    run_id
        The run to audit, or a file that `dalsegno events export` has written; or give --all.
    all
        Every run and every append of the log, its index, snapshots, stored values and projections.
    ignore
        A check that is not to be made; may be given several times.
    resume
        With --all: a file that keeps how far it is; one that is there is gone on from.

    Examples
    --------
    dalsegno verify 01m7yf4vgw1tqq5ay37h9hvpzk
    dalsegno verify nightly-17.bundle
        Every run of an exported file, without any cluster.
    dalsegno verify --all --resume verify.state
        Can be interrupted at any time, and goes on where it was.
    dalsegno verify --anchor monday.json
    dalsegno verify --since monday.json
        Shows what the log alone cannot: that its end was cut off.
    """
    ignored = ignored_checks(ignore)
    anchor, since = end.anchor, end.since
    if not (run_id or all or anchor or since) or (run_id and all):
        raise Misconfigured("expected one run id, or --all")
    if resume is not None and not all:
        raise Misconfigured("--resume is about --all: give both")
    findings, told = list[Finding](), dict[str, object]()
    if since is not None:
        findings += _since(common, since)
    audits: list[Verified] = []
    if run_id and is_file(run_id):
        audits = go(lambda: _file(Path(run_id), common, ignored))
    elif run_id:
        with about(common, run_id):
            audits = [with_store(common, lambda store: _one(store, common, run_id, ignored))]
    if run_id:
        findings += (finding for one in audits for finding in one.findings)
        counts = sum(one.events for one in audits), sum(one.snapshots for one in audits)
        told = _told(audits, counts)
    if all:
        standings = _all(common, ignored, resume)
        findings += (finding for one in standings for finding in one.findings)
        told = _told_all(standings)
    if anchor is not None and not findings:
        _write_anchor(common, anchor)
    return _end(findings, told, as_json=common.json)


def _told(audits: Sequence[Verified], counts: tuple[int, int]) -> dict[str, object]:
    bad = sum(bool(one.findings) for one in audits)
    events, snapshots = counts
    return {
        "runs": len(audits),
        "bad": bad,
        "events": events,
        "snapshots": snapshots,
        "audits": audits,
    }


def _told_all(standings: Sequence[Standing]) -> dict[str, object]:
    counts = sum(one.events for one in standings), sum(one.snapshots for one in standings)
    return _told([], counts) | {
        "runs": sum(one.runs for one in standings),
        "bad": sum(len(set(one.bad_runs)) for one in standings),
        "batches": sum(one.batches for one in standings),
        "unwitnessed": sum(one.unwitnessed for one in standings),
    }


async def _one(
    store: PostgresStore, common: Common, run_id: str, ignored: frozenset[str]
) -> Verified:
    verified = await _verifier(store, common, ignored).run(run_id)
    if verified is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    return verified


async def _file(path: Path, common: Common, ignored: frozenset[str]) -> list[Verified]:
    """The audits of all runs in an exported file."""
    most = configured(common).limits.stream_events_max
    with await open_file(path) as file:
        verifier = Verifier(file, Catalogue(), 1, most, ignored | NOT_THERE)
        found = [await verifier.run(run_id) for run_id in file.info.runs]
    return [one for one in found if one is not None]


def _verifier(store: PostgresStore, common: Common, ignored: frozenset[str]) -> Verifier:
    most = configured(common).limits.stream_events_max
    return Verifier(store, Catalogue(), store.info.shards, most, ignored)


# -- the whole log -----------------------------------------------------------------------------


def _all(common: Common, ignored: frozenset[str], resume: Path | None) -> list[Standing]:
    """One for each log."""

    async def audit(store: PostgresStore) -> list[Standing]:
        verifier, logs = _verifier(store, common, ignored), await logs_of(store)
        return [
            await _audited(log, verifier, _of_log(resume, log, logs) if resume else None)
            for log in logs
        ]

    standings = with_store(common, audit)
    if "projections" not in ignored:
        config = configured(common)
        for standing, settings in zip(standings, log_settings(config), strict=True):
            with suppress(Unavailable):  # there are none yet
                for message in audited(settings, config):
                    standing.found(Finding(check="projections", version=0, message=message))
    return standings


async def _audited(log: PostgresStore, verifier: Verifier, resume: Path | None) -> Standing:
    standing = _begin(log.info.name, resume)
    with Progress(f"reading log {log.info.name}") as progress:
        telling = _Telling(progress, resume, await log.last_position(), standing)
        await LogVerifier(log, verifier, standing, telling.tell).run()
    return standing


def _of_log(file: Path, log: PostgresStore, logs: Sequence[PostgresStore]) -> Path:
    """A file for each of several logs."""
    return file if len(logs) == 1 else file.with_name(f"{file.name}.{log.info.name}")


def _begin(log: str, resume: Path | None) -> Standing:
    """Raises `Misconfigured` for a file of another log, or that is none."""
    if resume is None or not resume.exists():
        return Standing(log=log)
    try:
        standing = decode(resume.read_bytes(), Standing, str(resume))
    except (OSError, Corrupt) as error:
        raise Misconfigured(f"--resume {resume} cannot be read: {error}") from None
    if standing.log != log:
        raise Misconfigured(f"--resume {resume} is of the log {standing.log}, this one is {log}")
    return Standing(log=log) if standing.phase == "done" else standing


class _Telling:
    """Shows how far the audit is, and keeps it in the file."""

    def __init__(
        self, progress: Progress, file: Path | None, last_position: int, standing: Standing
    ) -> None:
        self._progress = progress
        self._file = file
        self._total = max(1, 2 * last_position)
        self._began, self._before = time.monotonic(), standing.events
        self._kept_at = self._began

    async def tell(self, standing: Standing) -> None:
        now = time.monotonic()
        rate = (standing.events - self._before) / max(now - self._began, 1e-3)
        share = min(standing.events / self._total, 1.0)
        left = length(max(0.0, self._total - standing.events) / max(rate, 1.0))
        what = counted(standing.runs, "run") if standing.phase == "runs" else "appends"
        bad = f", [{BAD}]{counted(len(standing.findings), 'finding')}[/]"
        self._progress.say(
            f"{what}: {standing.events:,} events read, {rate:,.0f}/s, {share:.0%}, {left} left"
            + (bad if standing.findings else "")
        )
        if self._file is not None and (
            now - self._kept_at >= KEPT_EVERY_S or standing.phase == "done"
        ):
            self._kept_at = now
            beside = self._file.with_name(f"{self._file.name}.new")
            beside.write_bytes(encode(standing))
            beside.replace(self._file)


# -- anchors -----------------------------------------------------------------------------------


def _write_anchor(common: Common, file: Path) -> None:
    async def read(store: PostgresStore) -> list[tuple[Path, Anchor]]:
        logs = await logs_of(store)
        return [(_of_log(file, log, logs), await anchor_of(log, log.info.name)) for log in logs]

    for place, anchor in with_store(common, read):
        place.write_bytes(encode(anchor) + b"\n")
        told = f"{place}: log {anchor.log} ends with batch {anchor.number}"
        print(f"{told} at position {anchor.position}", file=sys.stderr)


def _since(common: Common, file: Path) -> list[Finding]:
    try:
        anchor = msgspec.json.decode(file.read_bytes(), type=Anchor)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"--since {file} is no anchor: {error}") from None

    async def check(store: PostgresStore) -> list[Finding]:
        logs = {log.info.name: log for log in await logs_of(store)}
        if anchor.log not in logs:
            raise Misconfigured(f"--since {file} is of log {anchor.log}, not {', '.join(logs)}")
        return await check_since(logs[anchor.log], anchor)

    return with_store(common, check)


# -- what was found ----------------------------------------------------------------------------


def _end(findings: list[Finding], told: dict[str, object], *, as_json: bool) -> int:
    if as_json:
        print_json(told | {"findings": [_json(finding) for finding in findings]})
    else:
        _show(findings, told)
    for finding in findings[:SHOWN_MAX]:
        about_run = f"run {finding.run_id}: " if finding.run_id else ""
        where = f"event {finding.version}: " if finding.version else ""
        print(
            f"dalsegno: verification failed: {about_run}{finding.check}: {where}{finding.message}",
            file=sys.stderr,
        )
    for mend in dict.fromkeys((finding.check, finding.mend) for finding in findings[:SHOWN_MAX]):
        print(f"dalsegno: {mend[0]}: {mend[1]}", file=sys.stderr)
    return CORRUPT if findings else DONE


def _json(finding: Finding) -> dict[str, object]:
    return msgspec.structs.asdict(finding) | {"what_to_do": finding.mend}


def _show(findings: list[Finding], told: dict[str, object]) -> None:
    out = console()
    if findings:
        made = table("run", "check", "event>", "position>", "what is wrong")
        lines = [
            (
                plain(one.run_id),
                one.check,
                str(one.version or ""),
                str(one.position or ""),
                plain(one.message),
            )
            for one in findings[:SHOWN_MAX]
        ]
        out.print(rows(made, lines))
        out.print()
    verdict = f"[{BAD}]{counted(len(findings), 'finding')}[/]" if findings else "all sound"
    words = [
        counted(count, word)
        for name, word in COUNTED.items()
        if isinstance(count := told.get(name), int)
    ]
    good = verdict if findings else f"[{GOOD}]{verdict}[/]"
    out.print(f"{', '.join(words)}: {good}" if words else good)
    if unwitnessed := told.get("unwitnessed"):
        out.print(
            f"{unwitnessed} positions were appended by a release before 0.3.0: of these only the "
            "chains of their streams can be checked"
        )
