# SPDX-License-Identifier: Apache-2.0
"""The daemon comes and goes; the kernel goes on deciding."""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from estate import policy, wait_for
from support import (D, LAN, W, Change, accepted_by, by_address, into, lan, out, pair, rejected_by,
                     tcp, udp)


def verdicts(estate, ip, allowed, rejected):
    """What the policy of these tests says, with traffic: allowed pair, EPERM, silent drop."""
    assert tcp(estate, allowed, ip).ok
    assert tcp(estate, rejected, ip).error == "EPERM"
    assert tcp(estate, allowed, ip, source=("c", None), timeout=400).error == "ETIMEDOUT"
    assert tcp(estate, allowed, ip, target=("b", "svc"), timeout=400).error is not None


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_enforcement_goes_on_without_the_daemon(estate, ip, port, end):
    rejected = estate.port()
    estate.apply(policy(pair(f"tcp/{port}")))
    verdicts(estate, ip, port, rejected)
    for enforcer in estate.enforcers.values():
        getattr(enforcer, end)()
    verdicts(estate, ip, port, rejected)
    for enforcer in estate.enforcers.values():
        enforcer.start()
    verdicts(estate, ip, port, rejected)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_running_stream_survives_a_restart(estate, ip, port, end):
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent", ip=ip)
    busy = estate.a.hold("web", estate.b.addresses[ip], port, "--tick", 5)
    idle = estate.a.hold("web", estate.b.addresses[ip], port)
    for _ in range(2):
        for enforcer in estate.enforcers.values():
            getattr(enforcer, end)()
            enforcer.start()
    time.sleep(0.3)
    assert busy.running and idle.running and not busy.named("dead") and not idle.named("dead")
    types = {item["type"] for item in netstat(estate.enforcer("a"), port)}
    assert types == {"PU to PU"}, "adopted with what was proven"


def netstat(enforcer, port):
    return [item for item in enforcer.json("netstat")
            if port in (int(item["destinationPort"] or 0), int(item["sourcePort"] or 0))]


def test_stream_is_cut_after_an_adoption(estate, port):
    """A policy changed while nobody was there is applied at the next start."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent")
    client = estate.a.hold("web", estate.b.addresses[4], port)
    enforcer = estate.enforcer("a")
    enforcer.kill()
    enforcer.write_policy(policy())
    time.sleep(0.3)
    assert not client.named("dead")
    enforcer.start()
    client.wait_event("dead")
    assert estate.a.connect("web", estate.b.addresses[4], port).error == "EPERM"


def test_no_gap_while_restarting(estate, port):
    """A rejected connection is tried all the time through five restarts: never once through."""
    estate.apply(policy([into("db-in", D, W, f"tcp/{port}")]))
    with estate.b.listen("db", port) as server:
        script = TRY_FOREVER.format(address=estate.b.addresses[4], port=port)
        trying = estate.a.start("/usr/bin/python3", "-c", script, unit="web")
        for i in range(5):
            enforcer = estate.enforcer("a")
            enforcer.kill() if i % 2 else enforcer.stop()
            enforcer.start()
        trying.signal(signal.SIGTERM)
        trying.wait()
        assert not server.named("accepted") and "through" not in trying.lines


TRY_FOREVER = """
import socket
while True:
    s = socket.socket()
    s.settimeout(0.5)
    try:
        s.connect(('{address}', {port}))
        print('through', flush=True)
    except OSError:
        pass
    s.close()
