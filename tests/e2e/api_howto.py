"""The how-to of the API, typed as it stands; of JSON it shows a part of what is answered."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.cluster import ROOT
from tests.e2e.walkthrough import Command, File, actions, assert_shape

PAGE = (ROOT / "docs/howto/http-api.md").read_text("utf-8")
URL = "http://127.0.0.1:8080"
TIMEOUT_S = 60.0
ELLIPSIS = "…"


def follow_howto(url: str, folder: Path, environment: Mapping[str, str]) -> int:
    """How many commands were typed; those that serve go on elsewhere."""
    typed = 0
    for action in actions(PAGE.replace(URL, url)):
        if isinstance(action, File):
            (folder / action.name).write_text(action.text, "utf-8")
        elif "dalsegno api" not in action.line.replace("dalsegno api-token", ""):
            check(action, printed_by(action.line, folder, environment))
            typed += 1
    return typed


def printed_by(line: str, folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}"
    return done.stdout


def check(command: Command, printed: str) -> None:
    if command.output.startswith("{"):
        shown = json.loads(command.output)
        assert has(json.loads(printed), shown), f"{command.line} printed\n{printed}"
    elif command.output.strip():
        assert_shape(command, printed)


def has(found: object, shown: object) -> bool:
    """Whether an answer has all that is shown of it. Versions are any, as is what an ellipsis
    stands for."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return all(name in found and has(found[name], value) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(found, list):
        return len(found) == len(shown) and all(map(has, found, shown))
    if isinstance(shown, str) and isinstance(found, str):
        if re.fullmatch("[0-9a-f]{20}", shown):
            return re.fullmatch("[0-9a-f]{20}", found) is not None
        pattern = ".*".join(map(re.escape, shown.split(ELLIPSIS)))
        return re.fullmatch(pattern, found, re.DOTALL) is not None
    return found == shown
