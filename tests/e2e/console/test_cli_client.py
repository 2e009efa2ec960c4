# SPDX-License-Identifier: Apache-2.0
"""The command line's HTTP client against servers that misbehave."""
import base64
import http.server
import itertools
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time

import pytest

from installation import BUILD
from terminal import Terminal

BULKHEAD = os.path.join(BUILD, "bulkhead")


def token(expires_in=3600):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time() + expires_in)}).encode())
    return "e30." + claims.decode().rstrip("=") + ".c2ln"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/issue":
            answer = (200, {}, json.dumps({"token": token()}).encode())
        else:
            answer = self.server.answers.pop(0) if self.server.answers else self.server.default
        if answer == "hang up":
            self.close_connection = True
            return
        if answer == "hang":
            time.sleep(5)
            return
        if callable(answer):
            answer = answer()
        status, headers, data = answer
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)),
                            **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            pass

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    path = tmp_path_factory.mktemp("pem") / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-days", "2", "-keyout", str(path), "-out", str(path) + ".crt"], check=True,
                   capture_output=True)
    certificate = open(f"{path}.crt").read()
    with open(path, "a") as file:
        file.write(certificate)
    return path


@pytest.fixture
def server(pem):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pem))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.answers, server.requests, server.default = [], [], (200, {}, b"[]")
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(server, pem, tmp_path):
    text = pem.read_text()
    certificate, key = (base64.b64encode(part.encode()).decode() for part in (
        text[text.index("-----BEGIN CERT"):], text[:text.index("-----BEGIN CERT")]))
    credential = tmp_path / "creds.json"
    credential.write_text(json.dumps({
        "APIURL": f"https://127.0.0.1:{server.server_port}", "namespace": "/from-credential",
        "certificate": certificate, "certificateKey": key, "certificateAuthority": certificate}))
    known = {name: value for name, value in os.environ.items() if not name.startswith("BULKHEAD")}
    return {**known, "HOME": str(tmp_path), "TERM": "xterm", "BULKHEAD_CREDENTIALS": str(credential)}


