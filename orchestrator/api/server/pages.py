"""Pages of the console: files of one folder, and `index.html` for whatever else is asked for."""

from mimetypes import guess_type
from pathlib import Path

import anyio
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.response import Response

from orchestrator.errors import NotFound

PACKAGED = Path(__file__).parents[1] / "static"
INDEX = "index.html"
RUNS = "runs/"
ASSETS = "assets"
"""Names of files below have the hash of what is in them."""
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
ABSENT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Dal Segno</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:40rem;padding:0 1rem}
code{background:#8882;padding:.1em .3em;border-radius:3px}</style>
<h1>Dal Segno</h1>
<p>The API is here; the pages of the console are not. In a clone, build them with
<code>make console</code>, or give a folder with <code>--console</code>.</p>
<p><a href="/openapi.json">/openapi.json</a> describes the API,
<a href="/api/v1/runs">/api/v1/runs</a> lists runs.</p>
"""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}


def pages(folder: Path | None) -> BaseRouteHandler:
    """Serves the folder, or the packaged one."""
    files = Files(folder or PACKAGED)

    @get(["/", "/{path:path}"], name="console")
    async def page(request: Request[object, object, State]) -> Response[bytes]:
        return await anyio.to_thread.run_sync(files.answer, request.scope["path"])

    return page


class Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def answer(self, path: str) -> Response[bytes]:
        """The file, or the page for a path that is no file: pages have paths of their own. Raises
        `NotFound` for a path of the API."""
        path = path.strip("/")
        if path.startswith("api/"):
            raise NotFound(f"there is no path /{path}: /openapi.json describes those there are")
        found = self._file(path) or (None if _is_file(path) else self._file(INDEX))
        if found is None and _is_file(path):
            raise NotFound(f"there is no file /{path}")
        if found is None:
            return _response(ABSENT.encode(), "text/html", ASK_AGAIN)
        kept = FOR_EVER if path.startswith(f"{ASSETS}/") else ASK_AGAIN
        kind = guess_type(found.name)[0] or "application/octet-stream"
        return _response(found.read_bytes(), kind, kept)

    def _file(self, path: str) -> Path | None:
        """Only below the folder, whatever the path says."""
        if not path or "\0" in path:
            return None
        found = (self._folder / path).resolve()
        return found if found.is_file() and found.is_relative_to(self._folder) else None


def _is_file(path: str) -> bool:
    """Ids of runs may have dots."""
    return "." in path.rpartition("/")[2] and not path.startswith(RUNS)


def _response(data: bytes, kind: str, kept: str) -> Response[bytes]:
    return Response(
        data, media_type=kind, headers={**HEADERS, "Cache-Control": kept}, status_code=200
    )
