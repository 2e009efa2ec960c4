# SPDX-License-Identifier: Apache-2.0
"""Enforcers that live from a Console: real connections, real rulesets through the API."""
import json
import re
import shutil
import signal
import sys
import time

import pytest

from console_estate import PORT, ConsoleEnforcer, ConsoleEstate
from estate import wait_for
from estate.tool import Process
from proxy import Proxy


@pytest.fixture(scope="module")
def _estate(system):
    estate = ConsoleEstate(system)
    try:
        estate.start()
        yield estate
    finally:
        estate.close()


@pytest.fixture
def estate(_estate):
    _estate.ensure()
    yield _estate
    _estate.ensure()
    for item in _estate.console.list("networkrulesetpolicies"):
        _estate.console.delete("networkrulesetpolicies", item["ID"])
    _estate.end_tools()


@pytest.fixture
def port(estate):
    return estate.port()


def rule(*clauses, port=None, action="Allow", **more):
    return {"action": action, "object": [list(clause) for clause in clauses],
            "protocolPorts": [f"tcp/{port}" if port else "any"], **more}


def ruleset(name, subject, way, *rules):
    return {"name": name, "subject": [[subject]], f"{way}Rules": list(rules)}


def both_ways(console, port, client="app=web", server="app=db"):
    """The two rulesets that let a client in."""
    return [console.create("networkrulesetpolicies",
                           ruleset(f"to-{port}", client, "outgoing", rule([server], port=port))),
            console.create("networkrulesetpolicies",
                           ruleset(f"from-{port}", server, "incoming", rule([client], port=port)))]


def connects(estate, unit, port, server="b", ip=4, timeout=700):
    return estate.hosts["a"].connect(unit, estate.hosts[server].addresses[ip], port, timeout=timeout).ok


def admitted(estate, port, **more):
    """A server of db on this port, and web gets in."""
    server = estate.b.listen("db", port)
    both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port, **more), what="web is let in")
    return server


def console_of(enforcer):
    return enforcer.status()["console"]


# ---- Policy --------------------------------------------------------------------------------------


def test_identity_decides(estate, port, ip):
    estate.b.listen("db", port, ip=ip)
    assert not connects(estate, "web", port, ip=ip)
    both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port, ip=ip), what="web is let in")
    assert not connects(estate, "other", port, ip=ip)
    flow = estate.enforcers["b"].wait_flow(port, action="Accept")
    assert flow["source"]["type"] == "ProcessingUnit"
    assert flow["policyName"] == f"from-{port}" and flow["policyNamespace"] == "/shop"


def test_changes_are_live(estate, port):
    estate.b.listen("db", port)
    _, incoming = both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port))
    held = estate.a.hold("web", estate.b.addresses[4], port)
    estate.console.create("networkrulesetpolicies",
                          ruleset(f"no-{port}", "app=db", "incoming", rule(["app=web"], action="Reject")))
    wait_for(lambda: not held.running, what="the live connection is cut")
    assert not connects(estate, "web", port)
    estate.console.delete("networkrulesetpolicies", estate.console.list("networkrulesetpolicies")[-1]["ID"])
    for item in estate.console.list("networkrulesetpolicies"):
        if item["name"] == f"no-{port}":
            estate.console.delete("networkrulesetpolicies", item["ID"])
    assert incoming["name"] == f"from-{port}"


def default_action(estate, action):
    shop = next(n for n in estate.console.list("namespaces", "/") if n["name"] == "/shop")
    estate.console.update("namespaces", shop["ID"],
                          {"defaultPUIncomingTrafficAction": action, "defaultPUOutgoingTrafficAction": action}, "/")


def test_namespace_default(estate, port):
    estate.b.listen("db", port)
    for action, expected in (("Allow", True), ("Reject", False)):
        default_action(estate, action)
        wait_for(lambda e=expected: connects(estate, "web", port) == e, what=f"default {action}")


def test_tags_of_people(estate, port):
    """Somebody adds a tag to a unit at the Console: rules about it hold on the hosts."""
    estate.b.listen("db", port)
    both_ways(estate.console, port, client="role=client")
    assert not connects(estate, "other", port)
    unit = next(u for u in estate.console.list("processingunits") if u["name"] == "other")
    estate.console.update("namespaces", next(n for n in estate.console.list("namespaces", "/")
                                             if n["name"] == "/shop")["ID"], {"tagPrefixes": ["app=", "role="]}, "/")
    estate.console.update("processingunits", unit["ID"],
                          {"associatedTags": [*unit["associatedTags"], "role=client"]})
    wait_for(lambda: connects(estate, "other", port), what="other is a client now")
    estate.console.update("processingunits", unit["ID"], {"associatedTags": unit["associatedTags"]})
    wait_for(lambda: not connects(estate, "other", port), what="and no more")


