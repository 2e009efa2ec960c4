# SPDX-License-Identifier: Apache-2.0
"""bulkhead-console maintenance: writes are answered with 423, everything else goes on."""
import subprocess
import time

import pytest

from installation import BINARY
from link_client import HEARTBEAT, Registered


def maintenance(installation, *words, status=0):
    where = ["--database", installation.database] if installation.database else []
    done = subprocess.run([BINARY, "maintenance", *words, "--data", installation.data, *where], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def locked(installation):
    maintenance(installation, "on", "--reason", "new disks, until 18:00 ü")
    yield
    maintenance(installation, "off")


def refused(answer, reason="new disks, until 18:00 ü"):
    assert answer.status == 423, answer
    assert answer.body[0]["title"] == "Locked" and answer.reason.endswith(f"during maintenance: {reason}")


@pytest.fixture
def network(client, namespace):
    answer = client.post("/externalnetworks", {"name": "before", "entries": ["192.0.2.0/24"]}, namespace=namespace,
                         headers={"Idempotency-Key": "once"})
    assert answer.status == 200, answer
    return answer.body


def test_writes_are_refused_and_reads_are_not(installation, client, namespace, network, locked):
    path = "/externalnetworks/" + network["ID"]
    body = {"name": "x", "entries": ["192.0.2.0/24"]}
    refused(client.post("/externalnetworks", body, namespace=namespace))
    refused(client.ask("PATCH", path, {"description": "x"}))
    refused(client.ask("DELETE", path))
    refused(client.post("/import", {"data": {"label": "x", "data": {"externalnetworks": [body]}}}, namespace=namespace))
    refused(client.post("/namespaces", {"name": "x"}, namespace=namespace))
    dry = client.post("/import?dryRun=true", {"data": {"label": "x", "data": {"externalnetworks": [body]}}},
                      namespace=namespace)
    assert dry.status == 200, dry
    assert client.get(path).body == network
    assert [n["name"] for n in client.get("/externalnetworks", namespace=namespace).body] == ["before"]
    assert client.issue().status == 200
    again = client.post("/externalnetworks", {"name": "before", "entries": ["192.0.2.0/24"]}, namespace=namespace,
                        headers={"Idempotency-Key": "once"})
    assert again.status == 200 and again.body["ID"] == network["ID"]  # was done before


def test_enforcers_go_on(installation, client, namespace):
    registered = Registered(client, "host", namespace)
    maintenance(installation, "on", "--reason", "x")
    try:
        with registered.connect() as link:
            link.snapshot()
            link.units(["app=web"])
            link.send(HEARTBEAT, time=int(time.time() * 1000), memory=1, cpu=1, processes=1, status="Active", counters=[])
            end = time.monotonic() + 10
            while not (units := client.get("/processingunits", namespace=namespace).body):
                assert time.monotonic() < end, "the unit has not become an object"
                time.sleep(0.05)
            assert [unit["enforcerID"] for unit in units] == [registered.id]
        with pytest.raises(AssertionError, match="423"):
            Registered(client, "another", namespace)
    finally:
        maintenance(installation, "off")
    Registered(client, "another", namespace)


def test_status_and_restart(installation, client, namespace):
    assert maintenance(installation, "status") == "off\n"
    maintenance(installation, "on")
    try:
        assert maintenance(installation, "status") == "on: no reason was given\n"
        assert installation.stop() == 0
        installation.start()
        client.connection = None
        refused(client.post("/namespaces", {"name": "x"}, namespace=namespace), "no reason was given")
    finally:
        maintenance(installation, "off")
    assert maintenance(installation, "status") == "off\n"
    assert client.post("/namespaces", {"name": "x"}, namespace=namespace).status == 200


@pytest.mark.parametrize("words, problem", [
    ([], "expected on, off or status"), (["maybe"], "'maybe'"), (["on", "off"], "'off'"),
    (["off", "--reason", "x"], "--reason: only with on"), (["on", "--reason", "x" * 501], "at most 500 bytes"),
])
def test_wrong_words(installation, words, problem):
    assert problem in maintenance(installation, *words, status=2)


def test_all_consoles_of_a_database_at_once(pair):
    first, second = pair
    a, b = first.administrator(), second.administrator(first.credential())
    for i in range(10):
        maintenance(first if i % 2 else second, "on", "--reason", f"turn {i}")
        refused(a.post("/namespaces", {"name": f"a{i}"}, namespace="/"), f"turn {i}")
        refused(b.post("/namespaces", {"name": f"b{i}"}, namespace="/"), f"turn {i}")
        maintenance(second if i % 2 else first, "off")
        assert a.post("/namespaces", {"name": f"a{i}"}, namespace="/").status == 200
        assert b.post("/namespaces", {"name": f"b{i}"}, namespace="/").status == 200
