"""A PostgreSQL server of a test's own, on a free port."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import psycopg

PROGRAMS = [pathlib.Path(name) for name in sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")))]
PASSWORD = "adm1n-p4ssword"


def program(name):
    return str(PROGRAMS[-1] / name) if PROGRAMS else shutil.which(name)


class Postgres:
    """Runs as `postgres` when the tests are root, since the server refuses to be."""

    def __init__(self):
        # Not in pytest's directories, which other users cannot enter.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="strongroom-postgres-"))
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self.user:
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        secret = self.directory / "admin"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.run("initdb", "-D", self.data, "-U", "admin", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
        secret.unlink()

    @property
    def data(self):
        return self.directory / "data"

    def run(self, name, *arguments):
        more = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        subprocess.run(
            [program(name), *map(str, arguments)], check=True, cwd="/", stdout=subprocess.DEVNULL, **more)

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.directory} -c max_connections=200 -c fsync=off"
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.directory / "log", "-o", options, "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.directory)

    def login(self, user, password):
        """Logs in and asks who it is."""
        where = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres", "connect_timeout": 20}
        with psycopg.connect(user=user, password=password, **where) as connection:
            return connection.execute("SELECT current_user").fetchone()[0]

    def administer(self, *statements):
        where = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres"}
        with psycopg.connect(user="admin", password=PASSWORD, autocommit=True, **where) as connection:
            for statement in statements:
                connection.execute(statement)
