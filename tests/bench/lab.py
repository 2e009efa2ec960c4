# SPDX-License-Identifier: Apache-2.0
"""Hosts of the bench: network namespaces joined by veth pairs, one cgroup each, all removed at the end."""

import atexit
import os
import signal
import subprocess
import sys
import time

PREFIX = "bhbench"
SERVER_PORT = 7000


class BenchError(Exception):
    """A row cannot be measured; the text says why."""


def run(*command, check=True, stdin=None, timeout=120):
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and result.returncode != 0:
        raise BenchError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()[-600:]}")
    return result


def cgroup2_mount():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise BenchError("cgroup2 is not mounted")


class Lab:
    """Owns everything the bench makes outside its own directory, and takes it away again."""

    def __init__(self, tools, scratch):
        self.tools = tools
        self.scratch = scratch
        self.tag = f"{PREFIX}-{os.getpid()}"
        self.cgroup_mount = cgroup2_mount()
        self.cgroup_base = os.path.join(self.cgroup_mount, self.tag)
        self.namespaces = []
        self.processes = []
        os.mkdir(self.cgroup_base)
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))

    def tool(self, name):
        return os.path.join(self.tools, name)

    def cgroup(self, name):
        path = os.path.join(self.cgroup_base, name)
        os.makedirs(path, exist_ok=True)
        return path

    def cgroup_relative(self, name):
        return f"/{self.tag}/{name}"

    def netns(self, name):
        full = f"{self.tag}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        self.in_netns(full, "ip", "link", "set", "lo", "up")
        return full

    @staticmethod
    def in_netns(netns, *command, **options):
        return run("nsenter", f"--net=/run/netns/{netns}", *command, **options)

    @staticmethod
    def sysctl(netns, **settings):
        for key, value in settings.items():
            Lab.in_netns(netns, "sysctl", "-qw", f"{key.replace('__', '.')}={value}")

    def start(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def stop(self, process, timeout=10):
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def remove_netns(self, name):
        self.namespaces.remove(name)
        run("ip", "netns", "del", name, check=False)

    def close(self):
        for process in reversed(list(self.processes)):
            self.stop(process)
        for name in list(self.namespaces):
            self.remove_netns(name)
        for _ in range(50):
            for path, _directories, _files in list(os.walk(self.cgroup_base, topdown=False)):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
            if not os.path.exists(self.cgroup_base):
                return
            time.sleep(0.1)  # a cgroup is busy until its last process has been reaped


class Host:
    def __init__(self, lab, name, address):
        self.lab = lab
        self.name = name
        self.address = address
        self.netns = lab.netns(name)
        self.cgroup = lab.cgroup(name)
        self.cgroup_relative = lab.cgroup_relative(name)
        # The processing unit lives one level below what the Enforcer has as its whole world.
        self.pu_cgroup = lab.cgroup(f"{name}/pu")
        self.pu_cgroup_relative = lab.cgroup_relative(f"{name}/pu")

    def place(self, cpu=None, realtime=True, cgroup=None):
        words = ["--cgroup", cgroup or self.pu_cgroup, "--netns", f"/run/netns/{self.netns}"]
        if cpu is not None:
            words += ["--cpu", str(cpu)]
        if realtime:
            words += ["--rt"]
        return words


class World:
    """Two hosts on one link. What judges the traffic between them is put on and taken off (modes.py)."""

    count = 0

    def __init__(self, lab, name, cpu=0, realtime=False):
        World.count += 1
        self.lab = lab
        self.name = name
        self.cpu = cpu
        self.realtime = realtime
        net = f"10.91.{World.count}"
        self.client = Host(lab, f"{name}-a", f"{net}.1")
        self.server = Host(lab, f"{name}-b", f"{net}.2")
        run("ip", "link", "add", "v0", "netns", self.client.netns, "type", "veth",
            "peer", "name", "v0", "netns", self.server.netns)
        for host in (self.client, self.server):
            Lab.in_netns(host.netns, "ip", "addr", "add", f"{host.address}/24", "dev", "v0")
            Lab.in_netns(host.netns, "ip", "link", "set", "v0", "up")
            Lab.sysctl(host.netns, net__ipv4__ip_local_port_range="8000 65000",
                       net__ipv4__tcp_tw_reuse=1)
        self.daemon = None
        self.traffic = None

    def hosts(self):
        return (self.client, self.server)

    def server_start(self):
        self.server_stop()
        self.daemon = self.lab.start(
            self.lab.tool("netbench"), "server", *self.server.place(self.cpu, self.realtime),
            "--address", self.server.address, "--port", str(SERVER_PORT), stdout=subprocess.PIPE, text=True)
        if self.daemon.stdout.readline().strip() != "ready":
            raise BenchError(f"{self.name}: the server did not start")

    def server_stop(self):
        if self.daemon:
            self.lab.stop(self.daemon)
        self.daemon = None

    def client_start(self, mode):
        self.client_stop()
        self.traffic = self.lab.start(
            self.lab.tool("netbench"), "client", mode, *self.client.place(self.cpu, self.realtime),
            "--address", self.server.address, "--port", str(SERVER_PORT),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def client_stop(self):
        if self.traffic:
            self.traffic.stdin.close()
            self.lab.stop(self.traffic)
        self.traffic = None

    def slice(self, microseconds):
        """Transactions or bytes per second in one short run."""
        self.traffic.stdin.write(f"{microseconds}\n")
        self.traffic.stdin.flush()
        answer = self.traffic.stdout.readline().split()
        if len(answer) != 2:
            raise BenchError(f"{self.name}: the client ended with {self.traffic.wait()}")
        return int(answer[1]) * 1e9 / int(answer[0])
