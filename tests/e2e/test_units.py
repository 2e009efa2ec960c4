# SPDX-License-Identifier: Apache-2.0
"""Which processing unit holds a socket: nested cgroups, other network namespaces, moving."""

from estate import policy, wait_for
from support import W, accepted_by, into, out, pair, rejected_by, tcp


def test_deepest_unit_wins(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}", sender="app=inner")))
    assert tcp(estate, port, ip, source=("a", "outer/inner")).ok
    assert tcp(estate, port, ip, source=("a", "outer")).error == "EPERM"


def test_deepest_unit_wins_on_the_server(estate, ip, port):
    estate.apply(policy([out("web-out", W, [["app=inner"], ["app=outer"]], f"tcp/{port}"),
                         into("inner-in", "app=inner", W, f"tcp/{port}")]))
    assert tcp(estate, port, ip, target=("b", "outer/inner")).ok
    assert tcp(estate, port, ip, target=("b", "outer")).error == "ETIMEDOUT"


def test_cgroup_below_a_unit_belongs_to_it(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip, source=("a", "web/worker/one")).ok
    assert tcp(estate, port, ip, target=("b", "db/worker")).ok


def test_process_of_another_network_namespace(estate, ip, port):
    """A process in the cgroup of web, but in the network of host c: it is web."""
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip, netns=estate.c.netns).ok
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert flow["source"]["ip"] == estate.c.addresses[ip] and W in flow["source"]["tags"]
    other = estate.port()
    assert tcp(estate, other, ip, netns=estate.c.netns).error == "EPERM"
    rejected_by(estate.enforcer("a"), other)


def test_server_in_another_network_namespace(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}", sender=W, receiver="app=other")))
    address = estate.c.addresses[ip]
    with estate.a.listen("other", port, address=address, netns=estate.c.netns):
        assert estate.a.connect("web", address, port).ok
        assert estate.x.connect(None, address, port, timeout=400).error == "ETIMEDOUT"


def test_unit_whose_cgroup_comes_later(estate, port):
    """In the configuration from the start, made and removed while the Enforcer runs."""
    enforcer = estate.enforcer("a")
    units = [*enforcer.config["processingUnits"],
             {"name": "late", "cgroup": "/late", "tags": ["app=late"]}]
    with enforcer.configured(processingUnits=units):
        estate.exchange()  # b learns of the new identity
        estate.apply(policy(pair(f"tcp/{port}", sender="app=late")))
        for _ in range(2):
            estate.a.cgroup_of("late")
            wait_for(lambda: tcp(estate, port, source=("a", "late"), timeout=200).ok,
                     what="late is a unit")
            wait_for(lambda: remove(estate.a.cgroup / "late"), what="cgroup is empty")


def remove(path):
    try:
        path.rmdir()
        return True
    except OSError:
        return False


def test_socket_stays_with_its_unit(estate, ip, port):
    """A process that moves to another cgroup takes its identity for new sockets from there."""
    estate.apply(policy(pair(f"tcp/{port}")))
    with estate.b.listen("db", port, ip=ip):
        command = ["/usr/bin/python3", "-c", MOVING_CLIENT, estate.b.addresses[ip], port,
                   estate.a.cgroup / "other" / "cgroup.procs"]
        estate.a.cgroup_of("other")
        done = estate.a.exec(*command, unit="web", check=False)
    assert done.stdout.split() == ["first", "moved", "old-alive", "EPERM"], done


MOVING_CLIENT = """
import errno, os, socket, sys
address, port, procs = sys.argv[1], int(sys.argv[2]), sys.argv[3]
old = socket.create_connection((address, port), 2)
print('first')
with open(procs, 'w') as f:
    f.write('0')
print('moved')
old.sendall(b'x')
assert old.recv(1) == b'x'
print('old-alive')
try:
    socket.create_connection((address, port), 2)
    print('connected')
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
"""


def test_unit_list(estate):
    estate.apply(policy())
    units = {unit["name"]: unit for unit in estate.enforcer("a").json("pus")}
    assert {"web", "other", "outer", "outer-inner"} <= set(units)
    assert "app=web" in units["web"]["tags"] and units["web"]["namespace"] == "/shop"
    assert units["web"]["cgroup"].endswith("/a/web")
    assert len(units) == 5, "and the host"


def test_listening_ports_are_listed(estate, port):
    estate.apply(policy())
    with estate.b.listen("db", port):
        def look():
            units = {unit["name"]: unit for unit in estate.enforcer("b").json("pus")}
            return str(port) in str(units["db"]["listening"])
        wait_for(look, what="port of db")
