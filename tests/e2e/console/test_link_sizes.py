# SPDX-License-Identifier: Apache-2.0
"""Sizes that the link has to carry: hosts with thousands of units, Enforcers with many entries."""
import base64
import json

import pytest

from link_client import FETCH, UNITS, Registered
from test_faults import Own, until

UNITS_MANY = 3000


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    own = Own(tmp_path_factory.mktemp("sizes"))
    own.client = own.administrator()
    own.client.post("/namespaces", {"name": "sizes", "defaultPUIncomingTrafficAction": "Allow",
                                    "defaultPUOutgoingTrafficAction": "Allow"}, namespace="/")
    yield own
    assert own.stop() == 0


def claims(body):
    text = body if isinstance(body, str) else body.decode()
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_document_of_a_host_with_many_identities(console):
    """Each unit has an identity of its own: the host's document names all of them, and others get it."""
    big, small = (Registered(console.client, name, "/sizes") for name in ("big", "small"))
    number = console.client.get(f"/enforcers/{big.id}").body["number"]
    with big.connect(timeout=15) as one, small.connect(timeout=15) as two:
        one.snapshot()
        two.snapshot()
        two.units(["app=small"])
        one.send(UNITS, all=True, removed=[], units=[
            [f"unit-{i}", f"unit {i}", "LinuxService", f"native-{i}", [f"app=a{i}"], []] for i in range(UNITS_MANY)])

        def identities_of(link):
            key = f"h:{number}"
            return len(claims(link.held[key][1])["identities"]) if key in link.held else 0

        while identities_of(one) < UNITS_MANY:
            one.delta()
        two.send(FETCH, hosts=[number], identities=[])
        while not identities_of(two):
            two.delta()
        assert identities_of(two) == identities_of(one)
    log = console.text()
    assert "push.entry_too_long" not in log, log[-2000:]
    until(lambda: console.client.get(f"/enforcers/{big.id}").status == 200)