def test_reports_of_units(estate):
    units = {u["name"]: u for u in estate.console.list("processingunits")}
    host = units["ka.test"]
    assert host["type"] == "Host" and host["operationalStatus"] == "Running"
    for tag in ("app:host:type=server", "os:ip=10.1.0.2", "@os:host=ka.test", "$name=ka.test", "app:host:fqdn=ka.test", "app=host"):
        assert tag in host["normalizedTags"], (tag, host["normalizedTags"])
    assert any(tag.startswith("os:kernel=") for tag in host["normalizedTags"])
    assert units["web"]["type"] == "LinuxService" and "app=web" in units["web"]["normalizedTags"]


def test_enforcer_object(estate):
    found = {e["name"]: e for e in estate.console.list("enforcers")}
    assert found["ka.test"]["operationalStatus"] == "Connected" and found["ka.test"]["currentVersion"]
    status = console_of(estate.enforcers["a"])
    assert status["enforcerId"] == found["ka.test"]["ID"] and status["namespace"] == "/shop"
    assert status["number"] == found["ka.test"]["number"] and status["lastError"] == ""
    assert status["certificateNotAfter"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert "secret" not in str(found["ka.test"]) and "PRIVATE" not in str(found["ka.test"])


# ---- Outages -------------------------------------------------------------------------------------


def test_console_down(estate, port):
    """Policy goes on; a daemon that starts meanwhile works from its copy; then nothing is sent anew."""
    admitted(estate, port)
    time.sleep(1.0)  # the copy is written within half a second
    estate.console.stop()
    a = estate.enforcers["a"]
    wait_for(lambda: console_of(a)["state"] != "connected")
    assert connects(estate, "web", port) and not connects(estate, "other", port)
    a.stop()
    assert connects(estate, "web", port) and not connects(estate, "other", port)
    a.start()
    status = a.status()
    assert status["inForce"] == "policy" and status["console"]["state"] != "connected"
    assert connects(estate, "web", port) and not connects(estate, "other", port)
    estate.console.start()
    estate.await_connected(a, 90)
    counters = a.counters()
    assert connects(estate, "web", port)
    assert counters["console_connects"] == 1


def test_resume(estate, port):
    """After a break without a change nothing is sent; after a restart there as well."""
    admitted(estate, port)
    a = estate.enforcers["a"]
    # What was fetched in other tests a new Console asks for, so both forget it.
    a.stop()
    (a.directory / "state" / "console-entries").unlink()
    estate.console.restart()
    a.start()
    estate.ensure()
    time.sleep(1.0)
    before = a.counters()
    estate.console.kill()
    wait_for(lambda: console_of(a)["state"] != "connected")
    estate.console.start()
    estate.await_connected(a, 90)
    time.sleep(1.0)
    after = a.counters()
    assert after["console_connects"] == before["console_connects"] + 1
    assert after["console_resumed"] == before["console_resumed"] + 1
    assert after["console_inventories"] == before["console_inventories"]
    assert connects(estate, "web", port)


def test_copy_is_authentic(estate, port):
    """A changed copy, or one of somebody else, counts as none."""
    admitted(estate, port)
    time.sleep(1.0)
    a = estate.enforcers["a"]
    estate.console.stop()
    a.stop()
    copy = a.directory / "state" / "console-entries"
    assert copy.stat().st_mode & 0o777 == 0o600
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    a.start()
    assert any("kept on disk is ignored" in warning for warning in a.status()["warnings"])
    estate.console.start()
    estate.await_connected(a, 90)
    wait_for(lambda: connects(estate, "web", port))


# ---- Who is who ----------------------------------------------------------------------------------


def test_revoked(estate, port):
    """Deleted at the Console: it says why, keeps its policy, and does not hammer; others forget it."""
    admitted(estate, port)
    estate.c.listen(None, port)
    a = estate.enforcers["a"]
    estate.console.delete("enforcers", console_of(a)["enforcerId"])
    wait_for(lambda: "register it again" in console_of(a)["lastError"])
    assert a.status()["inForce"] == "policy" and not connects(estate, "web", port, server="c")
    wait_for(lambda: not connects(estate, "web", port), what="b does not believe a any more")
    time.sleep(3)
    assert a.log().count("console.ended") <= a.log().count("console.connected") + 1
    a.stop()
    (a.directory / "state" / "console.json").unlink()
    a.start()
    estate.await_connected(a)
    wait_for(lambda: connects(estate, "web", port), what="registered again")


def test_cloned(estate):
    """A copy of the state directory on another host: both are told."""
    a = estate.enforcers["a"]
    clone = estate.enforcer_of("c", {})
    shutil.copy(a.directory / "state" / "console.json", clone.directory / "state" / "console.json")
    clone.start()
    wait_for(lambda: "another host" in console_of(a)["lastError"], what="the original is told")
    clone.stop()
    clone.detach()
    a.restart()
    estate.await_connected(a)


@pytest.mark.parametrize("shift, word", [(-3600_000, "behind"), (3600_000, "ahead")])
def test_wrong_clock(estate, shift, word):
    a = estate.enforcers["a"]
    a.environment["BULKHEAD_TEST_CLOCK_MS"] = shift
    try:
        a.restart()
        wait_for(lambda: word in console_of(a)["lastError"], what="clock is told")
        assert "NTP" in console_of(a)["lastError"]
    finally:
        del a.environment["BULKHEAD_TEST_CLOCK_MS"]
        a.restart()
    estate.await_connected(a)


def test_renewal(estate):
    a = estate.enforcers["a"]
    before = (a.directory / "state" / "console.json").read_text()
    a.environment["BULKHEAD_TEST_RENEW"] = 1
    try:
        a.restart()
        wait_for(lambda: "console.certificate_renewed" in a.log(), what="renewed")
    finally:
        del a.environment["BULKHEAD_TEST_RENEW"]
    assert (a.directory / "state" / "console.json").read_text() != before
    a.restart()  # with the new one
    estate.await_connected(a)


def test_register_command(estate):
    """Registers and nothing else; says what is wrong in words."""
    other = ConsoleEnforcer(estate.hosts["x"], 0, {}, mode="console", console=estate.console.url, cloud="off")
    for key in ("policy", "identity", "peers"):
        other.config.pop(key, None)

    def register(**changes):
        other.write_config(**changes)
        other.config_file.write_text(other.config_file.read_text())
        return other.host.exec("unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', "kx.test", other.binary,
                               "register", "--config", other.config_file, "--state",
                               other.directory / "state", check=False)

    assert "nothing is known to register with" in register().stderr
    ca = str(estate.directory / "console" / "ca.crt")
    assert "not accepted" in register(token="a.b.c", ca=ca).stderr
    assert "not trusted" in register(ca="system").stderr
    weak = estate.console.token(restrictedPermissions=["@auth:role=namespace.viewer"])
    answer = register(token=weak, ca=ca)
    assert answer.returncode == 1 and "may not register" in answer.stderr, answer.stderr
    answer = register(token=estate.console.token(), namespace="/nowhere")
    assert answer.returncode == 1 and "/nowhere" in answer.stderr or "namespace" in answer.stderr
    answer = register(token=estate.console.token(), namespace="/shop")
    assert answer.returncode == 0 and "registered as kx.test" in answer.stdout, answer.stderr
    assert (other.directory / "state" / "console.json").stat().st_mode & 0o777 == 0o600
    assert "registered already" in register().stdout


# ---- Keys ----------------------------------------------------------------------------------------


def syns_again(host):
    """How many SYNs this host has sent a second time."""
    names, numbers = (line.split() for line in host.exec("cat", "/proc/net/netstat").stdout.splitlines()[:2])
    return int(numbers[names.index("TCPSynRetrans")])


def test_new_keys_under_traffic(estate, port):
    """Both hosts change their keys again and again. No connection fails; hardly one has to send its SYN twice."""
    admitted(estate, port)
    for enforcer in estate.enforcers.values():
        enforcer.environment["BULKHEAD_TEST_KEY_MS"] = 4000
        enforcer.restart()
        estate.await_connected(enforcer)
    try:
        wait_for(lambda: connects(estate, "web", port))
        first = [console_of(e)["keyEpoch"] for e in estate.enforcers.values()]
        before = {name: e.counters() for name, e in estate.enforcers.items()}
        again, n, until = syns_again(estate.a), 0, time.monotonic() + 20
        while time.monotonic() < until:
            assert connects(estate, "web", port, timeout=3000), n
            n += 1
        again = syns_again(estate.a) - again
        last = [console_of(e)["keyEpoch"] for e in estate.enforcers.values()]
        assert all(after >= before + 2 for before, after in zip(first, last)), (first, last)
        assert again <= n // 2000, f"{again} of {n}"
        for name, enforcer in estate.enforcers.items():
            counters = enforcer.counters()
            for reason in ("mac_mismatch", "epoch", "peer_miss", "identity_fallback"):
                assert counters[reason] <= before[name][reason] + 2 * again, (name, reason, again)
    finally:
        for enforcer in estate.enforcers.values():
            del enforcer.environment["BULKHEAD_TEST_KEY_MS"]
            enforcer.restart()
            estate.await_connected(enforcer)


def test_restart_under_traffic(estate, port):
    """A daemon that starts anew has a new key; the kernel's old one works until others know it."""
    admitted(estate, port)
    failed = 0
    for name in ("a", "b"):
        enforcer = estate.enforcers[name]
        for _ in range(3):  # also before the new key of the last start is in use
            enforcer.stop()
            enforcer.start(wait=False)
            for _ in range(20):
                failed += not connects(estate, "web", port, timeout=3000)
            estate.await_connected(enforcer)
        wait_for(lambda e=enforcer: console_of(e)["keyEpoch"], what="its own key is in use")
    assert failed == 0


# ---- The way to the Console -----------------------------------------------------------------------


def test_proxy(estate):
    a = estate.enforcers["a"]
    with Proxy(estate.r1, user="user:pass word") as proxy:
        a.restart(proxy=f"http://user:pass%20word@{estate.r1.addresses[4]}:{proxy.port}")
        estate.await_connected(a)
        assert f"CONNECT {estate.r1.addresses[4]}:{PORT}" in proxy.seen()
        a.restart(proxy=f"http://user:wrong@{estate.r1.addresses[4]}:{proxy.port}")
        wait_for(lambda: "proxy refuses with status 407" in console_of(a)["lastError"], 15,
                 what=lambda: console_of(a))
        assert "wrong" not in str(a.status())
        a.environment["https_proxy"] = f"http://user:pass%20word@{estate.r1.addresses[4]}:{proxy.port}"
        n = len(proxy.seen())
        a.restart(proxy=None)
        estate.await_connected(a)
        assert len(proxy.seen()) > n
        a.environment["no_proxy"] = estate.r1.addresses[4]
        n = len(proxy.seen())
        a.restart()
        estate.await_connected(a)
        assert len(proxy.seen()) == n
    for name in ("https_proxy", "no_proxy"):
        del a.environment[name]
    a.restart()
    estate.await_connected(a)


def test_several_consoles(estate):
    """The first is dead (nothing answers at all): the second is there within ten seconds and what the machine takes."""
    a = estate.enforcers["a"]
    a.restart(console=["https://10.3.0.99:8443", estate.console.url])
    began = time.monotonic()
    estate.await_connected(a, 30)
    assert time.monotonic() - began < 18
    a.restart(console=estate.console.url)
    estate.await_connected(a)


FOREIGN = """
import json, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/server.crt", sys.argv[1] + "/server.key")
listener = socket.create_server(("0.0.0.0", int(sys.argv[2])))
text = json.dumps([{"code": 426, "description": "this Console speaks bulkhead-link-9"}])
while True:
    try:
        client = context.wrap_socket(listener.accept()[0], server_side=True)
        client.recv(65536)
        client.sendall(f"HTTP/1.1 426 Upgrade Required\\r\\nContent-Length: {len(text)}\\r\\n\\r\\n{text}".encode())
        client.close()
    except OSError:
        pass
"""


def test_console_of_another_version(estate):
    """It says so before there is a session: the Enforcer tells people, and does not hammer; another Console is asked at once."""
    a, port = estate.enforcers["a"], PORT + 1
    foreign = Process(estate.r1.within(None, sys.executable, "-c", FOREIGN, estate.console.data, port), estate.system)
    here = f"https://{estate.console.address}:{port}"
    try:
        wait_for(lambda: f":{port}" in estate.r1.exec("ss", "-ltn").stdout, what="it listens")
        a.restart(console=here)
        error = wait_for(lambda: console_of(a)["lastError"])
        assert "no common version" in error and "speaks bulkhead-link-9" in error, error
        assert int(re.findall(r"again_ms=(\d+)", a.log())[-1]) >= 150_000, a.log()[-1000:]
        assert console_of(a)["state"] == "waiting"
        a.restart(console=[here, estate.console.url])
        estate.await_connected(a, 10)
    finally:
        foreign.kill()
        a.restart(console=estate.console.url)
    estate.await_connected(a)


def test_default_reject_does_not_cut_the_link(estate, port):
    """The daemon in a cgroup of its own inside what it enforces, everything rejected."""
    a = estate.enforcers["a"]
    a.stop()
    command = a.command
    a.command = lambda *words: [str(w) for w in [
        "sh", "-c", f'mkdir -p {a.host.cgroup}/agent; echo $$ > {a.host.cgroup}/agent/cgroup.procs; exec "$@"',
        "sh", *command(*words)]]
    try:
        a.start()
        estate.await_connected(a)
        assert not estate.a.connect(None, estate.r1.addresses[4], PORT, send=None).ok, "the host itself is rejected"
        estate.console.kill()
        wait_for(lambda: console_of(a)["state"] != "connected")
        estate.console.start()
        estate.await_connected(a, 90)
    finally:
        a.command = command
        a.restart()
    estate.await_connected(a)


# ---- Clouds ----

CLOUDS = {
    "aws": ({"PUT /latest/api/token": "secret-token",
             "GET /latest/dynamic/instance-identity/document":
                 '{"accountId": "12", "instanceId": "i-7", "region": "eu-west-1", "privateIp": "10.1.0.2"}'},
            {"X-aws-ec2-metadata-token": "secret-token"},
            ["@cloud:type=aws", "@cloud:aws:instance-id=i-7", "@cloud:aws:region=eu-west-1",
             "cloud:aws:local-ipv4=10.1.0.2"]),
    "azure": ({"GET /metadata/instance?api-version=2021-02-01":
                   '{"compute": {"vmId": "v-1", "location": "westeurope", "tagsList": '
                   '[{"name": "team", "value": "blue"}, {"name": "bad name", "value": "x"}]}}'},
              {"Metadata": "true"},
              ["@cloud:type=azure", "@cloud:azure:vmid=v-1", "@cloud:azure:location=westeurope",
               "cloud:azure:team=blue"]),
    "gcp": ({"GET /computeMetadata/v1/instance/?recursive=true":
                 '{"id": 123456789012345678, "name": "vm", "zone": "projects/1/zones/europe-west6-b", '
                 '"labels": {"team": "red"}, "networkInterfaces": [{"ip": "10.1.0.2", '
                 '"network": "projects/1/networks/default"}]}',
             "GET /computeMetadata/v1/project/?recursive=true": '{"projectId": "acme"}'},
            {"Metadata-Flavor": "Google"},
            ["@cloud:type=gcp", "@cloud:gcp:instance-id=123456789012345678", "@cloud:gcp:zone=europe-west6-b",
             "@cloud:gcp:projectidstring=acme", "cloud:gcp:instance:team=red", "@cloud:gcp:vpcname=default"]),
}
METADATA_SERVER = """
import http.server, json, socketserver, sys
answers, wanted = json.loads(sys.argv[1]), json.loads(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        text = answers.get(f"{self.command} {self.path}")
        plain = self.command == "PUT" or all(self.headers.get(n) == v for n, v in wanted.items())
        self.send_response(200 if text and plain else 404)
        self.end_headers()
        if text and plain:
            self.wfile.write(text.encode())
    do_GET = do_PUT = answer
    def log_message(self, *words):
        pass
socketserver.TCPServer.allow_reuse_address = True
server = socketserver.TCPServer(("169.254.169.254", 80), Handler)  # no look-up of names
print('{"event": "ready"}', flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("cloud", CLOUDS)
def test_cloud(estate, cloud):
    answers, headers, tags = CLOUDS[cloud]
    a = estate.enforcers["a"]
    default_action(estate, "Allow")  # the service is a process of the host here
    a.host.ip("addr", "add", "169.254.169.254/32", "dev", "lo", check=False)
    server = a.host.start(sys.executable, "-c", METADATA_SERVER, json.dumps(answers), json.dumps(headers))
    server.wait_event("ready")
    try:
        a.restart(cloud="auto")
        estate.await_connected(a)

        def told():
            unit = next(u for u in estate.console.list("processingunits") if u["name"] == "ka.test")
            return all(tag in unit["normalizedTags"] for tag in tags)
        wait_for(told, what=lambda: next(u for u in estate.console.list("processingunits")
                                            if u["name"] == "ka.test")["normalizedTags"])
    finally:
        server.kill()
        a.restart(cloud="off")
        a.host.ip("addr", "del", "169.254.169.254/32", "dev", "lo", check=False)
    default_action(estate, "Reject")
    wait_for(lambda: not any("@cloud" in tag for u in estate.console.list("processingunits")
                             for tag in u["normalizedTags"]), 8)


# ---- Profile -------------------------------------------------------------------------------------


def test_profile(estate, port):
    """excludedNetworks of the profile that is mapped: neither judged nor reported."""
    estate.c.listen(None, port)
    assert not connects(estate, "web", port, server="c")
    profile = estate.console.create("enforcerprofiles", {
        "name": "lab", "excludedNetworks": ["10.3.0.0/24"], "associatedTags": ["profile=lab"],
        "ignoreExpression": [["app=other"]]})
    mapping = estate.console.create("enforcerprofilemappingpolicies", {
        "name": "lab", "subject": [["$identity=enforcer"]], "object": [["profile=lab"]]})
    wait_for(lambda: connects(estate, "web", port, server="c"), what="excluded")
    wait_for(lambda: "other" not in [u["name"] for u in estate.enforcers["a"].json("pus")], what="ignored")
    estate.console.delete("enforcerprofilemappingpolicies", mapping["ID"])
    estate.console.delete("enforcerprofiles", profile["ID"])
    wait_for(lambda: not connects(estate, "web", port, server="c"), what="judged again")
    wait_for(lambda: "other" in [u["name"] for u in estate.enforcers["a"].json("pus")])


def test_log_level(estate):
    a = estate.enforcers["a"]
    answer = estate.console.admin.post(f"/enforcers/{console_of(a)['enforcerId']}/enforcerrefreshes",
                                       {"logLevel": "Debug"}, namespace="/shop")
    assert answer.status == 200, answer
    wait_for(lambda: "log.level" in a.log(), what="log level")


def test_unit_whose_cgroup_comes_later(estate, port):
    """A static unit is known at once, and runs when its cgroup is there."""
    a = estate.enforcers["a"]
    before = a.config["processingUnits"]
    place = a.host.cgroup / "late"

    def is_now(operational, enforcement):
        unit = next((u for u in estate.console.list("processingunits") if u["name"] == "late"), {})
        return (unit.get("operationalStatus"), unit.get("enforcementStatus")) == (operational, enforcement)

    try:
        a.restart(processingUnits=[*before, {"name": "late", "cgroup": "/late", "tags": ["app=web"]}])
        wait_for(lambda: is_now("Initialized", "Inactive"), what="known, not running")
        assert next(u for u in a.json("pus") if u["name"] == "late")["status"] == "Stopped"
        place.mkdir()
        wait_for(lambda: is_now("Running", "Active"), what="running")
        estate.b.listen("db", port)
        both_ways(estate.console, port)
        wait_for(lambda: connects(estate, "late", port), what="with its identity")
        place.rmdir()
        wait_for(lambda: is_now("Stopped", "Inactive"), what="stopped")
    finally:
        a.restart(processingUnits=before)
        if place.exists():
            place.rmdir()
    wait_for(lambda: not any(u["name"] == "late" for u in estate.console.list("processingunits")))


def test_reload_with_company(estate):
    """A command of the service manager is in the daemon's cgroup while it opens the datapath anew."""
    a = estate.enforcers["a"]
    before = a.config.get("excludedNetworks", [])
    opened = a.log().count("datapath.open adopted=yes")
    with a.host.start("sleep", "60", unit=a.unit):
        a.write_config(excludedNetworks=["192.0.2.77/32"])
        a.process.signal(signal.SIGHUP)
        wait_for(lambda: a.log().count("datapath.open adopted=yes") > opened, what="reload")
        estate.console.kill()
        wait_for(lambda: console_of(a)["state"] != "connected")
        estate.console.start()
        estate.await_connected(a)
    a.write_config(excludedNetworks=before)
    a.process.signal(signal.SIGHUP)
