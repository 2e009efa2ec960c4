# SPDX-License-Identifier: Apache-2.0
"""The Console's HTTP shell and clients that are slow, stuck, half gone or malicious."""
import asyncio
import hashlib
import base64
import signal
import socket
import ssl
import subprocess
import time

import pytest
import websockets

from http_shell import SERVER, Client, Keys, Server, Socket, frame, until

MIB = 1 << 20
HOST = "Host: localhost\r\n"

pytestmark = pytest.mark.skipif(not SERVER.exists(), reason=f"{SERVER} is not built")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def running(keys):
    server = Server(keys)
    yield server
    status, errors = server.stop()
    assert (status, errors) == (0, "")


@pytest.fixture
def server(running):
    """Whatever a test did: others are served, and nothing of it is left."""
    yield running
    with Client(running) as client:
        assert client.get("/hello").body == b"hello"
    assert until(lambda: running.counters()["bodies_bytes_now"] == 0)
    assert until(lambda: running.counters()["sockets_now"] == 0)


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


# ---- Requests ----------------------------------------------------------------------------------


def test_request_as_handlers_see_it(client):
    told = client.get("/a%20b%2Fc?q=name%20%3D%3D%20x&q=1+2&flag", "X-Namespace: /a/b", "X-Fields: ID",
                      "x-fields: name,namespace", "Idempotency-Key: k", "X-External-Tracking-ID: t",
                      "Authorization: Bearer abc", "Accept: a/b", "Accept: c/d", "Cookie: a=1", "Cookie: b=2",
                      "Origin: https://localhost", "Content-Type: application/json")
    assert told.status == 404
    told = client.get("/request?q=name%20%3D%3D%20x&q=1+2&flag", "X-Namespace: /a/b", "X-Fields: ID",
                      "x-fields: name,namespace", "Idempotency-Key: k", "X-External-Tracking-ID: t",
                      "Authorization: Bearer abc", "Accept: a/b", "Accept: c/d", "Cookie: a=1", "Cookie: b=2",
                      "Origin: https://localhost", "Content-Type: application/json").json()
    assert told["query"] == [["q", "name == x"], ["q", "1 2"], ["flag", ""]]
    assert told["fields"] == ["ID", "name,namespace"]
    assert told["accept"] == "a/b, c/d"
    assert told["cookie"] == "a=1; b=2"
    assert (told["namespace"], told["idempotencyKey"], told["trackingID"]) == ("/a/b", "k", "t")
    assert (told["authorization"], told["contentType"]) == ("Bearer abc", "application/json")
    assert (told["host"], told["origin"], told["client"]) == ("localhost", "https://localhost", "127.0.0.1")
    assert not told["certificate"] and told["problem"] == ""


def test_header_of_answer_cannot_be_injected(client):
    answer = client.get("/request")
    assert "x-injected" not in answer.headers and "X-Injected" in answer.headers["x-messages"]


def test_keep_alive_and_pipelining(client):
    one = "GET /hello HTTP/1.1\r\n" + HOST + "\r\n"
    post = "POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 3\r\n\r\nabc"
    client.send((one + post) * 100, "\r\n", one)
    bodies = [client.answer().body for _ in range(201)]
    assert bodies == [b"hello", b"abc"] * 100 + [b"hello"]


def test_byte_by_byte(client):
    for byte in "POST /echo HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n":
        client.send(byte)
    assert client.answer().body == b"abc"


def test_close_is_honoured(client):
    answer = client.get("/hello", "Connection: close")
    assert answer.headers["connection"] == "close" and client.is_closed()


def test_http_1_0(client):
    assert client.ask("GET /hello HTTP/1.0\r\n\r\n").body == b"hello"
    assert client.is_closed()


def test_head_options_nothing(client):
    client.send("HEAD /hello HTTP/1.1\r\n", HOST, "\r\n")
    answer = client.answer(bodyless=True)
    assert answer.status == 200 and answer.headers["content-length"] == "5"
    assert client.ask("OPTIONS * HTTP/1.1\r\n", HOST, "\r\n").headers["allow"].startswith("GET")
    answer = client.get("/nothing")
    assert answer.status == 204 and "content-length" not in answer.headers
    assert client.get("/hello").body == b"hello"


