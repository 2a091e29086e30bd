"""Requests that schemathesis makes from the OpenAPI document: no 5xx, no answer that is not in it.

Some are as the document says, some are not; half of the names in them are of what is there. The
same ones every time. `API_EXAMPLES` of each operation, for a longer look.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from events.values import Value

EXAMPLES = int(os.environ.get("API_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
WAIT_S_MAX = 0.02
TIMEOUT_S = 30.0
AnyOperation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
Known = Mapping[str, Sequence[Value]]
"""What is there, by the names of parameters."""


def check_every_operation(url: str, known: Known) -> Counter[str]:
    """The statuses of all answers, by operation: `list_runs 200`."""
    found: Counter[str] = Counter()
    with requests.Session() as session:
        document = session.get(f"{url}/openapi.json", timeout=TIMEOUT_S).json()
        schema = schemathesis.openapi.from_dict(document)
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            asking = Asking(result.ok(), url, session, known)
            asking.as_it_says()
            if asking.takes_something:
                asking.otherwise()
            found += asking.answers
    return found


class Asking:
    """Requests for one operation."""

    def __init__(
        self, operation: AnyOperation, url: str, session: requests.Session, known: Known
    ) -> None:
        raw = operation.definition.raw
        self._operation = operation
        self._id = str(raw["operationId"])
        self._url = url
        self._session = session
        self._known = known
        self.answers: Counter[str] = Counter()
        self.takes_something = bool(raw["parameters"]) or "requestBody" in raw

    def as_it_says(self) -> None:
        self._ask(GenerationMode.POSITIVE, EXAMPLES)

    def otherwise(self) -> None:
        """Takes longer to think of."""
        self._ask(GenerationMode.NEGATIVE, max(1, EXAMPLES - 1))

    def _ask(self, mode: GenerationMode, examples: int) -> None:
        cases = self._operation.as_strategy(mode)

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def ask(data: st.DataObject) -> None:
            self._send(self._about_what_is_there(data, data.draw(cases)))

        ask()

    def _about_what_is_there(self, data: st.DataObject, case: AnyCase) -> AnyCase:
        for place in (case.path_parameters, case.query, case.body):
            if not isinstance(place, dict):
                continue
            for name in sorted(place.keys() & self._known.keys()):
                if data.draw(st.booleans()):
                    place[name] = data.draw(st.sampled_from(self._known[name]))
            wait_s = place.get("wait_s", 0)
            if isinstance(wait_s, int | float) and wait_s > WAIT_S_MAX:
                place["wait_s"] = WAIT_S_MAX
        return case

    def _send(self, case: AnyCase) -> None:
        """Of a feed only how it begins."""
        request = case.as_transport_kwargs(base_url=self._url)
        with self._session.request(**request, timeout=TIMEOUT_S, stream=True) as response:
            self.answers[f"{self._id} {response.status_code}"] += 1
            kind = response.headers["content-type"]
            if not (response.status_code == 200 and kind.startswith("text/event-stream")):
                case.validate_response(response, checks=CHECKS)
            else:
                assert self._id.startswith("follow_"), f"{self._id} answers {kind}"
