"""The names of the layout are ours alone, and the lock file works on any machine.

The public index has a distribution `Events` whose import package is called `events` too. An
installer that meets both overwrites one with the other and says nothing, so it is locked out.
"""

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import Distribution, distributions, packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import PRODUCT, ROOT, project

INDEX = "https://pypi.org/simple"
SHIPPED = {".py", ".sql", ".typed", ".json", ".yaml", ".toml", ".template"}
FILES = "https://files.pythonhosted.org/"


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as it would be installed, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, capture_output=True, check=True)
    return next(folder.glob("dalsegno-*.whl"))


@pytest.mark.parametrize("package", PRODUCT)
def test_the_imported_package_is_ours(package: str) -> None:
    assert Path(str(import_module(package).__file__)).parent == ROOT / package


@pytest.mark.parametrize("package", PRODUCT)
def test_no_other_installed_distribution_owns_the_name(package: str) -> None:
    # An editable install lists no packages, so ours may be missing here but nobody else may appear.
    assert set(packages_distributions().get(package, [])) <= {"dalsegno"}
    owners = {found.name for found in distributions() if package in set(_top_level(found))}
    assert owners <= {"dalsegno"}


def test_an_installed_wheel_owns_exactly_our_packages(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    owned = {name: owner for name, owner in packages_distributions().items() if "-" not in name}
    assert owned == {package: ["dalsegno"] for package in PRODUCT}


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in SHIPPED
    }
    assert {f"{package}/py.typed" for package in PRODUCT} <= expected
    assert expected <= packed


def test_the_foreign_events_is_locked_out(lock: dict[str, Any]) -> None:
    assert "events<0" in project()["tool"]["uv"]["constraint-dependencies"]
    assert {"name": "events", "specifier": "<0"} in lock["manifest"]["constraints"]
    assert "events" not in {package["name"] for package in lock["package"]}


def test_no_index_accepts_an_upload() -> None:
    assert "Private :: Do Not Upload" in project()["project"]["classifiers"]


def test_the_lock_names_the_public_index_only(lock: dict[str, Any]) -> None:
    for package in lock["package"]:
        source = package["source"]
        assert source in ({"registry": INDEX}, {"editable": "."}), package["name"]
        for file in [*package.get("wheels", []), package.get("sdist", {"url": FILES})]:
            assert file["url"].startswith(FILES), package["name"]


def test_the_lock_has_a_hash_for_every_file(lock: dict[str, Any]) -> None:
    for package in lock["package"]:
        for file in package.get("wheels", []):
            assert file["hash"].startswith("sha256:"), package["name"]


def test_the_version_is_written_once(lock: dict[str, Any]) -> None:
    ours = next(package for package in lock["package"] if package["name"] == "dalsegno")
    assert ours["version"] == project()["project"]["version"]


def _top_level(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or []:
        if len(file.parts) > 1 and file.suffix == ".py":
            yield file.parts[0]
