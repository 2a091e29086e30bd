"""The checkers themselves: each sees what it is there for."""

from events.ids import Attempt
from events.messages import Commands, Completed, Execute, Settle
from tests.simulation.world import World


def _after_a_calm_run() -> tuple[World, Attempt]:
    world = World(1, calm=True)
    assert not world.run().violations
    return world, next(iter(world.ledger.executions))


def test_a_start_after_the_completion_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    del world.ledger.executions[attempt]
    world.auditor.started("n1", Execute(attempt=attempt, shard=0, task="work"))
    assert world.auditor.violations


def test_a_second_start_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.started("n1", Execute(attempt=attempt, shard=0, task="work"))
    assert any("started again" in text for text in world.auditor.violations)


def test_a_command_without_a_committed_dispatch_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    next_one = Attempt(attempt.run_id, attempt.step, 0, 99)
    command = Execute(attempt=next_one, shard=0, task="work")
    world.auditor.published("n1", "i", Commands(coordinator="alpha", commands=(command,)))
    assert world.auditor.violations


def test_a_settlement_of_what_is_outstanding_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    book = world.auditor.books[attempt.run_id]
    book.outstanding[attempt] = None
    settle = Settle(attempts=(attempt,))
    world.auditor.published("n1", "i", Commands(coordinator="alpha", commands=(settle,)))
    assert world.auditor.violations


def test_a_report_that_no_journal_has_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.reported("n9", 10**9, [Completed(attempt=attempt)])
    assert world.auditor.violations


def test_a_state_that_is_not_the_fold_is_seen() -> None:
    world, attempt = _after_a_calm_run()
    world.auditor.hashed([(attempt.run_id, 1, "another")])
    assert world.auditor.violations
