# SPDX-License-Identifier: Apache-2.0
"""A Console on SQLite or PostgreSQL that can be stopped, killed and started again."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import base64
import json

from auth_client import BUILD, Client

BINARY = os.path.join(BUILD, "bulkhead-console")


class Postgres:
    """A server of its own: unprivileged, on a UNIX socket, without waiting for the disk."""

    def __init__(self):
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.directory = tempfile.mkdtemp(prefix="bulkhead-pg-")
        os.chmod(self.directory, 0o777)
        self.data = os.path.join(self.directory, "data")
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync")
        self.n = 0
        self.process = None
        self.start()

    def _user(self, *command):
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*user, os.path.join(self.bin, command[0]), *command[1:]]

    def _run(self, *command):
        subprocess.run(self._user(*command), check=True, cwd="/", stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=120)

    def start(self):
        self._run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.directory, "log"), "-o",
                  f"-k {self.directory} -c listen_addresses='' -c fsync=off -c max_connections=100",
                  "start")

    def stop(self, how="fast"):
        self._run("pg_ctl", "-D", self.data, "-w", "-m", how, "stop")

    def database(self):
        self.n += 1
        self._run("createdb", "-h", self.directory, "-U", "postgres", f"bulkhead{self.n}")
        return f"postgresql:///bulkhead{self.n}?host={self.directory}&user=postgres"

    def close(self):
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.directory, ignore_errors=True)


class Installation:
    """One bulkhead-console process and its data directory."""

    def __init__(self, directory, database=None, options=()):
        self.directory = str(directory)
        self.data = os.path.join(self.directory, "console")
        self.database = database
        self.process = self.port = None
        self.start(*options)

    def second(self, directory):
        """Another Console of the same authority on the same database."""
        data = os.path.join(directory, "console")
        os.mkdir(data, 0o700)
        for name in ("ca.crt", "ca.key"):
            shutil.copy(os.path.join(self.data, name), data)
        return type(self)(directory, self.database)

    def start(self, *options):
        self.log_path = os.path.join(self.directory, "console.log")
        where = ["--database", self.database] if self.database else []
        with open(self.log_path, "ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *where, *options],
                stdout=log, stderr=log)
        for _ in range(600):
            found = re.search(r"console\.ready.*port=(\d+)", self.text(start))
            if found:
                self.port = int(found.group(1))
                return
            assert self.process.poll() is None, self.text(start)
            time.sleep(0.05)
        raise AssertionError(self.text(start))

    def text(self, start=0):
        with open(self.log_path, "rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        text = self.text()
        assert "AddressSanitizer" not in text and "runtime error" not in text, text
        return status

    def credential(self):
        with open(os.path.join(self.data, "administrator.json")) as file:
            return json.load(file)

    def administrator(self, credential=None):
        """A client with a token; with the credential of the Console that shares the database."""
        root = credential or self.credential()
        pair = [base64.b64decode(root[name]).decode() for name in ("certificate", "certificateKey")]
        client = Client(self, certificate=pair)
        answer = client.issue()
        assert answer.status == 200, answer
        client.token = answer.body["token"]
        return client
