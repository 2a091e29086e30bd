"""Where the orchestrator touches the outside world: a folder a technology; none imports another."""
