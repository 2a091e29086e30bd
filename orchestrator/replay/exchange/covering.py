"""Covering: values that must not be in an export, and what takes their place wherever they are.

A value is looked for as it is, in any case of letters, and in the forms that programs give it: as
JSON inside a text, percent-encoded, in base 64 at any offset, in hexadecimal digits, and as its
common hashes, which anybody can make who guesses the value. Each of these becomes `redacted-7`,
with a number for each value, so that what was equal still is.

Some values cannot be looked for: `true`, `3`, `DE`, or a word of our own language such as
`completed`, are in every history for other reasons. These *weak* ones are taken out where they
stand by themselves, and become `redacted` without a number.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from msgspec import structs

from events.codec import digest, encode
from events.errors import InvalidValue, Rejected
from events.limits import REDACTED_VALUES_MAX
from events.references import ListReference, as_value, reference_of
from events.values import Value

TOKEN = "redacted"  # noqa: S105 -- what stands in place of one
CHARS_MIN = 4
"""A shorter text is weak, and so is a number with fewer digits."""
ENCODED_MIN = 6
"""Bytes of a value that is also looked for in base 64 and in hexadecimal digits."""
CHECKED_MIN = 8
"""Shorter ones are in hashes and ids by chance, so that nobody can say that they are gone."""
HEXADECIMAL = re.compile(r"[0-9a-f]{16,}")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
HASHES = ("md5", "sha1", "sha256", "sha512")

Scalar = bool | int | float | str


class Covered:
    """The values, and texts without them. `words`: what a weak text is part of."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = " ".join(words).lower()
        self._tokens: dict[tuple[type, Scalar], str] = {}
        self._numbers: dict[str, str] = {}
        self._forms: dict[str, list[tuple[str, str]]] = {}
        """By their first characters: forms, and what takes their place; the longest first."""
        self.strong = 0
        self.weak = 0

    @property
    def count(self) -> int:
        return len(self._tokens)

    # -- what is covered --------------------------------------------------------------------------

    def add(self, value: Value) -> None:
        """A value, or everything in it; of a stored list nothing, as its values are elsewhere.
        Raises `Rejected` when there are too many."""
        if stored_list(value) is not None:
            return
        if isinstance(value, dict):
            for item in value.values():
                self.add(item)
        elif isinstance(value, list):
            for item in value:
                self.add(item)
        elif value is not None and value != "":
            self._scalar(value)

    def _scalar(self, value: Scalar) -> None:
        key = type(value), value
        if key in self._tokens or (isinstance(value, str) and _is_token(value)):
            return
        if len(self._tokens) >= REDACTED_VALUES_MAX:
            raise Rejected(
                f"over {REDACTED_VALUES_MAX} different values are to be taken out: export fewer "
                "runs at a time, or fewer fields"
            )
        if self._is_weak(value):
            self.weak += 1
            self._tokens[key] = TOKEN
            return
        self.strong += 1
        token = self._tokens[key] = f"{TOKEN}-{self.strong}"
        if isinstance(value, str):
            for form in forms(value):
                self.put(form, token)
            if NUMBER.fullmatch(value):
                self._numbers.setdefault(value, token)
        else:
            self._numbers.setdefault(encode(value).decode(), token)

    def _is_weak(self, value: Scalar) -> bool:
        if isinstance(value, bool):
            return True
        if isinstance(value, str):
            return len(value) < CHARS_MIN or value.lower() in self._words
        return sum(map(str.isdigit, str(value))) < CHARS_MIN

    def put(self, text: str, instead: str) -> None:
        """A text that is replaced wherever it is, such as an id that was made of a value."""
        folded = _folded(text)
        found = self._forms.setdefault(folded[:CHARS_MIN], [])
        if all(folded != one for one, _ in found):
            found.append((folded, instead))
            found.sort(key=lambda one: -len(one[0]))

    # -- texts without them -----------------------------------------------------------------------

    def value(self, value: Value) -> Value:
        """A user's value without them, its names included. Where a stored list is stays said."""
        if (found := stored_list(value)) is not None:
            chunks = [structs.replace(one, hash=self.text(one.hash)) for one in found.chunks]
            return as_value(structs.replace(found, chunks=tuple(chunks)))
        if isinstance(value, dict):
            return {self.text(name): self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value if value is None else self.scalar(value)

    def scalar(self, value: Scalar) -> Scalar:
        """Small numbers, and whether something is so, are taken out only at their fields."""
        if isinstance(value, str):
            return self._tokens.get((str, value)) or self.text(value)
        token = self._tokens.get((type(value), value))
        if token is None or isinstance(value, bool):
            return value
        return value if token == TOKEN and abs(value) < 10 else token

    def text(self, text: str) -> str:
        """Any text without them. O(length).

        In what looks like a hash only what is not there by chance.
        """
        if HEXADECIMAL.fullmatch(text):
            return "".join(self._pieces(text, CHECKED_MIN))
        if self._forms and len(text) >= CHARS_MIN:
            text = "".join(self._pieces(text, CHARS_MIN))
        if self._numbers and len(text) >= CHARS_MIN:
            text = NUMBER.sub(lambda found: self._numbers.get(found[0], found[0]), text)
        return text

    def _pieces(self, text: str, least: int) -> Iterator[str]:
        """The text in pieces; only forms of at least so many characters are taken out."""
        folded, begun, at = _folded(text), 0, 0
        forms, last = self._forms, len(text) - CHARS_MIN
        while at <= last:
            for form, instead in forms.get(folded[at : at + CHARS_MIN], ()):
                if len(form) >= least and folded.startswith(form, at):
                    yield text[begun:at]
                    yield instead
                    at += len(form)
                    begun = at
                    break
            else:
                at += 1
        yield text[begun:]

    def found_in(self, text: str) -> bool:
        """Whether a value is still in a text."""
        folded, forms = _folded(text), self._forms
        return any(
            folded.startswith(form, at)
            for at in range(len(folded) - CHARS_MIN + 1)
            for form, _ in forms.get(folded[at : at + CHARS_MIN], ())
            if len(form) >= CHECKED_MIN
        )


def stored_list(value: Value) -> ListReference | None:
    """The reference to a list that a value is, if it is one and says nothing else."""
    try:
        found = reference_of(value)
    except InvalidValue:
        return None
    return found if found is not None and as_value(found) == value else None


def forms(value: str) -> Iterator[str]:
    """A text, and what programs make of it."""
    plain = value.encode("utf-8", "surrogatepass")
    yield value
    yield value.upper()
    yield encode(value).decode()[1:-1]
    yield json.dumps(value)[1:-1]
    yield value.encode("unicode_escape").decode()
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    for name in HASHES:
        found = hashlib.new(name, plain, usedforsecurity=False)
        yield found.hexdigest()
        yield from _base64(found.digest())
    yield digest(plain)
    if len(plain) >= ENCODED_MIN:
        yield plain.hex()
        for shift in range(3):
            yield from _base64(plain, shift)


def _base64(data: bytes, shift: int = 0) -> Iterator[str]:
    """The characters that stand only for these bytes, wherever they lie in what is encoded."""
    first = (8 * shift + 5) // 6
    last = 8 * (shift + len(data)) // 6
    text = b64encode(bytes(shift) + data).decode()[first:last]
    if len(text) >= CHARS_MIN:
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _folded(text: str) -> str:
    """In small letters, character by character: each stays where it is."""
    if text.isascii():
        return text.lower()
    return "".join(small if len(small := one.lower()) == 1 else one for one in text)


def _is_token(text: str) -> bool:
    head, _, number = text.partition("-")
    return head == TOKEN and (not number or number.isdecimal())
