# SPDX-License-Identifier: Apache-2.0
"""The HTTP shell of the Console in a program of its own (tests/tools/http-server), certificates for
it, and a client that sends exactly the bytes it is told to."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", REPOSITORY / "build")).resolve()
SERVER = BUILD / "tests" / "tools" / "http-server"
TIMEOUT_S = 10


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Keys:
    """A CA, a server certificate, a client certificate; one of a stranger, one that is too old."""

    def __init__(self, directory):
        self.directory = directory
        self.ca("ca")
        self.ca("stranger")
        self.issue("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.issue("renewed", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.issue("client", "ca", "extendedKeyUsage=clientAuth")
        self.issue("foreign", "stranger", "extendedKeyUsage=clientAuth")
        self.issue("wrong-use", "ca", "extendedKeyUsage=serverAuth")

    def path(self, name):
        return self.directory / name

    def ca(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.pem"))

    def issue(self, name, ca, extension):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.csr"))
        self.path(f"{name}.ext").write_text(extension)
        openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path(f"{ca}.pem"), "-CAkey",
                self.path(f"{ca}.key"), "-CAcreateserial", "-days", "2", "-extfile", self.path(f"{name}.ext"),
                "-out", self.path(f"{name}.pem"))

    def context(self, client=None):
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if client:
            context.load_cert_chain(self.path(f"{client}.pem"), self.path(f"{client}.key"))
        return context


class Server:
    def __init__(self, keys):
        self.keys = keys
        for suffix in ("pem", "key"):
            self.use("server", suffix)
        self.process = subprocess.Popen(
            [SERVER, "127.0.0.1:0", keys.path("present.pem"), keys.path("present.key"), keys.path("ca.pem")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def use(self, name, suffix):
        self.keys.path(f"present.{suffix}").write_bytes(self.keys.path(f"{name}.{suffix}").read_bytes())

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def stop(self):
        """Ends it and returns what it wrote to standard error: nothing, unless a sanitizer found something."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    def counters(self):
        with Client(self) as client:
            return client.get("/counters").json()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The product's list of errors."""
        (one,) = self.json()
        assert one["code"] == self.status and one["title"] and one["description"]
        return one["description"]


class Client:
    """A TLS connection; bytes go out as they are."""

    def __init__(self, server, certificate=None, context=None):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S)
        self.socket = (context or server.keys.context(certificate)).wrap_socket(raw, server_hostname="localhost")
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(p.encode() if isinstance(p, str) else p for p in parts))

    def fill(self):
        """More bytes, or False at the end."""
        try:
            data = self.socket.recv(65536)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError):
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, n):
        while len(self.buffer) < n:
            if not self.fill():
                raise EOFError(bytes(self.buffer[:200]))
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def answer(self, bodyless=False):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(bytes(self.buffer[:200]))
        head = self.take(self.buffer.index(b"\r\n\r\n") + 4)[:-4]
        first, *lines = head.decode().split("\r\n")
        headers = {}
        for line in lines:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers
            headers[name.lower()] = value
        status = int(first.split()[1])
        length = 0 if bodyless or status < 200 or status == 204 else int(headers.get("content-length", 0))
        return Answer(status, headers, self.take(length))

    def get(self, path, *headers):
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n", *(f"{h}\r\n" for h in headers), "\r\n")
        return self.answer()

    def ask(self, *parts):
        self.send(*parts)
        return self.answer()

    def is_closed(self, within_s=TIMEOUT_S):
        self.socket.settimeout(within_s)
        try:
            while self.fill():
                pass
        except TimeoutError:
            return False
        return True


def frame(opcode, payload=b"", fin=True, mask=b"\1\2\3\4", reserved=0, length=None):
    """A WebSocket frame as a client makes it, or not."""
    n = len(payload) if length is None else length
    first = (0x80 if fin else 0) | reserved | opcode
    masked = 0x80 if mask else 0
    if n < 126:
        head = struct.pack(">BB", first, masked | n)
    elif n < 65536:
        head = struct.pack(">BBH", first, masked | 126, n)
    else:
        head = struct.pack(">BBQ", first, masked | 127, n)
    if mask:
        payload = bytes(c ^ mask[i % 4] for i, c in enumerate(payload))
    return head + (mask or b"") + payload


class Socket(Client):
    """A WebSocket; frames go out as they are."""

    def __init__(self, server, path="/socket", certificate=None, headers=()):
        super().__init__(server, certificate)
        self.hello = self.get(path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                              "Sec-WebSocket-Key: " + base64.b64encode(b"sixteen bytes..!").decode(), *headers)

    def frame(self):
        """(opcode, payload) of the next frame."""
        first, second = self.take(2)
        assert first & 0x80 and not first & 0x70 and not second & 0x80
        n = second
        if n == 126:
            (n,) = struct.unpack(">H", self.take(2))
        elif n == 127:
            (n,) = struct.unpack(">Q", self.take(8))
        return first & 0x0f, self.take(n)

    def close_code(self):
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                return struct.unpack(">H", payload[:2])[0], payload[2:].decode()


def until(condition, within_s=TIMEOUT_S):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
