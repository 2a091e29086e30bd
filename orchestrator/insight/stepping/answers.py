"""What a session answers: data, of which a terminal makes text and a program takes the JSON."""

import msgspec

from events.values import Value
from orchestrator.insight.comparing.provenance import Origin
from orchestrator.insight.stepping.graph import Line
from orchestrator.insight.stepping.language import Spec
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.replay.differences import Change
from orchestrator.replay.moments import Moment
from orchestrator.replay.why.reasons import Reason, StepReason


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A watch expression with its value; `error`: why it has none here."""

    text: str
    value: Value = None
    error: str = ""


class EventRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event in a line. `at`: microseconds."""

    version: int
    at: int
    type: str
    sentence: str


class Here(msgspec.Struct, frozen=True, kw_only=True, tag="here", omit_defaults=True):
    """Where the session stands. `event`: the one that led there, none before the first. `stopped`:
    the breakpoint that was met, or what else ended the way."""

    version: int
    last: int
    status: str
    event: EventRow | None = None
    stopped: str = ""
    watches: tuple[Watched, ...] = ()


class AtMoment(msgspec.Struct, frozen=True, kw_only=True, tag="moment"):
    moment: Moment


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="value"):
    """The value of an expression, or of a part of the state."""

    text: str
    value: Value


class Changed(msgspec.Struct, frozen=True, kw_only=True, tag="changes"):
    """What the event at a version has changed; `more` changes are left out."""

    version: int
    changes: tuple[Change, ...]
    more: int = 0


class Whole(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    """An event as it is stored, its fact below `data`."""

    version: int
    event: dict[str, Value]


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag="events"):
    """`here`: the version at which the session stands; `more` are left out at the end."""

    here: int
    rows: tuple[EventRow, ...]
    more: int = 0


class Drawn(msgspec.Struct, frozen=True, kw_only=True, tag="graph"):
    version: int
    lines: tuple[Line, ...]


class Lasting(msgspec.Struct, frozen=True, kw_only=True, tag="timeline"):
    timeline: Timeline


class Explained(msgspec.Struct, frozen=True, kw_only=True, tag="why"):
    """`values`: where those come from that the step was given."""

    step: StepReason | None = None
    reason: Reason | None = None
    values: Origin | None = None


class Stopping(msgspec.Struct, frozen=True, kw_only=True, tag="breaks"):
    """Breakpoints and watches by their numbers."""

    stops: dict[int, str] = {}
    watches: dict[int, str] = {}


class Helped(msgspec.Struct, frozen=True, kw_only=True, tag="help"):
    commands: tuple[Spec, ...]


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="quit"):
    pass


Answer = (
    Here
    | AtMoment
    | Part
    | Changed
    | Whole
    | Listed
    | Drawn
    | Lasting
    | Explained
    | Stopping
    | Helped
    | Ended
)
