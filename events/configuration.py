"""Configuration in layers: defaults, files, the environment, flags; each value knows its source.

A schema is a `msgspec.Struct` whose fields are settings or sections (structs again). A setting has
a dotted name, `postgres.dsn`. A layer holds what one source says; a later layer goes before an
earlier one. Nothing is read here: texts and mappings are handed in.

    setting        file                        environment
    postgres.dsn   [postgres] dsn = "…"        DALSEGNO_POSTGRES__DSN or DALSEGNO_POSTGRES_DSN

A variable with `_FILE` behind it names a file that holds the value, as secrets of containers do.
"""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Generic, Literal, TypeVar, get_args, get_origin

import msgspec

from events.constraints import Rule, bare, expectation
from events.errors import InvariantViolation, Misconfigured
from events.redaction import redact

PREFIX = "DALSEGNO_"
NEAR = 0.93
"""How alike an unknown variable must be to one of ours to be taken for a misspelt one."""

PLAIN: Mapping[object, str] = {int: "a whole number", float: "a number", bool: "true or false"}

T = TypeVar("T", bound=msgspec.Struct)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says, by dotted name. `texts`: its values are texts to be parsed by type."""

    source: str
    values: dict[str, object] = {}
    texts: bool = False


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One effective setting. `source` is `default`, or the layer that it came from."""

    name: str
    value: object
    source: str


