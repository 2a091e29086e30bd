"""What an agent makes of its operators' orders: the same drain as on SIGTERM, but it stays."""

from events.messages import Completed, Heartbeat, Order, Returned
from node_agent.steps import CancelExecution, Ceased, DrainRequested, Stopped
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import Rig, of, with_settings

CORDONED = Order(cordoned=True, reason="new disk")


def drain(after_s: float) -> Order:
    return Order(cordoned=True, reason="new disk", drain_in_s=after_s)


def told(rig: Rig) -> tuple[bool | None, bool, str]:
    """What the next heartbeat says of it."""
    rig.sleep(1.1)
    beat: Heartbeat = rig.beats[-1]
    return beat.cordoned, beat.draining, beat.refusal


def test_it_says_what_it_was_ordered() -> None:
    rig = Rig()
    assert told(rig) == (None, False, "")
    rig.grant(order=Order())
    assert told(rig) == (False, False, "")
    rig.grant(order=CORDONED)
    assert told(rig) == (True, False, "new disk")
    rig.grant(order=drain(60))
    assert told(rig) == (True, True, "the node is drained: new disk")


def test_it_says_how_old_its_order_is() -> None:
    rig = Rig()
    assert rig.beats[-1].ordered_at_version == 0
    rig.grant(order=Order(version=4))
    rig.grant(order=None)
    rig.sleep(1.1)
    assert rig.beats[-1].ordered_at_version == 4


def test_whoever_does_not_own_the_node_orders_nothing() -> None:
    rig = Rig()
    rig.grant(order=CORDONED)
    rig.grant(order=None)
    assert told(rig)[0] is True


def test_an_order_that_was_overtaken_is_not_followed() -> None:
    rig = Rig()
    rig.sleep(3)
    rig.grant(order=drain(60))
    rig.grant(order=Order(), sequence=1)
    assert told(rig)[1] is True


def test_a_cordon_lets_everything_go_on() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant(order=CORDONED)
    rig.command(execute("runs"), execute("waits"))
    rig.end(attempt("runs"))
    assert rig.started == [attempt("runs"), attempt("waits")]
    assert rig.beats[-1].credits


def test_a_drain_gives_back_what_has_not_begun_and_lets_the_rest_end() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant()
    rig.command(execute("runs"), execute("waits"))
    rig.grant(order=drain(30))
    rig.command(execute("new"))
    for step in ("waits", "new"):
        report = rig.final(attempt(step))
        assert isinstance(report, Returned)
        assert (report.reason, report.message) == ("refused", "the node is drained: new disk")
    rig.end(attempt("runs"))
    assert isinstance(rig.final(attempt("runs")), Completed)
    assert rig.beats[-1].credits == 0


def test_at_the_deadline_what_still_runs_is_given_back_and_the_agent_stays() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute("runs"))
    rig.grant(order=drain(5))
    assert of(rig.sleep(4.9), CancelExecution) == []
    assert of(rig.sleep(0.2), CancelExecution) == [CancelExecution(attempt("runs"), "drained")]
    rig.end(attempt("runs"), Ceased())
    report = rig.final(attempt("runs"))
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", True)
    rig.sleep(60)
    assert not rig.all(Stopped)


def test_the_deadline_follows_what_is_ordered_last() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute("runs"))
    rig.grant(order=drain(50))
    rig.grant(order=drain(2))
    assert of(rig.sleep(2.1), CancelExecution)


def test_a_node_that_is_uncordoned_takes_attempts_again() -> None:
    rig = Rig()
    rig.grant(order=drain(5))
    rig.sleep(6)
    rig.grant(order=Order())
    rig.command(execute("new"))
    assert rig.started == [attempt("new")]
    assert told(rig) == (False, False, "")


def test_an_agent_that_leaves_is_not_called_back() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant()
    rig.command(execute("runs"))
    rig.feed(DrainRequested("bye"))
    rig.grant(order=Order())
    rig.command(execute("new"))
    assert isinstance(rig.final(attempt("new")), Returned)
    assert told(rig) == (False, True, "bye")


def test_after_a_reset_the_name_is_cordoned_still() -> None:
    rig = Rig()
    rig.sleep(5)
    rig.grant(order=CORDONED)
    rig.reset()
    assert rig.beats[-1].cordoned
    rig.grant(order=Order())
    assert told(rig)[0] is False
