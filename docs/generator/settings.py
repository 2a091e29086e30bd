"""Tables of settings: name, default, what is allowed, and what its docstring says."""

from typing import Literal, get_args, get_origin

import msgspec

from docs.generator.source import constant_texts, field_texts
from events import limits
from events.constraints import bare, expectation
from events.limits import configured
from node_agent import config as agent
from orchestrator.config import Config

TITLES = {
    "": "The cluster",
    "postgres": "Postgres",
    "nats": "NATS",
    "coordinator": "The coordinator",
    "engine": "The engine",
    "limits": "Limits",
    "projections": "Projections",
    "keys": "Keys",
    "retention": "Retention",
    "feed": "The feed over NATS",
    "api": "The API",
    "log": "Logs",
    "agent": "The agent",
}
HEAD = "| setting | default | allowed | what it is |\n|---|---|---|---|\n"


def of_the_orchestrator() -> str:
    return _sections(Config)


def of_agents() -> str:
    """Only what is an agent's own; the rest stands among the others'."""
    return f"{HEAD}{''.join(_rows(agent.AgentConfig, 'agent.'))}"


def fixed_limits() -> str:
    rows = [
        f"| `{name}` | {getattr(limits, name):,} | {text} |\n"
        for name, text in (constant_texts(configured) | constant_texts(limits)).items()
        if text
    ]
    return f"| limit | value | what it is |\n|---|---|---|\n{''.join(rows)}"


def _sections(schema: type[msgspec.Struct]) -> str:
    fields = msgspec.structs.fields(schema)
    plain = [field.name for field in fields if not _is_section(field.type)]
    text = f"## {TITLES['']}\n\n{HEAD}{''.join(_rows(schema, '', plain))}"
    for field in fields:
        if _is_section(field.type):
            rows = "".join(_rows(field.type, f"{field.name}."))
            text += f"\n## {TITLES[field.name]}\n\n{HEAD}{rows}"
    return text


def _rows(schema: type[msgspec.Struct], prefix: str, only: list[str] | None = None) -> list[str]:
    texts = field_texts(schema)
    rows: list[str] = []
    for field in msgspec.structs.fields(schema):
        if only is not None and field.name not in only:
            continue
        value = msgspec.json.encode(_default(field)).decode()
        text = texts[field.name]
        if not text:
            raise ValueError(f"setting {prefix}{field.name} has no docstring under its field")
        rows.append(f"| `{prefix}{field.name}` | `{value}` | {allowed(field.type)} | {text} |\n")
    return rows


def _default(field: msgspec.structs.FieldInfo) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def allowed(kind: object) -> str:
    """What a setting may be."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    return expectation(kind) or ("`true`, `false`" if bare(kind) is bool else "text")
