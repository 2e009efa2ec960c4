# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that knows CONNECT and Basic authentication, in a host's network namespace."""
import pathlib
import sys

from estate import wait_for
from estate.tool import Process

PROGRAM = """
import base64, select, socket, sys, threading
user, path = sys.argv[1], sys.argv[2]
expected = "Basic " + base64.b64encode(user.encode()).decode()

def pump(one, two):
    ends = [one, two]
    while True:
        for end in select.select(ends, [], [])[0]:
            data = end.recv(65536)
            if not data:
                one.close()
                two.close()
                return
            (two if end is one else one).sendall(data)

def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        data = client.recv(4096)
        if not data:
            return
        head += data
    text = head.decode()
    with open(path, "a") as log:
        log.write(text.splitlines()[0] + "\\n")
    if expected not in text:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\\r\\nContent-Length: 0\\r\\n\\r\\n")
        client.close()
        return
    host, _, port = text.split()[1].rpartition(":")
    upstream = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    try:
        pump(client, upstream)
    except OSError:
        pass

listener = socket.create_server(("0.0.0.0", 3128))
open(path, "a").close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Proxy:
    port = 3128

    def __init__(self, host, user):
        self.host = host
        self.path = pathlib.Path(host.system.directory) / "proxy.log"
        self.path.unlink(missing_ok=True)
        self.process = Process(host.within(None, sys.executable, "-c", PROGRAM, user, self.path), host.system)

    def __enter__(self):
        wait_for(self.path.exists, what="proxy is ready")
        return self

    def __exit__(self, *_):
        self.process.kill()

    def seen(self):
        return self.path.read_text(encoding="utf-8")
