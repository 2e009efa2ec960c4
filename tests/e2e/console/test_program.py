# SPDX-License-Identifier: Apache-2.0
"""The program: options, restarts, kill, backup and restore, a full disk."""
import os
import shutil
import ssl
import subprocess
import threading
import time
import uuid

import pytest

from installation import BINARY, Installation


def run(*words, timeout=60):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("command", ["serve", "backup", "restore", "compact", "check"])
def test_help(command):
    result = run(command, "--help")
    assert result.returncode == 0 and result.stdout.startswith(f"usage: bulkhead-console {command}")
    assert result.stderr == ""


@pytest.mark.parametrize("words", [
    [], ["serv"], ["serve"], ["serve", "--data"], ["serve", "--data", "x", "--nonsense"],
    ["serve", "--data", "x", "--key", "y"], ["serve", "--data", "x", "--public-url", "http://x"],
    ["serve", "--data", "x", "--log", "loud"], ["backup", "--data", "x"], ["compact", "--data", "x", "--keep-days", "-1"]])
def test_wrong_usage(words):
    result = run(*words)
    assert result.returncode == 2 and result.stderr.startswith("bulkhead-console: ") and result.stdout == ""


def test_nearest_command():
    assert "did you mean 'serve'" in run("serv").stderr
    assert run("version").stdout.startswith("bulkhead-console ")


@pytest.fixture
def own(tmp_path):
    installation = Installation(tmp_path)
    yield installation
    assert installation.stop() == 0


def test_files_are_private(own):
    assert os.stat(own.data).st_mode & 0o777 == 0o700
    for name in ("administrator.json", "ca.key", "server.key", "console.db"):
        assert os.stat(os.path.join(own.data, name)).st_mode & 0o777 == 0o600, name
    text = own.text()
    assert os.path.join(own.data, "administrator.json") in text
    assert own.credential()["certificateKey"] not in text and "PRIVATE KEY" not in text


def test_one_process_for_a_directory(own):
    result = run("serve", "--data", own.data, "--listen", "127.0.0.1:0")
    assert result.returncode == 1 and "another bulkhead-console" in result.stderr


def test_another_ca_is_refused(own):
    own.stop()
    for name in ("ca.crt", "ca.key"):
        os.rename(os.path.join(own.data, name), os.path.join(own.directory, name))
    result = run("serve", "--data", own.data, "--listen", "127.0.0.1:0")
    assert result.returncode == 1 and "is not the CA of this database" in result.stderr
    for name in ("ca.crt", "ca.key"):
        os.rename(os.path.join(own.directory, name), os.path.join(own.data, name))
    own.start()
    assert own.administrator().get("/namespaces", namespace="/").status == 200


def test_restart_keeps_all(own):
    client = own.administrator()
    made = client.post("/namespaces", {"name": "kept"}, namespace="/").body
    own.stop()
    own.start()
    client = own.administrator()
    assert client.get("/namespaces/" + made["ID"]).body == made
    assert own.text().count("console.first_start") == 1


def test_certificate_is_read_again(own):
    def serial():
        return ssl.get_server_certificate(("127.0.0.1", own.port))
    before = serial()
    client = own.administrator()
    for name in ("server.crt", "server.key"):
        shutil.copy(os.path.join(own.data, name), own.directory)
    # A certificate of another Console stands for a renewed one.
    other = os.path.join(own.directory, "other")
    os.mkdir(other)
    second = Installation(other)
    try:
        for name in ("server.crt", "server.key"):
            shutil.copy(os.path.join(second.data, name), own.data)
    finally:
        second.stop()
    own.process.send_signal(1)
    until = time.monotonic() + 10
    while serial() == before and time.monotonic() < until:
        time.sleep(0.05)
    assert serial() != before
    assert client.get("/namespaces", namespace="/").status == 200  # the old connection goes on
    for name in ("server.crt", "server.key"):
        shutil.copy(os.path.join(own.directory, name), own.data)


def test_backup_and_restore(own, tmp_path_factory):
    client = own.administrator()
    for i in range(50):
        assert client.post("/namespaces", {"name": f"n{i}"}, namespace="/").status == 200
    file = os.path.join(own.directory, "backup")
    result = run("backup", "--data", own.data, "--file", file)
    assert result.returncode == 0, result.stderr
    before = client.get("/namespaces", namespace="/").body
    client.post("/namespaces", {"name": "later"}, namespace="/")
    other = tmp_path_factory.mktemp("restored")
    data = os.path.join(other, "console")
    result = run("restore", "--data", data, "--file", file)
    assert result.returncode == 0, result.stderr
    assert run("restore", "--data", data, "--file", file).returncode == 1  # not empty
    assert run("check", "--data", data).returncode == 0
    for name in os.listdir(own.data):
        if name.startswith(("ca.", "administrator", "signing")):
            shutil.copy(os.path.join(own.data, name), data)
    restored = Installation(other)
    try:
        assert restored.administrator().get("/namespaces", namespace="/").body == before
    finally:
        assert restored.stop() == 0
    with open(file, "r+b") as damaged:
        damaged.truncate(os.path.getsize(file) // 2)
    assert run("restore", "--data", os.path.join(other, "x"), "--file", file).returncode == 2
    assert run("compact", "--data", own.data).returncode == 0


def test_kill_at_any_moment(own):
    """What was answered with 200 is there after kill -9."""
    kept = []
    for turn in range(5):
        client = own.administrator()
        failures = []

        def write():
            mine = own.administrator()
            while True:
                name = uuid.uuid4().hex
                try:
                    answer = mine.ask("POST", "/namespaces", {"name": name}, namespace="/")
                except Exception as error:  # the connection broke: killed
                    failures.append(error)
                    return
                if answer.status == 200:
                    kept.append(answer.body["name"])

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3 + 0.1 * turn)
        own.kill()
        for thread in threads:
            thread.join()
        own.start()
        client = own.administrator()
        there = {n["name"] for n in client.get("/namespaces", namespace="/").body}
        assert set(kept) <= there
    assert len(kept) > 50


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small file system")
def test_full_disk(tmp_path):
    """507 on writes, reads go on, and writes come back by themselves."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    try:
        own = Installation(disk)
        client = own.administrator()
        made = client.post("/namespaces", {"name": "before"}, namespace="/").body
        filler = disk / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        statuses = set()
        for i in range(200):
            statuses.add(client.post("/namespaces", {"name": f"full{i}", "description": "x" * 1000},
                                     namespace="/").status)
            if 507 in statuses:
                break
        assert 507 in statuses, statuses
        assert client.get("/namespaces/" + made["ID"]).status == 200
        assert client.get("/healthchecks").status == 503
        filler.unlink()
        until = time.monotonic() + 15
        while client.post("/namespaces", {"name": f"after{time.monotonic_ns()}"}, namespace="/").status != 200:
            assert time.monotonic() < until
            time.sleep(0.2)
        until = time.monotonic() + 5
        while client.get("/healthchecks").status != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert own.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
