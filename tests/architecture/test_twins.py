"""Files that lie in two processes because neither may import the other, and must stay the same."""

import pytest

from tests.architecture.tree import ROOT

NATS_TWINS = ("connecting", "declare", "direct", "link", "listen", "publish", "pull", "session")


@pytest.mark.parametrize("name", NATS_TWINS)
def test_both_processes_move_bytes_over_nats_alike(name: str) -> None:
    ours = (ROOT / f"orchestrator/adapters/nats/{name}.py").read_text()
    theirs = (ROOT / f"node_agent/adapters/nats/{name}.py").read_text()
    assert theirs == ours.replace("orchestrator.adapters", "node_agent.adapters"), (
        f"{name}.py differs between orchestrator and node_agent: change both"
    )