class Effective(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The configuration that holds, and every setting with its source."""

    value: T
    settings: tuple[Setting, ...]

    def source(self, name: str) -> str:
        """Where a setting came from; raises `KeyError` for an unknown one. O(settings)."""
        for setting in self.settings:
            if setting.name == name:
                return setting.source
        raise KeyError(name)


def setting_types(schema: type[msgspec.Struct], prefix: str = "") -> dict[str, object]:
    """The type of every setting of a schema, by dotted name, in order of definition."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(schema):
        name = f"{prefix}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= setting_types(field.type, f"{name}.")
        else:
            found[name] = field.type
    return found


# -- layers ---------------------------------------------------------------------------------------


def from_toml(
    text: str, source: str, schema: type[msgspec.Struct], others: Collection[str] = ()
) -> Layer:
    """The layer of a TOML file; sections in `others` belong to other processes.

    Raises `Misconfigured` for what is not TOML, and for unknown settings, naming the nearest.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{source} is not TOML: {error}") from None
    known = setting_types(schema)
    values: dict[str, object] = {}
    for name, value in _flattened(tables, known):
        if name.partition(".")[0] in others:
            continue
        if name not in known:
            raise Misconfigured(f"{source}: {_unknown(name, known, others)}")
        values[name] = value
    return Layer(source=source, values=values)


def from_environment(
    environment: Mapping[str, str],
    schema: type[msgspec.Struct],
    aliases: Mapping[str, str],
) -> Layer:
    """The layer of environment variables; `aliases` map variables to settings.

    An empty variable counts as not set. Raises `Misconfigured` for a variable that nearly is one of
    ours; others with our prefix belong to other processes.
    """
    known = setting_types(schema)
    variables = {**variables_of(known), **aliases}
    values: dict[str, object] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or not environment[variable]:
            continue
        if variable in variables:
            values[variables[variable]] = environment[variable]
        else:
            _check_not_misspelt(variable, variables)
    return Layer(source="environment", values=values, texts=True)


def with_files(
    environment: Mapping[str, str],
    schema: type[msgspec.Struct],
    aliases: Mapping[str, str],
    read: Callable[[str], str],
) -> Mapping[str, str]:
    """The environment, with what files hold for settings whose `<VARIABLE>_FILE` names one.

    `read` returns the text of a file and raises `Misconfigured`; space around the text does not
    count. Raises `Misconfigured` also when the file is empty, or the variable itself is set too.
    """
    variables = {**variables_of(setting_types(schema)), **aliases}
    found = dict(environment)
    for variable in variables:
        named = f"{variable}_FILE"
        if named in variables or not (path := environment.get(named)):
            continue
        if environment.get(variable):
            raise Misconfigured(f"environment: {variable} and {named} are both set: give one")
        found[variable] = read(path).strip()
        if not found.pop(named) or not found[variable]:
            raise Misconfigured(f"environment: {named}: {path} is empty, expected a value")
    return found


def variables_of(names: Collection[str]) -> dict[str, str]:
    """The environment variables of settings: sections apart by two underscores, or by one."""
    found: dict[str, str] = {}
    for name in names:
        found[PREFIX + name.upper().replace(".", "_")] = name
    for name in names:
        found[PREFIX + name.upper().replace(".", "__")] = name
    return found


def from_flags(flags: Mapping[str, str], schema: type[msgspec.Struct]) -> Layer:
    """The layer of flags by dotted name; empty ones were not given. Raises `Misconfigured`."""
    known = setting_types(schema)
    given = {name: value for name, value in flags.items() if value}
    for name in given:
        if name not in known:
            raise Misconfigured(f"flag: {_unknown(name, known)}")
    return Layer(source="flag", values=dict(given), texts=True)


# -- the whole ------------------------------------------------------------------------------------


def combine(
    schema: type[T], layers: Sequence[Layer], rules: Sequence[Rule[T]] = ()
) -> Effective[T]:
    """What holds when later layers go before earlier ones.

    Raises `Misconfigured` naming source, setting and expectation for a value that is not of its
    type or range, and for settings that do not fit together.
    """
    types = setting_types(schema)
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.values.items():
            values[name] = _converted(layer, name, value, types[name])
            sources[name] = layer.source
    whole = msgspec.convert(_nested(values), schema, from_attributes=True)
    settings = tuple(
        Setting(name=name, value=_value_at(whole, name), source=sources.get(name, "default"))
        for name in types
    )
    effective = Effective(value=whole, settings=settings)
    for rule in rules:
        _check(rule, effective)
    return effective


def _check(rule: Rule[T], effective: Effective[T]) -> None:
    if rule.holds(effective.value):
        return
    said = {name: _shown(name, _value_at(effective.value, name)) for name in rule.names}
    sources = {name: effective.source(name) for name in rule.names}
    others = ", ".join(f"{name} is {said[name]} ({sources[name]})" for name in rule.others)
    seen = f"; {others}" if others else ""
    raise Misconfigured(
        f"{sources[rule.name]}: {rule.name} is {said[rule.name]}: expected {rule.expected}{seen}"
    )


def _converted(layer: Layer, name: str, value: object, kind: object) -> object:
    if layer.texts and isinstance(value, str):
        value = _parsed(value, kind)
    try:
        plain = msgspec.convert(value, bare(kind), strict=not layer.texts)
    except msgspec.ValidationError as error:
        words = [PLAIN.get(bare(kind), "") or _choices(kind), expectation(kind)]
        said = f"expected {', '.join(filter(None, words))}" if words[0] else str(error)
        raise Misconfigured(
            f"{layer.source}: {name} is {_shown(name, value)}: {said.replace('`', '')}"
        ) from None
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        expected = expectation(kind) or str(error).replace("`", "")
        raise Misconfigured(
            f"{layer.source}: {name} is {_shown(name, plain)}: expected {expected}"
        ) from None


def _choices(kind: object) -> str:
    """What may be said where only some values may; empty elsewhere."""
    shape = bare(kind)
    if get_origin(shape) is not Literal:
        return ""
    *others, last = map(str, get_args(shape))
    return f"{', '.join(others)} or {last}" if others else last


def _shown(name: str, value: object) -> str:
    """For messages: a secret is covered."""
    return repr(redact(value, name.rpartition(".")[2]))


def _parsed(text: str, kind: object) -> object:
    """A list is written with commas, tables and lists of them as JSON, all else as it is."""
    shape = str(bare(kind))
    if shape.startswith(("tuple[", "list[")) and not text.startswith("[{"):
        return [part.strip() for part in text.split(",") if part.strip()]
    if shape.startswith("dict[") or text.startswith(("{", "[{")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _flattened(
    table: Mapping[str, object], known: Collection[str], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        is_section = any(other.startswith(f"{name}.") for other in known)
        if isinstance(value, dict) and (is_section or name not in known) and value:
            yield from _flattened(value, known, f"{name}.")
        elif not (isinstance(value, dict) and is_section):
            yield name, value


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    whole: dict[str, object] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        table = whole
        for section in sections:
            inner = table.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InvariantViolation(f"the setting {name} lies inside another setting")
            table = inner
        table[last] = value
    return whole


def _value_at(whole: object, name: str) -> object:
    for part in name.split("."):
        whole = getattr(whole, part)
    return whole


def _unknown(name: str, known: Collection[str], others: Collection[str] = ()) -> str:
    close = get_close_matches(name, [*known, *others], n=1)
    last = name.rpartition(".")[2]
    close = close or [one for one in known if one.rpartition(".")[2] == last][:1]
    mend = f"did you mean {close[0]}?" if close else "`dalsegno config show` lists them all"
    return f"there is no setting {name}; {mend}"


def _check_not_misspelt(variable: str, variables: Collection[str]) -> None:
    close = get_close_matches(variable, variables, n=1, cutoff=NEAR)
    sections = {name.rpartition("__")[0] for name in variables if "__" in name}
    if not close and variable.rpartition("__")[0] in sections:
        close = get_close_matches(variable, variables, n=1, cutoff=0.0)
    if close:
        raise Misconfigured(
            f"environment: there is no setting for {variable}; did you mean {close[0]}?"
        )
