"""Questions that are asked at one time, put to the server as one.

A takeover reads thousands of runs, each with two small statements; the client's and the server's
work for a statement is several times that for what it brings. Who asks first in a round of the
event loop waits until the others of the round have asked as well, and asks for all of them.
Meanwhile the next ones gather. Nobody waits for company: one who asks alone asks at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from events.errors import DalsegnoError, Unavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

Ask = Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]
"""Returns an answer for each question, in their order."""


class _Round(Generic[Question, Answer]):
    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.answers: Sequence[Answer] = ()
        self.trouble: DalsegnoError | None = None
        self.over = asyncio.Event()


class Gathering(Generic[Question, Answer]):
    """`most`: questions that are asked together; one more begins another round."""

    def __init__(self, ask: Ask[Question, Answer], most: int) -> None:
        self._ask = ask
        self._most = most
        self._open: _Round[Question, Answer] | None = None

    async def ask(self, question: Question) -> Answer:
        """Raises what asking for all raises; `Unavailable` when who asked for all was cancelled."""
        this = self._open
        place = 0 if this is None else len(this.questions)
        if this is None:
            this = self._open = _Round()
        this.questions.append(question)
        if len(this.questions) == self._most:
            self._open = None
        if place:
            await this.over.wait()
        else:
            await self._ask_for_all(this)
        if this.trouble is not None:
            raise this.trouble
        return this.answers[place]

    async def _ask_for_all(self, this: _Round[Question, Answer]) -> None:
        try:
            await asyncio.sleep(0)
            if self._open is this:
                self._open = None
            this.answers = await self._ask(this.questions)
        except DalsegnoError as error:
            this.trouble = error
        except BaseException:
            this.trouble = Unavailable("whoever asked for all was cancelled: ask again")
            raise
        finally:
            if self._open is this:
                self._open = None
            this.over.set()
