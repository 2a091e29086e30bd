"""Configuration of a node agent: defaults, then one TOML file, then the environment, then flags.

    setting              file ([agent], [nats])   environment                 flag
    node                 agent.node               DALSEGNO_NODE               --node
    imports              agent.imports            DALSEGNO_IMPORTS (commas)   --import
    nats.urls            nats.urls                DALSEGNO_NATS_URL (commas)  --nats-url
    any other            agent.<name>             DALSEGNO_<NAME>             some
    any other of nats    nats.<name>              DALSEGNO_NATS_<NAME>        none

The file is shared with the other processes, so other sections are theirs. Every value remembers
where it came from.
"""

import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from events.connection import Connection
from events.errors import Misconfigured
from events.policies import Needs
from events.subjects import token
from node_agent.settings import Settings

ENVIRONMENT_PREFIX = "DALSEGNO_"
SLOTS_PER_CORE = 4
SLOTS_MIN = 8
CREDITS_PER_SLOT = 4

Given = dict[str, object]
"""Values by dotted name, as one source gives them."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Durations are seconds. `slots`: attempts that run at a time, 0 is four a core, at least 8;
    `credits`: attempts held at a time, 0 is four a slot.
    """

    node: str = ""
    """Name of this node, unique in its cluster; the host's name when empty."""
    imports: tuple[str, ...] = ()
    """Modules that declare tasks: dotted names or paths of Python files."""
    data_dir: str = ".dalsegno"
    """The journal lies in `<data_dir>/node-<node>`."""
    prefix: str = "dalsegno"
    """Subject prefix; separates clusters on one NATS."""
    slots: int = 0
    credits: int = 0
    labels: dict[str, str] = {}
    build_id: str = ""
    capacity: Needs | None = None
    """What the node has; measured when not set."""
    secrets_dir: str = ""
    """Folder with one file for each secret; `DALSEGNO_SECRET_<NAME>` comes before it."""
    output_bytes_max: int = 256 * 1024
    """A larger output fails its attempt with `payload_too_large`."""
    heartbeat_interval_s: float = 1.0
    lease_margin_s: float = 0.5
    started_report_after_s: float = 2.0
    cancel_grace_s: float = 10.0
    """A cancelled handler that has not ended by then is reported without waiting for it."""
    drain_timeout_s: float = 30.0
    """On SIGTERM, what still runs after this is cancelled and given back."""
    log_level: str = "INFO"
    log_format: str = "text"
    """`text`, or `json`: one object a line."""
    nats: Connection = Connection()


class Effective(msgspec.Struct, frozen=True):
    """The configuration, and for each dotted name that is not a default where it came from."""

    config: AgentConfig
    sources: dict[str, str]


def load_config(flags: Given, environment: Mapping[str, str], file: Path | None) -> Effective:
    """Returns what holds. Raises `Misconfigured` naming source, setting, and what was expected."""
    layers: list[tuple[str, Given]] = []
    if file is not None:
        layers.append((f"file {file}", _from_file(file)))
    layers.append(("environment", _from_environment(environment)))
    layers.append(("flag", flags))
    merged: Given = {}
    sources: dict[str, str] = {}
    for source, given in layers:
        _check(source, given)
        merged |= given
        sources |= dict.fromkeys(given, source)
    config = _checked(_built(merged, "configuration"))
    return Effective(config, sources)


def settings_of(
    config: AgentConfig, tasks: Mapping[str, float | None], capacity: Needs
) -> Settings:
    """Returns what the core has to know; `tasks` maps names to their own timeouts in seconds."""
    slots = config.slots or max(SLOTS_MIN, round(capacity.cpu) * SLOTS_PER_CORE)
    return Settings(
        node=config.node,
        tasks=frozenset(tasks),
        timeouts_s={name: limit for name, limit in tasks.items() if limit is not None},
        labels=config.labels,
        build_id=config.build_id,
        capacity=capacity,
        slots=slots,
        credits=config.credits or slots * CREDITS_PER_SLOT,
        heartbeat_interval_s=config.heartbeat_interval_s,
        lease_margin_s=config.lease_margin_s,
        started_report_after_s=config.started_report_after_s,
        cancel_grace_s=config.cancel_grace_s,
        drain_timeout_s=config.drain_timeout_s,
    )


