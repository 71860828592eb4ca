"""A PostgreSQL server of its own for the tests: in a temporary folder, on a loopback port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.helpers.waiting import until


def programs() -> Path | None:
    """Where initdb and pg_ctl are; None where PostgreSQL is not installed."""
    named = shutil.which("initdb")
    found = [Path(named).parent] if named else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in found if (f / "initdb").is_file()), None)


@contextmanager
def server(password: str = "") -> Iterator[str]:
    """The URL of a running server, without a database name; it ends with the block.

    With a password it lets no one in without it; the URL never has it.
    PostgreSQL refuses to run as root, who lends it to the user nobody.
    """
    bin = programs()
    assert bin is not None
    place = Path(tempfile.mkdtemp(prefix="airylabel-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(place, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    quiet = {"cwd": place, "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    data = str(place / "data")
    made = [*as_user, str(bin / "initdb"), "-D", data, "-U", "ada", "--no-sync", "-E", "UTF8"]
    address = ["-p", str(port), "-h", "127.0.0.1", "-k", str(place)]
    fast = ["-c", "fsync=off", "-c", "shared_buffers=16MB"]
    try:
        how = ["-A", "trust"]
        if password:
            (place / "password").write_text(password)
            how = ["-A", "scram-sha-256", f"--pwfile={place / 'password'}"]
        subprocess.run([*made, *how], check=True, stdout=subprocess.DEVNULL, **quiet)
        words = [*as_user, str(bin / "postgres"), "-D", data, *address, *fast]
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, **quiet)
        try:
            _wait_for(port, password)
            yield f"postgresql+psycopg://ada@127.0.0.1:{port}"
        finally:
            child.send_signal(signal.SIGQUIT)
            child.wait()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _wait_for(port: int, password: str) -> None:
    url = f"postgresql://ada@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        try:
            psycopg.connect(url, password=password or None).close()
        except psycopg.OperationalError:
            return False
        return True

    until(answers, "the server does not answer")
