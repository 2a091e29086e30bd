"""Definitions in memory: versions of workflows by content hash, with their nets made ready."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from events.cluster_facts import DefinitionRegistered
from events.envelope import Head
from events.policies import RunOptions
from orchestrator.kernel.netindex import NetIndex


class Known(msgspec.Struct):
    """A workflow's versions; the last one registered, and not set aside, is the newest.

    Only the owner of the workflow's shard registers versions, so what an owner has read since it
    became one stays complete. For everybody else it is complete as of the step `read_in`.
    """

    head: Head
    versions: dict[str, DefinitionRegistered] = {}
    newest: str = ""
    read_in: int = 0
    """The step that asked the store for what is known here."""

    def add(self, fact: DefinitionRegistered) -> None:
        """The first net of a version stays its net, whatever a later compiler makes of it."""
        self.versions.setdefault(fact.workflow_version, fact)
        if not fact.aside:
            self.newest = fact.workflow_version

    def follow(self, versions: Sequence[DefinitionRegistered], head: Head, step: int) -> None:
        """Takes in what the log had at `head`; what was appended here meanwhile is beyond it."""
        if head.version >= self.head.version:
            for fact in versions:
                self.add(fact)
            self.head = head
        self.read_in = max(self.read_in, step)

    def options(self, version: str) -> RunOptions:
        return self.versions[version].definition.options


class Definitions:
    """`unknown_max`: how many names without any version are remembered, the newest ones."""

    def __init__(self, unknown_max: int = 1000) -> None:
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._unknown_max = unknown_max
        self._known: dict[str, Known] = {}
        self._nets: dict[tuple[str, str], NetIndex] = {}

    def get(self, workflow: str) -> Known | None:
        """None: not asked of the store yet, or forgotten."""
        return self._known.get(workflow)

    def put(self, workflow: str, known: Known) -> None:
        self._known[workflow] = known
        self._unknown.pop(workflow, None)
        if known.versions:
            return
        self._unknown[workflow] = None
        if len(self._unknown) > self._unknown_max:
            name, _ = self._unknown.popitem(last=False)
            if name in self._known and not self._known[name].versions:
                del self._known[name]

    def forget(self, workflow: str) -> None:
        self._known.pop(workflow, None)

    def outdate(self) -> None:
        """Another owner may register versions from now on; the nets that are known stay true."""
        self._known.clear()
        self._unknown.clear()

    def net(self, workflow: str, version: str) -> NetIndex | None:
        """The net of a version, made ready once; None when the version is not known here."""
        found = self._nets.get((workflow, version))
        if found is None:
            known = self._known.get(workflow)
            fact = known.versions.get(version) if known else None
            if fact is None:
                return None
            found = self._nets[workflow, version] = NetIndex(fact.net)
        return found
