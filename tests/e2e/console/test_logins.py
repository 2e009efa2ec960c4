# SPDX-License-Identifier: Apache-2.0
"""Wrong passwords and used one-time passwords count at all Consoles of a database, and after restarts."""
import os
import sqlite3
import threading
import time

import pytest

from auth_client import Client
from installation import Installation
from test_accounts import OLD, login, made
from test_auth import totp


@pytest.fixture(params=["ann", "nobody"])
def name(request):
    """One that there is, one that there is not: nobody can tell them apart."""
    return request.param


def wait_until(condition, what):
    end = time.monotonic() + 10
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return value


def shown(client, name):
    return [a for a in client.get("/accounts", namespace="/").body if a["name"] == name][0]


def test_locked_at_all_of_them(pair, name):
    a, b = pair
    admin = a.administrator()
    made(admin, "ann")
    one, other = Client(a), Client(b)
    wait_until(lambda: [x for x in Client(b, token=admin.token).get("/accounts", namespace="/").body or []], "ann")
    for client in (one, other, one, other, one):
        assert "too many" not in login(client, name, "wrong").reason
        time.sleep(0.1)
    time.sleep(1)
    for client in (one, other):
        answer = login(client, name, OLD)
        assert answer.status == 401 and "too many wrong passwords" in answer.reason, answer
    if name == "ann":
        known = shown(Client(b, token=admin.token), "ann")
        assert known["failedLogins"] == 5 and known["lockedUntil"]
        ident = known["ID"]
        assert admin.ask("PATCH", "/accounts/" + ident, {"password": "another long one"}).status == 200
        wait_until(lambda: login(other, "ann", "another long one").status == 200, "a new password ends it")
        assert shown(admin, "ann").get("failedLogins", 0) == 0


def test_a_right_one_forgets_the_wrong_ones(pair):
    a, b = pair
    admin = a.administrator()
    made(admin, "ann")
    for client in (Client(a), Client(b)):
        wait_until(lambda c=client: login(c, "ann", OLD).status == 200, "ann is known")
    for _ in range(3):
        for client in (Client(a), Client(b)):
            for _ in range(2):
                assert "too many" not in login(client, "ann", "wrong").reason
                time.sleep(0.05)
        assert login(Client(b), "ann", OLD).status == 200
        wait_until(lambda: not shown(Client(a, token=admin.token), "ann").get("failedLogins"), "forgotten at both")


def test_a_one_time_password_counts_once(pair):
    a, b = pair
    uri = made(a.administrator(), "otp", OTPEnabled=True)["OTPURI"]
    one, other = Client(a), Client(b)
    code = totp(uri)
    assert login(one, "otp", OLD, vinceOTP=code).status == 200
    time.sleep(0.2)
    assert login(other, "otp", OLD, vinceOTP=code).status == 401
    assert login(other, "otp", OLD, vinceOTP=totp(uri, 1)).status == 200


def test_at_the_same_moment_only_one(pair):
    a, b = pair
    admin = a.administrator()
    for i in range(5):
        uri = made(admin, f"race{i}", OTPEnabled=True)["OTPURI"]
        wait_until(lambda: Client(b, token=admin.token).get(f"/accounts?name=race{i}", namespace="/").body, "is known")
        code, answers = totp(uri), []
        threads = [threading.Thread(target=lambda c=c: answers.append(
            login(c, f"race{i}", OLD, vinceOTP=code).status)) for c in (Client(a), Client(b), Client(a), Client(b))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 401, 401, 401], answers


def test_after_a_restart(installation, client, name):
    if name == "ann":
        made(client, "ann-x")
    stranger = Client(installation)
    uri = made(client, f"otp-{name}", OTPEnabled=True)["OTPURI"]
    code = totp(uri)
    assert login(stranger, f"otp-{name}", OLD, vinceOTP=code).status == 200
    for _ in range(5):
        assert "too many" not in login(stranger, f"{name}-x", "wrong").reason
    time.sleep(0.3)
    assert installation.stop() == 0
    installation.start()
    client.connection = stranger.connection = None
    assert "too many" in login(stranger, f"{name}-x", OLD).reason
    assert login(stranger, f"otp-{name}", OLD, vinceOTP=code).status == 401


def test_what_is_over_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("BULKHEAD_TEST_COMPACTION_MS", "500")
    console = Installation(tmp_path)
    stranger = Client(console)

    def states():
        with sqlite3.connect(os.path.join(console.data, "console.db"), timeout=20) as db:
            return [body for (body,) in db.execute("SELECT body FROM objects WHERE kind = 'loginstate'")]
    for i in range(3):
        login(stranger, f"nobody-at-all{i}", "wrong")
    wait_until(states, "it is stored")
    assert "nobody-at-all" not in str(states())  # it may have been a password
    wait_until(lambda: not states(), "and goes")
    assert console.stop() == 0
