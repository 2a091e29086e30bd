"""Recordings of runs under test, made as a store would hand them over."""

from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.definition import Definition
from events.envelope import Head, Stamp, Stored, seal
from events.ids import definition_stream, run_stream
from orchestrator.kernel.snapshot import restore
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.recording import Recording
from tests.builders import NOW, VERSION, Play, Setting


def recorded(play: Play, source: Recording | None = None) -> Recording:
    """What the run of a test has left so far, with its net."""
    recording = Recording(play.setting.run_id, Catalogue(), source)
    for stored in play.stored():
        recording.take(stored)
    recording.net = play.net.net
    return recording


def history(*plays: Play) -> Exported:
    """A history of these runs, and of the definition of the first."""
    streams = {run_stream(play.setting.run_id): play.stored() for play in plays}
    streams[definition_stream("workflow")] = definition_of(plays[0])
    return Exported(plays[0].setting.run_id, streams)


def forked(source: Play, version: int) -> Play:
    """A finished fork of a run at a version."""
    play = Play(source.net, Setting(run_id="fork"), source.expressions)
    play.state, play.base = restore(source.states[version - 1]), restore(source.states[version - 1])
    play.now = source.now
    play.fork("fork", version)
    return play.finish()


def definition_of(play: Play) -> list[Stored]:
    registered = DefinitionRegistered(
        workflow="workflow",
        workflow_version=VERSION,
        definition=Definition(name="workflow", steps=()),
        net=play.net.net,
    )
    stamp = Stamp(recorded_at=NOW)
    return [seal(Head(definition_stream("workflow")), registered, "d1", stamp)]
