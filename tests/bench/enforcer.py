# SPDX-License-Identifier: Apache-2.0
"""One real Enforcer on a host of the bench: files, start, local commands, end."""

import json
import os
import shutil
import socket
import tempfile
import time

import estate
from lab import BenchError, Lab, run

READY_SECONDS = 120


class Enforcer:
    build = "build"

    def __init__(self, lab, host, number, units, **more):
        self.lab = lab
        self.host = host
        self.process = None
        self.directory = tempfile.mkdtemp(prefix=f"{host.name}-", dir=lab.scratch)
        for name in ("policy.d", "peers.d", "state"):
            os.mkdir(self.path(name))
        base = len(host.cgroup)
        config = {
            "namespace": estate.NAMESPACE,
            "mode": "standalone",
            "policy": self.path("policy.d"),
            "cgroupRoot": host.cgroup_relative,
            "host": {"enabled": False},
            "processingUnits": [{"name": name, "cgroup": cgroup[base:], "tags": tags}
                                for name, (cgroup, tags) in units.items()],
            "discovery": {"systemd": False, "containers": False, "kubernetes": False},
            "identity": {"enforcerId": number, "key": self.path("enforcer.key")},
            "peers": self.path("peers.d"),
            "log": {"level": "warn", "format": "text"},
        }
        config.update(more)
        self.write("enforcer.yaml", json.dumps(config, indent=1))

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_policy(self, document, name="policy.yaml"):
        self.write(f"policy.d/{name}", estate.text(document))

    def write_pair_policy(self, extra):
        rulesets = estate.pair_rulesets()
        if extra:
            rulesets += extra(self)
        self.write_policy(estate.envelope(rulesets))

    def write_peer(self, name, text):
        self.write(f"peers.d/{name}.yaml", text)

    def inside(self, *command):
        return [self.lab.tool("enter"), "--netns", f"/run/netns/{self.host.netns}", "--bpffs", "--", *command]

    def binary(self, name):
        path = os.path.join(self.build, name)
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is not built")
        return path

    def describe(self):
        return run(*self.inside(self.binary("bulkhead-enforcer"), "describe", "--config", self.path("enforcer.yaml"))).stdout

    def start(self):
        """Seconds from the start of the process to READY; the policy that was written is in the kernel."""
        seconds = self.start_process()
        status = self.status()
        if not status["policyRevision"]:
            raise BenchError(f"{self.host.name}: the policy is not in force: {status.get('warnings')}")
        return seconds

    def start_process(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = self.path("notify")
        notify.bind(notify_path)
        notify.settimeout(0.5)
        with open(self.path("log"), "ab") as log:
            began = time.monotonic()
            self.process = self.lab.start(
                *self.inside(self.binary("bulkhead-enforcer"), "run", "--config", self.path("enforcer.yaml"),
                             "--state", self.path("state"), "--socket", self.path("socket")),
                stdout=log, stderr=log, env={**os.environ, "NOTIFY_SOCKET": notify_path})
        try:
            while time.monotonic() - began < READY_SECONDS:
                try:
                    if b"READY=1" in notify.recv(4096):
                        return time.monotonic() - began
                except socket.timeout:
                    pass
                if self.process.poll() is not None:
                    break
        finally:
            notify.close()
            os.unlink(notify_path)
        raise BenchError(f"{self.host.name}: the Enforcer did not get ready:\n{self.log()}")

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def bulkhead(self, *words):
        return json.loads(run(self.binary("bulkhead"), "enforcer", *words, "--socket", self.path("socket"),
                              "-o", "json").stdout)

    def status(self):
        answer = self.bulkhead("status")
        return answer[0] if isinstance(answer, list) else answer

    def counters(self):
        return {entry["name"]: int(entry["value"]) for entry in self.bulkhead("counters")}

    def counter(self, name):
        counters = self.counters()
        if name not in counters:
            raise BenchError(f"no counter {name}; there are {', '.join(sorted(counters))}")
        return counters[name]

    def memory_kib(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise BenchError(f"no {field}")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """SIGTERM. The pins go with the private bpffs, and enforcement with them."""
        if self.process:
            self.lab.stop(self.process)
            self.process = None
        for device in ("v0", "lo"):
            Lab.in_netns(self.host.netns, "tc", "qdisc", "del", "dev", device, "clsact", check=False)

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
