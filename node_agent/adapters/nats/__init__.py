"""The command plane over NATS, as a node sees it."""
