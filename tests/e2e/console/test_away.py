# SPDX-License-Identifier: Apache-2.0
"""An Enforcer whose certificate ended while it was away: it comes back by itself, and nobody else in its place."""
import json
import shutil
import time

import pytest

from console_estate import ConsoleEnforcer, ConsoleEstate
from estate import wait_for

LIFE_S = 4


@pytest.fixture(scope="module")
def _estate(system):
    estate = ConsoleEstate(system, "w")
    try:
        yield estate
    finally:
        estate.close()


def console_with(estate, **environment):
    estate.console.stop()
    estate.console.environment = environment
    estate.console.start()


def registration(enforcer):
    return json.loads((enforcer.directory / "state" / "console.json").read_text(encoding="utf-8"))


@pytest.fixture
def away(_estate):
    """Host a: registered, its units known, then off until its certificate has ended."""
    a = _estate.enforcers["a"]
    shutil.rmtree(a.directory / "state")
    (a.directory / "state").mkdir()
    for item in _estate.console.list("enforcers"):
        _estate.console.delete("enforcers", item["ID"])
    console_with(_estate, BULKHEAD_TEST_ENFORCER_SECONDS=LIFE_S)
    a.write_config(credentials=str(_estate.credentials))
    a.start()
    _estate.await_connected(a)
    wait_for(lambda: {u["name"] for u in _estate.console.list("processingunits")} >= {"web", "other"}, 10)
    a.stop()
    console_with(_estate)
    time.sleep(LIFE_S + 0.5)
    yield a
    if a.process:
        a.stop()
    a.detach()


def test_it_comes_back_as_who_it_was(_estate, away):
    before = registration(away)
    units = {u["name"]: u["ID"] for u in _estate.console.list("processingunits")}
    away.start()
    _estate.await_connected(away)
    after = registration(away)
    assert "console.came_back" in away.log()
    for same in ("ID", "number", "name", "namespace", "certificateKey"):
        assert after[same] == before[same], same
    assert after["certificate"] != before["certificate"]
    assert [e["ID"] for e in _estate.console.list("enforcers")] == [before["ID"]]
    assert {u["name"]: u["ID"] for u in _estate.console.list("processingunits")} == units
    assert not away.status()["warnings"], away.status()["warnings"]


def test_with_a_token(_estate, away):
    away.config.pop("credentials")
    away.write_config(token=_estate.console.token())
    try:
        away.start()
        _estate.await_connected(away)
        assert "console.came_back" in away.log()
    finally:
        away.config.pop("token")
        away.write_config(credentials=str(_estate.credentials))


def test_without_a_credential_it_says_what_to_do(_estate, away):
    away.config.pop("credentials")
    away.write_config()
    away.start()
    error = wait_for(lambda: away.status()["console"]["lastError"], 10)
    assert "certificate of this Enforcer ended at 20" in error and "set `credentials` or `token`" in error, error
    assert away.status()["console"]["state"] == "waiting"
    assert any("the last policy goes on" in warning for warning in away.status()["warnings"])
    assert "console.not_registered" in away.log()
    away.write_config(credentials=str(_estate.credentials))
    away.restart()
    _estate.await_connected(away)


def copy_of(estate, away, machine="machine-a", **changes):
    """`register` with a copy of the state directory."""
    other = ConsoleEnforcer(estate.hosts["x"], 0, {}, mode="console", console=estate.console.url, cloud="off",
                            credentials=str(estate.credentials))
    for key in ("policy", "identity", "peers"):
        other.config.pop(key, None)
    other.write_config()
    shutil.rmtree(other.directory / "state")
    shutil.copytree(away.directory / "state", other.directory / "state")
    path = other.directory / "state" / "console.json"
    path.write_text(json.dumps({**registration(away), **changes}), encoding="utf-8")
    path.chmod(0o600)
    return other.host.exec("env", f"BULKHEAD_MACHINE_ID={machine}", other.binary, "register", "--config",
                           other.config_file, "--state", other.directory / "state", check=False)


def test_another_machine(_estate, away):
    answer = copy_of(_estate, away, machine="somewhere else")
    assert answer.returncode == 1 and "another machine" in answer.stderr, answer.stderr


def test_another_key(_estate, away, tmp_path):
    """Who may register Enforcers is not who may be this one."""
    from test_enforcer_routes import request_for
    known = registration(away)
    answer = _estate.console.admin.post(f"/enforcers/{known['ID']}/enforcerrenewals",
                                        {"certificateRequest": request_for(), "machineID": "machine-a"},
                                        namespace="/shop")
    assert answer.status == 403 and "not by the key" in answer.body[0]["description"], answer


def test_one_that_is_alive_is_not_taken_over(_estate, away):
    old = (away.directory / "state" / "console.json").read_bytes()
    away.start()
    _estate.await_connected(away)
    ended = json.loads(old)["certificate"]
    answer = copy_of(_estate, away, certificate=ended)
    assert answer.returncode == 1 and "certificate is good" in answer.stderr, answer.stderr
    assert away.status()["console"]["state"] == "connected"


def test_a_connection_ends_with_its_certificate(_estate, away):
    """Renewed once over the connection, then not in time."""
    console_with(_estate, BULKHEAD_TEST_ENFORCER_SECONDS=LIFE_S)
    away.start()
    _estate.await_connected(away)
    wait_for(lambda: "console.certificate_renewed" in away.log(), 40, what="renewed over the connection")
    error = wait_for(lambda: away.status()["console"]["state"] != "connected" and away.status()["console"]["lastError"],
                     LIFE_S + 60)
    assert "certificate of this connection has expired" in error, error


def test_a_deleted_one_stays_away(_estate, away):
    _estate.console.delete("enforcers", registration(away)["ID"])
    away.start()
    error = wait_for(lambda: away.status()["console"]["lastError"], 10)
    assert "404" in error, error
    assert not _estate.console.list("enforcers")
