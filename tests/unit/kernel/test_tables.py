"""The tables that the kernel looks up by type have an entry for everything that may come."""

from typing import get_args

from events import net as n
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import DECISIONS
from orchestrator.kernel.flow import ACTS


def test_every_input_has_a_decision() -> None:
    assert set(DECISIONS) == set(get_args(i.RunInput))


def test_every_action_of_a_net_is_acted() -> None:
    assert set(ACTS) == set(get_args(n.Action))
