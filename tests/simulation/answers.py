"""Promises 1 and 8 towards clients: what an answer says is in the log when it is given, what is to
be refused is refused, and a refusal is given for what has changed nothing."""

from collections.abc import Iterator, Mapping

from events.api import (
    AnyAnswer,
    AnyRequest,
    CancelRun,
    PauseRun,
    Refused,
    RestoreRun,
    RunAnswer,
    SignalRun,
    StartRun,
    TerminateRun,
    Updated,
    UpdateRun,
)
from events.errors import Corrupt, NotFound, Rejected
from orchestrator.kernel.snapshot import restore
from tests.simulation.books import RunBook
from tests.simulation.mistakes import complaint, is_mistake
from tests.simulation.operated import ACTING, Operated
from tests.simulation.workload import REFUSED


class Answers:
    def __init__(self, books: Mapping[str, RunBook], operated: Mapping[str, Operated]) -> None:
        self._books = books
        self._operated = operated

    def given(self, request: AnyRequest, answer: AnyAnswer, asked_at: int) -> Iterator[str]:
        """`asked_at`: when the request came to whoever answers, in true time."""
        if is_mistake(request.actor):
            if text := complaint(request, answer):
                yield text
            return
        match answer:
            case Updated() if isinstance(request, UpdateRun):
                yield from self._updated(request)
            case RunAnswer():
                yield from self._told(request, answer)
            case Refused(code=Rejected.code | NotFound.code):
                yield from self._refused(request, answer, asked_at)
            case Refused(code=Corrupt.code):
                yield f"{request} is refused, and nothing is damaged: {answer.message}"
            case _:
                pass

    def _told(self, request: AnyRequest, answer: RunAnswer) -> Iterator[str]:
        view, found = answer.run, self._books.get(answer.run.run_id)
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
            case TerminateRun() if not book.terminated:
                return f"the run is {book.state.status}"
            case PauseRun() if not over and not book.was_paused:
                return "the run was never paused"
            case _ if isinstance(request, ACTING) and not self._is_done(request):
                return f"{request.id} is not in the log"
            case _:
                return ""

    def _is_done(self, request: ACTING, by: int | None = None) -> bool:
        found = self._operated.get(request.run_id)
        return found is not None and _before(found.done, request.id, by)

    def _updated(self, request: UpdateRun) -> Iterator[str]:
        book = self._books.get(request.run_id)
        if request.data == REFUSED:
            yield f"update {request.id} of {request.run_id} is not to be accepted, and was"
        elif book is None or request.id not in book.updates:
            yield f"update {request.id} of {request.run_id} is answered and not in the log"

    def _refused(self, request: AnyRequest, answer: Refused, asked_at: int) -> Iterator[str]:
        """It had not been done by the time that it came. (A copy of it may have been, elsewhere and
        since; so nothing is said of runs, which are begun as soon as their workflow is there.)"""
        book = self._books.get(getattr(request, "run_id", ""))
        what = f"{type(request).__name__} is refused ({answer.message})"
        if not answer.message:
            yield f"{request} is refused without a word why"
        match request:
            case UpdateRun() if book is not None and _before(book.updates, request.id, asked_at):
                yield f"{what}, and update {request.id} is in the log"
            case _ if isinstance(request, ACTING) and self._is_done(request, asked_at):
                yield f"{what}, and {request.id} is in the log"
            case RestoreRun() if book is not None and _may_go_back(book, request.version):
                yield f"{what}, and {request.run_id} was sound at {request.version}"
            case _:
                pass


def _before(done: Mapping[str, int], id_: str, instant: int | None) -> bool:
    return id_ in done and (instant is None or done[id_] < instant)


def _may_go_back(book: RunBook, version: int) -> bool:
    """Whether the run is open, and was not ending at that version."""
    if version not in book.states or book.state.terminal or book.state.closing is not None:
        return False
    then = restore(book.states[version])
    return not then.terminal and then.closing is None
