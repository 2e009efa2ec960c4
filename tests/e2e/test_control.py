# SPDX-License-Identifier: Apache-2.0
"""Wrong input from outside: configuration, options, users, and the control socket."""

import json
import os
import socket
import stat

import pytest

from estate import policy, wait_for
from support import pair, tcp

NOBODY = 65534


@pytest.fixture
def enforcer(estate):
    return estate.enforcer("a")


def check(enforcer, **changes):
    """`check` on a configuration with these keys changed; None removes a key."""
    config = {**enforcer.config, **changes}
    text = json.dumps({key: value for key, value in config.items() if value is not None}, indent=1)
    return check_text(enforcer, text)


def check_text(enforcer, text, command="check"):
    path = enforcer.directory / "try.yaml"
    path.write_text(text, encoding="utf-8")
    return enforcer.host.exec(enforcer.binary, command, "--config", path, check=False)


def test_good_configuration(enforcer):
    done = check(enforcer)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("changes, path", [  # a key of the configuration, where it is reported
    ({"nonsense": 1}, "nonsense"),
    ({"mode": "both"}, "mode"),
    ({"namespace": "shop"}, "namespace"),
    ({"namespace": 7}, "namespace"),
    ({"host": {"enabled": "perhaps"}}, "host.enabled"),
    ({"host": {"enabled": True, "tags": ["no-equals"]}}, "host.tags"),
    ({"processingUnits": [{"name": "web"}]}, "processingUnits"),
    ({"processingUnits": [{"name": "w", "cgroup": "../up", "tags": []}]}, "cgroup"),
    ({"identity": {"enforcerId": 0, "key": "/k"}}, "identity.enforcerId"),
    ({"identity": {"enforcerId": 4294967296, "key": "/k"}}, "identity.enforcerId"),
    ({"targetNetworks": ["10.0.0.0/33"]}, "targetNetworks"),
    ({"excludedNetworks": ["ten"]}, "excludedNetworks"),
    ({"excludedInterfaces": [7]}, "excludedInterfaces"),
    ({"flowReportInterval": "soon"}, "flowReportInterval"),
    ({"failMode": "maybe"}, "failMode"),
    ({"metrics": "nowhere"}, "metrics"),
    ({"log": {"level": "loud"}}, "log.level"),
])
def test_wrong_configuration(enforcer, changes, path):
    done = check(enforcer, **changes)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert path in done.stderr and "try.yaml:" in done.stderr
    assert "found" in done.stderr and "expected" in done.stderr


BROKEN = {
    "empty": "", "cut": "{", "list": "- a\n- b\n", "alias": "a: &x [*x]\n",
    "zero-byte": "namespace: /shop\n\x00", "twice": "namespace: /a\nnamespace: /b\n",
    "tab": "\tnamespace: /a\n", "deep": "x: " + "[" * 20000,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("command", ["check", "run", "describe"])
def test_broken_configuration(enforcer, text, command):
    done = check_text(enforcer, text, command)
    assert done.returncode == 2 and "try.yaml" in done.stderr


def test_missing_configuration(enforcer):
    done = enforcer.host.exec(enforcer.binary, "run", "--config", "/nonexistent", check=False)
    assert done.returncode == 2 and "/nonexistent" in done.stderr


@pytest.mark.parametrize("words", [[], ["run"], ["fly"], ["run", "--config"],
                                   ["check", "--config", "x", "--what"]])
def test_wrong_usage(enforcer, words):
    done = enforcer.host.exec(enforcer.binary, *words, check=False)
    assert done.returncode == 2 and done.stderr and not done.stdout


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["check", "--help"],
                                   ["describe", "--help"]])
def test_help(enforcer, words):
    done = enforcer.host.exec(enforcer.binary, *words, check=False)
    assert done.returncode == 0 and "usage" in done.stdout.lower()


def test_not_root(enforcer):
    """Says which capabilities it needs."""
    directory = enforcer.host.system.directory / "nobody"
    directory.mkdir(exist_ok=True)
    os.chown(directory, NOBODY, NOBODY)
    (directory / "policy.d").mkdir(exist_ok=True)
    config = {"namespace": "/shop", "mode": "standalone", "policy": str(directory / "policy.d"),
              "cgroupRoot": enforcer.config["cgroupRoot"]}
    path = directory / "enforcer.yaml"
    path.write_text(json.dumps(config))
    done = enforcer.host.exec(enforcer.binary, "run", "--config", path, "--state", directory,
                              "--socket", directory / "s", check=False, uid=NOBODY)
    assert done.returncode in (1, 2) and "CAP_" in done.stderr


def test_cgroup_root_that_is_not_there(enforcer):
    path = enforcer.directory / "try.yaml"
    path.write_text(json.dumps({**enforcer.config, "cgroupRoot": "/bulkhead-test-none"}))
    done = enforcer.host.exec(enforcer.binary, "run", "--config", path, "--state",
                              enforcer.directory / "state3", "--socket",
                              enforcer.directory / "third.sock", check=False)
    assert done.returncode in (1, 2) and "bulkhead-test-none" in done.stderr


