"""Opening a run to be debugged: its history read once, its definition, and the text of that."""

from collections.abc import Callable, Sequence

import msgspec

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition
from events.envelope import unseal
from events.errors import Corrupt
from events.ids import definition_stream
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.compile import workflow_version
from orchestrator.dap.layout import Layout
from orchestrator.dap.replica import Replica
from orchestrator.dap.sources import Sheet, Sources, stored_text
from orchestrator.replay.ports import History
from orchestrator.replay.recording import Recording, record

PAGE = 500


class Text(msgspec.Struct, frozen=True):
    """A definition that was read from a file; `texts`: those of its files by their paths, its own
    first."""

    authored: Authored
    texts: dict[str, str]


class Opened(msgspec.Struct, frozen=True):
    """A run, and what its text is: `remark` says what is odd about that; empty: nothing."""

    replica: Replica
    remark: str


class Opener:
    """Opens runs of one history. `number` gives the references of texts that are in no file."""

    def __init__(
        self,
        history: History,
        catalogue: Catalogue,
        texts: Sequence[Text],
        number: Callable[[], int],
    ) -> None:
        self.history = history
        self._catalogue = catalogue
        self._texts = texts
        self._number = number

    async def open(self, run_id: str) -> Opened:
        """Raises `Rejected` when there is no such run or it is too large, `Corrupt`,
        `Unavailable`."""
        recording = await record(self.history, self._catalogue, run_id)
        definition = await self._definition(recording)
        layout = Layout(definition)
        sources = Sources(layout)
        remark = self._add_files(sources, definition, recording)
        if remark is None or not sources.covers(layout):
            self._add_stored(sources, definition, recording)
        return Opened(Replica(recording, definition, sources), remark or "")

    async def _definition(self, recording: Recording) -> Definition:
        stream, after = definition_stream(recording.workflow), 0
        while page := await self.history.read(stream, after, PAGE):
            for stored in page:
                if stored.type != DefinitionRegistered.TYPE:
                    continue
                fact = unseal(stored, self._catalogue).fact
                if not isinstance(fact, DefinitionRegistered):
                    continue
                if fact.workflow_version == recording.workflow_version:
                    return fact.definition
            after = page[-1].version
        raise Corrupt(
            f"version {recording.workflow_version} of {recording.workflow}, which run "
            f"{recording.run_id} executes, is not in the log"
        )

    def _add_files(
        self, sources: Sources, definition: Definition, recording: Recording
    ) -> str | None:
        """Takes the lines of the file that has this workflow; None when none has."""
        for text in self._texts:
            if text.authored.definition.name != definition.name:
                continue
            for path, content in text.texts.items():
                own = path == next(iter(text.texts))
                name = path.rpartition("/")[2]
                sources.add(Sheet(name, path, 0, content), text.authored, "" if own else path)
            found = workflow_version(text.authored.definition)
            if found == recording.workflow_version:
                return ""
            return (
                f"{next(iter(text.texts))} is version {found} of {definition.name}, the run has "
                f"{recording.workflow_version}: lines are those of the steps with the same ids"
            )
        return None

    def _add_stored(self, sources: Sources, definition: Definition, recording: Recording) -> None:
        text, authored = stored_text(definition)
        name = f"{definition.name}@{recording.workflow_version}.yaml"
        sources.add(Sheet(name, "", self._number(), text), authored)
