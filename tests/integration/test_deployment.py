"""The servers' own configuration under deploy/, on the real servers; and the health check."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres, EmbeddedServers
from orchestrator.adapters.embedded.postgres import DECIDED_HERE
from tests.e2e.cluster import ROOT, Cluster
from tests.e2e.command_line import dalsegno

DEPLOY = ROOT / "deploy"


def test_nats_accepts_its_configuration_with_the_secret(tmp_path: Path) -> None:
    """In the folders of the image, as the secret's path is relative to the file's."""
    folder = tmp_path / "etc/nats"
    folder.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    subprocess.run(["sh", DEPLOY / "secrets.sh", tmp_path / "run/secrets"], check=True)
    (folder / "nats.conf").write_text((DEPLOY / "nats/nats.conf").read_text())
    server = Path(sys.executable).parent / "nats-server"
    done = subprocess.run(
        [server, "-t", "-c", folder / "nats.conf"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_postgres_runs_with_its_configuration() -> None:
    text = (DEPLOY / "postgres/postgresql.conf").read_text()
    options = dict(re.findall(r"^(\w+) = '?([^'\n]+)'?$", text, re.MULTILINE))
    ours = {name: value for name, value in options.items() if name not in DECIDED_HERE}
    with EmbeddedPostgres(options=ours) as server, psycopg.connect(server.dsn) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in options}
        checksums = connection.execute("SHOW data_checksums").fetchone()
    for name, value in ours.items():
        assert shown[name] == (value,), name
    assert (options["fsync"], options["synchronous_commit"]) == ("on", "on")
    assert checksums == ("on",), "what the file says of damage"


@pytest.mark.timeout(60)
def test_health_is_told_by_exit_code(tmp_path: Path) -> None:
    with EmbeddedServers() as servers:
        it = Cluster(tmp_path, servers)
        url = ("--nats-url", servers.nats.url)
        try:
            assert dalsegno(tmp_path, "health", "--timeout-s", "0.5", *url).code == 4
            it.start_coordinator()
            it.start_agent("n1")
            assert dalsegno(tmp_path, "health", "--timeout-s", "20", *url).code == 0
            named = dalsegno(tmp_path, "health", "--coordinator", "c1", *url)
            assert (named.code, named.out) == (0, "c1 answers\n")
            other = dalsegno(tmp_path, "health", "--coordinator", "c2", "--timeout-s", "1", *url)
            assert (other.code, "no answer from c2 within 1 s" in other.err) == (4, True), other
            node = ("health", "--node", "n1", *url)
            while (found := dalsegno(tmp_path, *node)).code:
                assert "the node n1 is not known" in found.err
            assert found.out == "c1 answers, n1 is well\n"
            it.kill("n1")
            while not (gone := dalsegno(tmp_path, *node)).code:
                assert gone.out == found.out
            assert "the node n1 is" in gone.err
        finally:
            it.close()
