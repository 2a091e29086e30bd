"""Tasks and workflows of the browser tests."""

import asyncio
import json
from pathlib import Path

from node_agent import TaskError, task


@task(name="stage.work")
async def work(n: int, pause_s: float = 0.0) -> dict[str, int]:
    await asyncio.sleep(pause_s)
    return {"n": n, "square": n * n}


@task(name="stage.refuse")
async def refuse(why: str) -> None:
    raise TaskError("refused", why)


def write(folder: Path) -> None:
    """A file for each workflow, named after it."""
    for name, steps in WORKFLOWS.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"workflow": name, "steps": steps}))


def _work(step: str, n: int, pause_s: float = 0.0) -> dict[str, object]:
    return {"id": step, "task": "stage.work", "with": {"n": n, "pause_s": pause_s}}


WORKFLOWS: dict[str, list[dict[str, object]]] = {
    # Begins to move when the one who watches is ready: a loop that counts in a variable.
    "count": [
        {"id": "begin", "set": {"count": 0, "seen": []}},
        {"id": "go", "wait": {"signal": "go"}},
        {
            "id": "rounds",
            "until": "vars.count >= 6",
            "steps": [
                {
                    "id": "look",
                    "task": "stage.work",
                    "with": {"n": "${ vars.count }", "pause_s": 0.2},
                },
                {
                    "id": "tell",
                    "set": {
                        "count": "${ vars.count + 1 }",
                        "seen": "${ vars.seen + [steps.look.output.square] }",
                    },
                },
            ],
        },
        _work("finish", 7, 0.1),
    ],
    "gated": [{"id": "go", "wait": {"signal": "go"}}, _work("finish", 7)],
    "family": [
        {"id": "parcel", "call": {"workflow": "gated"}},
        _work("tell", 1),
    ],
    "three_hundred": [
        {
            "id": "spread",
            "parallel": {
                f"line_{line}": [_work(f"step_{line}_{step}", step) for step in range(20)]
                for line in range(15)
            },
        }
    ],
    "refused": [
        _work("price", 3),
        {
            "id": "charge",
            "task": "stage.refuse",
            "with": {"why": "the card of order 17 has expired"},
            "retry": {"attempts": 2, "initial": "50ms"},
        },
        _work("ship", 4),
    ],
    # Thirty steps with all that a graph can be made of.
    "shipment": [
        {"id": "begin", "set": {"kind": "${ input.kind }", "total": 0, "parcels": [4, 7, 1]}},
        _work("fetch", 1),
        {
            "id": "route",
            "choice": [
                {
                    "when": "input.kind == 'air'",
                    "steps": [_work(f"air_{part}", 1) for part in ("book", "label", "load")],
                },
                {
                    "when": "input.kind == 'sea'",
                    "steps": [_work(f"sea_{part}", 2) for part in ("book", "label", "load")],
                },
                {"default": [{"id": "by_road", "set": {"kind": "road"}}]},
            ],
        },
        {
            "id": "papers",
            "parallel": {
                name: [_work(f"{name}_{part}", 3, 0.05) for part in ("ask", "check", "file")]
                for name in ("customs", "insurance", "invoice", "notice")
            },
        },
        {"id": "sum", "set": {"total": "${ steps.fetch.output.square }"}},
        {
            "id": "settle",
            "until": "vars.total >= 3",
            "steps": [_work("weigh", 2), {"id": "add", "set": {"total": "${ vars.total + 1 }"}}],
        },
        _work("hand_over", 5),
        _work("close", 6),
    ],
    "thousand": [
        {"id": "begin", "set": {"note": "a thousand items"}},
        {
            "id": "scale",
            "map": {
                "items": "${ input.items }",
                "task": "stage.work",
                "with": {"n": "${ iteration.index }"},
                "concurrency": 40,
            },
        },
    ],
}
