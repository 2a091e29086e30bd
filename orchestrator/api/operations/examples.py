"""Examples of answers, made from their types: fields of one name have one example everywhere.

So every operation has an example, and none of them can be of a form that is not answered any more.
"""

from collections.abc import Mapping

from msgspec import inspect

Json = object

BY_NAME: Mapping[str, Json] = {
    "action": "cancel",
    "actor": "user:alex",
    "at": 1_795_331_647_143_169,
    "attempt": 1,
    "attempts": 1,
    "batch_id": "01m811pgpd7b71zxa9jsc41ab0",
    "begun_at": 1_795_331_647_114_104,
    "causation": "start_run",
    "checksum": "f0a1c2d3",
    "code": "not_found",
    "completed": 4,
    "coordinator": "coordinator-1",
    "count": 17,
    "created": True,
    "data": {"step": "compose", "attempt": 1},
    "description": "Greets whoever is named.",
    "digest": "BQcbPQExSYXYOWHZg4EwWlDxt0g87llIlPUJUJyh2WI",
    "done": 12,
    "ended_at": 1_795_331_647_143_169,
    "event": "task.completed.v1",
    "hash": "a615eeaee21de5179de080de8c3052c8da901138406ba71c38c032845f7d54f4",
    "id": "01M811NSMAC5V8GYKCK4NJ6Z0X-1",
    "kind": "task",
    "last": 4,
    "last_version": 4,
    "log": "",
    "message": "account closed",
    "name": "compose",
    "new_workflow_version": "cf5ad5942c76d5cc7e9a",
    "next": "WzE3OTUzMzE2NDcxMTQxMDQsIm5pZ2h0bHktMTciXQ",
    "node": "agent-1",
    "output": {"text": "Hello, you"},
    "path": "steps.compose.status",
    "position": 12,
    "reason": "the price list was wrong",
    "recorded_at": 1_795_331_647_114_104,
    "registered_at": 1_795_331_600_000_000,
    "release": "0.3.0",
    "run_id": "nightly-17",
    "sentence": "compose completed at its first attempt",
    "shard": 3,
    "source": "workflow: greet\nsteps:\n- id: compose\n  task: greet.compose\n",
    "started_at": 1_795_331_647_114_104,
    "state_hash": "VO_myMfhkKaNoemSPbhtqyUV9XPCXDdJxoDCt_pmimQ",
    "status": "completed",
    "step": "compose",
    "steps": 2,
    "stream": "run:nightly-17",
    "task": "greet.compose",
    "type": "run.started.v1",
    "until": 1_795_331_647_143_169,
    "updated_at": 1_795_331_647_143_169,
    "value": 42,
    "version": 4,
    "workflow": "greet",
    "workflow_version": "cf5ad5942c76d5cc7e9a",
}
DEPTH_MAX = 6


def example_of(kind: object) -> Json:
    """An example of a type, as JSON data, that it accepts."""
    return _example(inspect.type_info(kind), "", 0)


def _example(info: inspect.Type, name: str, depth: int) -> Json:
    if isinstance(info, inspect.Metadata):
        found = (info.extra_json_schema or {}).get("examples")
        return found[0] if found else _example(info.type, name, depth)
    if name in BY_NAME and _fits(BY_NAME[name], info):
        return BY_NAME[name]
    if isinstance(info, inspect.UnionType):
        return _example(_first(info.types), name, depth)
    return _made(info, depth)


def _made(info: inspect.Type, depth: int) -> Json:
    match info:
        case inspect.StructType():
            return _struct(info, depth)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return [] if depth >= DEPTH_MAX else [_example(item, "", depth + 1)]
        case inspect.TupleType(item_types=items):
            return [_example(item, "", depth + 1) for item in items]
        case inspect.NamedTupleType(fields=fields):
            return [_example(field.type, field.name, depth + 1) for field in fields]
        case inspect.LiteralType(values=values):
            return next((value for value in values if value), values[0])
        case _:
            return PLAIN.get(type(info))


PLAIN: Mapping[type[inspect.Type], Json] = {
    inspect.StrType: "",
    inspect.IntType: 0,
    inspect.FloatType: 1.5,
    inspect.BoolType: False,
    inspect.DictType: {},
    inspect.AnyType: None,
    inspect.RawType: None,
    inspect.NoneType: None,
}


def _struct(info: inspect.StructType, depth: int) -> Json:
    """Fields that may be left out are, where structs lie deep in each other."""
    found: dict[str, Json] = {}
    if info.tag is not None and info.tag_field is not None:
        found[info.tag_field] = info.tag
    for field in info.fields:
        if field.required or depth < 2:
            found[field.encode_name] = _example(field.type, field.name, depth + 1)
    return found


def _first(types: tuple[inspect.Type, ...]) -> inspect.Type:
    """The first of several that is something."""
    return next((one for one in types if not isinstance(one, inspect.NoneType)), types[0])


def _fits(value: Json, info: inspect.Type) -> bool:
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    return any(isinstance(kind, FITTING[type(value)]) for kind in kinds)


FITTING: Mapping[type, tuple[type[inspect.Type], ...]] = {
    str: (inspect.StrType, inspect.AnyType),
    int: (inspect.IntType, inspect.AnyType),
    bool: (inspect.BoolType, inspect.AnyType),
    dict: (inspect.DictType, inspect.AnyType),
}
