"""What keys are used for, and what that means: which may go, which is missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from orchestrator.insight.diagnosis import Finding

MEND_MISSING = "put it into the keyring again, or what it has sealed stays closed for ever"
MEND_OLD = "seal it with the current one by `dalsegno keys reencrypt`"


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """A key, and how much is sealed with it, by place. `key_id` "": what is not sealed at all.

    `state`: `current`, `old` (known, still used), `unused` (known, may go), `missing` (used and
    not known), `plain`.
    """

    key_id: str
    state: str
    uses: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.uses.values())


def added(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """The uses in several logs, together."""
    whole: dict[str, dict[str, int]] = {}
    for part in parts:
        for key_id, uses in part.items():
            own = whole.setdefault(key_id, {})
            for place, count in uses.items():
                own[place] = own.get(place, 0) + count
    return whole


def key_uses(
    uses: Mapping[str, Mapping[str, int]], ids: Sequence[str], current: str
) -> list[KeyUse]:
    """In order: the keyring's, then those that it does not have, then what is plain."""
    unknown = sorted(key_id for key_id in uses if key_id and key_id not in ids)
    found = [
        KeyUse(key_id=key_id, state=_state(key_id, uses, current), uses=uses.get(key_id, {}))
        for key_id in ids
    ]
    found += [KeyUse(key_id=key_id, state="missing", uses=uses[key_id]) for key_id in unknown]
    if uses.get(""):
        found.append(KeyUse(key_id="", state="plain", uses=uses[""]))
    return found


def _state(key_id: str, uses: Mapping[str, Mapping[str, int]], current: str) -> str:
    if key_id == current:
        return "current"
    return "old" if uses.get(key_id) else "unused"


def of_keys(found: Sequence[KeyUse]) -> Iterator[Finding]:
    """For the doctor; nothing where nobody uses keys."""
    encrypts = any(one.state == "current" for one in found)
    for one in found:
        said = f"{_counted(one)} sealed with key {one.key_id}"
        if one.state == "missing":
            yield Finding("keys", one.key_id, "problem", f"{said}, which is missing", MEND_MISSING)
        elif one.state == "old":
            yield Finding("keys", one.key_id, "warning", f"{said}, an old one", MEND_OLD)
        elif one.state == "current":
            yield Finding("keys", one.key_id, "ok", f"{said}, the current one")
        elif one.state == "plain" and encrypts:
            yield Finding("keys", "plain", "warning", f"{_counted(one)} not sealed", MEND_OLD)


def of_erasure(subject: str) -> Finding:
    """An erasure that was broken off."""
    said = f"erasing the values of {subject} is recorded and not done"
    mend = f"`dalsegno erase --subject {subject}` again"
    return Finding("keys", subject, "problem", said, mend)


def _counted(one: KeyUse) -> str:
    return ", ".join(f"{count} {place}" for place, count in sorted(one.uses.items())) or "nothing"
