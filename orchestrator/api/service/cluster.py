"""Nodes, statistics, dead letters, and the cluster as a whole."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from events.api import CordonNode, DrainNode, Here, ListNodes, Nodes, ShowNode, UncordonNode
from events.errors import DalsegnoError, Unavailable
from events.views import NodeView
from orchestrator.api.operations import cluster as operations
from orchestrator.api.service.answers import ask, ask_node
from orchestrator.api.service.base import Served
from orchestrator.api.service.cursors import after_name, names_page
from orchestrator.api.shapes import (
    ClusterShown,
    Health,
    LogShown,
    Page,
    Ready,
    ShardShown,
)
from orchestrator.insight.counting.statistics import Statistics, window

READY_S = 2.0
"""How long log and coordinators may take to show that they are there."""
GREETED_S = 1.0
OK = "ok"


class NodeService(Served, operations.Nodes):
    async def list_nodes(self, *, cursor: str = "", limit: int = 100) -> Page[NodeView]:
        after = after_name(cursor)
        answer = await ask(self._ports.coordinators, ListNodes(actor=self._actor), Nodes)
        nodes = sorted((one for one in answer.nodes if one.node > after), key=lambda n: n.node)
        return names_page(nodes, limit, lambda node: node.node)

    async def show_node(self, node: str) -> NodeView:
        return await self._node(ShowNode(actor=self._actor, node=node))

    async def cordon_node(
        self, node: str, *, reason: str = "", idempotency_key: str = ""
    ) -> NodeView:
        return await self._node(CordonNode(actor=self._actor, node=node, reason=reason))

    async def uncordon_node(
        self, node: str, *, reason: str = "", idempotency_key: str = ""
    ) -> NodeView:
        return await self._node(UncordonNode(actor=self._actor, node=node, reason=reason))

    async def drain_node(
        self,
        node: str,
        *,
        deadline_s: float = 300.0,
        reason: str = "",
        idempotency_key: str = "",
    ) -> NodeView:
        request = DrainNode(actor=self._actor, node=node, deadline_s=deadline_s, reason=reason)
        return await self._node(request)

    async def _node(self, request: ShowNode | CordonNode | UncordonNode | DrainNode) -> NodeView:
        return await ask_node(self._ports.coordinators, request)


class ClusterService(Served, operations.Cluster):
    async def show_statistics(
        self, *, workflow: str = "", since: int = 0, until: int = 0
    ) -> Statistics:
        seen = window(since or None, until or None, self._ports.now())
        return await self._ports.lists.statistics(workflow, seen)

    async def show_cluster(self) -> ClusterShown:
        """Shards whose owner does not answer in time have none."""
        owners: dict[int, Here | None] = {}
        async with anyio.create_task_group() as group:
            for shard in range(self._ports.shards):
                group.start_soon(self._greet, shard, owners)
        here = [one for one in owners.values() if one is not None]
        ends = await self._ports.ends()
        return ClusterShown(
            release=self._ports.release,
            logs=tuple(LogShown(name=name, last=last) for name, last in ends.items()),
            shards=tuple(
                ShardShown(shard=shard, coordinator="" if one is None else one.coordinator)
                for shard, one in sorted(owners.items())
            ),
            coordinators=tuple(sorted({one.coordinator for one in here})),
            releases={one.coordinator: one.release for one in here},
        )

    async def _greet(self, shard: int, owners: dict[int, Here | None]) -> None:
        owners[shard] = None
        with suppress(Unavailable):
            owners[shard] = await self._ports.coordinators.greet(shard, GREETED_S)

    async def show_health(self) -> Health:
        return Health(status=OK, release=self._ports.release, at=self._ports.now())

    async def show_readiness(self) -> Ready:
        """Raises `Unavailable` naming what does not answer."""
        said = {"log": "it does not answer", "coordinators": "none answers"}

        async def log() -> None:
            said["log"] = await _said(self._ports.ends)

        async def coordinators() -> None:
            said["coordinators"] = await _said(
                lambda: self._ports.coordinators.greet(None, READY_S)
            )

        with anyio.move_on_after(READY_S):
            async with anyio.create_task_group() as group:
                group.start_soon(log)
                group.start_soon(coordinators)
        if set(said.values()) != {OK}:
            raise Unavailable("; ".join(f"{what}: {how}" for what, how in said.items()))
        return Ready(status=OK, log=OK, coordinators=OK)


async def _said(ask_it: Callable[[], Awaitable[object]]) -> str:
    try:
        await ask_it()
    except DalsegnoError as error:
        return str(error)
    return OK
