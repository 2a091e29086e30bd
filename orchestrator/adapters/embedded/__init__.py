"""Real Postgres and real NATS without an installation: started, watched over and ended by us.

with EmbeddedServers(data_folder) as servers:
    servers.postgres.dsn, servers.nats.url
"""

from orchestrator.adapters.embedded.nats import EmbeddedNats
from orchestrator.adapters.embedded.postgres import EmbeddedPostgres
from orchestrator.adapters.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedNats", "EmbeddedPostgres", "EmbeddedServers"]