"""


def test_policy_at_start_is_in_force_when_ready(estate, port):
    enforcer = estate.enforcer("a")
    estate.apply(policy())
    enforcer.stop()
    enforcer.write_policy(policy(pair(f"tcp/{port}")))
    enforcer.start()
    assert estate.enforcer("b").apply(policy(pair(f"tcp/{port}"))) is None
    assert tcp(estate, port).ok


@pytest.fixture
def detached(estate):
    """Host a as before any installation: the test starts the Enforcer itself."""
    estate.apply(policy())
    enforcer = estate.enforcer("a")
    enforcer.stop()
    enforcer.detach()
    yield enforcer
    if enforcer.process is None:
        enforcer.start()


@pytest.mark.parametrize("mode, error", [("open", None), ("closed", "EPERM")])
def test_start_without_any_policy(detached, estate, port, mode, error):
    """Wrong policy, none ever known: failMode decides until a good one comes."""
    shutil.rmtree(detached.directory / "state")
    (detached.directory / "state").mkdir()
    estate.enforcer("b").apply(policy(incoming="Allow", outgoing="Allow"))
    before = detached.config.get("failMode")
    detached.write_config(failMode=mode)
    detached.write_policy("{")
    try:
        detached.start(wait=False)
        wait_for(lambda: detached.bulkhead("enforcer", "status", check=False).returncode == 0, 10,
                 what="status")
        wait_for(lambda: tcp(estate, port, source=("a", "other")).error == error, what=mode)
        assert "policy.yaml" in json.dumps(detached.status()["warnings"])
        detached.write_policy(policy([out("web-out", W, D, f"tcp/{port}")]))
        wait_for(lambda: tcp(estate, port, source=("a", "other")).error == "EPERM", what="policy")
        assert tcp(estate, port).ok
    finally:
        detached.config.pop("failMode")
        detached.write_config(**({"failMode": before} if before else {}))
        detached.restart()


def test_start_with_a_wrong_policy_keeps_the_last(estate, port):
    """The files went bad while the daemon was away: it goes on with what it had."""
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer = estate.enforcer("a")
    enforcer.stop()
    enforcer.write_policy("{")
    enforcer.start(wait=False)
    try:
        wait_for(lambda: enforcer.bulkhead("enforcer", "status", check=False).returncode == 0, 10,
                 what="status")
        assert "policy.yaml" in json.dumps(enforcer.status()["warnings"])
        assert tcp(estate, port).ok
        assert tcp(estate, estate.port()).error == "EPERM"
    finally:
        enforcer.write_policy(policy())
        wait_for(lambda: tcp(estate, port, timeout=300).error == "EPERM", what="good policy")


def test_metrics_address_taken(detached, estate, port):
    """A start that fails after it attached leaves nothing behind."""
    number = estate.a.cgroup.stat().st_ino
    with estate.a.listen(None, 9464, address="127.0.0.1"):
        detached.start(wait=False)
        result = detached.process.wait(10)
        detached.process = None
    assert result.code != 0 and "metrics on 127.0.0.1:9464" in result.stderr
    assert not pathlib.Path(f"/sys/fs/bpf/bulkhead/cgroup-{number}").exists()


def test_older_sockets_are_left_alone(detached, estate, ip, port):
    """Existing: not cut by a default, cut by a Reject that names them."""
    estate.enforcer("b").apply(policy(incoming="Allow", outgoing="Allow"))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port, "--tick", 20)
    detached.write_policy(policy())
    detached.start()
    time.sleep(0.5)
    assert client.running and not client.named("dead")
    assert {item["type"] for item in netstat(detached, port)} == {"Existing"}
    assert tcp(estate, estate.port(), ip).error == "EPERM", "a new one is judged"
    detached.apply(policy([out("no-lan", W, LAN, "any", action="Reject")], [lan()]))
    client.wait_event("dead")


def test_older_listener_takes_part(detached, estate, ip, port):
    """
    A server that was there first: new connections to it are proven and judged like any other, a
    moment after the first policy is in the kernel.
    """
    rulesets = pair(f"tcp/{port}", sender=D, receiver=W)
    server = estate.a.listen("web", port, ip=ip)
    detached.write_policy(policy(rulesets))
    detached.start()
    estate.enforcer("b").apply(policy(rulesets))
    wait_for(lambda: estate.b.connect("db", estate.a.addresses[ip], port).ok, what="proof")
    assert estate.c.connect(None, estate.a.addresses[ip], port, timeout=400).error == "ETIMEDOUT"
    accepted_by(detached, port, "receiver-in")
    assert len(server.named("accepted")) == 1


def test_older_datagram_socket_is_judged(detached, estate, ip, port):
    server = estate.a.listen("web", port, ip=ip, kind="udp")
    detached.write_policy(policy())
    detached.start()
    result = estate.c.sock(None, "udp-send", estate.a.addresses[ip], port, "--timeout", 400)
    assert result.error == "ETIMEDOUT" and not server.named("data")


def test_second_daemon_is_refused(estate):
    enforcer = estate.enforcer("a")
    second = enforcer.host.exec(*enforcer.command(), check=False, timeout=15)
    assert second.returncode not in (0, -9) and second.stderr
    assert enforcer.process.running and enforcer.status()["mode"] == "standalone"


def test_second_daemon_with_another_socket_is_refused(estate):
    """The kernel's objects are what there can only be one owner of."""
    enforcer = estate.enforcer("a")
    config = enforcer.directory / "second.yaml"
    config.write_text(json.dumps({**enforcer.config, "metrics": ""}), "utf-8")
    before = enforcer.programs()
    second = enforcer.host.exec(enforcer.binary, "run", "--config", config,
                                "--state", enforcer.directory / "state2",
                                "--socket", enforcer.directory / "second.sock",
                                check=False, timeout=15)
    assert second.returncode == 1
    assert "enforces cgroupRoot" in second.stderr and enforcer.config["cgroupRoot"] in second.stderr
    assert enforcer.programs() == before and all(before.values()), "nothing of the first is gone"


