# SPDX-License-Identifier: Apache-2.0
"""A token that was given up is good no more, at no Console, and neither is what was made from it."""
import base64
import time

import pytest

from auth_client import Client, key_pem, new_key, request_pem
from test_accounts import OLD, login, made
from test_logins import wait_until


def good(client, token):
    return client.get("/roles", token=token).status == 200


@pytest.fixture
def user(client, request):
    """A client with a credential of its own: issue() gives tokens."""
    key = new_key()
    answer = client.post("/appcredentials", {"name": request.node.name.replace("[", "-").replace("]", ""),
                                             "roles": ["@auth:role=namespace.administrator"], "CSR": request_pem(key)},
                         namespace="/")
    certificate = base64.b64decode(answer.body["credentials"]["certificate"]).decode()
    return Client(client.console, certificate=(certificate, key_pem(key)))


def token_of(user, **more):
    answer = user.issue(**more)
    assert answer.status == 200, answer
    return answer.body["token"]


def test_this_token_and_its_children(installation, user):
    token, other = token_of(user), token_of(user)
    child = user.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": token}}).body["token"]
    grandchild = user.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": child}}).body["token"]
    sibling = user.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": token}}).body["token"]
    stranger = Client(installation)
    assert stranger.post("/logout", {}).status == 401
    assert all(good(stranger, t) for t in (token, other, child, grandchild, sibling))
    assert stranger.post("/logout", {}, token=child).status == 204
    assert [good(stranger, t) for t in (token, other, child, sibling)] == [True, True, False, True]
    answer = stranger.post("/logout", {}, token=token)
    assert answer.status == 204, answer
    assert not any(good(stranger, t) for t in (token, child, grandchild, sibling)) and good(stranger, other)
    assert "log-out" in stranger.get("/roles", token=token).reason
    assert stranger.post("/logout", {}, token=token).status == 401
    answer = stranger.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": token}})
    assert answer.status in (401, 422), answer
    assert good(stranger, token_of(user))


def test_everywhere(installation, user):
    tokens = [token_of(user) for _ in range(3)]
    stranger = Client(installation)
    assert stranger.post("/logout", {"everywhere": True}, token=tokens[0]).status == 204
    assert not any(good(stranger, token) for token in tokens)
    time.sleep(1.1)
    assert good(stranger, token_of(user))


def test_more_than_can_be_remembered_one_by_one(installation, user):
    """Then all go: no token that was given up becomes good again."""
    stranger = Client(installation)
    bystander, gone = token_of(user), []
    for _ in range(40):
        gone.append(token_of(user))
        answer = stranger.post("/logout", {}, token=gone[-1])
        assert answer.status in (204, 401), answer  # 401: of the second in which all went
    assert not any(good(stranger, token) for token in gone)
    assert not good(stranger, bystander)
    time.sleep(1.1)
    assert good(stranger, token_of(user))


def test_after_a_restart(installation, client, user):
    token = token_of(user)
    stranger = Client(installation)
    assert stranger.post("/logout", {}, token=token).status == 204
    assert installation.stop() == 0
    installation.start()
    stranger.connection = client.connection = user.connection = None
    assert not good(stranger, token) and good(stranger, token_of(user))


def test_the_cookie_goes(installation, user):
    token = token_of(user)
    answer = Client(installation).post("/logout", {}, headers={"Cookie": f"x-bulkhead-token={token}"})
    assert answer.status == 204 and "x-bulkhead-token=;" in answer.headers["Set-Cookie"]
    assert "Max-Age=0" in answer.headers["Set-Cookie"] and not good(Client(installation), token)


def test_at_all_consoles(pair):  # noqa: F811
    a, b = pair
    made(a.administrator(), "ann")
    one, other = Client(a), Client(b)
    token = wait_until(lambda: login(one, "ann", OLD).body["token"], "a token")
    wait_until(lambda: good(other, token), "is good at the other")
    assert one.post("/logout", {}, token=token).status == 204
    wait_until(lambda: not good(other, token), "and no more")
