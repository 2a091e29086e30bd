"""Data keys in memory: the same answers as the tables of Postgres give."""

import msgspec

from events.envelope import Stored, seals_of
from events.sealing import EventKey, Keyring
from orchestrator.errors import Corrupt, Rejected

ERASED = b""


class Kept(msgspec.Struct):
    subject: str
    sealed: bytes | None


class MemoryDataKeys:
    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
        self._rows: dict[str, Kept] = {}
        self._runs: dict[str, str] = {}

    def join(self, run_id: str, subject: str, id_: str) -> EventKey:
        found = [k for k, row in self._rows.items() if row.subject == subject and row.sealed]
        if not found:
            sealed = self._keys.seal(self._keys.new_data_key(), id_.encode())
            self._rows[id_] = Kept(subject, sealed)
            found = [id_]
        self._runs.setdefault(run_id, found[0])
        return self._key(found[0], self._rows[found[0]].sealed or b"")

    def of_run(self, run_id: str) -> EventKey:
        key_id = self._runs.get(run_id)
        if key_id is None:
            raise Corrupt(f"run {run_id} is personal, and its data key is not in the database")
        row = self._rows[key_id]
        if row.sealed is None:
            raise Corrupt(f"run {run_id} is personal, and the values of {row.subject} were erased")
        return self._key(key_id, row.sealed)

    def opened(self, events: list[Stored]) -> list[Stored]:
        return [self._opened(event) for event in events]

    def drop(self, run_id: str) -> None:
        """Erases what the key of this run has sealed."""
        self._rows[self.shared_with(run_id)[0]].sealed = None

    def shared_with(self, run_id: str) -> tuple[str, str, list[str]]:
        """The key of this run, its subject, and all runs that have it."""
        if run_id not in self._runs:
            raise Rejected(f"run {run_id} is not personal")
        key_id = self._runs[run_id]
        runs = [one for one, theirs in self._runs.items() if theirs == key_id]
        return key_id, self._rows[key_id].subject, runs

    def _opened(self, event: Stored) -> Stored:
        try:
            seals = seals_of(event)
        except Corrupt:
            return event
        if seals is None:
            return event
        row = self._rows.get(seals.key_id)
        if row is None:
            said = f"its data key {seals.key_id} is not in the database"
            return msgspec.structs.replace(event, trouble=said)
        if row.sealed is None:
            return msgspec.structs.replace(event, opened=ERASED)
        try:
            cipher = self._key(seals.key_id, row.sealed).cipher
            return msgspec.structs.replace(event, opened=cipher.open(seals.sealed, seals.bound))
        except Corrupt as error:
            return msgspec.structs.replace(event, trouble=str(error))

    def _key(self, key_id: str, sealed: bytes) -> EventKey:
        return EventKey(key_id, self._keys.cipher(self._keys.open(sealed, key_id.encode())))