def test_expect_continue(client):
    start = "POST /echo HTTP/1.1\r\n" + HOST + "Expect: 100-continue\r\n"
    assert client.ask(start, "Content-Length: 3\r\n\r\n").status == 100
    assert client.ask("abc").body == b"abc"
    assert client.ask(start, f"Content-Length: {17 * MIB}\r\n\r\n").status == 413


@pytest.mark.parametrize("head, status", [
    ("GET /hello HTTP/1.1\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET  /hello HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /hello HTTP/1.1 \r\n" + HOST + "\r\n", 400),
    ("GET /hello\r\n" + HOST + "\r\n", 400),
    ("GET /he\x7fllo HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /hé HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET hello HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /a#b HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /%zz HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /%4 HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /a%00b HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /a%0ab HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /%c0%af HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /?a=%ff HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /?a=%00 HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /?" + "a&" * 65 + " HTTP/1.1\r\n" + HOST + "\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-A : b\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-A: b\r\n folded\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "no colon\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-A: b\0c\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-A: b\rc\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-A: b\nX-B: c\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "X-Namespace: /a\r\nX-Namespace: /b\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n" + HOST + "Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 1, 1\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: +1\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: -1\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 0x1\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 99999999999999999999\r\n\r\na", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Transfer-Encoding: xchunked\r\n\r\n", 501),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", 415),
    ("POST /echo HTTP/1.1\r\n" + HOST + "Expect: magic\r\nContent-Length: 1\r\n\r\na", 417),
    ("POST /echo HTTP/1.1\r\n" + HOST + f"Content-Length: {16 * MIB + 1}\r\n\r\n", 413),
    ("TRACE / HTTP/1.1\r\n" + HOST + "\r\n", 501),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("GET /" + "a" * 17000 + " HTTP/1.1\r\n" + HOST + "\r\n", 431),
    ("GET / HTTP/1.1\r\n" + HOST + "X-A: b\r\n" * 101 + "\r\n", 431),
    ("GET / HTTP/1.1\r\n" + HOST + "X-Fields: b\r\n" * 65 + "\r\n", 431),
])
def test_wrong_heads(client, head, status):
    answer = client.ask(head, "GET /hello HTTP/1.1\r\n", HOST, "\r\n")
    assert answer.status == status and answer.error()
    assert client.is_closed() and b"hello" not in client.buffer  # nothing behind it is believed


