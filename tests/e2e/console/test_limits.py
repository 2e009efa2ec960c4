# SPDX-License-Identifier: Apache-2.0
"""One client that asks for too much gets 429; the others go on."""
import base64
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

from auth_client import Client, key_pem, new_key, request_pem
from installation import BINARY, Installation
from link_client import CERTIFICATE, HEARTBEAT, OVERLOAD, RENEW, Registered


@pytest.fixture
def start(tmp_path):
    """start(LIMITS) → a Console with them."""
    started = []

    def run(limits):
        started.append(Installation(tmp_path, options=("--limits", limits)))
        return started[-1]
    yield run
    for installation in started:
        assert installation.stop() == 0


def another(admin, name):
    """A client with a credential of its own."""
    key = new_key()
    answer = admin.post("/appcredentials", {"name": name, "roles": ["@auth:role=namespace.administrator"],
                                            "CSR": request_pem(key)}, namespace="/")
    certificate = base64.b64decode(answer.body["credentials"]["certificate"]).decode()
    client = Client(admin.console, certificate=(certificate, key_pem(key)))
    client.token = client.issue().body["token"]
    return client


def refused(answer):
    assert answer.status == 429, answer
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.body[0]["title"] == "Too many requests" and "try again in" in answer.reason
    return int(answer.headers["Retry-After"])


def test_writes(start):
    admin = start("writes=2/20").administrator()
    writer, other = another(admin, "writer"), another(admin, "other")
    answers = [writer.post("/namespaces", {"name": f"w{i}"}, namespace="/") for i in range(40)]
    done = [answer for answer in answers if answer.status == 200]
    assert 20 <= len(done) <= 30 and answers[19].status == 200
    wait = refused(answers[-1])
    assert "too many writes by certificate app:credential:" in answers[-1].reason
    names = [n["name"] for n in writer.get("/namespaces", namespace="/").body]  # reading is another matter
    assert sorted(names) == ["/", *sorted(answer.body["name"] for answer in done)]
    assert other.post("/namespaces", {"name": "of-another"}, namespace="/").status == 200
    again = writer.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": writer.token}}).body["token"]
    refused(writer.post("/namespaces", {"name": "x"}, namespace="/", token=again))  # the same caller
    time.sleep(wait)
    assert writer.post("/namespaces", {"name": "later"}, namespace="/").status == 200


def test_work(start):
    """Whatever takes long counts, by the time that it takes."""
    admin = start("work=5/10").administrator()
    worker, other = another(admin, "worker"), another(admin, "other")
    networks = [{"name": f"net{i}", "entries": [f"10.{i // 250}.{i % 250}.0/24"]} for i in range(2000)]
    made = worker.post("/import", {"data": {"label": "many", "data": {"externalnetworks": networks}}}, namespace="/")
    assert made.status == 200, made
    for path in ("/externalnetworks", "/search?q=net1", "/tags", "/activities"):
        answer = worker.get(path, namespace="/")
        refused(answer)
        assert "too much work in requests that take long by certificate app:" in answer.reason
    refused(worker.post("/export", {"identities": ["externalnetworks"]}, namespace="/"))
    one = other.get("/externalnetworks?page=1&pagesize=1", namespace="/")
    assert one.status == 200
    assert worker.get("/externalnetworks/" + one.body[0]["ID"]).status == 200  # never long


def test_strangers(start):
    """Nobody in particular, from one address: what they send is not even checked. Who is known goes on."""
    console = start("strangers=1/30")
    admin, stranger = console.administrator(), Client(console)
    assert admin.get("/namespaces", namespace="/").status == 200
    answers = [stranger.get("/namespaces", namespace="/", token=f"{'a' * 40}.b.c{i}") for i in range(60)]
    assert {answer.status for answer in answers} == {401, 429}
    refused(answers[-1])
    refused(stranger.post("/issue", {"realm": "Certificate"}))
    refused(stranger.get("/_meta/routes"))
    refused(admin.post("/authn", {"token": "a.b.c"}, namespace="/"))
    for _ in range(5):
        assert admin.get("/namespaces", namespace="/").status == 200


def test_passwords(start):
    console = start("passwords=1/5")
    stranger = Client(console)
    answers = [stranger.post("/issue", {"realm": "Vince", "metadata": {
        "vinceAccount": f"nobody{i}", "vincePassword": "x" * 12}}) for i in range(40)]
    assert [answer.status for answer in answers[:5]] == [401] * 5
    found = [answer for answer in answers if answer.status == 429]
    refused(found[0])
    assert "too many passwords by 127.0.0.1" in found[0].reason
    assert "limits.refused limit=passwords who=127.0.0.1" in console.text()


def test_an_enforcer_that_talks_too_much(start):
    admin = start("link=1/50").administrator()
    loud, quiet = Registered(admin, "loud", "/"), Registered(admin, "quiet", "/")
    beat = {"memory": 1, "cpu": 1, "processes": 1, "status": "Active", "counters": []}
    with loud.connect() as link:
        link.snapshot()
        for _ in range(80):
            link.send(HEARTBEAT, time=int(time.time() * 1000), **beat)
        bye = link.bye()
    assert bye["code"] == OVERLOAD and "too many messages" in bye["reason"]
    with loud.connect() as link:  # to come back at once does not help
        link.hello()
        assert link.bye()["code"] == OVERLOAD
    with quiet.connect() as link:
        link.snapshot()


def test_renewals(start):
    """Each signs a certificate: it counts a hundred times, and what is too much is refused without an end."""
    admin = start("link=1/150").administrator()
    registered = Registered(admin, "renewing", "/")
    key = serialization.load_pem_private_key(registered.key.encode(), None)
    with registered.connect() as link:
        link.snapshot()
        answers = []
        for _ in range(2):
            link.send(RENEW, csr=request_pem(key, "enforcer"))
            answers.append(link.wait_for(CERTIFICATE)[1])
    assert answers[0]["certificate"] and not answers[1]["certificate"], answers
    assert "ask again in" in answers[1]["error"], answers


def test_deltas_may_be_acknowledged(start):
    """However many the Console sends."""
    admin = start("link=1/10").administrator()
    registered = Registered(admin, "listening", "/")
    with registered.connect() as link:
        link.snapshot()
        for _ in range(30):
            assert admin.post("/enforcers/" + registered.id + "/enforcerrefreshes", {}).status == 200
            link.delta()


@pytest.mark.parametrize("text", ["writes", "nothing=1", "writes=x", "link=1/0"])
def test_wrong_options(tmp_path, text):
    done = subprocess.run([BINARY, "serve", "--data", tmp_path / "d", "--limits", text], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 2 and f"--limits: found '{text}', expected" in done.stderr
    assert not (tmp_path / "d").exists()
