"""The world outside, and the checkers of what happened there."""

import pytest

from dalsegno.testing.twins.scheduler import Scheduler
from events import task_facts as t
from events.catalogue import Catalogue
from events.envelope import Event, Head, Stamp, Stored, seal, unseal
from events.facts import Fact
from events.ids import Attempt
from events.messages import Execute
from node_agent.completions import Overtaken, abandon, claim, complete
from node_agent.handling import Output
from orchestrator.errors import Corrupt
from tests.simulation.effects import UserDatabase, World
from tests.simulation.keys import TwinCipher, TwinKeyring
from tests.simulation.outside import Outside
from tests.simulation.world import World as Simulated

ATTEMPT = Attempt("r1", "a", 0, 1)
NEXT = Attempt("r1", "a", 0, 2)
OUTPUT = Output({"v": 1}, "", 7)


class TestUserDatabase:
    def test_work_is_committed_once(self) -> None:
        database = UserDatabase()
        assert database.ask(claim(ATTEMPT, 1)).state == "begun"
        database.commit(ATTEMPT, complete(ATTEMPT, 1, OUTPUT))
        found = database.ask(claim(NEXT, 2))
        assert (found.state, found.result) == ("completed", {"v": 1})
        with pytest.raises(Overtaken):
            database.commit(ATTEMPT, complete(ATTEMPT, 1, OUTPUT))
        assert database.effects == {ATTEMPT.task_key: 1}

    def test_a_later_claim_fences_and_a_tombstone_is_final(self) -> None:
        database = UserDatabase()
        database.ask(claim(ATTEMPT, 1))
        database.ask(claim(NEXT, 2))
        with pytest.raises(Overtaken):
            database.commit(ATTEMPT, complete(ATTEMPT, 1, OUTPUT))
        assert database.ask(abandon(NEXT, 2)).state == "abandoned"
        with pytest.raises(Overtaken):
            database.commit(NEXT, complete(NEXT, 2, OUTPUT))
        assert not database.effects


def stored(fact: Fact) -> tuple[Stored, Event]:
    one = seal(Head("run:r1", 3), fact, "e", Stamp(recorded_at=1))
    return one, unseal(one, Catalogue())


class TestOutside:
    def _outside(self) -> tuple[Simulated, Outside]:
        """Of a calm world that is over, in which nothing is known to have completed."""
        world = Simulated(1, calm=True)
        assert not world.run().violations
        for book in world.auditor.books.values():
            book.completed.clear()
        return world, world.auditor.outside

    def _undisturbed(self, world: Simulated) -> Attempt:
        """One that no operator has decided over."""
        books = world.auditor.books
        runs = {name for name, one in books.items() if not (one.fenced or one.terminated)}
        return next(one for one in world.ledger.executions if one.run_id in runs)

    def test_an_effect_that_the_run_does_not_know_of_is_seen(self) -> None:
        world, outside = self._outside()
        attempt = self._undisturbed(world)
        world.auditor.world.database.effects[attempt.task_key] = 1
        assert any(attempt.task_key in text for text in outside.ended())

    def test_a_commit_that_comes_late_or_twice_is_seen(self) -> None:
        world, outside = self._outside()
        attempt = self._undisturbed(world)
        effects = world.auditor.world.database.effects
        effects[attempt.task_key] = 1
        assert any("after it was given up" in text for text in outside.committed(attempt))
        effects[attempt.task_key] = 2
        assert any("twice" in text for text in outside.committed(attempt))

    def test_a_handler_that_goes_on_before_its_part_is_recorded_is_seen(self) -> None:
        _, outside = self._outside()
        assert list(outside.went_on(ATTEMPT, "charge"))

    def test_a_part_that_is_recorded_twice_or_not_handed_on_is_seen(self) -> None:
        world, outside = self._outside()
        book = next(one for one in world.auditor.books.values() if one.dispatched)
        step = next(iter(book.dispatched)).step
        fact = t.OnceRecorded(step=step, attempt=1, name="other", value={"call": 1})
        attempt = book.attempt_of(step, 1)
        assert ["never was" in text for text in outside.take(*stored(fact), book)] == [True]
        assert "second time" in next(outside.take(*stored(fact), book))
        later = Attempt(attempt.run_id, step, attempt.generation, 2)
        given = Execute(attempt=later, shard=0, task="parts")
        assert list(outside.begun(given))
        handed = Execute(attempt=later, shard=0, task="parts", once={"other": {"call": 1}})
        assert not list(outside.begun(handed))

    def test_a_secret_in_the_log_is_seen(self) -> None:
        world, outside = self._outside()
        world.auditor.world.thirds.secrets.add("0123456789abcdef")
        book = next(iter(world.auditor.books.values()))
        fact = t.TaskDeferred(step="a", attempt=1, digest="0123456789abcdef")
        assert list(outside.take(*stored(fact), book))
        assert not list(
            outside.take(*stored(t.TaskDeferred(step="a", attempt=1, digest="x")), book)
        )


def test_what_was_said_with_a_token_that_was_guessed_counts_for_nothing() -> None:
    asked: list[object] = []
    world = World(Scheduler(1), lambda _, request, __: asked.append(request))
    for number in range(50):
        world.thirds.hand(Attempt("r1", "a", 0, number), {"v": number})
    outside = Outside(world, {})
    assert outside.is_offered(ATTEMPT, {"v": 1})
    assert not outside.is_offered(ATTEMPT, {"forged": True})
    assert not outside.is_offered(ATTEMPT, {"v": 2})


class TestKeys:
    def test_bytes_open_where_they_were_sealed_and_as_they_were(self) -> None:
        cipher = TwinKeyring(1).cipher(b"key")
        sealed = cipher.seal(b"plain", b"here")
        assert cipher.open(sealed, b"here") == b"plain"
        for bad, place in ((sealed, b"there"), (sealed[:-1] + b"?", b"here")):
            with pytest.raises(Corrupt):
                cipher.open(bad, place)
        with pytest.raises(Corrupt):
            TwinCipher(b"another").open(sealed, b"here")

    def test_data_keys_differ_and_are_the_same_in_each_world_of_a_seed(self) -> None:
        one, other = TwinKeyring(1), TwinKeyring(1)
        assert [one.new_data_key(), one.new_data_key()] == [other.new_data_key() for _ in "ab"]
        assert one.new_data_key() != one.new_data_key()
        assert one.open(one.seal(b"plain", b"x"), b"x") == b"plain"
