"""Real servers for tests: fixtures of the embedded Postgres and NATS.

The `*_server` fixtures last for the session (with xdist: of one worker), so a test keeps to a
database and a subject prefix of its own. The `*_private` ones last for one test, which may break
them.

A suite that needs tables makes its own fixture of the factory; the setup runs once a session:

    @pytest.fixture
    def store_dsn(database_factory: DatabaseFactory) -> str:
        return database_factory(create_tables)

PYTEST_DONT_REWRITE: there are no assertions here, and a suite may import this module for its types
before pytest takes it as a plugin.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

from orchestrator.adapters.embedded import EmbeddedNats, EmbeddedPostgres

TemplateSetup = Callable[[str], None]
DatabaseFactory = Callable[[TemplateSetup | None], str]


class Databases:
    """Makes databases in one server, each a copy of a template that is made once.

    A setup gets the template's address and leaves no connection open. Setups are told apart by
    identity, so pass a function of a module, not one made for each call.
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._admin = psycopg.connect(server.dsn, autocommit=True)
        self._templates: dict[TemplateSetup, str] = {}

    def create(self, template_setup: TemplateSetup | None) -> str:
        """The name of a new database."""
        name = f"test_{uuid4().hex}"
        template = "template1" if template_setup is None else self._template(template_setup)
        self._create(name, template)
        return name

    def drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        self._admin.close()

    def _template(self, template_setup: TemplateSetup) -> str:
        if template_setup not in self._templates:
            name = f"template_{uuid4().hex}"
            self._create(name, "template1")
            template_setup(self._server.dsn_of(name))
            self._templates[template_setup] = name
        return self._templates[template_setup]

    def _create(self, name: str, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def _execute(self, statement: sql.Composed) -> None:
        """A test whose time is over in the midst of a statement takes no other one with it."""
        if self._admin.info.transaction_status is not TransactionStatus.IDLE:
            self._admin.close()
            self._admin = psycopg.connect(self._server.dsn, autocommit=True)
        self._admin.execute(statement)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A Postgres for all tests; a test has a database of its own (`database`)."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[EmbeddedNats]:
    """A NATS for all tests; a test has subjects and streams of its own (`nats_prefix`)."""
    with EmbeddedNats() as server:
        yield server


@pytest.fixture
def postgres_private() -> Iterator[EmbeddedPostgres]:
    """A Postgres for one test, to be halted, killed and started as it likes."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture
def nats_server_private() -> Iterator[EmbeddedNats]:
    """A NATS for one test, to be halted, killed, wiped and started as it likes."""
    with EmbeddedNats() as server:
        yield server


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for lasting data that a server started by root may enter (`tmp_path` is closed)."""
    folder = Path(tempfile.mkdtemp(prefix="dalsegno-tests-data-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres) -> Iterator[Databases]:
    made = Databases(postgres_server)
    yield made
    made.close()


@pytest.fixture
def database_factory(
    postgres_server: EmbeddedPostgres, databases: Databases
) -> Iterator[DatabaseFactory]:
    """Makes databases for one test and returns their addresses; dropped when the test ends."""
    with ExitStack() as drops:

        def make(template_setup: TemplateSetup | None) -> str:
            name = databases.create(template_setup)
            drops.callback(databases.drop, name)
            return postgres_server.dsn_of(name)

        yield make


@pytest.fixture
def database(database_factory: DatabaseFactory) -> str:
    """The address of an empty database for one test."""
    return database_factory(None)


@pytest.fixture
def nats_prefix() -> str:
    """A first part for the subjects of one test; good in names of streams too."""
    return f"test_{uuid4().hex}"
