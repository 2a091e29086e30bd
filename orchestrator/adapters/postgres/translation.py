"""The driver's errors in our words.

lost connection, timeout, shutdown, full disk, read-only server   Unavailable
missing table or right                                            Misconfigured
text or number that the server cannot hold                        InvalidValue
damaged pages                                                     Corrupt
anything else                                                     InvariantViolation: our bug
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from orchestrator.errors import (
    Corrupt,
    DalsegnoError,
    InvalidValue,
    InvariantViolation,
    Misconfigured,
    Unavailable,
)

PASSING = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)
MISSING = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.InvalidSchemaName,
    errors.UndefinedFunction,
    errors.InsufficientPrivilege,
)
DAMAGED = (errors.DataCorrupted, errors.IndexCorrupted)

WRONG_DSN = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "invalid connection option",
    'missing "=" after',
    "invalid port number",
    "unsupported frontend protocol",
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises what the block's driver errors mean; `doing` is "reading run:7"."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, doing) from error


def translate(error: psycopg.Error, doing: str, unknown: bool = False) -> DalsegnoError:
    """Returns the error to raise. `unknown`: the operation may have taken effect."""
    said = reason(error)
    if isinstance(error, PASSING):
        return Unavailable(f"the database failed while {doing}: {said}", unknown=unknown)
    if isinstance(error, MISSING):
        return Misconfigured(
            f"the database is not as expected while {doing}: {said}. Run `dalsegno migrate` with a "
            "role that owns the schema dalsegno"
        )
    if isinstance(error, psycopg.DataError):
        return InvalidValue(f"the database cannot hold a value while {doing}: {said}")
    if isinstance(error, DAMAGED):
        return Corrupt(f"the database is damaged, seen while {doing}: {said}")
    return InvariantViolation(f"the database refused {doing}: {said}")


def not_unicode(error: UnicodeEncodeError) -> InvalidValue:
    """What to raise for text with a lone surrogate."""
    return InvalidValue(f"{error.object!r} is not Unicode: {error.reason}")


def refused_connection(error: psycopg.Error, where: str) -> DalsegnoError:
    """Returns `Misconfigured` for a wrong address or login, else `Unavailable`."""
    said = reason(error)
    if isinstance(error, psycopg.ProgrammingError) or any(part in said for part in WRONG_DSN):
        return Misconfigured(
            f"Postgres at {where} does not accept the connection: {said}. Correct the DSN, such as "
            "postgresql://user:password@host:5432/database"
        )
    return Unavailable(f"Postgres at {where} cannot be reached: {said}")


def reason(error: psycopg.Error) -> str:
    """The first line of what the server or the driver said."""
    said = error.diag.message_primary or str(error)
    return said.strip().splitlines()[0] if said.strip() else type(error).__name__
