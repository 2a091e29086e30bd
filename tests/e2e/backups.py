"""Base backups of the cluster's Postgres, made and restored as an operator does."""

import os
import shutil
import subprocess
from pathlib import Path

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.embedded.binaries import find_postgres
from orchestrator.adapters.embedded.postgres import CLUSTER

TIMEOUT_S = 60


def back_up(server: EmbeddedPostgres, folder: Path) -> None:
    """A base backup, while the server works: with all that is committed before it ends."""
    program = str(find_postgres(None).program("pg_basebackup"))
    command = [program, "--dbname", server.dsn, "--pgdata", str(folder), "--checkpoint=fast"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr


def restore(server: EmbeddedPostgres, folder: Path) -> None:
    """What the server has is lost; it goes on from the backup."""
    server.kill9()
    data = server.home / CLUSTER
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(folder, data)
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    data.chmod(0o700)
    server.start()
    server.wait_ready()
