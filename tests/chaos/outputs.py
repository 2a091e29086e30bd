"""What the processes said and how they ended, and what their journals still hold.

A line that is no JSON is a traceback or something that was printed by mistake; an ERROR is one that
an operator would be called for, so each that may come has its reason here.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from node_agent.frames import read_segment
from node_agent.journal import Ledger, Live
from tests.chaos.cluster import PROGRAMS
from tests.chaos.plan import AGENTS, COORDINATORS, PROJECTORS

EXPECTED_ERRORS: dict[str, str] = {
    r"stream \S+ of NATS takes no message": "the last resort when JetStream is wiped",
}
"""Patterns of messages at level ERROR, and the fault that they are the answer to."""
EXPECTED_ENDS = {
    COORDINATORS: (4,),  # Postgres or NATS was away when it began
    AGENTS: (4,),  # the disk was full
    PROJECTORS: (4,),  # Postgres or NATS was away when it began
}
EXPECTED_LINES = (
    r"^dalsegno: ",
    r"^node agent: the journal in .* No space left on device",
)
"""What a process says as it gives up, in words for a person; its exit code is looked at."""
SHOWN_MAX = 5


class Line(msgspec.Struct, frozen=True):
    message: str
    level: str = "INFO"
    logger: str = ""
    exception: str = ""


def complaints(logs: Path) -> list[str]:
    """Lines of our processes that nobody expects, the first few of each file."""
    found: list[str] = []
    for name in PROGRAMS:
        path = logs / f"{name}.log"
        bad = [text for text in path.read_text(errors="replace").splitlines() if is_bad(text)]
        found += [f"{name} said: {text[:600]}" for text in bad[:SHOWN_MAX]]
        if len(bad) > SHOWN_MAX:
            found.append(f"{name} said {len(bad) - SHOWN_MAX} more such lines, see {path}")
    return found


def is_bad(text: str) -> bool:
    try:
        line = msgspec.json.decode(text, type=Line)
    except msgspec.MsgspecError:
        return not any(re.search(pattern, text) for pattern in EXPECTED_LINES)
    if line.exception:
        return True
    is_error = line.level in {"ERROR", "CRITICAL"}
    return is_error and not any(re.search(one, line.message) for one in EXPECTED_ERRORS)


def bad_ends(ends: Sequence[tuple[str, int]]) -> list[str]:
    """Processes that ended by themselves with a code that no fault explains."""
    return [
        f"{name} ended by itself with exit code {code}"
        for name, code in ends
        if not any(name in names and code in codes for names, codes in EXPECTED_ENDS.items())
    ]


def unsettled(folders: Iterable[Path]) -> list[str]:
    """Attempts that journals still hold."""
    return [
        f"the journal {folder.name} holds {live.attempt}"
        for folder in folders
        for live in held(folder)
    ]


def held(folder: Path) -> list[Live]:
    """What is live in the newest segment of `<folder>/node-*`."""
    segments = sorted(folder.glob("node-*/journal-*.log"))
    if not segments:
        return []
    ledger = Ledger()
    for records in read_segment(segments[-1].read_bytes(), segments[-1].name).frames:
        ledger.extend(records)
    return list(ledger.live.values())
