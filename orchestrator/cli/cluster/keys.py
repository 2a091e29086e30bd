"""`dalsegno keys`: make keys, see what they are used for, seal everything with the current one."""

import os
import sys
from pathlib import Path

import msgspec

from events.errors import Misconfigured
from orchestrator.adapters.crypto.keyring import key_line, keyring, new_key
from orchestrator.adapters.postgres.resealing import KeyUses
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, configured, keys_of
from orchestrator.cli.exits import DONE, FAILED
from orchestrator.cli.output import (
    BAD,
    GOOD,
    UNSURE,
    console,
    counted,
    day,
    plain,
    print_json,
    rows,
    table,
)
from orchestrator.cli.progress import is_seen
from orchestrator.cli.stores import each_log
from orchestrator.cli.times import now
from orchestrator.insight.keyrings import KeyUse, added, key_uses

COLOURS = {"current": GOOD, "missing": BAD, "old": UNSURE, "plain": UNSURE}
PRIVATE = 0o600


def new(id: str = "", *, file: Path | None = None, common: Common = COMMON) -> None:  # noqa: A002
    """Make a key, 32 bytes by chance, and put it at the end of a keyring, where it is the current
    one for processes that start from then on. Without a file it is printed, and kept nowhere.

    Parameters
    ----------
    id
        What it is called; when not given, the year and month, such as 2026-11.
    file
        The keyring; `keys.file` when not given. It is made if it is not there, for its owner alone.

    Examples
    --------
    dalsegno keys new --file /etc/dalsegno/keyring
    dalsegno keys new 2027-q1
        To the file that `keys.file` names.
    """
    config = configured(common)
    key_id = id or day(now())[:7]
    line = key_line(key_id, new_key())
    named = file or (Path(config.keys.file).expanduser() if config.keys.file else None)
    if named is None:
        print(line)
        return
    _append(named, key_id, line)
    if common.json:
        print_json({"key_id": key_id, "file": str(named)})
        return
    print(f"key {key_id} is in {named}: keep a copy of it apart from the backups of the database")
    if config.keys.current not in {"", key_id}:
        print(f"keys.current is {config.keys.current}: the new key is used once that is {key_id}")


def _append(path: Path, key_id: str, line: str) -> None:
    """Raises `Misconfigured` when the key is there already, or the file cannot be written."""
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        if key_id in keyring(text, "", f"keyring {path}").ids:
            raise Misconfigured(f"{path} has a key {key_id} already: give the new one another id")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
        with os.fdopen(descriptor, "a", encoding="utf-8") as opened:
            opened.write(f"{line}\n" if not text or text.endswith("\n") else f"\n{line}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"keyring {path} cannot be written: {error}") from error


def list_(*, common: Common = COMMON) -> int:
    """List the keys of the keyring, and any that it lacks, with what is sealed with each. Exit code
    1 if a key is missing.

    Examples
    --------
    dalsegno keys list
    """
    found = _uses(common)
    if common.json:
        print_json([{**msgspec.structs.asdict(one), "total": one.total} for one in found])
    elif found:
        _show(found)
    else:
        print("no keys: what is stored is plain. `dalsegno keys new` makes one")
    return FAILED if any(one.state == "missing" for one in found) else DONE


def rotate_check(*, common: Common = COMMON) -> int:
    """Say which keys may be taken out of the keyring. Exit code 1 while an old one is in use, or
    one is missing.

    Examples
    --------
    dalsegno keys rotate-check
    """
    found = _uses(common)
    busy = [one for one in found if one.state in {"old", "missing"}]
    free = [one.key_id for one in found if one.state == "unused"]
    if common.json:
        print_json({"busy": [one.key_id for one in busy], "free": free})
    else:
        for one in busy:
            print(f"key {one.key_id} is {one.state}: {_total(one)} sealed with it")
        print(f"may go: {', '.join(free) or 'none'}")
    return FAILED if busy else DONE


def reencrypt(*, common: Common = COMMON) -> None:
    """Seal everything that another key has sealed, or none, with the current key. It may be broken
    off and begun again, while everybody works.

    Examples
    --------
    dalsegno keys reencrypt
    """
    keys = keys_of(configured(common))
    if not keys.current:
        raise Misconfigured("no key is configured: `dalsegno keys new` makes one")

    async def work(store: PostgresStore) -> int:
        uses = key_uses(await store.resealing.uses(), keys.ids, keys.current)
        whole = sum(one.total for one in uses if one.state != "current")
        done = 0
        async for place, _ in store.resealing.reencrypt():
            done += 1
            _progress(done, whole, place)
        return done

    done = sum(each_log(common, work))
    if common.json:
        print_json({"sealed": done, "key_id": keys.current})
    else:
        print(f"{counted(done, 'thing')} sealed with key {keys.current}")


def _progress(done: int, whole: int, place: str) -> None:
    if is_seen():
        print(f"\r{done} of {whole} ({place})\x1b[K", end="", file=sys.stderr, flush=True)
        if done == whole:
            print(file=sys.stderr)


def _uses(common: Common) -> list[KeyUse]:
    keys = keys_of(configured(common))

    async def ask(store: PostgresStore) -> KeyUses:
        return await store.resealing.uses()

    uses = added(each_log(common, ask))
    return key_uses(uses, keys.ids, keys.current)


def _total(one: KeyUse) -> str:
    return counted(one.total, "thing")


def _show(found: list[KeyUse]) -> None:
    places = sorted({place for one in found for place in one.uses})
    made = table("key", "", *(f"{place}>" for place in places))
    lines = [
        (
            plain(one.key_id) or "none",
            f"[{COLOURS.get(one.state, 'default')}]{one.state}[/]",
            *(str(one.uses.get(place, 0)) for place in places),
        )
        for one in found
    ]
    console().print(rows(made, lines))