@pytest.mark.parametrize("chunks", [
    b"5\nhello\r\n0\r\n\r\n", b"\r\n", b"g\r\n", b"-1\r\n", b"0x5\r\nhello", b"5 \r\nhello", b"5\r\nhelloX\r\n",
    b"5\r\nhello\n", b"00000000000000005\r\n", b"5;" + b"x" * 300 + b"\r\n", b"0\r\n" + b"T: x\r\n" * 1000,
])
def test_wrong_chunks(client, chunks):
    answer = client.ask("POST /echo HTTP/1.1\r\n", HOST, "Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert answer.status == 400 and client.is_closed()


def test_bodies_of_any_size(client):
    for size in (1, 16384, 16385, MIB, 16 * MIB):
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert client.ask("POST /echo HTTP/1.1\r\n", HOST, f"Content-Length: {size}\r\n\r\n", body).body == body


def test_chunk_that_claims_too_much(client):
    answer = client.ask("POST /echo HTTP/1.1\r\n", HOST, "Transfer-Encoding: chunked\r\n\r\n", "fffffffffff\r\n")
    assert answer.status == 413 and client.is_closed()


def test_chunked_body_too_large(client):
    client.send("POST /echo HTTP/1.1\r\n", HOST, "Transfer-Encoding: chunked\r\n\r\n")
    client.send(b"1000000\r\n", b"x" * (16 * MIB), b"\r\n1\r\n")
    assert client.answer().status == 413


def test_sum_of_bodies_is_bounded(server):
    clients = [Client(server) for _ in range(18)]
    refused = 0
    for client in clients:
        client.send("POST /echo HTTP/1.1\r\n", HOST, f"Content-Length: {16 * MIB}\r\n\r\n")
        try:
            client.send(b"x" * (16 * MIB - 1))
        except OSError:
            pass
        client.socket.settimeout(0.2)
        try:
            refused += client.answer().status == 503
        except TimeoutError:
            pass
    assert 1 <= refused <= 3
    assert server.counters()["bodies_bytes_now"] <= 256 * MIB
    for client in clients:
        client.socket.close()


# ---- Answers -----------------------------------------------------------------------------------


def test_answer_later(client):
    client.send("GET /later?ms=300 HTTP/1.1\r\n", HOST, "\r\n", "GET /hello HTTP/1.1\r\n", HOST, "\r\n")
    assert [client.answer().body, client.answer().body] == [b"later", b"hello"]


def test_answer_after_the_client_left(server):
    for _ in range(50):
        with Client(server) as client:
            client.send("GET /later?ms=200 HTTP/1.1\r\n", HOST, "\r\n")
            client.socket.shutdown(socket.SHUT_RDWR)
    time.sleep(0.5)


def test_half_closed_client_gets_its_answer(client):
    client.send("GET /later?ms=300 HTTP/1.1\r\n", HOST, "\r\n")
    socket.socket.shutdown(client.socket, socket.SHUT_WR)
    assert client.answer().body == b"later"


def test_client_that_leaves_in_the_middle(server):
    for start in ("GET /he", "POST /echo HTTP/1.1\r\n" + HOST + "Content-Length: 10\r\n\r\nabc",
                  "GET /big?bytes=50000000 HTTP/1.1\r\n" + HOST + "\r\n"):
        with Client(server) as client:
            client.send(start)
            time.sleep(0.1)
    assert until(lambda: server.counters()["connections_now"] == 1)
    assert server.counters()["answers_bytes_now"] == 0


def test_big_answers(client):
    for size in (16384, 100_000, 20_000_000):
        assert client.get(f"/big?bytes={size}").body == b"x" * size


def test_too_many_answers_that_nobody_reads(server):
    clients = [Client(server) for _ in range(6)]
    for client in clients:
        client.send("GET /big?bytes=120000000 HTTP/1.1\r\n", HOST, "\r\n")
    assert until(lambda: server.counters()["answers_refused"] > 0)
    assert server.counters()["answers_bytes_now"] <= 512 * MIB
    for client in clients:
        client.socket.close()
    assert until(lambda: server.counters()["answers_bytes_now"] == 0)


# ---- Slow clients ------------------------------------------------------------------------------


def test_slow_headers_bodies_and_handshakes_are_cut_off(server):
    """All at once, since each takes its 20 seconds."""
    head, body = Client(server), Client(server)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=40)
    start = time.monotonic()
    head.send("GET /hello HTTP/1.1\r\n")
    body.send("POST /echo HTTP/1.1\r\n", HOST, "Content-Length: 100\r\n\r\n")
    answers = {}
    while len(answers) < 2 and time.monotonic() - start < 35:
        for name, client in (("head", head), ("body", body)):
            if name in answers:
                continue
            client.socket.settimeout(0.5)
            try:
                client.send("x")
                answers[name] = client.answer()
            except TimeoutError:
                pass
    assert answers["head"].status == 408 and answers["body"].status == 408
    assert 18 < time.monotonic() - start < 33
    assert raw.recv(1) == b""
    assert head.is_closed() and body.is_closed()


def test_idle_connections_do_not_keep_others_out(server):
    before = server.rss_kib()
    sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3000)]
    with Client(server) as client:
        assert client.get("/hello").body == b"hello"
    assert server.rss_kib() - before < 3000 * 40
    for one in sockets:
        one.close()


# ---- TLS ---------------------------------------------------------------------------------------


