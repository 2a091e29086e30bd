"""The drama: when the demo kills whom.

    calm ── a fifth is done, an agent runs tasks ──► that agent is killed
         ── its tasks are dispatched again ──► the coordinator is killed
         ── a moment later ──► it is started again

The second blow waits for the first to be mended, so that both are to be seen.
"""

from orchestrator.cli.local.cluster import COORDINATOR
from orchestrator.cli.local.demo.story import Story
from orchestrator.cli.local.processes import Local

FIRST_BLOW_SHARE = 0.2
LATE_SHARE = 0.45
"""From here on an agent that was sent something will do, should none have said that it runs."""
DOWN_US = 800_000


class Drama:
    def __init__(self, local: Local) -> None:
        self._local = local
        self._victim = ""
        self._restart_at: int | None = None
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether everything has happened that should."""
        return self._is_over

    def act(self, story: Story, now: int) -> None:
        """Does what is due; `now` in microseconds."""
        if self._is_over:
            return
        if not self._victim:
            self._kill_agent(story, now)
        elif self._restart_at is None:
            if story.again:
                self._local.kill(COORDINATOR)
                story.kill_coordinator(now)
                self._restart_at = now + DOWN_US
        elif now >= self._restart_at:
            self._local.start_again(COORDINATOR)
            story.restart_coordinator(now)
            self._is_over = True

    def _kill_agent(self, story: Story, now: int) -> None:
        if story.done < FIRST_BLOW_SHARE * story.steps:
            return
        is_late = story.done >= LATE_SHARE * story.steps
        wanted = {"sent", "running"} if is_late else {"running"}
        busy = {
            name: sum(one.state in wanted for one in story.held(name))
            for name in sorted(story.nodes)
        }
        victim = max(busy, key=lambda name: busy[name])
        if busy[victim]:
            self._victim = victim
            self._local.kill(victim)
            story.kill_agent(victim, now)

    def expects_end_of(self, name: str) -> bool:
        """Whether a child that has ended was killed by us."""
        return name in {self._victim, COORDINATOR if self._restart_at else ""}
