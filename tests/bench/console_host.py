# SPDX-License-Identifier: Apache-2.0
"""A Console and what it needs, on this machine, in a temporary directory; also for tests of faults."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

POSTGRES = "/usr/lib/postgresql/15/bin"
START_S = 120


class HostError(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Postgres:
    """A cluster of its own that listens on a UNIX socket in its directory, run by user postgres."""

    def __init__(self, directory):
        self.directory = directory
        self.data = os.path.join(directory, "data")
        os.makedirs(directory, exist_ok=True)
        shutil.chown(directory, "postgres", "postgres")
        self._run("initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "--no-instructions")
        self.start()
        self._run("createdb", "-h", directory, "bulkhead")

    def _run(self, program, *arguments):
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                   os.path.join(POSTGRES, program), *arguments]
        result = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL)
        if result.returncode:
            raise HostError(f"{program}: {result.stderr.strip() or result.stdout.strip()}")

    @property
    def uri(self):
        return f"postgresql:///bulkhead?host={self.directory}&user=postgres"

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory}"
        with open(os.path.join(self.directory, "log"), "a", encoding="utf-8") as log:
            os.chmod(log.name, 0o666)
        self._run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.directory, "log"), "-o", options, "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def close(self):
        try:
            self.stop("immediate")
        except HostError:
            pass


class Console:
    """`prefix` goes before the command, for example to run it in a namespace."""

    def __init__(self, build, directory, database=None, prefix=(), environment=None):
        self.program = os.path.join(build, "bulkhead-console")
        self.data = directory
        self.database = database
        self.prefix = list(prefix)
        self.environment = environment
        self.port = free_port()
        self.log = directory.rstrip("/") + ".log"
        self.process = None
        self.told = None

    @property
    def ca(self):
        return os.path.join(self.data, "ca.crt")

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self, wait=True):
        command = self.prefix + [self.program, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
        if self.database:
            command += ["--database", self.database]
        notify = self.data.rstrip("/") + ".notify"
        if os.path.exists(notify):
            os.unlink(notify)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(notify)
        started = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={
                **os.environ, "NOTIFY_SOCKET": notify, **(self.environment or {})})
        if wait:
            self.wait_ready()
        return time.monotonic() - started

    def wait_ready(self):
        self.told.settimeout(0.1)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if b"READY=1" in self.told.recv(4096):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    raise HostError(f"bulkhead-console ended with {self.process.returncode}: "
                                    f"{self.last_words()}") from None
        raise HostError(f"bulkhead-console is not ready: {self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        if self.told:
            self.told.close()
        return self.process.returncode if self.process else None


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    def json(self):
        return json.loads(self.body) if self.body else None


class Client:
    """Requests with a token that the administrator's credential got."""

    def __init__(self, console, credential=None):
        self.console = console
        self.credential = credential or os.path.join(console.data, "administrator.json")
        self.token = None
        self.plain = ssl.create_default_context(cafile=console.ca)
        self.plain.check_hostname = False

    def _own_context(self):
        with open(self.credential, encoding="utf-8") as file:
            credential = json.load(file)
        context = ssl.create_default_context(cafile=self.console.ca)
        context.check_hostname = False
        pair = os.path.join(self.console.data, "bench-client.pem")
        with open(os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(base64.b64decode(credential["certificate"]) + b"\n" +
                       base64.b64decode(credential["certificateKey"]))
        context.load_cert_chain(pair)
        os.unlink(pair)
        return context

    def issue(self, validity="24h"):
        answer = self.request("POST", "/issue", {"realm": "Certificate", "validity": validity},
                              context=self._own_context())
        if answer.status != 200:
            raise HostError(f"/issue: {answer.status} {answer.body[:500]}")
        self.token = answer.json()["token"]
        return self.token

    def request(self, method, path, body=None, namespace="/", context=None, timeout=30):
        headers = {"X-Namespace": namespace, "Content-Type": "application/json"}
        if self.token and not context:
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.console.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, context=context or self.plain, timeout=timeout) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)

    def create(self, path, body, namespace="/"):
        answer = self.request("POST", path, body, namespace)
        if answer.status not in (200, 201):
            raise HostError(f"POST {path}: {answer.status} {answer.body[:500]}")
        return answer.json()


class Load:
    """The load generator; one command at a time."""

    def __init__(self, build, directory, console, token, **settings):
        os.makedirs(directory, exist_ok=True)
        program = os.path.join(build, "tests", "bench", "console_load")
        self.process = subprocess.Popen([program, directory, console.ca, str(console.port)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.do("set", token=token, **settings)

    def send(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise HostError(f"console_load ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise HostError(f"console_load: {answer}")
        return answer

    def do(self, what, **more):
        self.send(what, **more)
        return self.receive()

    def http(self, **more):
        if isinstance(more.get("body"), dict):
            more["body"] = json.dumps(more["body"])
        return self.do("http", **more)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