def test_client_certificates(server):
    told = {name: Client(server, name).get("/request").json() for name in ("client", "foreign", "wrong-use")}
    assert told["client"]["certificate"] and told["client"]["problem"] == ""
    assert not told["foreign"]["certificate"] and "issuer" in told["foreign"]["problem"]
    assert not told["wrong-use"]["certificate"] and "purpose" in told["wrong-use"]["problem"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version, ok", [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                                         (ssl.TLSVersion.TLSv1_3, True)])
def test_versions(server, version, ok):
    context = server.keys.context("client")
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    if not ok:
        with pytest.raises((ssl.SSLError, OSError)):
            Client(server, context=context)
        return
    with Client(server, context=context) as client:
        assert client.get("/request").json()["certificate"]
        if version == ssl.TLSVersion.TLSv1_2:
            name = client.socket.cipher()[0]
            assert name.startswith("ECDHE") and ("GCM" in name or "CHACHA20" in name)


def test_renegotiation_is_refused(server):
    """A handshake costs us more than it costs a client: one for each connection."""
    with subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{server.port}"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        time.sleep(0.5)
        answer = client.communicate("R\n", timeout=20)[0]
    assert "RENEGOTIATING" in answer and "no renegotiation" in answer, answer[-2000:]
    with Client(server) as other:
        assert other.get("/hello").status == 200


def test_sessions_are_not_resumed(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = server.keys.context("client")
        context.minimum_version = context.maximum_version = version
        with Client(server, context=context) as client:
            client.get("/hello")
            session = client.socket.session
        raw = socket.create_connection(("127.0.0.1", server.port))
        again = context.wrap_socket(raw, server_hostname="localhost", session=session)
        assert not again.session_reused
        again.close()


def test_alpn(server):
    context = server.keys.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Client(server, context=context) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, OSError)):
        Client(server, context=context)


def test_plain_http_is_told(server):
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_garbage_instead_of_tls(server):
    for garbage in (b"\0" * 5000, b"\x16\x03\x01\xff\xff" + b"\xaa" * 5000, b"\xff" * 3):
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(garbage)


def test_certificate_is_renewed_without_dropping_connections(server):
    with Client(server) as old:
        before = old.socket.getpeercert(True)
        for suffix in ("pem", "key"):
            server.use("renewed", suffix)
        server.process.send_signal(signal.SIGHUP)

        def renewed():
            with Client(server) as new:
                return new.socket.getpeercert(True) != before

        assert until(renewed)
        assert old.get("/hello").body == b"hello"


# ---- WebSockets --------------------------------------------------------------------------------


def test_upgrade(server):
    with Socket(server, headers=["Sec-WebSocket-Protocol: none, other, bulk"]) as client:
        key = base64.b64encode(b"sixteen bytes..!").decode() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        assert client.hello.status == 101
        assert client.hello.headers["sec-websocket-protocol"] == "other"
        assert client.hello.headers["sec-websocket-accept"] == \
            base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        client.send(frame(1, b"hello"))
        assert client.frame() == (1, b"hello")
        client.send(frame(8, b"\x03\xe8bye"))
        assert client.close_code()[0] == 1000 and client.is_closed()


def test_upgrade_refused(server):
    with Socket(server, "/elsewhere") as client:
        assert client.hello.status == 403 and "no socket at /elsewhere" in client.hello.error()
    with Client(server) as client:
        assert client.get("/socket", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8",
                          "Sec-WebSocket-Key: x").headers["sec-websocket-version"] == "13"
    with Client(server) as client:
        assert client.get("/socket", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                          "Sec-WebSocket-Key: short").status == 400


