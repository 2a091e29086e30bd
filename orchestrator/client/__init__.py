"""The client of programs: `from orchestrator.client import Client`."""