def test_peer_file_that_comes_later(estate, ip, port):
    """Until b knows host a, the proof of a counts for nothing; then the same traffic passes."""
    far = estate.enforcer("b")
    description = (far.directory / "peers.d" / "1.yaml").read_text()
    estate.apply(policy(pair(f"tcp/{port}")))
    far.remove_peer(1)
    wait_for(lambda: peers_of(far) == 0, what="peer forgotten")
    try:
        change = Change(far)
        assert tcp(estate, port, ip).error == "ETIMEDOUT"
        change.wait("peer_miss")
    finally:
        far.write_peer(1, description)
    wait_for(lambda: peers_of(far) == 1, what="peer known")
    assert tcp(estate, port, ip).ok


def peers_of(enforcer):
    """Others than the Enforcer itself."""
    peers = enforcer.status()["peers"]
    if isinstance(peers, int):
        return peers
    return len([peer for peer in peers if peer.get("enforcerId") != enforcer.number])


def test_wrong_policy_changes_nothing(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer = estate.enforcer("a")
    revision = enforcer.status()["policyRevision"]
    good = enforcer.text
    for wrong in ("{", '{"APIVersion": 1, "data": {"networkrulesetpolicies": [{"nmae": "x"}]}}',
                  policy([out("bad", W, D, "tcp/99999")])):
        enforcer.write_policy(wrong)
        wait_for(lambda: "policy.yaml" in json.dumps(enforcer.status()["warnings"]),
                 what="warning that names the file")
        assert enforcer.status()["policyRevision"] == revision
        assert tcp(estate, port).ok
        enforcer.write_policy(good)
        wait_for(lambda: "policy.yaml" not in json.dumps(enforcer.status()["warnings"]),
                 what="warning goes away")
        revision = enforcer.status()["policyRevision"]
    assert "policy.yaml" in enforcer.log()


def test_policy_in_several_files(estate, port):
    """One file a side; removing one takes its rules away."""
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer = estate.enforcer("a")
    enforcer.apply(policy())
    extra = json.dumps({"APIVersion": 1, "data": {"networkrulesetpolicies": [
        {**out("more", W, D, f"tcp/{port}"), "namespace": "/shop"}]}})
    enforcer.write_policy(extra, "more.yaml")
    wait_for(lambda: tcp(estate, port, timeout=300).ok, what="second file in force")
    (enforcer.directory / "policy.d" / "more.yaml").unlink()
    wait_for(lambda: tcp(estate, port, timeout=300).error == "EPERM", what="its rules are gone")


def test_disable_and_enable(estate, ip, port):
    estate.apply(policy())
    enforcer = estate.enforcer("a")
    assert tcp(estate, port, ip).error == "EPERM"
    with estate.c.listen(None, port, ip=ip):
        enforcer.bulkhead("enforcer", "disable", "--yes")
        assert estate.a.connect("web", estate.c.addresses[ip], port).ok
        assert not any(item["attached"] for item in enforcer.status()["programs"])
        enforcer.bulkhead("enforcer", "enable", "--yes")
        assert estate.a.connect("web", estate.c.addresses[ip], port).error == "EPERM"
    assert all(enforcer.programs().values())


def test_disable_asks_first(estate, port):
    """Without a terminal and without --yes nothing happens."""
    estate.apply(policy())
    done = estate.enforcer("a").bulkhead("enforcer", "disable", check=False)
    assert done.returncode != 0 and done.stderr
    assert tcp(estate, port).error == "EPERM"


def test_reload_by_signal(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer = estate.enforcer("a")
    enforcer.process.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert enforcer.process.running and tcp(estate, port).ok
    enforcer.config_file.write_text("namespace: [", encoding="utf-8")
    enforcer.process.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert enforcer.process.running and tcp(estate, port).ok, "a wrong configuration changes nothing"
    enforcer.write_config()


def test_stopped_daemon_leaves_udp_judged(estate, ip, port):
    estate.apply(by_address(f"udp/{port}"))
    assert udp(estate, port, ip).ok
    other = estate.port()
    for enforcer in estate.enforcers.values():
        enforcer.kill()
    assert udp(estate, port, ip).ok
    assert udp(estate, other, ip).error == "EPERM"
    for enforcer in estate.enforcers.values():
        enforcer.start()


def test_flows_seen_while_the_daemon_was_away(estate, port):
    """Counted by the kernel, told by the next daemon."""
    estate.apply(policy())
    enforcer = estate.enforcer("a")
    enforcer.kill()
    assert tcp(estate, port).error == "EPERM"
    enforcer.start()
    rejected_by(enforcer, port)


@pytest.fixture
def lonely(estate):
    """An Enforcer of host c with one unit's cgroup as its root and the host as its only unit."""
    host = estate.c
    directory = host.system.directory / "lonely"
    (directory / "policy.d").mkdir(parents=True)
    (directory / "policy.d" / "policy.yaml").write_text(policy(), "utf-8")
    root = host.cgroup_of("lonely")
    config = directory / "enforcer.yaml"
    config.write_text(json.dumps({
        "namespace": estate.enforcer("a").config["namespace"], "mode": "standalone",
        "policy": str(directory / "policy.d"),
        "cgroupRoot": f"/{root.relative_to(host.system.cgroup_mount)}",
        "host": {"enabled": True, "tags": ["app=host"]},
        "discovery": {"systemd": False, "containers": False, "kubernetes": False}}), "utf-8")
    binary, socket = estate.enforcer("a").binary, directory / "enforcer.sock"
    process = host.start(binary, "run", "--config", config, "--state", directory / "state",
                         "--socket", socket)

    def status():
        done = host.exec(estate.enforcer("a").cli, "enforcer", "status", "-o", "json", "--socket",
                         socket, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def rejects(port):
        return host.connect("lonely", estate.b.addresses[4], port, timeout=300).error == "EPERM"

    try:
        wait_for(lambda: (status() or {}).get("inForce") == "policy", 10, 0.1, "lonely Enforcer")
        yield root, status, rejects
    finally:
        process.signal(signal.SIGTERM)
        process.wait(10)
        host.exec(binary, "detach", "--config", config, check=False)
        shutil.rmtree(directory)


def test_root_removed_and_made_again(lonely, port):
    root, status, rejects = lonely
    assert rejects(port)
    root.rmdir()
    wait_for(lambda: "was removed" in json.dumps(status()["warnings"]), 12, 0.2, "warning")
    assert not any(item["attached"] for item in status()["programs"])
    root.mkdir()
    wait_for(lambda: rejects(port), 12, 0.2, "rejected again")
    assert all(item["attached"] for item in status()["programs"])
    assert "was removed" not in json.dumps(status()["warnings"])
    pins, gone = pathlib.Path("/sys/fs/bpf/bulkhead"), root.stat().st_ino
    known = set(pins.iterdir())
    (pins / "cgroup-4000000000000").mkdir()
    root.rmdir()
    root.mkdir()
    wait_for(lambda: rejects(port), 12, 0.2, "rejected again, without a look in between")
    assert status()["inForce"] == "policy"
    new = pins / f"cgroup-{root.stat().st_ino}"
    assert set(pins.iterdir()) == known - {pins / f"cgroup-{gone}"} | {new}, "pins of the living"


def test_disable_with_a_full_disk(estate, port):
    """Off it goes all the same; that a restart ends this is said."""
    estate.apply(policy())
    enforcer = estate.enforcer("a")
    state = str(enforcer.directory / "state")
    enforcer.stop()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", state], check=True)
    try:
        enforcer.start()
        with contextlib.suppress(OSError), open(f"{state}/ballast", "wb") as ballast:
            ballast.write(bytes(8192))
        done = enforcer.bulkhead("enforcer", "disable", "--yes", check=False)
        assert done.returncode != 0 and "the next start of the daemon ends this" in done.stderr
        assert "the next start" in json.dumps(enforcer.status()["warnings"])
        assert enforcer.status()["inForce"] == "nothing" and tcp(estate, port).error != "EPERM"
        enforcer.bulkhead("enforcer", "enable", "--yes")
        assert tcp(estate, port).error == "EPERM"
    finally:
        enforcer.stop()
        subprocess.run(["umount", state], check=True)
        enforcer.start()


def test_detach_beside_a_running_daemon(estate, port):
    """With another state directory as well: the cgroup is a daemon's."""
    enforcer = estate.enforcer("b")
    estate.apply(policy())
    for state in (enforcer.directory / "state", enforcer.directory / "elsewhere"):
        done = enforcer.host.exec(enforcer.binary, "detach", "--config", enforcer.config_file,
                                  "--state", state, check=False)
        assert done.returncode != 0 and "stop it first" in done.stderr
        assert tcp(estate, port, source=("c", None)).error == "ETIMEDOUT"
    assert all(enforcer.programs().values())


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_names_of_flows_while_the_daemon_was_down(estate, port, how):
    """Admitted by the policy of the last run, told by the next one, under another policy."""
    enforcer = estate.enforcer("b")
    name = f"in-{port}"
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}"), into(name, D, W, f"tcp/{port}")]))
    wait_for(lambda: name in
             (enforcer.directory / "state" / "rule-names.json").read_text(encoding="utf-8"),
             what="names on disk")
    getattr(enforcer, how)()
    assert tcp(estate, port).ok
    enforcer.write_policy(policy([into("other", D, W, f"tcp/{estate.port()}")]))
    enforcer.start()
    flow = enforcer.wait_flow(port, action="Accept")
    assert (flow["policyName"], flow["policyNamespace"]) == (name, "/shop")
