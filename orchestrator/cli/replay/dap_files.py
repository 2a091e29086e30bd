"""The files that debug clients name: which they may, and what is in them."""

import os
from pathlib import Path

import msgspec

from events.errors import Misconfigured
from orchestrator.authoring import read
from orchestrator.cli.common import Common, configuration_file
from orchestrator.cli.local.connection_file import connection_layers
from orchestrator.config import Config, load_config
from orchestrator.dap.arguments import Attach
from orchestrator.dap.opening import Text

PYTHON = ".py"


class Reach(msgspec.Struct, frozen=True):
    """What a client gets at. One that is not trusted, since it may be anybody on this host, reads
    files below the present folder only, and has none executed but those of the command line."""

    common: Common
    files: tuple[str, ...]
    is_trusted: bool

    def folder(self, given: str) -> Path:
        """Where a client's relative paths begin. Raises `Misconfigured`."""
        here = Path.cwd()
        if not given:
            return here
        found = here / given
        if not found.is_dir():
            raise Misconfigured(f"folder: there is no folder {given}")
        self._check(found, given)
        return found

    def file(self, given: str, folder: Path) -> Path:
        """Raises `Misconfigured` for one that the client may not read."""
        path = folder / given
        self._check(path, given)
        return path

    def definition(self, given: str, folder: Path) -> str:
        """A file with a workflow. Raises `Misconfigured`."""
        path = self.file(given, folder)
        if not self.is_trusted and PYTHON in path.name:
            raise Misconfigured(
                f"definition: {given} would be executed: name it where the adapter is started, "
                f"`dalsegno dap --port … --definition {given}`"
            )
        return str(path)

    def _check(self, path: Path, given: str) -> None:
        here = Path.cwd().resolve()
        if not self.is_trusted and here not in (path.resolve(), *path.resolve().parents):
            raise Misconfigured(
                f"{given} is outside of {here}, where this adapter was started: start one there, "
                "or one without --port"
            )


def same_file(path: str) -> str:
    """The same for every path of one file."""
    return str(Path(path).resolve())


def config_in(common: Common, folder: Path) -> Config:
    """The configuration as it is in a folder: that of a `dalsegno dev` there, among others. Raises
    `Misconfigured`."""
    flags = {"postgres.dsn": common.dsn, "nats.urls": common.nats_url}
    file = configuration_file(common)
    return load_config(flags, os.environ, file, connection_layers(folder)).value


def texts_of(reach: Reach, attach: Attach, folder: Path) -> tuple[Text, ...]:
    """The workflows in the files that the command line and a client name. Raises `NotLoadable`,
    `InvalidDefinition`, `Misconfigured`."""
    named = [attach.definition] if isinstance(attach.definition, str) else attach.definition
    given = [reach.definition(one, folder) for one in named if one]
    return tuple(_text(one) for one in (*reach.files, *given))


def _text(given: str) -> Text:
    """A workflow with the texts of all files that its steps were written in."""
    authored = read(given)
    own = Path(given.partition(f"{PYTHON}:")[0] + (PYTHON if f"{PYTHON}:" in given else ""))
    others = dict.fromkeys(place.file for place in authored.places.values() if place.file)
    return Text(authored, {str(one.absolute()): _read(one) for one in (own, *map(Path, others))})


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error
