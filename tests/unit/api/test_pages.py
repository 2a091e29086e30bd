"""Pages of the console: files of one folder, and its index for paths of its own."""

from pathlib import Path

import pytest

from orchestrator.api.server.pages import Files
from orchestrator.errors import NotFound


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<p>console</p>")
    (folder / "assets" / "app-1a2b.js").write_text("go()")
    (tmp_path / "secret.txt").write_text("secret")
    return Files(folder)


@pytest.mark.parametrize("path", ["", "/", "runs/nightly-17", "/runs/a/b", "/runs/v1.2"])
def test_paths_of_the_console_are_its_index(files: Files, path: str) -> None:
    response = files.answer(path)

    assert response.content == b"<p>console</p>"
    assert response.media_type == "text/html"
    assert response.headers["Cache-Control"] == "no-cache"


def test_assets_are_kept_for_ever(files: Files) -> None:
    response = files.answer("/assets/app-1a2b.js")

    assert response.content == b"go()"
    assert "javascript" in str(response.media_type)
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "assets/../../secret.txt", "/..%2Fsecret.txt", "assets/none.js"]
)
def test_nothing_outside_of_the_folder_is_served(files: Files, path: str) -> None:
    with pytest.raises(NotFound):
        files.answer(path)


def test_paths_of_the_api_are_none_of_the_console(files: Files) -> None:
    with pytest.raises(NotFound, match=r"/openapi\.json describes"):
        files.answer("/api/v1/nothing")


def test_where_it_was_not_built_a_page_says_how(tmp_path: Path) -> None:
    response = Files(tmp_path).answer("/")

    assert b"make console" in response.content
