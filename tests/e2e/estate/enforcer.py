# SPDX-License-Identifier: Apache-2.0
"""The Enforcer of one host, driven as an operator drives it: files, signals, local commands."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import time

from . import system as sys_
from .policy import NAMESPACE, policy
from .tool import Process


METRICS = "127.0.0.1:9464"


class Enforcer:
    """Configuration, policy and peers in a directory of its own; nothing runs until start()."""

    def __init__(self, host, number, units, **more):
        self.host = host
        self.number = number
        self.process = None
        self.environment = {}  # of the daemon
        self.unit = None  # cgroup of the daemon; None: the host's
        self.binary = sys_.BUILD / "bulkhead-enforcer"
        self.cli = sys_.BUILD / "bulkhead"
        self.directory = host.system.directory / host.name
        for name in ("", "policy.d", "peers.d", "state"):
            (self.directory / name).mkdir(exist_ok=True)
        self.socket = self.directory / "enforcer.sock"
        self.config = {
            "namespace": NAMESPACE,
            "mode": "standalone",
            "policy": str(self.directory / "policy.d"),
            "cgroupRoot": f"/{host.system.name}/{host.name}",
            "host": {"enabled": True, "tags": ["app=host"]},
            "processingUnits": [
                {"name": unit.replace("/", "-"), "cgroup": f"/{unit}", "tags": tags}
                for unit, tags in units.items()],
            "discovery": {"systemd": False, "containers": False, "kubernetes": False},
            "identity": {"enforcerId": number, "key": str(self.directory / "enforcer.key")},
            "peers": str(self.directory / "peers.d"),
            "flowReportInterval": "1s",
            "metrics": METRICS,
            "log": {"level": "debug", "format": "text"},
            **more,
        }
        for unit in units:
            host.cgroup_of(unit)
        self.text = None
        self.write_config()
        self.write_policy(policy())

    # ---- files ----

    @property
    def config_file(self):
        return self.directory / "enforcer.yaml"

    def write_config(self, **changes):
        self.config.update(changes)
        self.config_file.write_text(json.dumps(self.config, indent=1), encoding="utf-8")

    def write_policy(self, text, name="policy.yaml"):
        """Complete or not at all, as a good administrator's tool does it."""
        self._replace(self.directory / "policy.d" / name, text)
        if name == "policy.yaml":
            self.text = text

    def write_peer(self, number, description):
        self._replace(self.directory / "peers.d" / f"{number}.yaml", description)

    def remove_peer(self, number):
        (self.directory / "peers.d" / f"{number}.yaml").unlink(missing_ok=True)

    def _replace(self, path, text):
        temporary = self.directory / f".{path.name}.new"
        temporary.write_text(text, encoding="utf-8")
        os.rename(temporary, path)

    # ---- life ----

    def describe(self):
        return self.host.exec(self.binary, "describe", "--config", self.config_file).stdout

    def command(self, *words):
        return [self.binary, "run", "--config", self.config_file,
                "--state", self.directory / "state", "--socket", self.socket, *words]

    def start(self, wait=True, seconds=10.0):
        path = self.directory / "notify.sock"
        path.unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(path))
        began = time.monotonic()
        words = [f"{name}={value}" for name, value in self.environment.items()]
        self.process = Process(self.host.within(self.unit, "env", f"NOTIFY_SOCKET={path}", *words,
                                                *self.command()), self.host.system)
        if wait:
            self._await_ready(notify, seconds)
        notify.close()
        return time.monotonic() - began

    def _await_ready(self, notify, seconds):
        notify.settimeout(0.1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except socket.timeout:
                pass
            if not self.process.running:
                break
        log = "\n".join(self.process.lines[-40:])
        raise AssertionError(f"{self.host.name}: Enforcer did not get ready:\n{log}")

    def stop(self):
        """SIGTERM: the daemon ends, enforcement goes on."""
        self.process.signal(signal.SIGTERM)
        result = self.process.wait(10)
        self.process = None
        assert result.code == 0, f"{self.host.name}: exit {result.code}:\n{result.stderr[-4000:]}"

    def kill(self):
        self.process.kill()
        self.process = None

    def log(self):
        return "\n".join(self.process.lines)

    # ---- local commands ----

    def bulkhead(self, *words, check=True, unit=None, uid=None):
        return self.host.exec(self.cli, *words, "--socket", self.socket, check=check, unit=unit,
                              uid=uid)

    def json(self, *words):
        return json.loads(self.bulkhead("enforcer", *words, "-o", "json").stdout)

    def status(self):
        answer = self.json("status")
        return answer[0] if isinstance(answer, list) else answer

    def counters(self):
        return {item["name"]: item["value"] for item in self.json("counters")}

    def flows(self, port=None, **wanted):
        """Flow reports, newest last, that agree with the wanted fields."""
        found = self.json("flows")
        if port is not None:
            found = [flow for flow in found if flow["destination"].get("port") == port]
        return [flow for flow in found
                if all(flow.get(key) == value for key, value in wanted.items())]

    def wait_flow(self, port=None, seconds=sys_.WAIT_SECONDS, **wanted):
        return sys_.wait_for(lambda: self.flows(port, **wanted), seconds, 0.05,
                             f"{self.host.name}: flow {port} {wanted}; "
                             f"there are {self.flows(port)}")[-1]

    def apply(self, text, seconds=sys_.WAIT_SECONDS):
        """Write the policy and wait until the kernel has it."""
        if text == self.text:
            return
        before = self.status()["policyRevision"]
        self.write_policy(text)
        sys_.wait_for(lambda: self.status()["policyRevision"] != before, seconds, 0.02,
                      f"{self.host.name}: new policy; warnings {self.status().get('warnings')}")

    @contextlib.contextmanager
    def configured(self, **changes):
        """Another configuration for a while: stopped, changed, started; then the same back."""
        before = {key: self.config.get(key) for key in changes}
        try:
            self.restart(**changes)
            yield self
        finally:
            self.restart(**before)

    def restart(self, **changes):
        if self.process:
            self.stop()
        self.config.update(changes)
        self.config = {key: value for key, value in self.config.items() if value is not None}
        self.write_config()
        self.start()

    def detach(self):
        """With the daemon stopped: nothing is enforced any more."""
        self.host.exec(self.binary, "detach", "--config", self.config_file,
                       "--state", self.directory / "state")

    def programs(self):
        return {item["hook"]: item["attached"] for item in self.status()["programs"]}


def pins():
    return sorted(str(path) for path in pathlib.Path("/sys/fs/bpf").rglob("*") if path.is_file())
