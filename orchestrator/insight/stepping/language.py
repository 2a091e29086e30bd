"""The language of a session: a command a line, a word and what follows it.

It is the same at the prompt of the terminal and in a script. What follows a word is taken as it is,
so that expressions need no quotes but their own.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from events.errors import Rejected
from events.limits import COMMAND_CHARS_MAX

COMMENT = "#"


class Spec(msgspec.Struct, frozen=True):
    """A command: its name and its short one, what follows it, and what it does."""

    name: str
    short: str
    arguments: str
    words: str

    @property
    def usage(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()


SPECS = (
    Spec("step", "s", "[N]", "one event on, or N"),
    Spec("back", "b", "[N]", "one event back, or N"),
    Spec("goto", "g", "VERSION|start|end", "to a version; 0 is before the first event"),
    Spec("time", "t", "INSTANT|+DURATION", "to how it was then, or so long after it began"),
    Spec("break", "br", "event TYPE|step NAME|error [CODE]|when EXPR", "stop there from now on"),
    Spec("breaks", "", "", "the breakpoints and watches"),
    Spec("clear", "", "[N]", "forget breakpoint N, or all of them"),
    Spec("continue", "c", "", "on to the next breakpoint, or to the end"),
    Spec("rewind", "r", "", "back to the last breakpoint before, or to the start"),
    Spec("find", "f", "[TEXT]", "on to the next event with this in it; again without TEXT"),
    Spec("findback", "fb", "[TEXT]", "the same backwards"),
    Spec("state", "st", "[PATH]", "what is so here, or a part of it: vars, steps.load.output"),
    Spec("changes", "ch", "", "what the event that led here has changed"),
    Spec("event", "e", "", "the whole event that led here"),
    Spec("events", "ev", "[FROM [TO]]", "events, a line each; those around here without FROM"),
    Spec("graph", "gr", "", "the workflow with what is under way, and its tokens"),
    Spec("timeline", "tl", "", "where the time went up to here"),
    Spec("why", "w", "[STEP]", "why the event that led here came about, or a step is as it is"),
    Spec(
        "print", "p", "EXPR", "the value of a CEL expression: vars.total, state.status, event.type"
    ),
    Spec("watch", "", "EXPR", "print it after each move; `breaks` lists them"),
    Spec("unwatch", "", "[N]", "forget watch N, or all of them"),
    Spec("help", "h", "[COMMAND]", "this"),
    Spec("quit", "q", "", "end the session"),
)
BY_NAME: Mapping[str, Spec] = {
    **{spec.short: spec for spec in SPECS if spec.short},
    **{spec.name: spec for spec in SPECS},
}


class Command(msgspec.Struct, frozen=True):
    """`rest`: what follows the word, without blanks around it."""

    name: str
    rest: str = ""


def parse(line: str) -> Command | None:
    """The command of a line; None of an empty one, or a comment. Raises `Rejected`."""
    text = line.strip()
    if not text or text.startswith(COMMENT):
        return None
    if len(text) > COMMAND_CHARS_MAX:
        raise Rejected(f"a command of {len(text)} characters: expected at most {COMMAND_CHARS_MAX}")
    word, _, rest = text.partition(" ")
    spec = BY_NAME.get(word)
    if spec is None:
        raise Rejected(f"there is no command {word!r}{_nearest(word)}: `help` lists them")
    if rest and not spec.arguments:
        raise Rejected(f"`{spec.name}` takes nothing, and {rest.strip()!r} follows it")
    return Command(spec.name, rest.strip())


def _nearest(word: str) -> str:
    close = get_close_matches(word, [spec.name for spec in SPECS], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def number_of(text: str, what: str, least: int = 1) -> int:
    """A whole number that was given. Raises `Rejected`."""
    if not text.isdecimal() or int(text) < least:
        raise Rejected(f"{what} is {text!r}: expected a whole number from {least}")
    return int(text)
