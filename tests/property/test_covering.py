"""Whatever a value is, and wherever and however it is written, nothing of it is left."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.replay.exchange.covering import Covered
from orchestrator.replay.fields import words

WORDS = " ".join(words()).lower()
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs"])
SECRETS = st.text(CHARACTERS, min_size=8, max_size=40).filter(
    lambda text: text.lower() not in WORDS and not text.startswith("redacted")
)
AROUND = st.text(CHARACTERS, max_size=9)

WRITTEN: Mapping[str, Callable[[str, str], str]] = {
    "plain": lambda secret, before: f"{before}{secret}{before}",
    "upper": lambda secret, before: before + secret.upper(),
    "json": lambda secret, before: json.dumps([before, secret]),
    "quoted": lambda secret, before: before + quote(secret),
    "in a form": lambda secret, before: f"{quote_plus(before)}={quote_plus(secret)}&x=1",
    "base64": lambda secret, before: base64.b64encode(f"{before}{secret}x".encode()).decode(),
    "url base64": lambda secret, before: base64.urlsafe_b64encode(
        (before + secret).encode()
    ).decode(),
    "hexadecimal": lambda secret, before: before + secret.encode().hex().upper(),
    "sha256": lambda secret, _: hashlib.sha256(secret.encode()).hexdigest(),
    "md5": lambda secret, before: before + base64.b64encode(
        hashlib.md5(secret.encode(), usedforsecurity=False).digest()
    ).decode(),
}  # fmt: skip


@given(secret=SECRETS, before=AROUND, how=st.sampled_from(sorted(WRITTEN)))
def test_a_value_is_found_in_whatever_form(secret: str, before: str, how: str) -> None:
    text = WRITTEN[how](secret, before)
    covered = Covered(words())
    covered.add(secret)
    found = covered.text(text)
    assert not covered.found_in(found)
    assert "redacted-1" in found
