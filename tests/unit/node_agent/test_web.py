"""Parts of `http.request` that need no wire: waits asked for, keys, hosts, its reference."""

import re
from pathlib import Path

import msgspec
import pytest

from node_agent.importing import load_registry
from node_agent.web.answer import may_follow, retry_after_s
from node_agent.web.request import Attempted, Redirects, Request, sending

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Sat, 21 Nov 2026 10:01:30 GMT", "date": DATE}, 90.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:01:30 GMT"}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "9" * 400}, 999_999_999.0),
    ],
)
def test_a_date_is_taken_against_the_clock_of_the_service(
    headers: dict[str, str], seconds: float
) -> None:
    assert retry_after_s(headers) == seconds


def key_of(task_key: str) -> str:
    attempted = Attempted(idempotency_key=task_key, traceparent="00-aa-bb-01", secret=str)
    sent = dict(sending(Request(url="http://h/"), attempted).headers)
    assert sent["traceparent"] == "00-aa-bb-01"
    return sent["Idempotency-Key"]


@pytest.mark.parametrize("task_key", ["run/größe~1", "run/a b~1", f"{'r' * 254}~1"])
def test_a_key_that_no_header_takes_is_hashed(task_key: str) -> None:
    assert key_of("run/a~1") == "run/a~1"
    assert len(key_of(task_key)) == 64
    assert key_of(task_key) == key_of(task_key) != key_of(f"{task_key}1")


@pytest.mark.parametrize(
    ("policy", "here", "there", "may"),
    [
        ("same_host", "http://a/x", "http://a/y", True),
        ("same_host", "http://a/x", "http://a:80/y", True),
        ("same_host", "http://a/x", "https://a/y", True),
        ("same_host", "http://a/x", "https://a:8443/y", False),
        ("same_host", "http://a:81/x", "http://a:82/y", False),
        ("same_host", "http://a/x", "http://b/y", False),
        ("same_host", "https://a/x", "http://a/y", False),
        ("any", "https://a/x", "http://b/y", False),
        ("any", "http://a/x", "https://b/y", True),
        ("any", "http://a/x", "file:///etc/hosts", False),
        ("none", "http://a/x", "http://a/y", False),
    ],
)
def test_where_redirects_may_lead(policy: Redirects, here: str, there: str, may: bool) -> None:
    assert may_follow(policy, here, there) is may


CODES = (
    "http_timeout",
    "http_connection",
    "http_redirect",
    "http_too_large",
    "http_invalid_body",
    "http_invalid_request",
    "unknown_secret",
    "invalid_inputs",
)
REFERENCE = Path(__file__).parents[3] / "docs/reference/tasks.md"


@pytest.mark.parametrize("name", ["http.request", "trace.task"])
def test_every_input_of_a_built_in_task_is_described_with_its_default(name: str) -> None:
    (section,) = re.findall(rf"^## {name}$(.*?)^## ", REFERENCE.read_text(), re.M | re.S)
    found = re.findall(r"^\| `([a-z_]+)` \| ?(.*?) ?\| \S", section, re.M)
    (task,) = (one for one in load_registry([]).describe() if one.name == name)
    inputs = task.parameters["properties"]
    assert isinstance(inputs, dict)
    inputs_and_defaults = {
        key: f"`{msgspec.json.encode(schema['default']).decode()}`" if "default" in schema else ""
        for key, schema in inputs.items()
    }
    described = dict(found)
    assert {key: described.get(key) for key in inputs} == inputs_and_defaults
    assert all(key in inputs or key in CODES for key in described)
