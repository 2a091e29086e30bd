"""A cluster of three NATS servers with JetStream, each of which can be killed, paused and wiped."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from orchestrator.adapters.embedded.handle import Command
from orchestrator.adapters.embedded.home import Home
from orchestrator.adapters.embedded.nats import (
    CONFIGURATION,
    USER,
    EmbeddedNats,
    NatsLimits,
    NatsRecipe,
    configuration,
)
from orchestrator.adapters.embedded.ports import HOST, free_port
from orchestrator.adapters.embedded.server import EmbeddedServer
from tests.chaos.plan import NATS
from tests.chaos.wires import Wires

PASSWORD = "chaos"
UNREACHABLE = f"{HOST}:1"
"""What a server tells others to find it by: only the wires lead there."""


class Recipe(NatsRecipe):
    """One server of a cluster; `routes` are the near ends of its wires to the others."""

    def __init__(self, route_port: int, routes: list[int]) -> None:
        super().__init__(NatsLimits(), None)
        self._route_port = route_port
        self._routes = routes

    def first_command(self, home: Home) -> None:
        home.write("secret", PASSWORD)
        super().first_command(home)

    def server_command(self, home: Home, port: int) -> Command:
        made = super().server_command(home, port)
        routes = ", ".join(f"nats-route://{HOST}:{route}" for route in self._routes)
        cluster = (
            f"cluster {{\n  name: chaos\n  host: {HOST}\n  port: {self._route_port}\n"
            f"  advertise: {UNREACHABLE!r}\n  no_advertise: true\n  routes: [{routes}]\n}}\n"
        )
        home.write(CONFIGURATION, configuration(home, port, NatsLimits()) + cluster)
        return made


class Node(EmbeddedNats):
    def __init__(self, folder: Path, port: int, recipe: Recipe) -> None:
        EmbeddedServer.__init__(self, recipe, folder, port)

    def stop_process(self, how: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, how)


class NatsCluster:
    """The servers by name. Blocks; one thread at a time."""

    def __init__(self, folder: Path, wires: Wires) -> None:
        route_ports = {name: free_port() for name in NATS}
        self.ports = {name: free_port() for name in NATS}
        self.nodes: dict[str, Node] = {}
        for name in NATS:
            others = [one for one in NATS if one != name]
            routes = [wires.add(f"{name}>{other}", route_ports[other]) for other in others]
            recipe = Recipe(route_ports[name], routes)
            self.nodes[name] = Node(folder / name, self.ports[name], recipe)

    def start(self) -> None:
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()

    @staticmethod
    def url(port: int) -> str:
        return f"nats://{USER}:{PASSWORD}@{HOST}:{port}"

    def close(self) -> None:
        for node in self.nodes.values():
            node.stop()
