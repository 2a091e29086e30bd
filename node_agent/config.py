"""Configuration of a node agent, as a value, and how it is put together.

It shares its file and its variables' prefix with the other processes: `[nats]`, `prefix` and
`[log]` are everybody's, `[agent]` is ours, other sections are theirs. A setting of `[agent]` may
also be given as `DALSEGNO_<NAME>`, as in `DALSEGNO_SLOTS=8`.
"""

import math
import re
import socket
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal

import msgspec

from events.configuration import (
    Effective,
    combine,
    from_environment,
    from_flags,
    from_toml,
    with_files,
)
from events.connection import Connection
from events.constraints import (
    Amount,
    Count,
    Duration,
    Factor,
    Folder,
    Labels,
    Places,
    Prefix,
    Rule,
    Text,
    Token,
    Wait,
)
from events.errors import Misconfigured
from events.limits import CONFIG_BYTES_MAX
from events.policies import PINNED, Needs
from node_agent.settings import Settings

FILE = "dalsegno.toml"
OTHER_SECTIONS = ("postgres", "logs", "coordinator", "engine", "limits", "projections", "keys")
SLOTS_PER_CORE = 4
SLOTS_MIN = 8
CREDITS_PER_SLOT = 4


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the configuration's sections."""


class AgentConfig(Section, frozen=True, kw_only=True):
    """One node. Durations are seconds."""

    node: Token = ""
    """Name of this node, unique in its cluster; the host's name when empty."""
    imports: Places = ()
    """Modules that declare tasks: dotted names or paths of Python files."""
    data_dir: Folder = ".dalsegno"
    """The journal lies in `<data_dir>/node-<node>`."""
    slots: Amount = 0
    """Attempts that run at a time; 0 is four a core, at least 8."""
    credits: Amount = 0
    """Attempts held at a time, those that wait for a slot too; 0 is four a slot."""
    labels: Labels = {}
    """What steps may ask for with `labels`."""
    build_id: Text = ""
    """Build of the tasks; when empty, a hash of their modules' sources and of the release."""
    weight: Factor = 1.0
    """The node's share of the work, relative to others with as many credits."""
    capacity: Needs | None = None
    """What the node has; measured when not set."""
    secrets_dir: str = ""
    """Folder with one file for each secret; `DALSEGNO_SECRET_<NAME>` goes before it."""
    output_bytes_max: Count = 256 * 1024
    """A larger output fails its attempt with `payload_too_large`."""
    heartbeat_interval_s: Duration = 1.0
    """Shorter by itself where it would be over a third of the lease that a coordinator grants."""
    lease_margin_s: Wait = 0.5
    """Taken off every lease, against clocks of different speeds; at most half of the lease."""
    started_report_after_s: Wait = 2.0
    """An attempt that runs for longer is reported as started."""
    cancel_grace_s: Duration = 10.0
    """A cancelled handler that has not ended by then is reported without waiting for it."""
    drain_timeout_s: Wait = 30.0
    """On SIGTERM, what still runs after this is cancelled and given back."""


class LogConfig(Section, frozen=True, kw_only=True):
    """What a process says on stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`text`; `json`, one object a line; `auto`: text on a terminal, else JSON."""


class Config(Section, frozen=True, kw_only=True):
    nats: Connection = Connection()
    prefix: Prefix = "dalsegno"
    """First part of all subjects; separates clusters on one NATS."""
    agent: AgentConfig = AgentConfig()
    log: LogConfig = LogConfig()


RULES: tuple[Rule[Config], ...] = (
    Rule(
        name="agent.credits",
        holds=lambda c: not c.agent.credits or c.agent.credits >= c.agent.slots,
        expected="at least agent.slots, or 0 for four a slot",
        others=("agent.slots",),
    ),
    Rule(
        name="agent.capacity",
        holds=lambda c: c.agent.capacity is None or are_amounts(c.agent.capacity),
        expected="amounts that are 0 or more; or leave it out, then it is measured",
    ),
    Rule(
        name="agent.build_id",
        holds=lambda c: c.agent.build_id != PINNED,
        expected=f"any other word: {PINNED!r} is what runs say that keep to their first build",
    ),
    Rule(
        name="nats.tls_key_file",
        holds=lambda c: bool(c.nats.tls_key_file) == bool(c.nats.tls_certificate_file),
        expected="a key file and a certificate file together, or neither",
        others=("nats.tls_certificate_file",),
    ),
)

ALIASES = {
    **{f"DALSEGNO_{name.upper()}": f"agent.{name}" for name in AgentConfig.__struct_fields__},
    "DALSEGNO_IMPORT": "agent.imports",
    "DALSEGNO_NATS_URL": "nats.urls",
}


def load_config(
    flags: Mapping[str, str], environment: Mapping[str, str], file: Path | None
) -> Effective[Config]:
    """What holds: defaults, the file, the environment, flags; the last goes.

    `file` None is `dalsegno.toml` in the working directory, if there is one. Raises `Misconfigured`
    naming the source, the setting, and what was expected.
    """
    layers = []
    if file is not None or Path(FILE).is_file():
        path = file or Path(FILE)
        layers.append(from_toml(_read_text(path), f"file {path}", Config, OTHER_SECTIONS))
    variables = with_files(environment, Config, ALIASES, lambda named: _read_text(Path(named)))
    layers.append(from_environment(variables, Config, ALIASES))
    layers.append(from_flags(flags, Config))
    effective = combine(Config, layers, RULES)
    return msgspec.structs.replace(effective, value=_named(effective.value))


def settings_of(
    config: AgentConfig,
    tasks: Mapping[str, float | None],
    capacity: Needs,
    transactional: AbstractSet[str] = frozenset(),
) -> Settings:
    """Returns what the core has to know; `tasks` maps names to their own timeouts in seconds."""
    slots = config.slots or max(SLOTS_MIN, round(capacity.cpu) * SLOTS_PER_CORE)
    return Settings(
        node=config.node,
        tasks=frozenset(tasks),
        transactional=transactional,
        timeouts_s={name: limit for name, limit in tasks.items() if limit is not None},
        labels=config.labels,
        build_id=config.build_id,
        weight=config.weight,
        capacity=capacity,
        slots=slots,
        credits=config.credits or slots * CREDITS_PER_SLOT,
        heartbeat_interval_s=config.heartbeat_interval_s,
        lease_margin_s=config.lease_margin_s,
        started_report_after_s=config.started_report_after_s,
        cancel_grace_s=config.cancel_grace_s,
        drain_timeout_s=config.drain_timeout_s,
    )


def label(text: str) -> tuple[str, str]:
    """Splits `key=value`. Raises `Misconfigured`."""
    key, equals, value = text.strip().partition("=")
    if not (key and equals):
        raise Misconfigured(f"label {text!r}: expected key=value")
    return key, value


def are_amounts(needs: Needs) -> bool:
    """Whether every amount is finite and not negative."""
    amounts = (needs.cpu, needs.memory_bytes, needs.disk_bytes, needs.gpu, *needs.custom.values())
    return all(math.isfinite(amount) and amount >= 0 for amount in amounts)


def _named(config: Config) -> Config:
    """A node that was given no name is called like its host."""
    agent = config.agent
    name = agent.node or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "node"
    return msgspec.structs.replace(config, agent=msgspec.structs.replace(agent, node=name))


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise Misconfigured(f"configuration file {path} is over {CONFIG_BYTES_MAX} bytes")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise Misconfigured(f"there is no configuration file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"configuration file {path} cannot be read: {error}") from error
