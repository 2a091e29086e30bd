"""The tasks of etl.yaml. The data is made up, the same every time; a database would stand here."""

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from node_agent import TaskContext, TaskError, task

COUNT = 19
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class Customer(msgspec.Struct):
    id: str
    name: str
    email: str
    age: int
    score: float


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """A field is changed in every record."""

    field: str
    action: Literal["uppercase", "lowercase", "trim", "multiply"]
    by: float = 1.0


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """What a field of every record has to be."""

    field: str
    kind: Literal["required", "email", "number", "min"]
    message: str = ""
    least: float = 0.0


class Extracted(msgspec.Struct):
    records: list[Customer]
    count: int


class Fault(msgspec.Struct):
    index: int
    field: str
    kind: str
    message: str


class Validated(msgspec.Struct):
    valid: list[dict[str, object]]
    invalid: list[dict[str, object]]
    errors: list[Fault]
    is_valid: bool


@task(name="etl.extract")
def extract(source: str, query: str, ctx: TaskContext, clean: bool = False) -> Extracted:
    """Every fifth e-mail address and every seventh age is wrong, unless the data is `clean`."""
    records = [_customer(number, clean) for number in range(1, COUNT + 1)]
    ctx.log.info("%d records of %s: %s", len(records), source, query)
    return Extracted(records, len(records))


def _customer(number: int, clean: bool) -> Customer:
    return Customer(
        id=f"REC-{number}",
        name=f"User {number}",
        email="invalid-email" if number % 5 == 0 and not clean else f"user{number}@example.com",
        age=-5 if number % 7 == 0 and not clean else 20 + number % 50,
        score=75.5 + 0.5 * number,
    )


@task(name="etl.transform")
def transform(records: list[dict[str, object]], rules: list[Change]) -> list[dict[str, object]]:
    for record in records:
        for rule in rules:
            record[rule.field] = _changed(record.get(rule.field), rule)
    return records


def _changed(value: object, rule: Change) -> object:
    if rule.action == "multiply" and isinstance(value, int | float):
        return value * rule.by
    changes: dict[str, Callable[[str], str]] = {
        "uppercase": str.upper,
        "lowercase": str.lower,
        "trim": str.strip,
    }
    if isinstance(value, str) and rule.action in changes:
        return changes[rule.action](value)
    raise TaskError("not_applicable", f"{rule.action} on {value!r}, a {rule.field}", None, False)


@task(name="etl.validate")
def validate(records: list[dict[str, object]], rules: list[Rule]) -> Validated:
    errors = [
        Fault(index, rule.field, rule.kind, rule.message or f"{rule.field} is not {rule.kind}")
        for rule in rules
        for index, record in enumerate(records)
        if not _is_met(record.get(rule.field), rule)
    ]
    wrong = {error.index for error in errors}
    return Validated(
        valid=[record for index, record in enumerate(records) if index not in wrong],
        invalid=[record for index, record in enumerate(records) if index in wrong],
        errors=errors,
        is_valid=not errors,
    )


def _is_met(value: object, rule: Rule) -> bool:
    if value is None:
        return rule.kind != "required"
    match rule.kind:
        case "email":
            return isinstance(value, str) and EMAIL.fullmatch(value) is not None
        case "number":
            return isinstance(value, int | float)
        case "min":
            return isinstance(value, int | float) and value >= rule.least
        case "required":
            return True


@task(name="etl.load")
def load(records: list[Customer], database: str, table: str, ctx: TaskContext) -> dict[str, int]:
    """Loads nothing anywhere. One that does gives the database `ctx.idempotency_key`."""
    ctx.log.info("%d records into %s.%s under %s", len(records), database, table,
                 ctx.idempotency_key)  # fmt: skip
    return {"loaded_count": len(records)}


@task(name="etl.report")
def report(errors: list[Fault], notify: str, ctx: TaskContext) -> dict[str, int]:
    for error in errors:
        ctx.log.warning("record %d: %s: %s", error.index, error.field, error.message)
    ctx.note(f"{notify} would be told of {len(errors)} errors")
    return {"error_count": len(errors)}
