"""Images, Compose file, units and examples of configuration: linted, and true to the product.

No engine runs here. Compose itself reads the file, hadolint the Dockerfiles, systemd the units
where it is installed; what they cannot know (that a command exists, a setting is one, a grace is
long enough) is checked against the product.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from node_agent.config import AgentConfig
from node_agent.config import load_config as load_agent_config
from orchestrator.cli.main import make_app
from orchestrator.config import load_config
from tests.architecture.tree import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("*/Dockerfile"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
BIN = Path(sys.executable).parent
SERVICES = (
    "agent-1",
    "agent-2",
    "coordinator",
    "nats",
    "otel-collector",
    "postgres",
    "projections",
)
EXPOSURE_MAX = 25
"""Tenths of what `systemd-analyze security` counts."""

Service = dict[str, Any]


def folder_of(path: Path) -> str:
    return path.parent.name


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    run("sh", str(DEPLOY / "secrets.sh"), str(folder))
    return folder


@cache
def composed() -> dict[str, Any]:
    """The Compose file as Compose understands it, variables and anchors resolved."""
    compose = str(BIN / "docker-compose")
    found = run(compose, "config", "--format", "json", DOCKER_CONFIG=str(ROOT / "none"))
    whole = json.loads(found)
    assert isinstance(whole, dict)
    return whole


def service(name: str) -> Service:
    found: Service = composed()["services"][name]
    return found


# -- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=folder_of)
def test_hadolint_has_no_word_to_say(dockerfile: Path) -> None:
    run(str(BIN / "hadolint"), "--no-color", str(dockerfile))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=folder_of)
def test_an_image_ends_as_a_numbered_user_that_is_not_root(dockerfile: Path) -> None:
    users = re.findall(r"^USER (\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert users
    assert users[-1].isdecimal()
    assert int(users[-1]) > 0


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=folder_of)
def test_what_is_copied_exists_and_is_not_ignored(dockerfile: Path) -> None:
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in admitted, name


def test_images_are_pinned_to_more_than_a_name() -> None:
    for dockerfile in DOCKERFILES:
        for image in re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE):
            is_own_stage = "/" not in image and ":" not in image
            assert is_own_stage or re.search(r":\d", image), f"{dockerfile}: {image}"


def test_the_product_is_installed_from_the_lock_without_development() -> None:
    text = (DEPLOY / "dalsegno/Dockerfile").read_text()
    syncs = re.findall(r"uv sync (.+)$", text, re.MULTILINE)
    assert len(syncs) == 2
    assert all("--frozen --no-dev" in flags for flags in syncs)


# -- Compose --------------------------------------------------------------------------------------


def test_compose_knows_these_services() -> None:
    assert sorted(composed()["services"]) == sorted(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_watched_and_restarted(name: str) -> None:
    found = service(name)
    assert found["restart"] == "unless-stopped"
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert "stop_grace_period" in found
    assert found["healthcheck"]["test"][0] == "CMD"
    assert not found.get("ports"), "nothing is published"
    assert not found.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_here(name: str) -> None:
    build = service(name)["build"]
    dockerfile = ROOT / build["dockerfile"]
    stages = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert build.get("target") is None or build["target"] in stages


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_as_files_that_the_script_makes(name: str, secrets: Path) -> None:
    made = {path.name for path in secrets.iterdir()}
    assert {one["source"] for one in service(name).get("secrets", [])} <= made
    for variable, value in service(name).get("environment", {}).items():
        if "PASSWORD" in variable or "DSN" in variable:
            assert variable.endswith("_FILE")
            assert value.startswith("/run/secrets/")
            assert Path(value).name in {one["source"] for one in service(name)["secrets"]}


def is_command(words: Sequence[str]) -> bool:
    app = make_app()
    for word in words:
        if word not in app:
            return False
        app = app[word]
    return True


def test_projections_run_and_are_asked_by_commands_of_the_product() -> None:
    found = service("projections")
    program, *command = found["command"]
    assert program == "dalsegno"
    assert is_command(command)
    _, program, *arguments = found["healthcheck"]["test"]
    asked, bound, _ = make_app().parse_args(arguments, print_error=False, exit_on_error=False)
    assert (program, asked.__name__) == ("dalsegno", "status")
    assert bound.arguments["behind_max_s"] > 0


@pytest.mark.parametrize("name", ["coordinator", "agent-1", "agent-2"])
def test_what_it_depends_on_is_well_before_it_starts(name: str) -> None:
    conditions = {needed: how["condition"] for needed, how in service(name)["depends_on"].items()}
    conditions.pop("otel-collector", None)  # traces may wait
    needed = {"postgres", "nats"} if name == "coordinator" else {"nats", "coordinator"}
    assert conditions == dict.fromkeys(needed, "service_healthy")


def test_agents_cannot_reach_the_log() -> None:
    """They run other people's code."""
    assert composed()["networks"]["log"]["internal"] is True
    there = {name for name in SERVICES if "log" in service(name)["networks"]}
    assert there == {"postgres", "coordinator", "projections"}


