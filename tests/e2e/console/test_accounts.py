# SPDX-License-Identifier: Apache-2.0
"""Local accounts: passwords that people change themselves, and what must hold meanwhile."""
import json
import os
import sqlite3
import threading
import time

import pytest

from auth_client import Client
from installation import Installation
from test_auth import totp

OLD, NEW = "correct horse battery", "staple on the wall"


def login(client, name, password, **more):
    return client.post("/issue", {"realm": "Vince", "metadata": {"vinceAccount": name, "vincePassword": password, **more}})


def made(client, name, **more):
    answer = client.post("/accounts", {"name": name, "email": f"{name}@example.com", "password": OLD, **more}, namespace="/")
    assert answer.status == 200, answer
    return answer.body


@pytest.fixture
def account(client, request):
    """An account of its own for each test."""
    name = request.node.name.replace("[", "-").replace("]", "")
    made(client, name)
    return name


@pytest.fixture
def stranger(installation):
    return Client(installation)


def test_one_changes_ones_own_password(client, stranger, account):
    token = login(stranger, account, OLD).body["token"]
    answer = login(stranger, account, OLD, vinceNewPassword=NEW)
    assert answer.status == 200 and NEW not in answer.text, answer
    assert stranger.get("/roles", token=answer.body["token"]).status == 200
    assert "password" in stranger.get("/roles", token=token).reason  # the old one's token is void
    assert login(stranger, account, OLD).status == 401
    assert login(stranger, account, NEW).status == 200
    activity = client.get("/activities", namespace="/").body[0]
    assert activity["targetName"] == account and activity["operation"] == "update"
    assert "argon2" not in str(activity) and NEW not in str(activity)


def test_only_with_the_old_one(stranger, account):
    assert login(stranger, account, "not the old one", vinceNewPassword=NEW).status == 401
    assert login(stranger, account, NEW).status == 401
    assert login(stranger, account, OLD).status == 200


@pytest.mark.parametrize("wanted, problem", [
    ("short", "at least 12"), ("Password2024!!", "less common"), (OLD, "another one"), ("", "at least 12")])
def test_bad_new_ones(client, stranger, wanted, problem):
    name = "bad" + str(abs(hash(wanted)))
    made(client, name)
    answer = login(stranger, name, OLD, vinceNewPassword=wanted)
    assert answer.status == 422 and problem in answer.reason, answer
    assert login(stranger, name, OLD).status == 200


def test_common_ones_are_refused(client):
    for password in ("Password2024!!", "qwertyuiop123", "123456789012"):
        answer = client.post("/accounts", {"name": "c", "email": "c@example.com", "password": password}, namespace="/")
        assert answer.status == 422 and answer.body[0]["data"]["attribute"] == "password", answer


def test_not_by_an_import(client, stranger):
    """It would be hashed in the loop, and lie about in a file."""
    accounts = [{"name": "imported", "email": "i@example.com", "password": OLD}]
    answer = client.post("/import", {"data": {"label": "x", "data": {"accounts": accounts}}}, namespace="/")
    assert answer.status == 422 and "password" in answer.text, answer
    assert login(stranger, "imported", OLD).status == 401


def test_others_are_served_while_passwords_are_set(installation, client, account):
    ident = [a for a in client.get("/accounts", namespace="/").body if a["name"] == account][0]["ID"]
    clients, answers = [Client(installation, token=client.token) for _ in range(8)], []

    def change(one, i):
        for j in range(3):
            answers.append(one.ask("PATCH", "/accounts/" + ident, {"password": f"a rather long one {i} {j}"}).status)
    threads = [threading.Thread(target=change, args=(one, i)) for i, one in enumerate(clients)]
    for thread in threads:
        thread.start()
    longest, begin = 0, time.monotonic()
    while any(thread.is_alive() for thread in threads):
        start = time.monotonic()
        assert client.get("/accounts/" + ident).status == 200
        longest = max(longest, time.monotonic() - start)
    assert len(answers) == 24 and set(answers) <= {200, 409}, answers
    assert longest < max(1, (time.monotonic() - begin) / 3), longest


def stored(installation, name):
    with sqlite3.connect(os.path.join(installation.data, "console.db"), timeout=20) as db:
        row = db.execute("SELECT id, body FROM objects WHERE kind = 'account' AND unique_key = ?", (name,)).fetchone()
    return row[0], json.loads(row[1])


def test_secrets_of_one_time_passwords_are_sealed(tmp_path):
    """In the database, and those of an older Console at its next start."""
    console = Installation(tmp_path)
    client = console.administrator()
    answer = made(client, "otp", OTPEnabled=True)
    ident, body = stored(console, "otp")
    assert body["OTPSecret"].startswith("sealed:1:")
    secret = answer["OTPURI"].split("secret=")[1].split("&")[0]
    assert secret not in str(body)
    assert login(Client(console), "otp", OLD, vinceOTP=totp(answer["OTPURI"])).status == 200
    assert console.stop() == 0
    with sqlite3.connect(os.path.join(console.data, "console.db")) as db:
        db.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps({**body, "OTPSecret": secret}), ident))
    console.start()
    end = time.monotonic() + 10
    while not stored(console, "otp")[1]["OTPSecret"].startswith("sealed:1:"):
        assert time.monotonic() < end, console.text()
        time.sleep(0.05)
    assert login(Client(console), "otp", OLD, vinceOTP=totp(answer["OTPURI"], 1)).status == 200
    assert console.stop() == 0


def test_the_secret_is_not_kept_for_a_repeated_request(tmp_path):
    console = Installation(tmp_path)
    client = console.administrator()
    body = {"name": "once", "email": "o@example.com", "password": OLD, "OTPEnabled": True}
    first = client.post("/accounts", body, namespace="/", headers={"Idempotency-Key": "k"})
    secret = first.body["OTPURI"].split("secret=")[1].split("&")[0]
    again = client.post("/accounts", body, namespace="/", headers={"Idempotency-Key": "k"})
    assert again.status == 200 and again.body["ID"] == first.body["ID"] and secret not in again.text
    with sqlite3.connect(os.path.join(console.data, "console.db"), timeout=20) as db:
        assert secret not in "".join(db.iterdump())
    assert console.stop() == 0