@pytest.fixture
def run(environment):
    def run(*args, status=0, timeout=60, **more):
        done = subprocess.run([BULKHEAD, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=timeout, env={**environment, **more})
        assert "AddressSanitizer" not in done.stderr and "runtime error" not in done.stderr, done
        assert done.returncode == status, done
        return done
    return run


def asked(server):
    return [(method, path) for method, path, _, _ in server.requests]


LIST = "/externalnetworks?limit=1000"


def test_the_token_is_kept(server, run):
    for _ in range(2):
        run("api", "list", "extnet")
    assert asked(server) == [("POST", "/issue"), ("GET", LIST), ("GET", LIST)]
    headers = server.requests[1][2]
    assert headers["Authorization"].startswith("Bearer e30.") and headers["X-Namespace"] == "/from-credential"
    assert headers["Accept"] == "application/json"


def test_nothing_is_kept_when_told_so(server, run, tmp_path):
    run("api", "list", "extnet", "--no-cache")
    assert not (tmp_path / ".cache").exists()


def test_an_expired_token_is_replaced(server, run):
    run("api", "list", "extnet")
    server.answers += [(401, {}, b"[]")]
    run("api", "list", "extnet")
    assert asked(server)[2:] == [("GET", LIST), ("POST", "/issue"), ("GET", LIST)]
    server.answers += [(401, {}, b"[]")] * 2
    run("api", "list", "extnet", status=1)
    server.requests.clear()
    server.answers += [(401, {}, b'[{"code": 401, "title": "Unauthorized", "description": "no"}]')]
    assert "Unauthorized: no" in run("api", "list", "extnet", "-t", token(), status=1).stderr
    assert asked(server) == [("GET", LIST)]  # a token that was given is not replaced


@pytest.mark.parametrize("status", [503, 429])
def test_busy_is_tried_again(server, run, status):
    server.answers += [(status, {}, b"[]"), (status, {"Retry-After": "1"}, b"[]"), (200, {}, b'[{"ID": "x"}]')]
    start = time.monotonic()
    done = run("api", "list", "extnet", "-o", "json")
    assert json.loads(done.stdout) == [{"ID": "x"}] and time.monotonic() - start > 1.2
    assert len(server.requests) == 4


def test_a_creation_is_tried_again_with_the_same_key(server, run):
    made = json.dumps({"ID": "x", "name": "a"}).encode()
    server.answers += [(503, {}, b"[]"), "hang up", (200, {}, made)]
    run("api", "create", "extnet", "-k", "name=a", "-k", "entries=10.0.0.0/8")
    keys = [headers["Idempotency-Key"] for method, path, headers, _ in server.requests if path == "/externalnetworks"]
    assert len(keys) == 3 and len(set(keys)) == 1 and len(keys[0]) == 32


def test_other_errors_are_not_tried_again(server, run):
    for status in (400, 403, 404, 409, 422, 500, 502):
        server.requests.clear()
        server.answers += [(status, {}, b'[{"title": "Bad", "description": "why", "data": {"attribute": "a.b"}}]')]
        done = run("api", "list", "extnet", status=2 if status in (400, 422) else 1)
        assert f"{LIST.partition('?')[0]} in namespace /from-credential: {status}" in done.stderr
        assert "\n  a.b: why\n" in done.stderr
        assert asked(server)[-1:] == [("GET", LIST)] and len(server.requests) <= 2


def test_giving_up(server, run):
    server.answers += [(503, {"Retry-After": "3600"}, b"[]")]
    start = time.monotonic()
    run("api", "list", "extnet", status=1)
    assert time.monotonic() - start < 30


def test_silence(server, run):
    server.answers += ["hang"]
    done = run("api", "list", "extnet", "--timeout", "1", status=1)
    assert "--timeout SECONDS" in done.stderr


@pytest.mark.parametrize("headers, body, message", [
    ({}, b"{broken", "an answer that cannot be read"),
    ({}, b'{"no": "list"}', "the answer is no list"),
    ({"Content-Type": "text/html"}, b"<html>", "an answer that cannot be read"),
    ({"Content-Type": "application/msgpack"}, b"\xdd\xff\xff\xff\xff", "an answer that cannot be read"),
    ({"Content-Type": "application/msgpack"}, b"\x91\xc7\x01\x05a", "an answer that cannot be read"),
])
def test_broken_answers(server, run, headers, body, message):
    server.answers += [(200, headers, body)]
    assert message in run("api", "list", "extnet", status=1).stderr


def test_errors_that_are_no_json(server, run):
    server.answers += [(502, {"Content-Type": "text/html"}, b"<h1>bad \x1b[2J gateway</h1>")]
    done = run("api", "list", "extnet", status=1)
    assert "bad \\x1b[2J gateway" in done.stderr and "\x1b" not in done.stderr


def test_hostile_texts(server, run):
    server.answers += [(200, {"X-Messages": "one\x1b[31m; two"}, json.dumps([{"ID": "x", "name": "\x1b[2J"}]).encode())]
    done = run("api", "list", "extnet")
    assert "\x1b" not in done.stdout + done.stderr and "\\x1b[2J" in done.stdout
    assert done.stderr.count("bulkhead: warning: ") == 2


def test_pages(server, run):
    two = [(200, {"X-Next": "a" * 24}, b'[{"ID": "1"}, {"ID": "2"}]'), (200, {}, b'[{"ID": "3"}]')]
    server.answers += two
    assert [row["ID"] for row in json.loads(run("api", "list", "extnet", "-o", "json").stdout)] == ["1", "2", "3"]
    assert asked(server)[-1] == ("GET", LIST + "&after=" + "a" * 24)
    server.answers += two
    assert len(json.loads(run("api", "list", "extnet", "-o", "json", "--limit", "2").stdout)) == 2


def pages(rows=1000, pause=0.0, last=None):
    """Answers with a cursor each, endless or `last` of them."""
    numbers = itertools.count(1)

    def page():
        time.sleep(pause)
        n = next(numbers)
        data = [{"ID": f"{n:04}{i:020}", "name": f"page-{n}", "namespace": "/", "entries": ["192.0.2.0/24"]}
                for i in range(rows)]
        return 200, {} if n == last else {"X-Next": f"{n:024}"}, json.dumps(data).encode()
    return page


@pytest.mark.parametrize("form", ["table", "json", "yaml", "template"])
def test_lists_are_printed_as_they_come(server, environment, form):
    """The first page can be read while the second is not there yet; who has read enough ends it."""
    gate = threading.Event()
    page = pages()

    def second():
        gate.wait(20)
        return page()
    server.answers += [page, second]
    server.default = page
    more = ["-o", form, *(["--template", "{{.ID}} {{.name}}"] if form == "template" else [])]
    process = subprocess.Popen([BULKHEAD, "api", "list", "extnet", *more], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment, text=True)
    seen = 0
    while seen < 1000:
        seen += "page-1" in process.stdout.readline()
    assert len(server.requests) <= 3
    gate.set()
    process.stdout.close()
    assert process.wait(20) == 1 and process.stderr.read() == ""
    process.stderr.close()
    assert len(server.requests) < 20


def test_a_table_of_many_pages(server, run):
    server.default = pages(last=5)
    lines = run("api", "list", "extnet", "-c", "name", "-c", "ID").stdout.splitlines()
    assert lines[0] == "name    ID" and lines[1].startswith("page-1  0001") and len(lines) == 5001


def test_progress_of_many_requests(server, environment):
    server.default = pages(rows=10, pause=0.4, last=6)
    with open(os.devnull, "w") as nowhere:
        terminal = Terminal(["api", "list", "extnet"], environment, nowhere)
        assert terminal.end() == 0
    assert re.search(r"listing: 1s, [1-6]0 objects", terminal.seen), terminal.seen
    assert terminal.seen.endswith("\r\x1b[K")


def test_no_progress_without_a_terminal(server, run):
    server.default = pages(rows=1, pause=0.4, last=4)
    assert run("api", "list", "extnet").stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_as_a_signal(server, environment, number):
    server.default = pages(rows=1, pause=0.3)
    with open(os.devnull, "w") as nowhere:
        terminal = Terminal(["api", "list", "extnet"], environment, nowhere)
        terminal.until("listing: ")
        assert terminal.end(number) == -number
    assert terminal.seen.endswith("\r\x1b[K")


def test_a_large_answer(server, run):
    rows = [{"ID": f"{i:024x}", "name": "n" * 100, "entries": ["192.0.2.0/24"] * 20} for i in range(50000)]
    server.answers += [(200, {}, json.dumps(rows).encode())]
    assert run("api", "list", "extnet", "--template", "{{.ID}}").stdout.count("\n") == 50000


def test_nobody_listens(server, run):
    done = run("api", "list", "extnet", "-t", token(), BULKHEAD_API="https://127.0.0.1:1", status=1, timeout=90)
    assert "Is the Console running" in done.stderr


def test_plain_http_is_refused(server, run):
    done = run("api", "list", "extnet", "-t", token(), "--api", "http://127.0.0.1:1", status=2)
    assert "expected https://" in done.stderr and not server.requests


def test_wrong_name_in_the_certificate(server, run):
    done = run("api", "list", "extnet", "--api", f"https://127.0.0.2:{server.server_port}", status=1)
    assert "is not trusted" in done.stderr or "127.0.0.2" in done.stderr


def test_proxy(server, run):
    """CONNECT goes to the proxy; here there is none."""
    done = run("api", "list", "extnet", "-t", token(), "--api", "https://console.invalid",
               HTTPS_PROXY="http://127.0.0.1:1", status=1, timeout=90)
    assert "127.0.0.1 port 1" in done.stderr


def test_verbose_tells_no_secrets(server, run):
    done = run("api", "list", "extnet", "-v", "--tracking-id", "t-1")
    assert "GET https://" in done.stderr and "Bearer" not in done.stderr and "e30." not in done.stderr
    assert server.requests[-1][2]["X-External-Tracking-ID"] == "t-1"


def test_what_stands_nearer_counts(server, run, tmp_path):
    api = f"https://127.0.0.1:{server.server_port}"
    config = tmp_path / ".config/bulkhead"
    config.mkdir(parents=True)
    (config / "default.yaml").write_text(f"api: https://nowhere.invalid\nnamespace: /profile\ntoken: {token()}\n")
    run("api", "list", "extnet")  # the credential of the environment goes before all of the profile
    assert server.requests[-1][2]["X-Namespace"] == "/from-credential"
    run("api", "list", "extnet", "-n", "/flag", BULKHEAD_API=api)
    assert server.requests[-1][2]["X-Namespace"] == "/flag"
    run("api", "list", "extnet", BULKHEAD_NAMESPACE="/environment")
    assert server.requests[-1][2]["X-Namespace"] == "/environment"


def test_an_interrupt_gives_the_echo_back(server, environment):
    terminal = Terminal(["auth", "local", "--account", "ann", "-A", f"https://127.0.0.1:{server.server_port}"],
                        environment)
    terminal.until("Password: ")
    assert not terminal.echoes()
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(20) == -signal.SIGINT and terminal.echoes()
    terminal.end()
    assert server.requests == []


@pytest.fixture
def edit(server, run, tmp_path):
    """Edit an object with a shell script, in a directory for temporary files that is looked into after."""
    (tmp_path / "tmp").mkdir()
    editor = tmp_path / "editor"

    def edit(script, answer, status=0):
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        stored = {"ID": "0" * 24, "name": "a", "namespace": "/", "entries": ["192.0.2.0/24"], "updateTime": "T"}
        server.answers += [(200, {}, json.dumps([stored]).encode()), answer]
        done = run("api", "update", "extnet", "a", "-i", EDITOR=str(editor), TMPDIR=str(tmp_path / "tmp"), status=status)
        return done, [path.read_text() for path in (tmp_path / "tmp").iterdir()]
    return edit


CHANGE = 'sed -i "s/^description:.*/description: mine/" "$1"'


def test_what_was_sent_is_not_kept(server, edit):
    done, left = edit(CHANGE, (200, {}, b'{"ID": "x"}'))
    assert left == [] and json.loads(server.requests[-1][3])["description"] == "mine"
    assert edit("true", None, status=1)[1] == [] and server.requests[-1][0] == "GET"


@pytest.mark.parametrize("answer, status", [((409, {}, b"[]"), 1), ((422, {}, b"[]"), 2), ("hang up", 1)])
def test_what_was_written_and_not_sent_is_kept(server, edit, answer, status):
    server.default = answer
    done, left = edit(CHANGE, answer, status=status)
    assert len(left) == 1 and "\ndescription: mine\n" in left[0]
    assert "what was written and not sent is in " in done.stderr


def test_wrong_edits_are_kept(server, edit):
    done, left = edit('echo "entries: 7" > "$1"', None, status=2)
    assert left == ["entries: 7\n"] and "entries: found " in done.stderr


def test_an_interrupt_in_the_editor_is_the_editors(server, edit):
    done, left = edit(f"kill -INT $PPID\n{CHANGE}", (200, {}, b'{"ID": "x"}'))
    assert left == [] and server.requests[-1][0] == "PUT"


def test_an_interrupt_before_anything_is_written_leaves_no_file(server, edit, tmp_path):
    """SIGTERM ends us under the editor's feet; it has written nothing yet."""
    done, left = edit("kill -TERM $PPID\nsleep 1", None, status=-signal.SIGTERM)
    assert left == []


@pytest.mark.parametrize("home", [None, "/proc", "/proc/not/there"])
def test_a_home_that_is_not_there_or_not_writable(server, run, environment, home):
    if home is None:
        del environment["HOME"]
        run("api", "list", "extnet")
    else:
        run("api", "list", "extnet", HOME=home)
    assert asked(server) == [("POST", "/issue"), ("GET", LIST)]


def test_an_answer_that_cannot_be_written(server, environment):
    server.default = (200, {}, b'[{"ID": "x"}]')
    for stdout, why in ((open("/dev/full", "w"), "No space left"), (None, "Bad file descriptor")):
        done = subprocess.run([BULKHEAD, "api", "list", "extnet"], env=environment, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, preexec_fn=None if stdout else lambda: os.close(1))
        assert done.returncode == 1 and f"cannot write the answer: {why}" in done.stderr, done


@pytest.mark.parametrize("text, message", [
    (None, "No such file"), ("", "expected the JSON"), ("{", "expected the JSON"), ("[]", "expected"),
    ('{"certificate": "x", "certificateKey": "x"}', "expected base64 of PEM"), ("\xff", "expected the JSON"),
])
def test_credentials_that_cannot_be_read(server, run, tmp_path, text, message):
    path = tmp_path / "other.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    done = run("api", "list", "extnet", "--creds", str(path), status=2)
    assert str(path) in done.stderr and message in done.stderr and server.requests == []


def test_the_environment_and_the_profile_say_the_format(server, run, tmp_path):
    server.default = (200, {}, b'[{"ID": "x"}]')
    profile = tmp_path / ".config/bulkhead/default.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("output: yaml\n")
    rows = {"yaml": "- ID: x\n", "json": '[\n  {\n    "ID": "x"\n  }\n]\n', "none": ""}
    assert run("api", "list", "extnet").stdout == rows["yaml"]
    assert run("api", "list", "extnet", BULKHEAD_OUTPUT="json").stdout == rows["json"]
    assert run("api", "list", "extnet", "-o", "none", BULKHEAD_OUTPUT="json").stdout == rows["none"]
    assert run("api", "list", "extnet", "--template", "{{.ID}}", BULKHEAD_OUTPUT="json").stdout == "x\n"
    assert "expected table" in run("api", "list", "extnet", BULKHEAD_OUTPUT="xml", status=2).stderr
    profile.write_text("outptu: yaml\n")
    assert "default.yaml:1: outptu" in run("api", "list", "extnet", status=2).stderr


def test_no_answer_goes_to_the_connection(server, environment):
    """Without standard output, the connection would be the first free descriptor."""
    server.default = pages()
    done = subprocess.run([BULKHEAD, "api", "list", "extnet"], env=environment, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: (os.close(0), os.close(1)), timeout=60)
    assert done.returncode == 1 and "cannot write the answer" in done.stderr, done
    assert asked(server) == [("POST", "/issue"), ("GET", LIST)]
