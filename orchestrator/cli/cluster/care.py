"""`dalsegno migrate` and `dalsegno config show`."""

import msgspec

from events.logmap import LogMap, shards_text
from events.redaction import redact
from orchestrator.adapters.postgres.schema import LOG, LogInfo
from orchestrator.adapters.postgres.schema import migrate as bring_up_to_date
from orchestrator.cli.common import COMMON, Common, effective, log_databases
from orchestrator.cli.output import console, plain, print_json, rows, table


def migrate(*, shards: int | None = None, common: Common = COMMON) -> None:
    """Make the schema, or bring an older one up to date.

    Parameters
    ----------
    shards
        Shards of a new log, decided for ever; the configured number when not given.

    Examples
    --------
    dalsegno migrate --dsn postgresql://dalsegno@db.example/dalsegno --shards 16
    """
    asked = {} if shards is None else {"coordinator.shards": str(shards)}
    config = effective(common, **asked).value
    made = [
        bring_up_to_date(
            one.dsn, log=one.log or LOG, shards=config.coordinator.shards, map_=one.map
        )
        for one in log_databases(config)
    ]
    if common.json:
        print_json(made if config.logs else made[0])
        return
    for info in made:
        own = f"{_own(info)} of " if info.map else ""
        print(f"log {info.name}: schema {info.schema}, {own}{info.shards} shards")


def _own(info: LogInfo) -> str:
    return shards_text(LogMap.of_text(info.map).own(info.name))


def show_config(*, changed: bool = False, common: Common = COMMON) -> None:
    """Show every setting of the coordinator, its value and where it comes from; secrets covered.

    Parameters
    ----------
    changed
        Only those that are not defaults.

    Examples
    --------
    dalsegno config show --changed
        What files, environment and flags set, and which of them it was.
    dalsegno config show --json
    """
    settings = effective(common).settings
    shown = [
        (one.name, redact(one.value, one.name.rpartition(".")[2]), one.source)
        for one in settings
        if not changed or one.source != "default"
    ]
    if common.json:
        print_json([{"name": n, "value": v, "source": s} for n, v, s in shown])
        return
    if not shown:
        print("every setting has its default: `dalsegno config show` lists them")
        return
    made = table("setting", "value", "source")
    console().print(rows(made, ((n, plain(_text(v)), plain(s)) for n, v, s in shown)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
