"""Whatever nodes, timers and operators do: the users' database has an effect exactly where the
history has a completion, and nothing commits after that.

Every task is transactional. The database is a model of the statements of `node_agent.completions`;
attempts that were lost, fenced or given up go on in it, and commit when it suits them.
"""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from events import messages as m
from events import task_facts as t
from events.facts import Fact, Failure
from events.ids import Attempt
from events.messages import Cancel
from orchestrator.kernel.commands import command
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.settling import ABANDONED
from tests.builders import Play, Setting, index
from tests.property.test_operators import EXPRESSIONS, Operated
from tests.worlds import INPUT, Chooser, Drawn, chance, definitions, pick, setting_of


class Database:
    """Rows of completions by the key of their task: a state, and who has claimed it."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, int]] = {}
        self.effects: list[str] = []

    def claim(self, key: str, token: int) -> str:
        """Returns `ours`, or what became of the task, or `fenced`."""
        state, holder = self.rows.get(key, ("begun", 0))
        if state != "begun":
            return state
        if holder > token:
            return "fenced"
        self.rows[key] = ("begun", token)
        return "ours"

    def commit(self, key: str, token: int) -> str:
        """The same; `ours` has committed."""
        row = self.rows.get(key)
        if row != ("begun", token):
            return "fenced" if row is None or row[0] == "begun" else row[0]
        self.rows[key] = ("completed", token)
        self.effects.append(key)
        return "ours"

    def abandon(self, key: str) -> str:
        if self.rows.get(key, ("begun", 0))[0] == "begun":
            self.rows[key] = ("abandoned", 0)
        return self.rows[key][0]


class Banked(Play):
    """A run all of whose tasks are transactional."""

    def __init__(self, net: NetIndex, setting: Setting) -> None:
        super().__init__(net, setting, EXPRESSIONS)
        self.database = Database()

    def place(
        self,
        step: str,
        node: str = "n1",
        incarnation: str = "i1",
        build_id: str = "",
        transactional: bool = True,
    ) -> list[Fact]:
        return super().place(step, node, incarnation, build_id, transactional)

    def answer(self, step: str) -> list[Fact]:
        sent = command(self.state, self.net, step, 0)
        if isinstance(sent, Cancel):
            return self.give_back(step, "recalled")
        assert isinstance(sent, m.Execute)
        key = sent.attempt.task_key
        if sent.settle:
            return self.report(said(sent.attempt, self.database.abandon(key)))
        found = self.database.claim(key, sent.token)
        if found == "ours":
            found = self.database.commit(key, sent.token)
        return self.report(said(sent.attempt, found))


def said(attempt: Attempt, found: str) -> m.Completed | m.Failed:
    """What an attempt reports of what it found in the database."""
    if found in {"ours", "completed"}:
        return m.Completed(attempt=attempt, output={"n": 1})
    code = ABANDONED if found == "abandoned" else "task_fenced"
    return m.Failed(attempt=attempt, failure=Failure(code=code), retryable=found == "fenced")


class Banking(Operated):
    def __init__(self, play: Banked, choose: Chooser) -> None:
        super().__init__(play, choose)
        self._bank = play
        self.begun: list[m.Execute] = []
        """Attempts inside their transaction, whatever became of them in the run."""
        more: tuple[Callable[[], object], ...] = (
            self._begin,
            self._commit,
            self._commit,
            self._roll_back,
        )
        self._deeds = [*self._deeds, *more * 25, *[self._halt] * 30]

    def _some_command(self) -> m.Execute | None:
        step = self._outstanding()
        if step is None:
            return None
        sent = command(self.play.state, self.play.net, step, 0)
        return sent if isinstance(sent, m.Execute) else None

    def _begin(self) -> None:
        """A node carries out a command, as far as the handler."""
        sent = self._some_command()
        if sent is None:
            return
        key, database = sent.attempt.task_key, self._bank.database
        if sent.settle:
            self._tell(said(sent.attempt, database.abandon(key)))
            return
        found = database.claim(key, sent.token)
        if found == "ours":
            self.begun.append(sent)
        else:
            self._tell(said(sent.attempt, found))

    def _end(self) -> None:
        self._begin()

    def _commit(self) -> None:
        """Of those whose report is lost nobody hears for now."""
        if not self.begun:
            return
        sent = pick(self._choose, self.begun)
        self.begun.remove(sent)
        found = self._bank.database.commit(sent.attempt.task_key, sent.token)
        self._tell(said(sent.attempt, found))

    def _roll_back(self) -> None:
        if self.begun:
            sent = self.begun.pop()
            failure, retryable = Failure(code="x"), chance(self._choose, 80)
            self._tell(m.Failed(attempt=sent.attempt, failure=failure, retryable=retryable))

    def _tell(self, report: m.Report) -> None:
        if chance(self._choose, 30):
            self._sent.append(report)
        else:
            self._send(report)

    def _halt(self) -> None:
        steps = tuple(self.play.state.steps)
        if steps and not self.play.state.terminal:
            self.play.halt(*(steps if chance(self._choose, 50) else (pick(self._choose, steps),)))

    def settle_down(self) -> None:
        super().settle_down()
        for sent in self.begun:
            found = self._bank.database.commit(sent.attempt.task_key, sent.token)
            assert found != "ours", "committed after the end"


@st.composite
def histories(draw: st.DrawFn) -> Banked:
    definition = draw(definitions())
    play = Banked(index(definition, EXPRESSIONS), setting_of(definition))
    play.start(INPUT)
    world = Banking(play, Drawn(draw))
    world.act(draw(st.integers(0, 80)))
    world.settle_down()
    return play


@given(play=histories())
def test_there_is_one_effect_for_each_completion_and_no_other(play: Banked) -> None:
    completed: list[str] = []
    generations: dict[str, int] = {}
    for fact in play.facts:
        if isinstance(fact, t.TaskDispatched):
            generations[fact.step] = fact.generation
        elif isinstance(fact, t.TaskCompleted):
            completed.append(Attempt("run-1", fact.step, generations[fact.step], 0).task_key)
    assert sorted(play.database.effects) == sorted(completed)
    assert len(set(completed)) == len(completed)
    play.check_replay()
