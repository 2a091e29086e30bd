"""The keyring: what is sealed comes back, what was changed does not, and mistakes are named."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.sealing import HEAD_BYTES, NoKeys, key_of
from orchestrator.adapters.crypto.keyring import DataKey, Keys, key_line, keyring
from orchestrator.errors import Corrupt, Misconfigured, MissingKey

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BOTH = f"{key_line('old', OLD)}\n# a word about it\n\n{key_line('new', NEW)}  # and here\n"


def ring(current: str = "") -> Keys | NoKeys:
    return keyring(BOTH, current, "keyring f")


@given(st.binary(max_size=2000), st.binary(max_size=40))
def test_what_is_sealed_comes_back(plain: bytes, bound: bytes) -> None:
    sealed = ring().seal(plain, bound)
    assert ring().open(sealed, bound) == plain
    assert key_of(sealed) == key_of(sealed[:HEAD_BYTES]) == "new"


@given(st.binary(max_size=200), st.data())
def test_any_changed_byte_is_found(plain: bytes, data: st.DataObject) -> None:
    keys = Keys({"new": NEW}, "new")
    sealed = bytearray(keys.seal(plain, b"here"))
    # Bytes that do not say that they are sealed any more are plain ones: whoever stores them has a
    # checksum or a hash over them.
    place = data.draw(st.integers(4, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Corrupt):
        keys.open(bytes(sealed), b"here")


def test_sealed_bytes_do_not_open_elsewhere() -> None:
    with pytest.raises(Corrupt, match="belong elsewhere"):
        ring().open(ring().seal(b"x", b"here"), b"there")


def test_new_bytes_take_the_current_key_and_old_ones_stay_readable() -> None:
    before = ring("old").seal(b"x", b"")
    assert (key_of(before), ring().open(before, b"")) == ("old", b"x")
    assert (ring().current, ring("old").current, ring().ids) == ("new", "old", ("old", "new"))


def test_a_key_that_is_gone_is_named() -> None:
    sealed = ring("old").seal(b"x", b"")
    only_new = keyring(key_line("new", NEW), "", "f")
    for keys in (only_new, NoKeys()):
        with pytest.raises(MissingKey, match="key old is needed and not configured"):
            keys.open(sealed, b"")


def test_plain_bytes_are_read_by_everybody() -> None:
    for keys in (ring(), NoKeys()):
        assert keys.open(b"[1]", b"") == b"[1]"
    assert NoKeys().seal(b"[1]", b"") == b"[1]"
    assert key_of(b"[1]") == key_of(b"DSK1") == ""


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_a_data_key_leaves_nothing_to_chance(plain: bytes, bound: bytes) -> None:
    sealed = DataKey(OLD).seal(plain, bound)
    assert sealed == DataKey(OLD).seal(plain, bound)
    assert DataKey(OLD).open(sealed, bound) == plain
    assert sealed[:12] != DataKey(OLD).seal(plain + b"x", bound)[:12]
    for key, place in ((NEW, bound), (OLD, bound + b"x")):
        with pytest.raises(Corrupt):
            DataKey(key).open(sealed, place)


@pytest.mark.parametrize(
    ("text", "current", "said"),
    [
        ("only", "", "f, line 1: expected a line such as"),
        ("a b c", "", "f, line 1: expected a line such as"),
        ("\na ###", "", "f, line 2: expected"),
        ("a not-base-64!", "", "the key is not base 64"),
        (f"a {base64.b64encode(b'x' * 31).decode()}", "", "the key has 31 bytes"),
        (f"a{'é'} {base64.b64encode(OLD).decode()}", "", "is no id of a key"),
        (f"{'a' * 41} {base64.b64encode(OLD).decode()}", "", "at most 40"),
        (f"{key_line('a', OLD)}\n{key_line('a', NEW)}", "", "another key with the id a"),
        (key_line("a", OLD), "b", "keys.current is 'b', which f does not have: expected one of a"),
        ("", "b", "no keys at all"),
    ],
)
def test_mistakes_are_named_without_the_key(text: str, current: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as raised:
        keyring(text, current, "f")
    assert base64.b64encode(OLD).decode() not in str(raised.value)


def test_no_keys_are_a_keyring_too() -> None:
    assert keyring("\n# none yet\n", "", "f").current == ""
