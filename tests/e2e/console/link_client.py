# SPDX-License-Identifier: Apache-2.0
"""An Enforcer that says exactly what a test wants: registration, TLS, WebSocket, messages of link.h."""
import base64
import os
import socket
import ssl
import struct
import tempfile
import time

import msgpack

from auth_client import key_pem, new_key, request_pem

HELLO, WELCOME, INVENTORY_ASK, INVENTORY, DELTA, ACK, UNITS, KEYS, FETCH, HEARTBEAT, REFRESH, RENEW, CERTIFICATE, BYE = \
    range(1, 15)
GOING_AWAY, REVOKED, REPLACED, CLOCK, VERSION, PROTOCOL, OVERLOAD, REFUSED = range(1, 9)
PROTOCOL_NAME = "bulkhead-link-1"


class Refused(Exception):
    """Not 101: status and what it says."""

    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status, self.text = status, text


class Registered:
    """An Enforcer's object, key and certificate."""

    def __init__(self, client, name, namespace):
        self.console, key = client.console, new_key()
        answer = client.post("/enforcers", {"name": name, "FQDN": f"{name}.example.com",
                                            "certificateRequest": request_pem(key, name)}, namespace=namespace)
        assert answer.status == 200, answer
        self.id, self.certificate, self.key = answer.body["ID"], answer.body["certificate"], key_pem(key)

    def context(self, certificate=None, key=None):
        context = ssl.create_default_context(cafile=os.path.join(self.console.data, "ca.crt"))
        context.check_hostname = False
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write((certificate or self.certificate) + "\n" + (key or self.key))
            pem.flush()
            context.load_cert_chain(pem.name)
        return context

    def connect(self, **more):
        return Link(self, **more)


class Link:
    def __init__(self, registered, protocols=PROTOCOL_NAME, context=None, timeout=10):
        raw = socket.create_connection(("127.0.0.1", registered.console.port), timeout=timeout)
        self.socket = (context or registered.context()).wrap_socket(raw)
        self.buffer = bytearray()
        self.held = {}
        offered = f"Sec-WebSocket-Protocol: {protocols}\r\n" if protocols else ""
        self.socket.sendall((f"GET /link HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}\r\n"
                             f"{offered}\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        status = int(head.split()[1])
        if status != 101:
            text = bytes(self.buffer)
            try:
                while data := self.socket.recv(65536):
                    text += data
            except OSError:
                pass
            raise Refused(status, text.decode(errors="replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def _take(self, n):
        while len(self.buffer) < n:
            self._fill()
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def send_frame(self, opcode, data, final=True):
        n = len(data)
        length = struct.pack("!B", 0x80 | n) if n < 126 else struct.pack("!BH", 0xfe, n) if n < 65536 \
            else struct.pack("!BQ", 0xff, n)
        self.socket.sendall(bytes([(0x80 if final else 0) | opcode]) + length + b"\0\0\0\0" + data)

    def send(self, kind, **fields):
        self.send_frame(2, msgpack.packb([kind, fields], use_bin_type=True))

    def receive(self):
        """(kind, fields); EOFError when the connection ends."""
        while True:
            first, second = self._take(2)
            n = second & 0x7f
            n = n if n < 126 else struct.unpack("!H", self._take(2))[0] if n == 126 else struct.unpack("!Q", self._take(8))[0]
            data = self._take(n)
            if first & 0xf == 8:
                raise EOFError(data[2:].decode(errors="replace"))
            if first & 0xf == 9:
                self.send_frame(10, data)
            elif first & 0xf == 2:
                return tuple(msgpack.unpackb(data, raw=False, strict_map_key=False))

    def wait_for(self, *kinds):
        while True:
            kind, fields = self.receive()
            if kind in kinds:
                return kind, fields

    def hello(self, machine="machine", clock_s=0, digest=b"\0" * 16, **more):
        fields = {"version": "0.1.0", "machineId": machine, "bootId": "boot", "hostName": "host.example.com",
                  "time": int((time.time() + clock_s) * 1000), "keys": [[1, b"k" * 32]], "addresses": ["10.9.9.9"],
                  "revision": 0, "digest": digest}
        fields.update(more)
        self.send(HELLO, **fields)

    def snapshot(self, **more):
        """Hello, and everything that follows, as an Enforcer without anything."""
        self.hello(**more)
        kind, fields = self.receive()
        assert kind == WELCOME, (kind, fields)
        if not fields["inStep"]:
            self.wait_for(INVENTORY_ASK)
            self.send(INVENTORY, entries=[[key, version] for key, (version, _) in self.held.items()])
            self.delta()
        return fields

    def delta(self):
        """Applied and acknowledged."""
        while True:
            _, fields = self.wait_for(DELTA)
            if fields["reset"]:
                self.held.clear()
            for key, version, body in fields["entries"]:
                if body is None:
                    self.held.pop(key, None)
                else:
                    self.held[key] = (version, body)
            if fields["last"]:
                self.send(ACK, revision=fields["revision"], error=None)
                return fields

    def units(self, *tags_of_each, all_of_them=True):
        self.send(UNITS, all=all_of_them, removed=[], units=[
            [f"unit-{i}", f"unit {i}", "LinuxService", f"native-{i}", list(tags), ["@sys:os=linux"]]
            for i, tags in enumerate(tags_of_each)])

    def bye(self):
        return self.wait_for(BYE)[1]
