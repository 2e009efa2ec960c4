# SPDX-License-Identifier: Apache-2.0
"""Ways to the Console: over IPv6, by a name with several addresses; and after a reboot, before there is any."""
import time

import pytest

from console_estate import PORT, ConsoleEstate
from estate import wait_for
from test_enforcer import both_ways, connects, console_of

NAME = "console.test"
DEAD = "10.3.0.98"  # of c, which throws away what comes there


@pytest.fixture(scope="module")
def _estate(system):
    estate = ConsoleEstate(system, "y")
    try:
        estate.start()
        estate.c.ip("addr", "add", f"{DEAD}/24", "dev", "eth0")
        estate.c.nft(f"table inet t {{ chain c {{ type filter hook input priority 0; ip daddr {DEAD} drop; }}; }}\n")
        yield estate
    finally:
        estate.close()


@pytest.fixture
def estate(_estate):
    a, console = _estate.enforcers["a"], _estate.console
    yield _estate
    a.names = None
    if console.public_url != console.url:
        console.restart(public_url=console.url, listen=f"0.0.0.0:{PORT}")
    a.restart(console=console.url)
    _estate.ensure()


def test_over_ipv6(estate):
    a, address = estate.enforcers["a"], estate.r1.addresses[6]
    url = f"https://[{address}]:{PORT}"
    estate.console.restart(public_url=url, listen=f"[::]:{PORT}")
    a.restart(console=url)
    estate.await_connected(a, 10)
    assert console_of(a)["url"] == url
    assert f"[{address}]:{PORT}" in estate.a.exec("ss", "-Htn").stdout


@pytest.mark.parametrize("addresses, within", [
    ((DEAD, "10.9.0.1"), 12), (("10.9.0.1", DEAD), 12), (("10.3.0.2", "10.9.0.1"), 5), (("fd00:9::1", "10.9.0.1"), 5),
    ((DEAD, "fd00:9::1"), 12), (("fd00:3::99", DEAD, "10.3.0.2", "10.9.0.1"), 16),
], ids=["silent first", "silent last", "closed first", "IPv6 without a listener", "IPv4 silent", "three are dead"])
def test_a_name_with_several_addresses(estate, addresses, within):
    a = estate.enforcers["a"]
    url = f"https://{NAME}:{PORT}"
    # on IPv6 nobody listens, unless there is nothing else
    listen = f"[::]:{PORT}" if addresses[-1].startswith("fd00") else f"0.0.0.0:{PORT}"
    estate.console.restart(public_url=url, listen=listen)
    a.names = "127.0.0.1 localhost\n" + "".join(f"{address} {NAME}\n" for address in addresses)
    a.restart(console=url)
    began = time.monotonic()
    estate.await_connected(a, within + 20)
    assert time.monotonic() - began < within + 5, a.log()[-1500:]


def test_reboot(estate, tmp_path):
    """The kernel knows nothing, the boot id is another, the Console is away: the copy on disk decides from the start."""
    a, b, port = estate.enforcers["a"], estate.enforcers["b"], estate.port()
    estate.b.listen("db", port)
    estate.c.listen(None, port)
    both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port))
    wait_for(lambda: any(f"to-{port}".encode() in (e.directory / "state" / "console-entries").read_bytes()
                         for e in (a,)), 5)
    before = console_of(a)
    estate.console.stop()
    boot = tmp_path / "boot_id"
    boot.write_text("11111111-2222-3333-4444-555555555555\n", encoding="utf-8")
    for enforcer in (a, b):
        enforcer.stop()
        enforcer.detach()
        enforcer.boot_id = boot
    assert connects(estate, "web", port, server="c"), "nothing is enforced"
    try:
        for enforcer in (a, b):
            enforcer.start()
            assert console_of(enforcer)["state"] != "connected"
            assert "policy.from_copy" in enforcer.log()
        assert not connects(estate, "web", port, server="c"), "the default of the copy holds"
        assert a.status()["policyRevision"] >= 1 and console_of(a)["entries"] == before["entries"]
        assert {u["identity"] for u in a.json("pus")} != {0}, "who the units are is in it"
        estate.console.start()
        for enforcer in (a, b):
            estate.await_connected(enforcer, 90)
        wait_for(lambda: connects(estate, "web", port), 10, what="keys of the new boot are known")
        assert not connects(estate, "other", port)
        after = console_of(a)
        assert (after["enforcerId"], after["number"]) == (before["enforcerId"], before["number"])
    finally:
        for enforcer in (a, b):
            enforcer.boot_id = None
        b.restart()


MANY = 17000  # more than an inventory holds


def test_more_entries_than_an_inventory_holds(estate):
    """What cannot be named is sent anew as a whole; what is in force stays meanwhile."""
    a, port = estate.enforcers["a"], estate.port()
    estate.b.listen("db", port)
    both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port))
    for first in range(0, MANY, 1000):
        data = {"APIVersion": 1, "label": f"many-{first}", "data": {"externalnetworks": [
            {"name": f"many-{i}", "entries": [f"172.20.{i >> 8}.{i & 255}"], "associatedTags": ["net=many"]}
            for i in range(first, first + 1000)]}}
        estate.console.must(estate.console.admin.post("/import", {"data": data}, namespace="/shop"))
    try:
        wait_for(lambda: console_of(a)["entries"] > MANY, 60, what="all of them")
        for _ in range(2):  # the first may still bring, or take back, something
            time.sleep(1.0)
            before = a.counters()
            estate.console.restart()
            estate.await_connected(a, 90)
            wait_for(lambda: console_of(a)["entries"] > MANY, 60)
            after = a.counters()
        assert after["console_resumed"] == before["console_resumed"] + 1, "a digest says it all"
        a.stop()
        estate.console.create("externalnetworks", {"name": "one-more", "entries": ["172.21.0.1"]})
        a.start()
        estate.await_connected(a, 30)
        wait_for(lambda: console_of(a)["entries"] > MANY + 1, 60, what="all of them, and one more")
        wait_for(lambda: connects(estate, "web", port), 10)
        assert a.counters()["console_inventories"] == 1 and not a.status()["warnings"], a.status()["warnings"]
        entries = console_of(a)["entries"]
        a.restart()
        estate.await_connected(a, 30)
        assert console_of(a)["entries"] == entries and a.counters()["console_resumed"] == 1
    finally:
        for first in range(0, MANY, 1000):
            estate.console.admin.post("/import", {"mode": "Remove", "data": {
                "APIVersion": 1, "label": f"many-{first}", "data": {"externalnetworks": []}}}, namespace="/shop")
