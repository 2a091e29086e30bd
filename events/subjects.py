"""The subject grammar of NATS: one place that knows every subject and stream name.

    <prefix>.cmd.<node>.<incarnation>     coordinator → node     stream <PREFIX>_COMMANDS
    <prefix>.report.<shard>               node → owner           stream <PREFIX>_REPORTS
    <prefix>.heartbeat                    node → coordinators    core, answered to the reply subject
    <prefix>.api.<verb>                   client → coordinators  core request/reply, queue group
    <prefix>.api.<verb>.<shard>           client → owner         core request/reply
    <prefix>.position.<log>               new log positions      core
    <prefix>.feed.<log>.<type>            events, if published   stream <PREFIX>_FEED_<log>

Node names and incarnations are single tokens: letters, digits, `-` and `_`.
"""

import re

import msgspec

from events.errors import Misconfigured

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def token(text: str, what: str) -> str:
    """Returns `text` if it can be one part of a subject; raises `Misconfigured` naming `what`."""
    if TOKEN.fullmatch(text):
        return text
    raise Misconfigured(f"{what} is {text!r}: expected 1 to 64 letters, digits, '-' or '_'")


class Subjects(msgspec.Struct, frozen=True):
    """Subjects and stream names under one prefix; a prefix separates clusters on one NATS."""

    prefix: str = "dalsegno"

    def command(self, node: str, incarnation: str) -> str:
        return f"{self.prefix}.cmd.{node}.{incarnation}"

    def report(self, shard: int) -> str:
        return f"{self.prefix}.report.{shard}"

    def api(self, verb: str, shard: int | None = None) -> str:
        return f"{self.prefix}.api.{verb}" + ("" if shard is None else f".{shard}")

    def position(self, log: str) -> str:
        return f"{self.prefix}.position.{log}"

    def feed(self, log: str, kind: str = "") -> str:
        return f"{self.prefix}.feed.{log}" + (f".{kind}" if kind else "")

    def feed_stream(self, log: str) -> str:
        return f"{self._upper}_FEED_{log}"

    @property
    def heartbeat(self) -> str:
        return f"{self.prefix}.heartbeat"

    @property
    def all_commands(self) -> str:
        return f"{self.prefix}.cmd.>"

    @property
    def all_reports(self) -> str:
        return f"{self.prefix}.report.>"

    @property
    def command_stream(self) -> str:
        return f"{self._upper}_COMMANDS"

    @property
    def report_stream(self) -> str:
        return f"{self._upper}_REPORTS"

    @property
    def _upper(self) -> str:
        return self.prefix.replace(".", "_").upper()
