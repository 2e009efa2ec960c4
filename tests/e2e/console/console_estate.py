# SPDX-License-Identifier: Apache-2.0
"""Hosts whose Enforcers live from a Console: it runs in the router's network namespace."""
import base64
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import threading

import auth_client
from estate import Enforcer, Estate, wait_for
from estate import system as sys_
from estate.tool import Process

PORT = 8443
CLONE_NEWNET = 0x40000000


def within(netns_file, function):
    """function() in a thread that is in another network namespace."""
    answer = []

    def body():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(netns_file, encoding="utf-8") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        answer.append(function())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return answer[0]


class Connection(http.client.HTTPSConnection):
    def __init__(self, console, context):
        super().__init__(console.address, PORT, context=context, timeout=30)
        self._create_connection = lambda *words, **more: within(
            console.host.netns_file, lambda: socket.create_connection(*words, **more))


class Client(auth_client.Client):
    def ask(self, method, path, body=None, namespace=None, headers=None):
        headers = {"Authorization": f"Bearer {self.token}" if self.token else "", "X-Namespace": namespace or "/",
                   "Content-Type": "application/json", **(headers or {})}
        if not self.token:
            del headers["Authorization"]
        for attempt in (1, 2):
            try:
                if not self.connection:
                    self.connection = Connection(self.console, self.context)
                self.connection.request(method, path, None if body is None else json.dumps(body), headers)
                return auth_client.Answer(self.connection.getresponse())
            except (http.client.HTTPException, OSError):
                self.connection = None  # the Console was stopped, or the connection idle for too long
                if attempt == 2:
                    raise


class Console:
    """Stopped and started again it is the same: data and address stay."""

    def __init__(self, host, directory, environment=None):
        self.host, self.address = host, host.addresses[4]
        self.directory = str(directory)
        self.data = os.path.join(self.directory, "console")
        self.environment = environment or {}
        self.listen = f"0.0.0.0:{PORT}"
        self.public_url = self.url
        self.process = None
        self.start()
        credential = wait_for(self._credential, 10, what="credential of the administrator")
        pair = [base64.b64decode(credential[name]).decode()
                for name in ("certificate", "certificateKey")]
        self.admin = Client(self, certificate=pair)
        answer = wait_for(lambda: self.admin.issue(validity="24h"))
        assert answer.status == 200, answer
        self.admin.token = answer.body["token"]

    @property
    def url(self):
        return f"https://{self.address}:{PORT}"

    def restart(self, **changes):
        self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        self.start()

    def start(self):
        words = [f"{name}={value}" for name, value in self.environment.items()]
        self.process = Process(
            self.host.within(None, "env", *words, sys_.BUILD / "bulkhead-console", "serve", "--data", self.data,
                             "--listen", self.listen, "--public-url", self.public_url, "--log", "debug"),
            self.host.system)
        wait_for(lambda: re.search(r"console\.ready", self.log()) or not self.process.running, 20,
                 what="Console is ready")
        assert self.process.running, self.log()

    def log(self):
        return "\n".join(self.process.lines)

    def _credential(self):
        for path in pathlib.Path(self.data).glob("*"):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue
            if isinstance(found, dict) and found.get("certificateKey"):
                return found
        return None

    def stop(self):
        self.process.signal(signal.SIGTERM)
        result = self.process.wait(20)
        assert result.code == 0, result.stderr[-4000:]

    def kill(self):
        self.process.kill()

    # ---- objects ----

    def must(self, answer):
        assert answer.status in (200, 201, 204), answer
        return answer.body

    def create(self, plural, body, namespace="/shop"):
        return self.must(self.admin.post(f"/{plural}", body, namespace=namespace))

    def update(self, plural, ident, body, namespace="/shop"):
        return self.must(self.admin.ask("PATCH", f"/{plural}/{ident}", body, namespace=namespace))

    def delete(self, plural, ident, namespace="/shop"):
        return self.must(self.admin.ask("DELETE", f"/{plural}/{ident}", namespace=namespace))

    def list(self, plural, namespace="/shop"):
        return self.must(self.admin.get(f"/{plural}", namespace=namespace)) or []

    def get(self, plural, ident, namespace="/shop"):
        return self.must(self.admin.get(f"/{plural}/{ident}", namespace=namespace))

    def credential(self, path, name="installer", namespace="/shop", roles=("@auth:role=enforcer-installer",)):
        """An app credential as a file, as people get it."""
        key = auth_client.new_key()
        body = self.create("appcredentials", {"name": name, "roles": list(roles),
                                              "CSR": auth_client.request_pem(key)}, namespace)
        given = dict(body["credentials"])
        given["certificateKey"] = base64.b64encode(auth_client.key_pem(key).encode()).decode()
        pathlib.Path(path).write_text(json.dumps(given), encoding="utf-8")
        return body

    def token(self, namespace="/shop", **more):
        answer = self.admin.issue(validity="30m", **more)
        return self.must(answer)["token"]


