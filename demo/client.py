# SPDX-License-Identifier: Apache-2.0
"""One request to a real server, as an application would make it; the outcome as one JSON line.

    client.py redis|http ADDRESS PORT [hold]

With `hold` the connection stays after the first answer until it dies or twenty seconds have passed.
"""

import errno
import json
import socket
import sys
import time

TIMEOUT_SECONDS = 1.5  # past the first retransmission of a SYN
HOLD_SECONDS = 20.0
REQUESTS = {
    "redis": (b"PING\r\n", b"+PONG"),
    "http": (b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n", b"HTTP/1.1 200"),
}


def tell(event, started, error=None):
    name = errno.errorcode.get(error.errno, "timeout") if error else None
    print(json.dumps({"event": event, "errno": name,
                      "ms": round((time.monotonic() - started) * 1000, 1)}), flush=True)


def main():
    kind, address, port = sys.argv[1:4]
    request, wanted = REQUESTS[kind]
    started = time.monotonic()
    try:
        connection = socket.create_connection((address, int(port)), TIMEOUT_SECONDS)
        connection.sendall(request)
        answer = connection.recv(4096)
    except OSError as error:
        tell("error", started, error)
        return 1
    if not answer.startswith(wanted):
        tell("error", started, OSError(errno.EBADMSG, "answer"))
        return 1
    tell("answered", started)
    if sys.argv[4:] == ["hold"]:
        return hold(connection, started)
    return 0


def hold(connection, started):
    connection.settimeout(HOLD_SECONDS)
    try:
        connection.recv(1)
        tell("closed", started)
    except OSError as error:
        tell("dead", started, error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
