"""Requests are read by the types of their operation, and refused with the name of the offender."""

import pytest

from events.limits import API_PAGE_MAX
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import operations
from orchestrator.api.server.reading import Reader


def reader(operation: str) -> Reader:
    return Reader(operations(Operations)[operation])


@pytest.mark.edge("API_PAGE_MAX")
def test_a_page_has_at_most_so_many_items() -> None:
    lists = reader("list_runs")

    read = lists.parameters({}, [("limit", str(API_PAGE_MAX))], {})
    with pytest.raises(InvalidRequest, match=f"limit: expected int <= {API_PAGE_MAX}"):
        lists.parameters({}, [("limit", str(API_PAGE_MAX + 1))], {})

    assert read["limit"] == API_PAGE_MAX


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ([("statuss", "failed")], "there is no parameter 'statuss': expected attribute, cursor"),
        ([("status", "failing")], "status: invalid enum value 'failing'"),
        ([("limit", "ten")], "limit: expected int, got str"),
        ([("limit", "1"), ("limit", "2")], "limit is given more than once"),
        ([("cursor", "a b")], "cursor: expected str matching regex"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_named(query: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        reader("list_runs").parameters({}, query, {})

    assert said in str(refused.value)


def test_a_name_in_a_path_may_have_any_character() -> None:
    read = reader("show_run").parameters({"run_id": "order%2F17%20%C3%A9"}, [], {})

    assert read == {"run_id": "order/17 é"}


def test_a_name_in_a_path_is_utf_8() -> None:
    with pytest.raises(InvalidRequest, match="run_id is not UTF-8"):
        reader("show_run").parameters({"run_id": "%FF"}, [], {})