UNITS = {
    "a": {"web": ["app=web"], "other": ["app=other"]},
    "b": {"db": ["app=db"], "svc": ["app=svc"]},
}


class ConsoleEnforcer(Enforcer):
    """With a host name of its own: that is what it registers as; and with an /etc/hosts of its own if need be."""

    names = None  # text of /etc/hosts
    boot_id = None  # file in the place of the kernel's

    def command(self, *words):
        mount = ""
        if self.names is not None:
            path = self.directory / "hosts"
            path.write_text(self.names, encoding="utf-8")
            mount = f"mount --bind {path} /etc/hosts; "
        if self.boot_id:
            mount += f"mount --bind {self.boot_id} /proc/sys/kernel/random/boot_id; "
        return ["unshare", "--uts", "--mount", "sh", "-c", f'hostname "$0"; {mount}exec "$@"', f"{self.host.name}.test",
                *super().command(*words)]


class ConsoleEstate(Estate):
    """Two Enforcers of one Console."""

    def __init__(self, system, label="k"):
        super().__init__(system, label, enforcers=False)
        self.directory = system.directory / f"{label}-console"
        self.directory.mkdir()
        self.console = Console(self.r1, self.directory)
        self.console.create("namespaces", {"name": "shop", "defaultPUIncomingTrafficAction": "Reject",
                                           "defaultPUOutgoingTrafficAction": "Reject"}, "/")
        self.credentials = self.directory / "installer.json"
        self.console.credential(self.credentials)
        self.enforcers = {name: self.enforcer_of(name, UNITS[name]) for name in UNITS}

    def enforcer_of(self, name, units, **more):
        enforcer = ConsoleEnforcer(self.hosts[name], 0, units, mode="console", console=self.console.url,
                            credentials=str(self.credentials), cloud="off", **more)
        for key in ("policy", "identity", "peers"):
            enforcer.config.pop(key, None)
        enforcer.write_config()
        enforcer.unit = "bulkhead-enforcer.service"  # alone in there: its own connection is exempt
        enforcer.environment["BULKHEAD_MACHINE_ID"] = f"machine-{name}"
        return enforcer

    @property
    def daemons(self):
        return [*super().daemons, self.console.process]

    def start(self):
        for enforcer in self.enforcers.values():
            enforcer.start()
            self.await_connected(enforcer)

    def await_connected(self, enforcer, seconds=15):
        wait_for(lambda: enforcer.status()["console"]["state"] == "connected", seconds, 0.05,
                 lambda: f"{enforcer.host.name} is connected; {enforcer.status()} {enforcer.log()[-3000:]}")

    def ensure(self):
        if not self.console.process.running:
            self.console.start()
        super().ensure()
        for enforcer in self.enforcers.values():
            self.await_connected(enforcer, 90)

    def await_peers(self):
        pass

    def settle(self, seconds=10):
        """Until every Enforcer has what the Console last said."""
        def settled():
            for enforcer in self.console.list("enforcers"):
                pass
            revisions = {e.status()["console"]["revision"] for e in self.enforcers.values()}
            return len(revisions) == 1
        return wait_for(settled, seconds)

    def close(self):
        super().close()
        if self.console.process.running:
            self.console.stop()
