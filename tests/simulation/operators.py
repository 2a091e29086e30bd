"""Operators: they look at a run at a random moment, and do something to it, with a reason.

What they do may be refused: the run may have ended, the step may be over or not be there. Whoever
has moved a task looks at the run until it has ended, and takes the condition back from what waits
because of it: the node may not know the task, or may not exist.
"""

from collections.abc import Callable, Iterable
from random import Random

import msgspec

from dalsegno.testing.twins.scheduler import SECOND
from events.api import (
    AnyAnswer,
    AnyRequest,
    CompleteStep,
    FailStep,
    MoveStep,
    RerunRun,
    RestoreRun,
    RunAnswer,
    ShowRun,
    SkipStep,
    TerminateRun,
)
from events.values import Value
from events.views import RunView

REPEATING = ("restore", "rerun", "rerun all", "rerun step")
SAME_END = (*REPEATING, "move")
"""After these a run without races ends as it would have without them."""
KINDS = (*SAME_END, "restore", "move", "skip", "skip", "complete", "fail", "terminate")
OVER = frozenset({"completed", "skipped", "failed", "cancelled", "left"})
NOWHERE = "nowhere"
LOOK_AGAIN_US = 5 * SECOND

Ask = Callable[[str, AnyRequest, Callable[[AnyAnswer], None]], None]
"""Asks for something about a name, until it is answered."""


class Act(msgspec.Struct, frozen=True):
    """What somebody will do to a run at an instant. `inside`: to one of its child runs, if any."""

    at: int
    kind: str
    inside: bool = False


def drawn(rng: Random, at: int, steady: bool) -> tuple[Act, ...]:
    """What operators do to a run that is wanted `at`; one that is to stay steady gets only what
    leaves its end as it is."""
    kinds = SAME_END if steady else KINDS
    return tuple(
        Act(
            at + int(rng.random() * 6 * SECOND),
            rng.choice(kinds),
            not steady and rng.random() < 0.3,
        )
        for _ in range(rng.choice((1, 1, 2, 3)))
    )


class Operators:
    """`children` names the child runs of a run that are open."""

    def __init__(
        self,
        rng: Random,
        ask: Ask,
        after: Callable[[int, Callable[[], None]], None],
        children: Callable[[str], list[str]],
    ) -> None:
        self._rng = rng
        self._ask = ask
        self._after = after
        self._children = children
        self._acts = 0

    def attend(self, run_id: str, acts: Iterable[Act], now: int) -> None:
        for act in acts:
            self._after(act.at - now, lambda act=act: self._look(run_id, act))  # type: ignore[misc]

    def _look(self, run_id: str, act: Act) -> None:
        inside = self._children(run_id) if act.inside else []
        name = self._rng.choice(inside) if inside else run_id
        self._ask(name, ShowRun(run_id=name), lambda seen: self._act(act.kind, seen))

    def _act(self, kind: str, seen: AnyAnswer) -> None:
        if not isinstance(seen, RunAnswer):
            return
        request = self._request(kind, seen.run)
        run_id = seen.run.run_id
        self._ask(run_id, request, lambda _: self._watch(run_id) if kind == "move" else None)

    def _id(self) -> str:
        self._acts += 1
        return f"op{self._acts}"

    def _request(self, kind: str, run: RunView) -> AnyRequest:
        rng, id_ = self._rng, self._id()
        why, who = f"tried {id_}", f"user:op{rng.randint(1, 3)}"
        if kind == "terminate":
            return TerminateRun(run_id=run.run_id, reason=why, actor=who)
        make = self._return if kind in REPEATING else self._help
        made = make(kind, run, id_)
        return msgspec.structs.replace(made, reason=why, actor=who)

    def _return(self, kind: str, run: RunView, id_: str) -> AnyRequest:
        if kind == "restore":
            version = self._rng.randint(1, run.version)
            return RestoreRun(run_id=run.run_id, id=id_, version=version)
        steps = (self._some_step(run),) if kind == "rerun step" else ()
        return RerunRun(run_id=run.run_id, id=id_, steps=steps, all=kind == "rerun all")

    def _help(self, kind: str, run: RunView, id_: str) -> AnyRequest:
        rng, run_id, step = self._rng, run.run_id, self._some_step(run)
        outputs: tuple[Value, ...] = (None, {"x": 1})
        match kind:
            case "skip":
                return SkipStep(run_id=run_id, id=id_, step=step, output=rng.choice(outputs))
            case "complete":
                return CompleteStep(run_id=run_id, id=id_, step=step, output=rng.choice(outputs))
            case "fail":
                return FailStep(run_id=run_id, id=id_, step=step, code="E1")
            case _:
                to = rng.choice(("", "", "n1", "n3", "n9"))
                off = rng.choice(((), ("n2",), ("n1", "n2", "n3", "n4"))) if not to else ()
                return MoveStep(run_id=run_id, id=id_, step=step, to=to, off=off)

    def _some_step(self, run: RunView) -> str:
        """Mostly one that is open, and a task; sometimes one that is not there."""
        tasks = [one.name for one in run.tasks if one.status not in OVER]
        open_ = [one.name for one in run.steps if one.status not in OVER]
        names = [*(one.name for one in run.steps), *(one.name for one in run.tasks)]
        for among, share in ((tasks, 0.7), (open_, 0.7), (names, 0.7)):
            if among and self._rng.random() < share:
                return self._rng.choice(among)
        return NOWHERE

    # -- after a move -----------------------------------------------------------------------------

    def _watch(self, run_id: str) -> None:
        """Also after a refusal: the request may have been sent twice, and its second copy is
        carried out when it is not refused any more."""
        self._after(LOOK_AGAIN_US, lambda: self._ask(run_id, ShowRun(run_id=run_id), self._free))

    def _free(self, seen: AnyAnswer) -> None:
        """What still waits may be anywhere again."""
        if isinstance(seen, RunAnswer):
            for task in seen.run.tasks:
                if task.pending and task.status not in OVER:
                    freed = MoveStep(
                        run_id=seen.run.run_id,
                        id=self._id(),
                        step=task.name,
                        off=(NOWHERE,),
                        reason="it waits",
                        actor="user:op1",
                    )
                    self._ask(freed.run_id, freed, lambda _: None)
            if seen.run.ended_at is None:
                self._watch(seen.run.run_id)
