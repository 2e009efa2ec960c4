# SPDX-License-Identifier: Apache-2.0
"""Faults of the whole Console with Enforcers on it. Short here; `make check-console-faults` sets
CONSOLE_FAULTS=long: a hundred kills, ten thousand idle connections, minutes of fuzzing."""
import json
import os
import pathlib
import random
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid

import pytest

import link_client
from auth_client import BUILD
from installation import BINARY, Installation, Postgres
from link_client import Registered

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
from console_host import Load  # noqa: E402

LONG = os.environ.get("CONSOLE_FAULTS") == "long"
SEED = int(os.environ.get("CONSOLE_FAULTS_SEED", "0")) or random.randrange(1 << 32)

pytestmark = pytest.mark.skipif(not os.access(os.path.join(BUILD, "tests", "bench", "console_load"), os.X_OK),
                                reason="console_load is not built")


def pick(long, short):
    return long if LONG else short


def until(condition, seconds=10, what=""):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, what or "not in time"
        time.sleep(0.05)
    return value


class Own(Installation):
    """An Installation whose port stays, so that Enforcers find it again."""

    def __init__(self, directory, database=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.fixed = probe.getsockname()[1]
        super().__init__(directory, database)

    def start(self, *options):
        super().start("--listen", f"127.0.0.1:{self.fixed}", *options)

    @property
    def ca(self):
        return os.path.join(self.data, "ca.crt")

    def rss_mib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


def ruleset(version):
    return {"name": "all", "subject": [["estate=load"]], "outgoingRules": [
        {"action": "Allow", "object": [["net=world"]], "protocolPorts": [f"tcp/{version}"]}]}


class Estate:
    """Simulated Enforcers, and one ruleset that concerns all of them."""

    def __init__(self, own, client, count, directory):
        self.own, self.count, self.version = own, count, 0
        client.post("/namespaces", {"name": "load", "tagPrefixes": ["app=", "group=", "estate="]}, namespace="/")
        self.id = client.post("/networkrulesetpolicies", ruleset(1000), namespace="/load").body["ID"]
        self.load = Load(BUILD, str(directory), own, client.token, units=5, port=own.port)
        result = self.load.do("register", count=count, connections=8, namespace="/load", timeout_ms=120000)
        assert result["failed"] == 0, result
        self.load.do("mark")
        self.load.do("connect")
        self.settled(idle_ms=1500)

    def settled(self, seconds=60, idle_ms=300, exact=True):
        state = self.load.do("settle", count=self.count, idle_ms=idle_ms, timeout_ms=int(seconds * 1000))
        assert state["ok"] or not exact, state
        return state

    def change(self):
        self.version += 1
        result = self.load.do("change", method="PUT", path=f"/networkrulesetpolicies/{self.id}", namespace="/load",
                              key=f"r:{self.id}", expect=self.count, timeout_ms=30000,
                              body=json.dumps(ruleset(1000 + self.version)))
        assert result["ok"] and result["request"]["failed"] == 0, result
        return result

    def all_equal(self):
        """Cut all connections: each comes back with the digest that the Console has for it."""
        self.load.do("set", again=False)
        self.load.do("drop")
        self.load.do("mark")
        self.load.do("connect")
        state = self.settled()
        assert state["stepAtHello"] == self.count, state
        self.load.do("set", again=True)

    def start_writing(self, seconds, connections=8):
        self.load.send("http", connections=connections, path="/networkrulesetpolicies", namespace="/load", seconds=seconds,
                       keep=True, first=random.randrange(1 << 50), timeout_ms=60000,
                       body=json.dumps({"name": "w{n}", "subject": [["app=w{n}"]]}))

    def written(self):
        self.load.receive()
        return self.load.do("ids")["ids"]

    def close(self):
        self.load.close()


@pytest.fixture
def estate(tmp_path, request):
    """On SQLite, or on the database that the parameter names."""
    database = request.getfixturevalue("postgres").database() if getattr(request, "param", "") == "postgresql" else None
    own = Own(tmp_path, database)
    client = own.administrator()
    made = Estate(own, client, pick(200, 40), tmp_path / "registered")
    made.client = client
    yield made
    status = own.stop()  # with all its Enforcers connected
    made.close()
    assert status == 0


# ---- The program dies --------------------------------------------------------------------------


@pytest.mark.parametrize("estate", ["sqlite", "postgresql"], indirect=True)
def test_kill_under_load(estate):
    """What was answered with 2xx is there; Enforcers go on where they were."""
    print("CONSOLE_FAULTS_SEED =", SEED)
    dice = random.Random(SEED)
    own, checked = estate.own, 0
    estate.load.do("set", again=True)
    for _ in range(pick(100, 3)):
        estate.change()
        before = ruleset(1000 + estate.version)["outgoingRules"][0]["protocolPorts"]
        estate.load.do("mark")
        estate.start_writing(1.0)
        time.sleep(dice.uniform(0.02, 0.9))
        own.kill()
        ids = estate.written()
        own.start()
        client = own.administrator()
        for ident in ids[checked:]:
            assert client.get(f"/networkrulesetpolicies/{ident}").status == 200, ident
        checked = len(ids)
        assert client.get(f"/networkrulesetpolicies/{estate.id}").body["outgoingRules"][0]["protocolPorts"] == before
        estate.settled(30)
    assert checked > pick(1000, 30)
    estate.all_equal()
    client = own.administrator()
    there = client.get("/networkrulesetpolicies?pageSize=1", namespace="/load")
    assert int(there.headers["X-Count-Total"]) >= checked
    if not own.database:
        own.kill()
        result = subprocess.run([BINARY, "check", "--data", own.data], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        own.start()


def test_one_of_two_dies(postgres, tmp_path_factory):
    """Its Enforcers are on the other within ten seconds, and nothing answered is lost."""
    database = postgres.database()
    first = Own(tmp_path_factory.mktemp("one"), database)
    directory = tmp_path_factory.mktemp("two")
    second = first.second(directory)
    estate = Estate(first, first.administrator(), pick(1000, 100), directory / "registered")
    try:
        estate.change()
        estate.load.do("set", again=True)
        estate.load.do("mark")
        estate.start_writing(1.0)
        time.sleep(0.5)
        first.kill()
        ids = estate.written()
        estate.load.do("set", port=second.port)
        state = estate.settled(30)
        assert state["seconds"] < 10 + 1, state  # a second of it was writing
        assert state["lost"] >= estate.count
        client = second.administrator(first.credential())
        for ident in ids:
            assert client.get(f"/networkrulesetpolicies/{ident}").status == 200, ident
        assert len(ids) > 10
        estate.change()
        estate.all_equal()
        first.start()  # back beside the other
        assert first.administrator().get(f"/networkrulesetpolicies/{ids[-1]}").status == 200
    finally:
        estate.close()
        assert first.stop() == 0
        assert second.stop() == 0


# ---- The database ------------------------------------------------------------------------------


def test_database_away_with_enforcers(tmp_path):
    """Enforcers stay and come back in step, reads go on, writes say 503; then all goes on."""
    server = Postgres()
    own = Own(tmp_path, server.database())
    client = own.administrator()
    estate = Estate(own, client, pick(200, 40), tmp_path / "registered")
    try:
        server.stop("immediate")
        until(lambda: client.post("/namespaces", {"name": "lost"}, namespace="/").status == 503)
        for _ in range(20):
            assert client.get(f"/networkrulesetpolicies/{estate.id}").status == 200
        estate.all_equal()
        server.start()
        until(lambda: client.post("/namespaces", {"name": uuid.uuid4().hex}, namespace="/").status == 200, 30)
        estate.change()
        estate.settled(30)
        estate.all_equal()
    finally:
        estate.close()
        status = own.stop()
        server.close()
        assert status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_disk_full_with_enforcers(tmp_path):
    """In a mount namespace of its own: 507 on writes, Enforcers come and go in step, then writes are back."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    own = estate = None
    try:
        own = Own(disk)
        client = own.administrator()
        estate = Estate(own, client, pick(200, 40), tmp_path / "registered")
        filler = disk / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        until(lambda: client.post("/namespaces", {"name": uuid.uuid4().hex, "description": "x" * 1000},
                                  namespace="/").status == 507, 20)
        assert client.get(f"/networkrulesetpolicies/{estate.id}").status == 200
        estate.all_equal()
        filler.unlink()
        until(lambda: client.post("/namespaces", {"name": uuid.uuid4().hex}, namespace="/").status == 200, 20)
        estate.change()
        estate.all_equal()
        assert own.stop() == 0
    finally:
        if estate:
            estate.close()
        if own and own.process.poll() is None:
            own.kill()
        subprocess.run(["umount", "-l", str(disk)], check=True)


# ---- Clients -----------------------------------------------------------------------------------


def tls(own):
    context = ssl.create_default_context(cafile=own.ca)
    context.check_hostname = False
    return context


def raw(own, context):
    plain = socket.create_connection(("127.0.0.1", own.port), timeout=20)
    return context.wrap_socket(plain) if context else plain


def deep(n):
    return b'{"name": "deep", "annotations": ' + b'{"a":' * n + b"1" + b"}" * n + b"}"


def ask(own, context, head, body=b""):
    """First line of the answer; "" when it is cut off."""
    with raw(own, context) as client:
        try:
            client.sendall(head + b"Host: localhost\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
            return client.recv(4096).split(b"\r\n")[0].decode()
        except OSError:
            return ""


def measure(client, path, n=50):
    took = []
    for _ in range(n):
        start = time.monotonic()
        assert client.get(path).status == 200
        took.append(time.monotonic() - start)
    return sorted(took)[n * 9 // 10]


def test_bad_neighbours(estate):
    """Idle, slow, stuck and malicious ones: memory stays bounded, a normal client and Enforcers are served."""
    own, client = estate.own, estate.client
    path = f"/networkrulesetpolicies/{estate.id}"
    context = tls(own)
    before = own.rss_mib()
    idle = [raw(own, context) for _ in range(pick(9000, 500))]
    idle += [raw(own, None) for _ in range(pick(1000, 100))]  # not even TLS
    idle_mib = own.rss_mib() - before
    slow = [raw(own, context) for _ in range(50)]
    stop = threading.Event()

    def drip():
        while not stop.wait(0.2):
            for one in slow:
                try:
                    one.sendall(b"G")
                except OSError:
                    pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    token = f"Authorization: Bearer {client.token}\r\nX-Namespace: /\r\nContent-Type: application/json\r\n".encode()
    post = b"POST /namespaces HTTP/1.1\r\n" + token
    try:
        stuck = []
        for _ in range(20):  # ask for much, read nothing
            one = raw(own, context)
            one.sendall((b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n" + token + b"\r\n") * 20)
            stuck.append(one)
        for n in (100, 10000, 1000000):
            assert ask(own, context, post, deep(n)).split()[1] in ("400", "413", "422")
        assert ask(own, context, post, b'{"name": "\xff\xfe"}').split()[1] == "400"
        assert ask(own, context, post, b'{"name": "' + b"\xed\xa0\x80" + b'"}').split()[1] == "400"
        assert ask(own, context, post, b"[" * 100000).split()[1] == "400"
        huge = b"POST /namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n"
        with raw(own, context) as one:
            one.sendall(huge)
            assert b" 413 " in one.recv(4096)
        assert measure(client, path) < 0.5
        assert max(result["max_ms"] for result in (estate.change(), estate.change())) < 5000
        grown = own.rss_mib() - before
        assert idle_mib < 0.1 * len(idle) + 20, f"{idle_mib:.0f} MiB for {len(idle)} idle connections"
        assert grown < idle_mib + 200, f"{grown:.0f} MiB, of it idle {idle_mib:.0f}"
    finally:
        stop.set()
        dripping.join()
        for one in idle + slow + stuck:
            one.close()
    until(lambda: client.get(path).status == 200)


# ---- Enforcers that must not come in -----------------------------------------------------------


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    own = Own(tmp_path_factory.mktemp("byes"))
    own.client = own.administrator()
    own.client.post("/namespaces", {"name": "byes"}, namespace="/")
    yield own
    assert own.stop() == 0


names = (f"host-{i}" for i in range(1, 1 << 30))


@pytest.fixture
def host(console):
    return Registered(console.client, next(names), "/byes")


def logged(console, *words):
    def found():
        return [line for line in console.text().splitlines() if all(word in line for word in words)]
    return until(found, 5, f"{words} in the Console's log")


def test_snapshot_and_resume(console, host):
    with host.connect() as link:
        link.snapshot()
        link.units(["app=a"], ["app=b"])
        until(lambda: len(link.held) and sum(key.startswith("u:") for key in link.held) == 2 or link.delta() is None)
        assert {key[0] for key in link.held} >= {"n", "u", "p", "t"}


def test_deleted_enforcer(console, host):
    """Told at once, and when it comes again."""
    with host.connect() as link:
        link.snapshot()
        # 409: what the Enforcer says of itself was stored in between
        until(lambda: console.client.ask("DELETE", f"/enforcers/{host.id}").status in (200, 204))
        bye = link.bye()
        assert bye["code"] == link_client.REVOKED and "deleted" in bye["reason"], bye
    with host.connect() as link:
        bye = link.bye()
        assert bye["code"] == link_client.REVOKED and bye["reason"], bye
    logged(console, "enforcer.bye", "code=2")


def test_renewed_certificate_replaces_the_old(console, host):
    """The one before is good while it is the one before; the one before that is revoked."""
    from auth_client import new_key, request_pem, key_pem
    pairs = [(host.certificate, host.key)]
    for _ in range(2):
        with host.connect(context=host.context(*pairs[-1])) as link:
            link.snapshot()
            key = new_key()
            link.send(link_client.RENEW, csr=request_pem(key, "x"))
            fields = link.wait_for(link_client.CERTIFICATE)[1]
            assert fields["error"] is None
            pairs.append((fields["certificate"], key_pem(key)))
            until(lambda: console.client.get(f"/enforcers/{host.id}").body["certificate"] == pairs[-1][0])
    for pair in pairs[1:]:
        with host.connect(context=host.context(*pair)) as link:
            link.snapshot()
    with host.connect(context=host.context(*pairs[0])) as link:
        bye = link.bye()
        assert bye["code"] == link_client.REVOKED and bye["reason"], bye


def test_cloned_credential(console, host):
    """The one that was there is told that another host has its certificate; the log says so too."""
    with host.connect() as link, host.connect() as clone:
        link.snapshot(machine="one")
        clone.snapshot(machine="two")
        bye = link.bye()
        assert bye["code"] == link_client.REPLACED and "another host" in bye["reason"], bye
    logged(console, "enforcer.bye", "code=3", "another host")


def test_same_host_again(console, host):
    with host.connect() as link, host.connect() as again:
        link.snapshot()
        again.snapshot()
        assert link.bye() == {"code": link_client.REPLACED, "reason": "the same host connected again"}
        again.send(link_client.HEARTBEAT, time=int(time.time() * 1000), memory=1, cpu=1, processes=1, status="Active",
                   counters=[])
        assert console.client.get(f"/enforcers/{host.id}").body["unreachable"] is False


@pytest.mark.parametrize("clock_s, word", [(-3600, "behind"), (3600, "ahead")])
def test_wrong_clock(console, host, clock_s, word):
    with host.connect() as link:
        link.hello(clock_s=clock_s)
        bye = link.bye()
        assert bye["code"] == link_client.CLOCK and word in bye["reason"] and re.search(r"3[56]\d\d s", bye["reason"]), bye
    logged(console, "enforcer.bye", "code=4", word)


@pytest.mark.parametrize("protocols", ["bulkhead-link-0", "bulkhead-link-2, bulkhead-link-3", None])
def test_no_common_protocol(console, host, protocols):
    with pytest.raises(link_client.Refused) as refused:
        host.connect(protocols=protocols)
    assert refused.value.status == 426 and "bulkhead-link-1" in refused.value.text, refused.value
    logged(console, "enforcer.refused", "protocol")


def test_newer_enforcer_that_speaks_ours(console, host):
    with host.connect(protocols="bulkhead-link-2, bulkhead-link-1") as link:
        link.snapshot(futureField={"a": [1, 2, 3]})


def test_administrator_is_no_enforcer(console, host):
    root = console.credential()
    from base64 import b64decode
    pair = [b64decode(root[name]).decode() for name in ("certificate", "certificateKey")]
    with host.connect(context=host.context(*pair)) as link:
        bye = link.bye()
        assert bye["code"] in (link_client.REFUSED, link_client.REVOKED) and bye["reason"], bye


def test_without_certificate(console, host):
    with pytest.raises(link_client.Refused) as refused:
        host.connect(context=tls(console))
    assert refused.value.status == 401, refused.value


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x92\x01\xc0", b"\x92\xcc\xff\x80", b"\xdd\xff\xff\xff\xff", b"\x92\x01" * 50000],
                         ids=["nothing", "nil", "no type", "counts", "long", "deep"])
def test_not_a_message(console, host, data):
    with host.connect() as link:
        link.snapshot()
        link.send_frame(2, data)
        bye = link.bye()
        assert bye["code"] == link_client.PROTOCOL and bye["reason"], bye


# ---- Fuzzing -----------------------------------------------------------------------------------


def sanitized():
    """The debug build has ASan and UBSan; without one the build under test has to do."""
    for path in (os.path.join(BUILD, "debug"), BUILD):
        if os.access(os.path.join(path, "bulkhead-console"), os.X_OK):
            return os.path.join(path, "bulkhead-console")
    return BINARY


def messages(dice):
    """Good ones of every kind, to be spoiled."""
    import msgpack
    now = int(time.time() * 1000)
    texts = ["", "a", "a=b", "unit-1", "x" * 4095, "é" * 100, "\n", "$id=1", "@sys:os=linux", "/byes"]
    word = lambda: dice.choice(texts)  # noqa: E731
    number = lambda: dice.choice([0, 1, 255, 256, 65535, 2**32 - 1, 2**63, 2**64 - 1])  # noqa: E731
    some = [
        [link_client.INVENTORY, {"entries": [[dice.choice(["n:/", "r:1", "t:", word()]), number()] for _ in range(dice.randrange(5))]}],
        [link_client.ACK, {"revision": number(), "error": dice.choice([None, word()])}],
        [link_client.UNITS, {"all": dice.random() < 0.5, "removed": [word() for _ in range(dice.randrange(3))], "units": [
            [word(), word(), dice.choice(["Host", "LinuxService", word()]), word(), [word() for _ in range(dice.randrange(4))],
             [word()]] for _ in range(dice.randrange(4))]}],
        [link_client.KEYS, {"keys": [[dice.randrange(65536), bytes(dice.randrange(256) for _ in range(32))]]}],
        [link_client.FETCH, {"hosts": [number() & 0xffffffff for _ in range(dice.randrange(4))],
                             "identities": [dice.randrange(1 << 32) for _ in range(dice.randrange(4))]}],
        [link_client.HEARTBEAT, {"time": now, "memory": number(), "cpu": dice.randrange(2000), "processes": 1,
                                 "status": dice.choice(["Active", "Failed", word()]), "counters": [[word(), number()]]}],
        [link_client.RENEW, {"csr": word()}],
        [link_client.HELLO, {"version": word(), "machineId": word(), "bootId": "b", "hostName": "h", "time": now, "keys": [],
                             "addresses": [word()], "revision": number(), "digest": b"0" * 16}],
        [link_client.DELTA, {"revision": 1, "reset": True, "last": True, "entries": []}],
    ]
    return msgpack.packb(dice.choice(some), use_bin_type=True)


def spoil(dice, data):
    data = bytearray(data)
    for _ in range(dice.choice([0, 1, 1, 2, 8])):
        at = dice.randrange(len(data) + 1)
        what = dice.randrange(4)
        if what == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            data[at:at] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9)))
        elif what == 2:
            del data[at:at + dice.randrange(1, 9)]
        elif at < len(data):
            data[at] = dice.choice([0xc0, 0xdf, 0xdd, 0xdb, 0xc6, 0xff, 0x92, 0x80])
    return bytes(data)


def fuzz_session(dice, host, context):
    with host.connect(context=context) as link:
        if dice.random() < 0.9:
            link.snapshot() if dice.random() < 0.7 else link.hello()
        for _ in range(dice.randrange(1, 40)):
            link.send_frame(dice.choice([2, 2, 2, 2, 1, 0, 9, 8, 3]) if dice.random() < 0.1 else 2,
                            spoil(dice, messages(dice)), dice.random() < 0.98)
    return True


def test_fuzzed_messages(tmp_path, monkeypatch):
    print("CONSOLE_FAULTS_SEED =", SEED)
    import installation
    monkeypatch.setattr(installation, "BINARY", sanitized())
    dice = random.Random(SEED)
    own = Own(tmp_path)
    client = own.administrator()
    client.post("/namespaces", {"name": "byes"}, namespace="/")
    hosts = [Registered(client, f"fuzz-{i}", "/byes") for i in range(4)]
    contexts = [host.context() for host in hosts]
    end = time.monotonic() + pick(600, 5)
    sessions = 0
    while time.monotonic() < end:
        which = dice.randrange(len(hosts))
        try:
            fuzz_session(dice, hosts[which], contexts[which])
        except (OSError, EOFError, AssertionError):
            pass
        sessions += 1
        assert own.process.poll() is None, own.text()[-4000:]
    assert sessions > 20
    fresh = Registered(client, "fresh", "/byes")
    with fresh.connect() as link:
        link.snapshot()
    assert client.get("/enforcers", namespace="/byes").status == 200
    assert own.stop() == 0
