"""Promises 1 and 8 towards clients: what an answer says is in the log when it is given, and
what is to be refused is refused."""

from collections.abc import Callable, Iterator

from events.api import (
    AnyRequest,
    CancelRun,
    PauseRun,
    RunAnswer,
    SignalRun,
    StartRun,
    Updated,
    UpdateRun,
)
from tests.simulation.books import RunBook
from tests.simulation.workload import REFUSED

Books = Callable[[str], RunBook | None]


class Answers:
    def given(
        self,
        request: AnyRequest,
        answer: RunAnswer | Updated,
        book: Callable[[str], RunBook | None],
    ) -> Iterator[str]:
        if isinstance(request, UpdateRun) and isinstance(answer, Updated):
            yield from self._updated(request, book(request.run_id))
        if not isinstance(answer, RunAnswer):
            return
        view, found = answer.run, book(answer.run.run_id)
        if found is None:
            return  # that it is not in the log is said elsewhere
        said = found.statuses.get(view.version)
        if said is not None and said != view.status:
            yield f"run {view.run_id} is answered as {view.status}, at {view.version} it is {said}"
        if view.ended_at is not None and view.output != found.state.output:
            yield f"run {view.run_id} is answered with {view.output}, it has {found.state.output}"
        missing = self._missing(request, found)
        if missing:
            yield f"{type(request).__name__} of {view.run_id} is answered, and {missing}"

    def _missing(self, request: AnyRequest, book: RunBook) -> str:
        """What ought to be in the log by now."""
        over = book.state.terminal or book.state.closing is not None
        match request:
            case StartRun() if book.state.workflow != request.workflow:
                return f"the run is one of {book.state.workflow}"
            case SignalRun() if not over and request.id not in book.signals:
                return f"signal {request.id} is not in the log"
            case CancelRun() if not over:
                return "the run goes on"
            case PauseRun() if not over and not book.was_paused:
                return "the run was never paused"
            case _:
                return ""

    def _updated(self, request: UpdateRun, book: RunBook | None) -> Iterator[str]:
        if request.data == REFUSED:
            yield f"update {request.id} of {request.run_id} is not to be accepted, and was"
        elif book is None or request.id not in book.updates:
            yield f"update {request.id} of {request.run_id} is answered and not in the log"