def test_key_file_is_private(enforcer):
    key = enforcer.directory / "enforcer.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_describe_tells_no_secret(enforcer):
    text = enforcer.describe()
    description = json.loads(text) if text.lstrip().startswith("{") else text
    assert "publicKey" in text and "enforcerId" in text and "rivate" not in text
    assert description


def test_socket_is_private(enforcer):
    assert stat.S_IMODE(enforcer.socket.stat().st_mode) & 0o007 == 0


def raw(enforcer, data, shut=True):
    """Bytes to the control socket; what came back before it closed or a second passed."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(1)
    client.connect(str(enforcer.socket))
    answer = b""
    try:
        client.sendall(data)
        if shut:
            client.shutdown(socket.SHUT_WR)
        while chunk := client.recv(65536):
            answer += chunk
    except OSError:
        pass
    client.close()
    return answer


GARBAGE = {
    "nothing": b"", "empty-line": b"\n", "zeros": b"\x00" * 64, "no-command": b"{}\n",
    "unknown": b'{"command": "fly"}\n', "number": b'{"command": 7}\n', "deep": b"[" * 5000 + b"\n",
    "cut": b'{"request": "status"', "http": b"GET / HTTP/1.0\r\n\r\n",
    "not-utf8": b"\xff\xfe\xfd\n" * 100, "long": b'{"command": "' + b"a" * 200000 + b'"}\n',
    "oversized": b"x" * 5000000, "oversized-line": b"x" * 3000000 + b"\n",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_requests(enforcer, data):
    """An answer or a closed connection; the daemon goes on."""
    raw(enforcer, data)
    assert enforcer.process.running and enforcer.status()["mode"] == "standalone"


@pytest.mark.parametrize("name", ["unknown", "number", "http", "no-command", "oversized-line"])
def test_garbage_is_answered_with_an_error(enforcer, name):
    assert b"error" in raw(enforcer, GARBAGE[name], shut=False).lower()


def test_garbage_is_logged(enforcer):
    before = len(enforcer.log())
    raw(enforcer, b'{"command": "fly"}\n')
    wait_for(lambda: len(enforcer.log()) > before, what="a log line")


def test_silent_clients_do_not_block(enforcer):
    clients = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(1)
        try:
            client.connect(str(enforcer.socket))
            client.sendall(b'{"comm')
        except OSError:
            pass
        clients.append(client)
    for client in clients[:50]:
        client.close()
    wait_for(lambda: enforcer.bulkhead("enforcer", "status", "-o", "json",
                                       check=False).returncode == 0, what="status is answered")
    for client in clients[50:]:
        client.close()


def test_unauthorised_user(estate, enforcer, port):
    """uid nobody may neither see nor switch off, whatever the mode of the file says."""
    estate.apply(policy(pair(f"tcp/{port}")))
    mode = stat.S_IMODE(enforcer.socket.stat().st_mode)
    os.chmod(enforcer.socket, 0o666)
    try:
        for words in (["status"], ["flows"], ["disable", "--yes"]):
            done = enforcer.bulkhead("enforcer", *words, check=False, uid=NOBODY)
            assert done.returncode == 1 and done.stderr and not done.stdout
    finally:
        os.chmod(enforcer.socket, mode)
    assert all(enforcer.programs().values())


def test_no_daemon(enforcer):
    done = enforcer.host.exec(enforcer.cli, "enforcer", "status", "--socket",
                              enforcer.directory / "nobody-listens.sock", check=False)
    assert done.returncode == 1 and "nobody-listens.sock" in done.stderr and not done.stdout


@pytest.mark.parametrize("text", ["", "{", "enforcerId: 9\n", "enforcerId: 9\npublicKey: short\n",
                                  "publicKey: " + "A" * 100000 + "\n"],
                         ids=["empty", "cut", "no-key", "short-key", "long-key"])
def test_broken_peer_file(estate, enforcer, port, text):
    """Refused with a warning; the peers known before stay."""
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer.write_peer(9, text)
    try:
        wait_for(lambda: "9.yaml" in json.dumps(enforcer.status()["warnings"]), what="warning")
        assert tcp(estate, port).ok
    finally:
        enforcer.remove_peer(9)
    wait_for(lambda: "9.yaml" not in json.dumps(enforcer.status()["warnings"]), what="no warning")


@pytest.mark.parametrize("listing", ["status", "pus", "flows", "counters", "netstat"])
@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_every_listing_in_every_form(enforcer, listing, form):
    done = enforcer.bulkhead("enforcer", listing, "-o", form)
    assert done.stdout and not done.stderr
    if form == "json":
        json.loads(done.stdout)
