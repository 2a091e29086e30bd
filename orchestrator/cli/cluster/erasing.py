"""`dalsegno erase`: what the users of personal runs said becomes unreadable, for ever."""

import msgspec

from events.api import ErasePersonal, ErasureRecorded
from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, client_of, configured
from orchestrator.cli.confirming import confirm
from orchestrator.cli.ids import given_run_id, me
from orchestrator.cli.output import counted, print_json
from orchestrator.cli.stores import log_of, logs_of, with_store
from orchestrator.replay.retention.erasing import (
    Dropped,
    KeyOfSubject,
    RunOfKey,
    check_ended,
    lists_of,
)


class Plan(msgspec.Struct, frozen=True):
    """What is to be erased in one log, which is the `log`-th of the cluster."""

    log: int
    key: KeyOfSubject
    runs: list[RunOfKey]


def erase(
    run_id: str = "",
    *,
    subject: str = "",
    reason: str = "",
    yes: bool = False,
    common: Common = COMMON,
) -> None:
    """Erase the values of a personal run, or of all runs of a subject: inputs, outputs, variables,
    messages, labels. Their data key is dropped, with snapshots and stored lists. Steps, times and
    decisions stay, and everything can still be replayed and verified. There is no way back.

    All of the runs have to have ended. Runs that they have started, and forks, share their key.

    Parameters
    ----------
    run_id
        A personal run that was started without a subject; or give --subject.
    subject
        The name under which runs were started, with `run start --subject`.
    reason
        Why; it is recorded, with who has done it.
    yes
        Do not ask.

    Examples
    --------
    dalsegno erase order-17 --reason "request 4711" --yes
    dalsegno erase --subject customer-81 --reason "request 4711"
    """
    if bool(run_id) == bool(subject):
        raise Misconfigured("expected a run id, or --subject")
    if not reason:
        raise Misconfigured("--reason is missing: it is recorded, and nothing else will tell why")
    plans = with_store(common, lambda store: _planned(store, run_id, subject))
    named = plans[0].key.subject
    count = counted(len([run for plan in plans for run in plan.runs if run.status]), "run")
    if not all(plan.key.erased for plan in plans):
        confirm(f"Erase what users said in {count} of {named}, for ever?", yes=yes)
    dropped = with_store(common, lambda store: _all_erased(common, store, plans, reason))
    if common.json:
        print_json({"subject": named, **_counts(plans, dropped)})
        return
    gone = f"{counted(dropped.snapshots, 'snapshot')} and {counted(dropped.lists, 'stored list')}"
    again = "" if dropped.keys else "had been erased before; "
    print(f"{named}: {again}the values of {count} are erased, {gone} deleted")


async def _planned(store: PostgresStore, run_id: str, subject: str) -> list[Plan]:
    """For each log that has a key of the subject. Raises `Rejected` when there is nothing to erase,
    or a run is open."""
    if run_id:
        subject = await _subject_of(store, given_run_id(run_id))
    plans = list[Plan]()
    for number, log in enumerate(await logs_of(store)):
        key = await log.data_keys.find(subject)
        if key is not None:
            runs = await log.data_keys.runs(key.id)
            check_ended(subject, runs)
            plans.append(Plan(number, key, runs))
    if not plans:
        raise Rejected(f"no run was started with the subject {subject}")
    return plans


async def _subject_of(store: PostgresStore, run_id: str) -> str:
    """Raises `Rejected` for a run that is not personal, or that shares its key by a name."""
    subject = await (await log_of(store, run_id)).data_keys.subject_of(run_id)
    if subject is None:
        raise Rejected(
            f"run {run_id} is not personal, or there is no such run: only runs that were started "
            "with --personal, with --subject, or of a workflow with `personal: true`, can be erased"
        )
    if subject != f"run:{run_id}":
        raise Rejected(
            f"run {run_id} shares its key with all runs of {subject}: erase them together, with "
            f"`--subject {subject}`"
        )
    return subject


async def _all_erased(
    common: Common, store: PostgresStore, plans: list[Plan], reason: str
) -> Dropped:
    logs = await logs_of(store)
    done = [await _erased(common, logs[plan.log], plan, reason) for plan in plans]
    return Dropped(
        keys=sum(one.keys for one in done),
        snapshots=sum(one.snapshots for one in done),
        lists=sum(one.lists for one in done),
    )


async def _erased(common: Common, store: PostgresStore, plan: Plan, reason: str) -> Dropped:
    """The steps that `replay.erasing` explains. Raises `Rejected` when a run began meanwhile."""
    keys, key_id, subject = store.data_keys, plan.key.id, plan.key.subject
    await keys.close(key_id, closing=True)
    runs = await keys.runs(key_id)
    try:
        check_ended(subject, runs)
    except Rejected:
        await keys.close(key_id, closing=False)
        raise
    request = ErasePersonal(
        actor=me(),
        run_id=runs[0].run_id,
        key_id=key_id,
        subject=subject,
        runs=sum(1 for run in runs if run.status),
        reason=reason,
    )
    await _recorded(common, request)
    lists = [] if plan.key.erased else await lists_of(store, [run.run_id for run in runs])
    return await keys.drop(key_id, lists)


async def _recorded(common: Common, request: ErasePersonal) -> None:
    async with client_of(configured(common)) as client:
        answer = await client.request(request)
    if not isinstance(answer, ErasureRecorded):
        raise Unavailable(f"a coordinator answers {type(answer).__name__} to erase_personal")


def _counts(plans: list[Plan], dropped: Dropped) -> dict[str, object]:
    return {
        "key_ids": [plan.key.id for plan in plans],
        "runs": [run.run_id for plan in plans for run in plan.runs if run.status],
        "erased_before": not dropped.keys,
        "snapshots": dropped.snapshots,
        "lists": dropped.lists,
    }
