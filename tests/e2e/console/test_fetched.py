# SPDX-License-Identifier: Apache-2.0
"""What an Enforcer fetched stays with it, whichever Console it comes back to."""
import time

import pytest

from installation import Installation
from link_client import FETCH, Registered


@pytest.fixture
def installation(tmp_path):
    installation = Installation(tmp_path)
    yield installation
    assert installation.stop() == 0


def default(admin, name, action):
    space = [n for n in admin.get("/namespaces", namespace="/").body if n["name"] == name][0]
    answer = admin.put("/namespaces/" + space["ID"], {
        **space, "defaultPUIncomingTrafficAction": action, "defaultPUOutgoingTrafficAction": action}, namespace="/")
    assert answer.status == 200, answer


def test_fetched_documents_outlive_a_restart(installation):
    admin = installation.administrator()
    assert admin.post("/namespaces", {"name": "open"}, namespace="/").status == 200
    default(admin, "/open", "Allow")
    asking, other = (Registered(admin, name, "/open") for name in ("asking", "other"))
    numbers = {e["name"]: e["number"] for e in admin.get("/enforcers", namespace="/open").body}
    document = f"h:{numbers['other']}"
    with asking.connect() as a, other.connect() as b:
        b.snapshot()
        b.units(["app=other"])
        a.snapshot()
        a.units(["app=asking"])
        a.delta()
        deadline = time.monotonic() + 10
        while document not in a.held and time.monotonic() < deadline:
            a.send(FETCH, hosts=[numbers["other"]], identities=[])
            a.delta()
        assert document in a.held
        held = dict(a.held)

    installation.kill()
    installation.start()
    with asking.connect() as a:
        a.held = dict(held)
        a.snapshot()
        assert document in a.held, "it was taken away, and the next connection would have to wait for it"

    # Not whatever an Enforcer says that it has: those that could not talk to it are taken away.
    default(installation.administrator(), "/open", "Reject")
    installation.stop()
    installation.start()
    with asking.connect() as a:
        a.held = dict(held)
        a.snapshot()
        assert document not in a.held


@pytest.mark.parametrize("key", ["h:0", "h:-1", "h:4294967296", "h:99999999999999999999999", "h:1x", "h:", "i:01", "i: 1"])
def test_numbers_that_are_none(installation, key):
    """Taken away like everything that nobody knows."""
    admin = installation.administrator()
    with Registered(admin, "odd", "/").connect() as link:
        link.held = {key: (1, ""), "h:4294967295": (1, ""), "i:1": (1, "")}
        link.snapshot()
        assert not {key, "h:4294967295", "i:1"} & set(link.held)