# -- sources --------------------------------------------------------------------------------------


def _from_file(path: Path) -> Given:
    try:
        sections = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise Misconfigured(f"there is no configuration file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"configuration file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"configuration file {path} is not TOML: {error}") from error
    given = dict(_section(path, sections, "agent"))
    given |= {f"nats.{name}": value for name, value in _section(path, sections, "nats").items()}
    if "prefix" in sections:
        given.setdefault("prefix", sections["prefix"])
    return given


def _section(path: Path, sections: Given, name: str) -> Given:
    section = sections.get(name, {})
    if isinstance(section, dict):
        return section
    raise Misconfigured(f"configuration file {path}: {name} must be a section, [{name}]")


def _from_environment(environment: Mapping[str, str]) -> Given:
    names = {**_names(AgentConfig, ""), **_names(Connection, "nats.")}
    names["NATS_URL"] = "nats.urls"
    names["IMPORT"] = "imports"
    given: Given = {}
    for variable, name in names.items():
        text = environment.get(f"{ENVIRONMENT_PREFIX}{variable}")
        if text:
            given[name] = _parsed(name, text)
    return given


def _names(kind: type[msgspec.Struct], prefix: str) -> dict[str, str]:
    names = [field for field in kind.__struct_fields__ if field not in {"nats", "capacity"}]
    return {f"{prefix}{name}".replace(".", "_").upper(): f"{prefix}{name}" for name in names}


def _parsed(name: str, text: str) -> object:
    if name in {"imports", "nats.urls"}:
        return [part.strip() for part in text.split(",") if part.strip()]
    if name == "labels":
        return dict(label(part) for part in text.split(",") if part.strip())
    return text


def label(text: str) -> tuple[str, str]:
    """Splits `key=value`. Raises `Misconfigured`."""
    key, equals, value = text.strip().partition("=")
    if not (key and equals):
        raise Misconfigured(f"label {text!r}: expected key=value")
    return key, value


# -- checking -------------------------------------------------------------------------------------


def _check(source: str, given: Given) -> None:
    """Raises for the first value of this source that is not what its setting takes."""
    for name, value in given.items():
        _built({name: value}, f"{source}: {name}")


def _built(given: Given, what: str) -> AgentConfig:
    nested: Given = {name: value for name, value in given.items() if "." not in name}
    nats = {name[5:]: value for name, value in given.items() if name.startswith("nats.")}
    if nats:
        nested["nats"] = nats
    unknown = sorted(set(nats) - set(Connection.__struct_fields__))
    if unknown:
        raise Misconfigured(f"{what}: there is no setting nats.{unknown[0]}")
    try:
        return msgspec.convert(nested, AgentConfig, strict=False)
    except msgspec.ValidationError as error:
        text = re.sub(r" - at `\$[^`]*`$", "", str(error)).replace("`", "")
        raise Misconfigured(f"{what}: {text}") from None


def _checked(config: AgentConfig) -> AgentConfig:
    name = config.node or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "node"
    token(name, "the node's name")
    positive = ("heartbeat_interval_s", "output_bytes_max", "cancel_grace_s")
    for setting in positive:
        if getattr(config, setting) <= 0:
            raise Misconfigured(f"{setting} is {getattr(config, setting)}: expected more than 0")
    for setting in ("slots", "credits", "drain_timeout_s", "lease_margin_s"):
        if getattr(config, setting) < 0:
            raise Misconfigured(f"{setting} is {getattr(config, setting)}: expected 0 or more")
    if config.log_format not in {"text", "json"}:
        raise Misconfigured(f"log_format is {config.log_format!r}: expected text or json")
    if config.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise Misconfigured(
            f"log_level is {config.log_level!r}: expected DEBUG, INFO, WARNING or ERROR"
        )
    return msgspec.structs.replace(config, node=name, log_level=config.log_level.upper())
