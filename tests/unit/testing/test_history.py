"""Histories that were exported: replayed, and refused when something is wrong with them."""

from pathlib import Path

import pytest

from dalsegno.testing import dalsegno_env, replay_history
from events.errors import Corrupt, Rejected
from events.run_facts import RunCompleted
from tests.unit.testing.flows import ORDER, TASKS, order

pytestmark = pytest.mark.anyio


@pytest.fixture
async def exported() -> bytes:
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(order(), input=ORDER)
        await run.result()
        return run.export()


async def test_a_history_is_replayed_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "order.jsonl"
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(order(), input=ORDER)
        await run.result()
        path.write_bytes(run.export())
        replayed = replay_history(path)
        assert replayed.view == run.view()
        assert list(replayed.events) == run.events()
        assert isinstance(replayed.events[-1].fact, RunCompleted)


async def test_an_open_run_can_be_exported_too(tmp_path: Path) -> None:
    path = tmp_path / "order.jsonl"
    async with dalsegno_env(tasks=TASKS) as env:
        env.fake("shop.ship", takes="1h")
        run = await env.start(order(), input=ORDER)
        path.write_bytes(run.export())
        assert replay_history(path).view == run.view()
        with pytest.raises(Rejected, match="no run r7"):
            env.run("r7").export()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: lines[:-1], "cut short"),
        (lambda lines: [*lines[:-2], lines[-1]], "does not hold what its last line says"),
        (lambda lines: [*lines[:3], *lines[4:]], "order.jsonl:4: event 4 of run:run-1 does not"),
        (lambda lines: [*lines[:-2], lines[-2].replace(b"ship", b"skip"), lines[-1]], "last line"),
        (lambda lines: [line.replace(b"book", b"boom") for line in lines], "does not follow"),
        (lambda lines: [*lines, lines[0]], "the history ended in the line before"),
        (lambda lines: [b"{}\n", *lines], "order.jsonl:1"),
        (lambda lines: [b"\n", *lines], "order.jsonl:1"),
        (lambda lines: [], "cut short"),
        (lambda lines: [line.replace(b"run.started.v1", b"run.begun.v1") for line in lines], ":2"),
    ],
)
async def test_what_was_changed_is_named(
    tmp_path: Path, exported: bytes, damage: object, said: str
) -> None:
    path = tmp_path / "order.jsonl"
    assert callable(damage)
    path.write_bytes(b"".join(damage(exported.splitlines(keepends=True))))
    with pytest.raises(Corrupt, match=said):
        replay_history(path)
