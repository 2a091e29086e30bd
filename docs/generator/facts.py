"""Tables of the stored facts: every type, what it says, its fields."""

import msgspec

from docs.generator.source import annotations, doc, field_texts
from events import cluster_facts, facts, operator_facts, run_facts, task_facts
from events.catalogue import facts_of

STREAMS = (
    ("run:<id>", (run_facts, task_facts, operator_facts)),
    ("node:<name>, shard:<n>, definition:<workflow>, import:<run>", (cluster_facts,)),
)
SHARED = (facts, run_facts, task_facts, operator_facts, cluster_facts)


def streams() -> str:
    rows = [
        f"| {', '.join(f'`{name}`' for name in stream.split(', '))} | "
        f"{' '.join(f'`{fact.TYPE}`' for fact in facts_of(*modules))} |\n"
        for stream, modules in STREAMS
    ]
    return f"| stream | stored names |\n|---|---|\n{''.join(rows)}"


def all_facts() -> str:
    found = [fact for _, modules in STREAMS for fact in facts_of(*modules)]
    return "\n".join(_described(f"`{fact.TYPE}`", fact) for fact in found)


def all_parts() -> str:
    found: dict[str, type[msgspec.Struct]] = {}
    for module in SHARED:
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, facts.Part) and item is not facts.Part:
                found[item.__name__] = item
    return "\n".join(_described(name, part) for name, part in sorted(found.items()))


def _described(title: str, cls: type[msgspec.Struct]) -> str:
    text = doc(cls) if cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}(") else ""
    said = f"{text}\n\n" if text else ""
    return f"### {title}\n\n{said}{_fields(cls)}"


def _fields(cls: type[msgspec.Struct]) -> str:
    types, texts = annotations(cls), field_texts(cls)
    rows = [
        f"| `{field.name}` | `{_escaped(types.get(field.name, ''))}` | {_default(field)} | "
        f"{texts.get(field.name, '')} |\n"
        for field in msgspec.structs.fields(cls)
    ]
    if not rows:
        return "No fields.\n"
    return f"| field | type | default | |\n|---|---|---|---|\n{''.join(rows)}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    factory = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    return "" if isinstance(value, msgspec.Struct) else f"`{msgspec.json.encode(value).decode()}`"


def _escaped(kind: str) -> str:
    return kind.replace("|", "\\|")
