"""Questions that are asked in one round are put as one; what fails, fails for all who asked."""

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from events.errors import Unavailable
from orchestrator.adapters.postgres.gathering import Gathering

pytestmark = pytest.mark.anyio


class Server:
    """Answers with ten times the question, once it is let."""

    def __init__(self, most: int = 100) -> None:
        self.rounds: list[list[int]] = []
        self.may_answer = anyio.Event()
        self.fails = False
        self.gathering: Gathering[int, int] = Gathering(self.answer, most)
        self.found: dict[int, int] = {}
        self.failed: list[int] = []

    async def answer(self, questions: Sequence[int]) -> list[int]:
        self.rounds.append(list(questions))
        await self.may_answer.wait()
        if self.fails:
            raise Unavailable("away")
        return [10 * question for question in questions]

    async def ask(self, question: int) -> None:
        try:
            self.found[question] = await self.gathering.ask(question)
        except Unavailable:
            self.failed.append(question)


async def test_each_gets_its_own_answer_of_one_statement() -> None:
    server = Server()
    async with anyio.create_task_group() as group:
        for question in (3, 1, 2):
            group.start_soon(server.ask, question)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(server.ask, 4)
        await anyio.wait_all_tasks_blocked()
        server.may_answer.set()
    assert server.rounds == [[3, 1, 2], [4]]
    assert server.found == {1: 10, 2: 20, 3: 30, 4: 40}


async def test_no_more_are_asked_together_than_may() -> None:
    server = Server(most=2)
    server.may_answer.set()
    async with anyio.create_task_group() as group:
        for question in range(5):
            group.start_soon(server.ask, question)
    assert server.rounds == [[0, 1], [2, 3], [4]]
    assert server.found == {question: 10 * question for question in range(5)}


async def test_a_failure_is_everybodys_and_the_next_round_is_a_new_one() -> None:
    server = Server()
    server.fails = True
    server.may_answer.set()
    async with anyio.create_task_group() as group:
        for question in (1, 2):
            group.start_soon(server.ask, question)
    assert server.failed == [1, 2]
    server.fails = False
    await server.ask(3)
    assert server.found == {3: 30}


async def test_nobody_waits_for_one_who_was_cancelled() -> None:
    server = Server()
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as asking:
                asking.start_soon(server.ask, 1)
                group.start_soon(server.ask, 2)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
    assert server.failed == [2]