@pytest.mark.parametrize("name", ["coordinator", "agent-1", "agent-2"])
def test_the_health_check_is_a_command_of_the_product(name: str) -> None:
    _, program, *arguments = service(name)["healthcheck"]["test"]
    assert program == "dalsegno"
    command, bound, _ = make_app().parse_args(arguments, print_error=False, exit_on_error=False)
    assert command.__name__ == "health"
    (named,) = bound.arguments.values()
    assert named in service(name)["environment"].values()


def variables(name: str, secrets: Path) -> dict[str, str]:
    """The variables of a service, with its secrets where this machine has them."""
    found: dict[str, str] = service(name)["environment"]
    return {key: value.replace("/run/secrets", str(secrets)) for key, value in found.items()}


def test_the_coordinators_variables_are_settings(secrets: Path) -> None:
    config = load_config({}, variables("coordinator", secrets), None).value
    assert config.coordinator.name == "coordinator-1"
    password = (secrets / "postgres_password").read_text().strip()
    assert config.postgres.dsn.startswith(f"postgresql://dalsegno:{password}@postgres:5432/")
    assert config.nats.password == (secrets / "nats_password").read_text().strip()


@pytest.mark.parametrize("name", ["agent-1", "agent-2"])
def test_an_agents_variables_are_settings(name: str, secrets: Path) -> None:
    found = load_agent_config({}, variables(name, secrets), None)
    assert found.value.agent.node == name
    assert found.value.nats.urls == ("nats://nats:4222",)
    seconds = int(service(name)["stop_grace_period"].removesuffix("s"))
    assert seconds > found.value.agent.drain_timeout_s + found.value.agent.cancel_grace_s


def test_secrets_are_made_once_and_closed(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    run("sh", str(DEPLOY / "secrets.sh"), str(secrets))
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert len(set(before.values())) == len(before)
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


# -- units and examples ---------------------------------------------------------------------------


def settings(unit: Path) -> list[tuple[str, str]]:
    lines = unit.read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and line[0] not in "#[")
    return [(key, value) for key, _, value in pairs]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_of_the_product(unit: Path) -> None:
    (start,) = [value for key, value in settings(unit) if key == "ExecStart"]
    program, *command = start.split()
    assert Path(program).name == "dalsegno"
    assert is_command(command)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_units_variables_are_settings(unit: Path, secrets: Path) -> None:
    named = (value.partition("=") for key, value in settings(unit) if key == "Environment")
    environment = {
        key: value.replace("%d", str(secrets)).replace("%i", "n1").replace("%S", "/var/lib")
        for key, _, value in named
    }
    example = DEPLOY / "config" / Path(environment.pop("DALSEGNO_CONFIG")).name
    if "agent" in unit.name:
        agent = load_agent_config({}, environment, example)
        assert (agent.value.agent.node, agent.value.agent.data_dir) == (
            "n1",
            "/var/lib/dalsegno/n1",
        )
        assert_grace(unit, agent.value.agent)
    else:
        coordinator = load_config({}, environment, example)
        assert coordinator.source("postgres.dsn") == "environment"
        assert coordinator.value.nats.tls
    credentials = {
        value.partition(":")[0] for key, value in settings(unit) if key == "LoadCredential"
    }
    read = {Path(value).name for value in environment.values() if str(secrets) in value}
    assert read == credentials


def assert_grace(unit: Path, agent: AgentConfig) -> None:
    (stop,) = [value for key, value in settings(unit) if key == "TimeoutStopSec"]
    assert int(stop) > agent.drain_timeout_s + agent.cancel_grace_s


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_confined(unit: Path) -> None:
    found = dict(settings(unit))
    assert found["NoNewPrivileges"] == "yes"
    assert found["ProtectSystem"] == "strict"
    assert found["CapabilityBoundingSet"] == ""
    assert found["SystemCallFilter"] == "@system-service"
    assert found["Restart"] == "always"
    assert found.get("DynamicUser") == "yes" or found["User"] == "dalsegno"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    """Its own verdict where it is installed; the program it would start is none of its business."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    name = unit.name.replace("@", "@n1")
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if name in line], done.stderr
    run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(tmp_path / name))
