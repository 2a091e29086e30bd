"""Graphs: nets as they are drawn."""

from events.net import Call, Choice, Loop, Map, Net, NetStep, Split, Task
from orchestrator.api.shapes import Graph, GraphEdge, GraphNode

KINDS = {Choice: "choice", Split: "parallel"}


def graph_of(net: Net) -> Graph:
    """Every step is a node, every arc an edge; ids are those of the net."""
    edges = tuple(
        GraphEdge(
            id=arc.id,
            source=arc.source,
            target=arc.target,
            kind=arc.kind,
            when=arc.when,
            codes=arc.codes,
        )
        for arc in net.arcs
    )
    return Graph(nodes=tuple(map(_node, net.steps)), edges=edges)


def _node(step: NetStep) -> GraphNode:
    return GraphNode(
        id=step.id, name=step.name, kind=_kind(step), scope=step.scope, task=_task(step)
    )


def _kind(step: NetStep) -> str:
    if isinstance(step.action, Loop):
        return step.action.kind
    return KINDS.get(type(step.action), type(step.action).__name__.lower())


def _task(step: NetStep) -> str:
    """What is executed there: a task type, or the workflow that is called."""
    match step.action:
        case Task(task=task):
            return task
        case Map(body=body):
            return body.task
        case Call(workflow=workflow):
            return workflow
        case _:
            return ""