def test_first_frames_together_with_the_upgrade(server):
    with Client(server) as client:
        client.send("GET /socket HTTP/1.1\r\n", HOST, "Upgrade: websocket\r\nConnection: Upgrade\r\n",
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", frame(1, b"x"))
        assert client.answer().status == 101
        assert client.take(3) == b"\x81\x01x"


def test_sizes_and_fragments(server):
    with Socket(server) as client:
        for size in (0, 1, 125, 126, 65535, 65536, MIB):
            client.send(frame(2, b"y" * size))
            assert client.frame() == (2, b"y" * size)
        euro = "€".encode()
        client.send(frame(1, euro[:1], fin=False), frame(9, b"p"), frame(0, euro[1:2], fin=False), frame(0, euro[2:]))
        assert client.frame() in ((10, b"p"), (1, euro)) and client.frame() in ((10, b"p"), (1, euro))


@pytest.mark.parametrize("frames, code", [
    (frame(1, b"x", mask=None), 1002),
    (frame(1, b"x", reserved=0x40), 1002),
    (frame(3, b"x"), 1002),
    (frame(11, b""), 1002),
    (frame(0, b"x"), 1002),
    (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
    (frame(9, b"x" * 126), 1002),
    (frame(9, b"x", fin=False), 1002),
    (frame(8, b"\x03"), 1002),
    (frame(8, b"\x03\xed"), 1002),
    (frame(8, b"\x03\xe8\xff"), 1007),
    (frame(1, b"\xff\xfe"), 1007),
    (frame(1, b"\xed\xa0\x80"), 1007),
    (frame(1, b"\xc3"), 1007),
    (frame(2, b"", length=MIB + 1), 1009),
    (frame(2, b"", length=1 << 63), 1009),
    (frame(2, b"x" * MIB, fin=False) + frame(0, b"y"), 1009),
    (frame(2, b"", fin=False) + frame(0, b"", fin=False) * 5000, 1008),
    (frame(9, b"x") * 1000, 1008),
    (frame(10, b"x") * 1000, 1008),
], ids=str)
def test_wrong_frames(server, frames, code):
    with Socket(server) as client:
        client.send(frames)
        assert client.close_code()[0] == code and client.is_closed()


def test_pings_are_answered(server):
    with Socket(server) as client:
        for i in range(20):
            client.send(frame(9, str(i).encode()))
            assert client.frame() == (10, str(i).encode())


def test_flood_of_small_messages(server):
    with Socket(server) as client:
        other = Socket(server)
        for _ in range(20):
            client.send(frame(2, b"z") * 1000)
            other.send(frame(1, b"o"))
            assert other.frame() == (1, b"o")
        for _ in range(20000):
            assert client.frame() == (2, b"z")
        other.socket.close()


def test_client_that_does_not_read_is_cut_off(server):
    before = server.counters()
    with Socket(server) as client:
        client.send(frame(1, b"flood 100000 1000"))
        assert until(lambda: server.counters()["sockets_overflowed"] == before["sockets_overflowed"] + 1)
        assert until(lambda: server.counters()["sockets_now"] == 0)


def test_queue_drains_and_tells(server):
    before = server.counters()["drained"]
    with Socket(server) as client:
        client.send(frame(1, b"flood 3000 1000"))
        for _ in range(3000):
            assert len(client.frame()[1]) == 1000
        assert until(lambda: server.counters()["drained"] > before)


def test_close_by_the_server(server):
    with Socket(server) as client:
        client.send(frame(1, b"close 1003 because"), frame(1, b"not heard"))
        assert client.close_code() == (1003, "because")
        client.send(frame(8, b"\x03\xeb"))
        assert client.is_closed()
    with Socket(server) as client:  # and without an answer to it
        client.send(frame(1, b"close 1003 because"))
        assert client.close_code() == (1003, "because") and client.is_closed(10)


def test_client_that_just_goes(server):
    for _ in range(20):
        client = Socket(server)
        client.send(frame(2, b"x" * 100, fin=False))
        socket.socket.shutdown(client.socket, socket.SHUT_RDWR)
        client.socket.close()


def test_broadcast_with_a_library(server):
    async def run():
        context = server.keys.context("client")
        sockets = [await websockets.connect(f"wss://localhost:{server.port}/socket", ssl=context,
                                            subprotocols=["bulk"]) for _ in range(50)]
        await sockets[0].send("broadcast 50000")
        for one in sockets:
            assert len(await one.recv()) == 50000 and one.subprotocol == "bulk"
        for one in sockets:
            await one.close()

    asyncio.run(run())


# ---- The end -----------------------------------------------------------------------------------


def test_stop(keys):
    server = Server(keys)
    idle, listening, waiting, never = Client(server), Socket(server), Client(server), Client(server)
    big = Client(server)
    big.send("GET /big?bytes=30000000 HTTP/1.1\r\n", HOST, "\r\n")
    waiting.send("GET /later?ms=1000 HTTP/1.1\r\n", HOST, "\r\n")
    never.send("GET /never HTTP/1.1\r\n", HOST, "\r\n")
    time.sleep(0.7)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert listening.close_code()[0] == 1001
    listening.send(frame(8, b"\x03\xe9"))
    assert len(big.answer().body) == 30000000
    assert waiting.answer().body == b"later"
    assert idle.is_closed()
    assert server.stop() == (0, "")
    assert time.monotonic() - start < 15
    assert never.is_closed() and b"HTTP" not in never.buffer
