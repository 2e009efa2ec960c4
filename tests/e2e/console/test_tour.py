# SPDX-License-Identifier: Apache-2.0
"""The README's five minutes, played: its own blocks, word for word, on three machines.

A block begins with a comment that says where it belongs: "# on MACHINE…" for commands, "# FILE on
MACHINE…" for files. A machine is a network namespace with a cgroup subtree as always, and an own
/etc, /var/lib, /run and host name. systemd is a script that starts what the unit says.
"""
import os
import re
import signal

import pytest

from estate import REPOSITORY, Host, wait_for
from estate import system as sys_
from estate.network import address, join

TITLE = "## Five minutes with a Console"
BLOCK = re.compile(r"^```(sh|yaml)\n# (?:(\S+) )?on ([^\n]+)\n(.*?)^```$", re.M | re.S)
MACHINES = {"console.example": "10.41.1", "web": "10.41.2", "db": "10.41.3"}
NGINX = "system.slice/nginx.service"
POSTGRESQL = "system.slice/system-postgresql.slice/postgresql@15-main.service"
SYSTEMCTL = """#!/bin/bash
[ "$1 $2" = "enable --now" ] || { echo "systemctl: $*?" >&2; exit 1; }
command=$(sed -n 's|@PREFIX@/bin/||; s|[$]OPTIONS||; s/^ExecStart=//p' UNITS/$3.service)
mkdir -p /run/bulkhead /var/lib/bulkhead CGROUP/system.slice/$3.service
( echo $BASHPID >CGROUP/system.slice/$3.service/cgroup.procs; exec setsid $command ) \\
    >HOME/$3.log 2>&1 </dev/null &
for ((i = 0; i < 200; i++)); do
    grep -qE '(console|daemon)\\.ready' HOME/$3.log && exit 0
    kill -0 $! || break
    sleep 0.1
done
cat HOME/$3.log >&2
exit 1
"""
SETUP = """
mount -t tmpfs tmpfs HOME/layers
for d in /etc /var/lib; do
    mkdir -p HOME/layers$d.upper HOME/layers$d.work
    mount -t overlay overlay -o lowerdir=$d,upperdir=HOME/layers$d.upper,workdir=HOME/layers$d.work $d
done
mount -t tmpfs tmpfs /run
mkdir -p /etc/bulkhead
cat HOME/hosts >>/etc/hosts
hostname NAME
echo '{"event": "there"}'
exec sleep infinity
"""


def tour():
    """[(kind, file or None, machines, text)]"""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert TITLE in text
    section = text.split(TITLE, 1)[1].split("\n## ", 1)[0]
    found = [(kind, file, re.split(" and |, ", where), body)
             for kind, file, where, body in BLOCK.findall(section)]
    assert len(found) == section.count("\n```") / 2, "a block that does not say where it belongs"
    return found


class Machine:
    def __init__(self, system, name, hosts):
        self.name = name
        self.host = Host(system, "tour-" + name.split(".")[0])
        self.home = system.directory / self.host.name
        (self.home / "layers").mkdir(parents=True)
        (self.home / "bin").mkdir()
        (self.home / "hosts").write_text(hosts, encoding="utf-8")
        for program in ("bulkhead", "bulkhead-enforcer", "bulkhead-console"):
            os.symlink(sys_.BUILD / program, self.home / "bin" / program)
        script = self.home / "bin" / "systemctl"
        script.write_text(self.fill(SYSTEMCTL), encoding="utf-8")
        script.chmod(0o755)
        self.holder = self.host.start("unshare", "--mount", "--uts", "bash", "-ec", self.fill(SETUP))
        self.holder.wait_event("there")

    def fill(self, text):
        return (text.replace("UNITS", str(REPOSITORY / "packaging" / "systemd"))
                .replace("CGROUP", str(self.host.cgroup)).replace("HOME", str(self.home))
                .replace("NAME", self.name))

    def run(self, script):
        return self.host.exec(
            "nsenter", "-t", self.holder.pid, "-m", "-r", "-u", "--wd=" + str(self.home), "env", "-i",
            f"HOME={self.home}", f"PATH={self.home}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "bash", "-euo", "pipefail", "-c", script, timeout=60).stdout

    def write(self, path, text):
        self.host.exec("nsenter", "-t", self.holder.pid, "-m", "-r", "--wd=" + str(self.home), "tee", path,
                       text=text)

    def read(self, path):
        return self.run(f"cat {path}")

    def close(self):
        for procs in self.host.cgroup.rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                os.kill(int(pid), signal.SIGKILL)


def wire(system, machines):
    router = Host(system, "tour-router")
    router.sysctl("net.ipv4.ip_forward", 1)
    for number, (name, network) in enumerate(MACHINES.items()):
        host = machines[name].host
        join(host, "eth0", router, f"to-{number}")
        address(host, "eth0", network + ".2")
        address(router, f"to-{number}", network + ".1")
        host.ip("route", "add", "default", "via", network + ".1")


@pytest.fixture(scope="module")
def machines(system):
    hosts = "".join(f"{network}.2 {name}\n" for name, network in MACHINES.items())
    found = {}
    try:
        for name in MACHINES:
            found[name] = Machine(system, name, hosts)
        wire(system, found)
        yield found
    finally:
        for machine in found.values():
            machine.close()


def own_world(machine, text):
    """The one thing that the tour does not say: this Enforcer has a part of the cgroup tree."""
    host = machine.host
    return (f"{text}cgroupRoot: /{host.system.name}/{host.name}\n"
            "discovery: {systemd: false}\ncloud: off\n")


def reaches(machines, unit=NGINX):
    return machines["web"].host.connect(unit, MACHINES["db"] + ".2", 5432, timeout=1200).ok


def console(machines, words):
    return machines["console.example"].run(words)


def test_five_minutes(machines):
    changes = 0
    machines["db"].host.listen(POSTGRESQL, 5432, address=MACHINES["db"] + ".2")
    assert reaches(machines)
    for kind, file, where, text in tour():
        for name in where:
            machine = machines[name]
            if kind == "yaml":
                machine.write(file, own_world(machine, text) if "enforcer" in file else text)
                if "enforcer" in file:  # "Copy registration.json"
                    machine.write("/etc/bulkhead/registration.json",
                                  machines["console.example"].read("registration.json"))
                continue
            for line in text.splitlines():
                print(f"{name}# {line}\n{machine.run(line)}")
                if "update networkrulesetpolicy" in line:
                    changes += 1
                    wait_for(lambda l=line: reaches(machines) == ("disabled false" in l), 10,
                             what=line)
        if "enable --now bulkhead-enforcer" in text:
            wait_for(lambda: reaches(machines), 10, what="web is let in")
            assert not reaches(machines, "system.slice/batch.service")
    assert changes == 2
    listed = console(machines, "bulkhead api list enforcers -n /shop -o json")
    assert listed.count('"Connected"') == 2
    units = console(machines, "bulkhead api list processingunits -n /shop -c name --no-headers")
    assert sorted(units.split()) == ["nginx", "postgresql"]
