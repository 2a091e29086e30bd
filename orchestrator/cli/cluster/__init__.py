"""Looking after a cluster: services, nodes, snapshots, archives, keys, audits."""
