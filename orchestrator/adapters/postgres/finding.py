"""Lists of runs: the statement and its values for what is asked."""

from collections.abc import Iterator
from typing import Any

from orchestrator.adapters.postgres.arrays import texts
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.insight.finding import LabelCondition, RunQuery

BEFORE = """({by}.started_at, {by}.run_id) < (
    SELECT b.started_at, b.run_id FROM dalsegno.run_index AS b WHERE b.run_id = %(before)s
)"""
BEFORE_AT = "({by}.started_at, {by}.run_id) < (%(before_at)s, %(before)s)"
ALSO = """EXISTS (
    SELECT FROM dalsegno.run_label AS {name}
    WHERE {name}.generation = l.generation AND {name}.run_id = r.run_id AND {condition}
)"""

Values = dict[str, Any]


def find_runs_text(queries: Queries, query: RunQuery) -> tuple[str, Values]:
    """A statement with only the conditions that are asked for, and its values. Of several labels
    one that is equal to a value leads: its rows are in the order of the list."""
    labels = sorted(query.labels, key=lambda one: one.comparison != "=")
    values: Values = {"limit": query.limit}
    conditions = list(_plain(query, "l" if labels else "r", values))
    if not labels:
        text = queries["find_runs"]
        return text.replace("{conditions}", " AND ".join(conditions) or "true"), values
    for number, label in enumerate(labels[1:], 1):
        name = f"l{number}"
        condition = _label(label, name, values)
        conditions.append(ALSO.replace("{name}", name).replace("{condition}", condition))
    text = queries["find_labelled_runs"].replace("{label}", _label(labels[0], "l", values))
    return text.replace("{conditions}", " AND ".join(conditions) or "true"), values


def _plain(query: RunQuery, by: str, values: Values) -> Iterator[str]:
    """Conditions of the index; `by` is the table that says the order."""
    asked = {
        "r.status = %(status)s": ("status", query.status),
        "r.workflow = %(workflow)s": ("workflow", query.workflow),
        f"{by}.started_at >= %(since)s": ("since", query.since),
        f"{by}.started_at < %(until)s": ("until", query.until),
        BEFORE.replace("{by}", by): ("before", query.before),
    }
    if query.before_at is not None:
        values["before_at"], values["before"] = query.before_at, query.before
        yield BEFORE_AT.replace("{by}", by)
        del asked[BEFORE.replace("{by}", by)]
    for condition, (name, value) in asked.items():
        if value not in {"", None}:
            values[name] = value
            yield condition


def _label(label: LabelCondition, table: str, values: Values) -> str:
    """Every value is a parameter; comparisons are one of five."""
    values[f"{table}_kind"], values[f"{table}_name"] = label.kind, label.name
    same = f"{table}.kind = %({table}_kind)s AND {table}.name = %({table}_name)s"
    if label.comparison != "=":
        values[f"{table}_number"] = label.number
        return f"{same} AND {table}.number {label.comparison} %({table}_number)s"
    known = label.texts
    if len(known) == 1:
        values[f"{table}_value"] = known[0]
        return f"{same} AND {table}.value = %({table}_value)s"
    values[f"{table}_value"] = texts(known)
    return f"{same} AND {table}.value = ANY(%({table}_value)b)"
