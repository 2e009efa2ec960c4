# SPDX-License-Identifier: Apache-2.0
"""The demo's Console in a network namespace of its own, and Enforcers that live from it."""

import json
import os

from estate import Enforcer, wait_for
from estate import system as sys_
from estate.tool import Process

PORT = 8443
READY_SECONDS = 20.0
CONNECT_SECONDS = 20.0


class Console:
    """Stopped and started again it is the same: data and address stay. Used by its own commands."""

    def __init__(self, host):
        self.host = host
        self.url = f"https://{host.addresses[4]}:{PORT}"
        self.directory = host.system.directory / "console"
        self.directory.mkdir(mode=0o700)
        self.data = self.directory / "data"
        self.process = None
        self.home = {"HOME": str(self.directory), "PATH": os.environ.get("PATH", "/usr/bin:/bin")}

    def start(self):
        self.process = Process(
            self.host.within(None, sys_.BUILD / "bulkhead-console", "serve", "--data", self.data,
                             "--listen", f"[::]:{PORT}", "--public-url", self.url),
            self.host.system)
        wait_for(lambda: "console.ready" in self.log() or not self.process.running, READY_SECONDS,
                 what="the Console is ready")
        if not self.process.running:
            raise RuntimeError(f"the Console did not start:\n{self.log()}")

    def log(self):
        return "\n".join(self.process.lines)

    def kill(self):
        self.process.kill()

    # ---- what an administrator does ----

    def bulkhead(self, *words):
        environment = [f"{name}={value}" for name, value in self.home.items()]
        return self.host.exec("env", "-i", *environment, sys_.BUILD / "bulkhead", *words).stdout

    def configure(self):
        self.bulkhead("configure", "--creds", self.data / "administrator.json")

    def put_in_place(self, path):
        self.bulkhead("api", "import", "-f", path, "-n", "/", "-o", "none")

    def registration(self, namespace):
        """A file with a token that can register Enforcers there, and do nothing else."""
        path = self.directory / "registration.json"
        self.bulkhead("enforcer", "register", "-n", namespace, "--output-file", path)
        return path

    def enforcers(self, namespace):
        return json.loads(self.bulkhead("api", "list", "enforcers", "-n", namespace, "-o", "json"))

    def revoke(self, name, namespace):
        self.bulkhead("api", "delete", "enforcer", name, "-n", namespace, "-o", "none")


class ConsoleEnforcer(Enforcer):
    """Registers itself, is named after its host, and has a cgroup to itself as under systemd."""

    def __init__(self, host, units, console, registration):
        super().__init__(host, 0, units, mode="console", console=console.url, cloud="off",
                         credentials=str(registration))
        for key in ("policy", "identity", "peers"):
            del self.config[key]
        self.write_config()
        self.unit = "bulkhead-enforcer.service"
        self.environment["BULKHEAD_MACHINE_ID"] = f"{host.system.name}-{host.name}"

    @property
    def name(self):
        """Of the host, and of its object at the Console."""
        return f"{self.host.name}.shop.example"

    def command(self, *words):
        return ["unshare", "--uts", "--", "sh", "-c", 'hostname "$0" && exec "$@"', self.name,
                *super().command(*words)]

    @property
    def console(self):
        return self.status()["console"]

    def await_connected(self, seconds=CONNECT_SECONDS):
        wait_for(lambda: self.console["state"] == "connected", seconds, 0.02,
                 f"{self.name} is connected to the Console")

    def await_revision(self, after, seconds=5.0):
        wait_for(lambda: self.console["revision"] > after, seconds, 0.01,
                 f"{self.name} has news from the Console")

    def await_keys(self, after, seconds=CONNECT_SECONDS):
        """A daemon that was started anew has new keys, and uses them when others have heard."""
        wait_for(lambda: self.console["keyEpoch"] > after, seconds, 0.02,
                 f"{self.name} uses its new keys")
