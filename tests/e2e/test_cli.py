# SPDX-License-Identifier: Apache-2.0
"""`bulkhead` from outside: usage, help, completion, manual, policy check, and the control socket's
client against servers that misbehave. The real server is in test_control.py."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", ROOT / "build"))
BULKHEAD = str(BUILD / "bulkhead")


def run(*args, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([BULKHEAD, *map(str, args)], capture_output=True, text=True, timeout=60,
                          **options)


# ---- usage, help, completion, manual --------------------------------------------------------------

COMMANDS = ["", "policy", "policy check", "policy eval", "enforcer", "enforcer status",
            "enforcer pus", "enforcer flows", "enforcer counters", "enforcer netstat",
            "enforcer disable", "enforcer enable", "enforcer register", "api", "api list", "api import",
            "appcred", "appcred create", "auth", "auth local", "configure", "profiles", "profiles list",
            "completion", "help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_on_every_command(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: bulkhead{' ' * bool(command)}{command} [OPTION]...")
    assert "--output FORMAT" in done.stdout
    assert run("help", *command.split()).stdout == done.stdout
    assert run(*command.split(), "-h").stdout == done.stdout


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.split()[0] == "bulkhead"
    assert done.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize("args, message", [
    ([], "a command is missing"),
    (["polcy"], "unknown command 'polcy'; did you mean 'policy'?"),
    (["policy", "evla"], "unknown command 'evla'; did you mean 'eval'?"),
    (["enforcer", "statsu"], "did you mean 'status'?"),
    (["--outptu", "json"], "unknown option '--outptu'; did you mean '--output'?"),
    (["enforcer", "status", "-o", "xml"], "--output: found 'xml', expected table, json, yaml, none or"),
    (["policy", "check"], "PATH is missing"),
    (["enforcer", "disable"], "--yes is needed"),
])
def test_wrong_usage(args, message):
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and "--help'." in done.stderr


def bash_completion(line, breaks="=:"):
    """Calls the function as bash does, which cuts words at = and :."""
    words = line.split(" ")
    if breaks:
        words = [word for part in words for word in re.split(f"([{breaks}])", part) if word or not part]
    script = f"""
        PATH={BUILD}:$PATH; COMP_WORDBREAKS=" {breaks}"; compopt() {{ :; }}
        source <({BULKHEAD} completion bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bulkhead; printf '%s\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines() if done.stdout != "\n" else []


@pytest.mark.parametrize("line, words", [
    ("bulkhead ", ["policy", "enforcer", "api", "appcred", "auth", "configure", "profiles",
                   "completion", "help"]),
    ("bulkhead pol", ["policy"]),
    ("bulkhead -o json enf", ["enforcer"]),
    ("bulkhead --output=json enf", ["enforcer"]),
    ("bulkhead -n /a:b --api https://c:8443 enf", ["enforcer"]),
    ("bulkhead enforcer --socket policy ", ["status", "pus", "flows", "counters", "netstat",
                                            "disable", "enable", "register"]),
    ("bulkhead enforcer flows --f", ["--follow"]),
    ("bulkhead policy check --s", ["--strict"]),
    ("bulkhead policy check --na", ["--namespace"]),
    ("bulkhead --na", ["--namespace"]),
    ("bulkhead api --na", ["--namespace"]),
    ("bulkhead api list netset --na", ["--namespace"]),
    ("bulkhead policy check --api", []),
    ("bulkhead enforcer status --output ", ["table", "json", "yaml", "none", "template"]),
    ("bulkhead enforcer status --output=y", ["yaml"]),
    ("bulkhead enforcer status --output=", ["table", "json", "yaml", "none", "template"]),
    ("bulkhead -o y", ["yaml"]),
    ("bulkhead completion ", ["bash", "zsh", "fish"]),
    ("bulkhead completion bash ", []),
    ("bulkhead help comp", ["completion"]),
    ("bulkhead help policy ch", ["check"]),
    ("bulkhead help nothing ch", []),
    ("bulkhead api list networkrules", ["networkrulesetpolicies"]),
    ("bulkhead -n /shop api list networkrules", ["networkrulesetpolicies"]),
    ("bulkhead api list netset -c subj", ["subject"]),
    ("bulkhead api list netset --column=subj", ["subject"]),
    ("bulkhead api create netset -k subj", ["subject"]),
    ("bulkhead api create netset -k propagate t", ["true"]),
    ("bulkhead api create netset -k propagate=t", ["true"]),
    ("bulkhead api create netset --key=propagate=t", ["true"]),
    ("bulkhead api create netset --key propagate t", ["true"]),
    ("bulkhead api list netset -p recurs", ["recursive"]),
    ("bulkhead appcred list -c maxIss", ["maxIssuedTokenValidity"]),
    ("bulkhead appcred create ci --role namespace.v", ["namespace.viewer"]),
])
def test_bash_completion(line, words):
    assert bash_completion(line) == words
    if "=" not in line and ":" not in line:
        assert bash_completion(line, breaks="") == words


def test_bash_completion_of_files(tmp_path):
    (tmp_path / "policy.yaml").touch()
    for before in ("policy check ", "policy eval -f ", "policy eval --cases ", "policy eval --cases=", "--creds "):
        assert bash_completion(f"bulkhead {before}{tmp_path}/pol") == [f"{tmp_path}/policy.yaml"]


def typed(shell, setup, keys):
    """What stands on the line of an interactive shell after the keys, among them \t."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "dumb", "PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": "/proc", "HISTFILE": ""})
        os.execvp(shell[0], shell)
    def until(text):
        seen = ""
        while text not in seen:
            assert select.select([fd], [], [], 20)[0], seen
            seen += os.read(fd, 65536).decode()
        return seen
    os.write(fd, (setup + "; echo rea''dy\n").encode())
    until("ready")
    os.write(fd, keys.encode())
    time.sleep(1.5)
    os.write(fd, b"\x01echo '<'\x05 '>'\n")
    seen = re.search(r"\n<(.*) >", until(" >\r\n"))
    os.close(fd)
    os.waitpid(pid, 0)
    return seen.group(1).strip()


SHELLS = [
    (["bash", "--norc", "--noprofile", "-i"], "bind 'set bell-style none'; source <(bulkhead completion bash)"),
    (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; "
                          "source <(bulkhead completion zsh | sed '$d'); compdef _bulkhead bulkhead"),
]


@pytest.mark.parametrize("shell, setup", SHELLS, ids=["bash", "zsh"])
@pytest.mark.parametrize("keys, line", [
    ("bulkhead -o js\tapi cou\tnetworkrules\t", "bulkhead -o json api count networkrulesetpolicies"),
    ("bulkhead api list netset --colu\tsubj\t", "bulkhead api list netset --column subject"),
    ("bulkhead api create netset --key=propa\t", "bulkhead api create netset --key=propagate"),
])
def test_keys_in_a_shell(shell, setup, keys, line):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    assert typed(shell, setup, keys) == line


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completion_parses():
    done = subprocess.run(["zsh", "-n"], input=run("completion", "zsh").stdout, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args, path", [
    (["__manual"], "docs/man/bulkhead.1"),
    (["completion", "bash"], "packaging/completion/bulkhead.bash"),
    (["completion", "zsh"], "packaging/completion/_bulkhead"),
])
def test_generated_files_are_fresh(args, path):
    assert run(*args).stdout == (ROOT / path).read_text(), f"bulkhead {' '.join(args)} > {path}"


@pytest.mark.parametrize("page", ["bulkhead.1", "bulkhead-enforcer.1"])
@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_manual_pages_format(page):
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", str(ROOT / "docs/man" / page)],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


# ---- policy check ---------------------------------------------------------------------------------

GOOD = """\
APIVersion: 1
label: three-tier
data:
  namespaces:
    - name: /shop
      defaultPUIncomingTrafficAction: Reject
  externalnetworks:
    - name: partners
      namespace: /shop
      entries: [192.0.2.0/24, '!192.0.2.128/25']
      associatedTags: ['externalnetwork:name=partners']
  networkrulesetpolicies:
    - name: web-to-db
      namespace: /shop
      propagate: true
      subject: [['app=web']]
      outgoingRules:
        - {action: Allow, object: [['app=db']], protocolPorts: [tcp/5432]}
        - {action: Allow, object: [['externalnetwork:name=partners']], protocolPorts: [tcp/443]}
    - name: db-from-web
      namespace: /shop
      subject: [['app=db']]
      incomingRules:
        - {action: Allow, object: [['app=web']], protocolPorts: [tcp/5432], name: from-web}
"""


def written(tmp_path, text, name="policy.yaml"):
    file = tmp_path / name
    file.write_text(text)
    return file


def check(*args):
    done = run("policy", "check", *args, "-o", "json")
    return done.returncode, json.loads(done.stdout)


def test_check_of_good_files(tmp_path):
    file = written(tmp_path, GOOD)
    assert check(file) == (0, [])
    assert check(file, "--strict") == (0, [])
    done = run("policy", "check", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("old, new, line, path", [
    ("tcp/443", "tcp/99999", 19, "data.networkrulesetpolicies[0].outgoingRules[1].protocolPorts[0]"),
    ("192.0.2.0/24,", "192.0.2.0/24, 10.0.0.0/33,", 10, "data.externalnetworks[0].entries[1]"),
    ("!192.0.2.128/25", "!198.51.100.0/25", 10, "data.externalnetworks[0].entries[1]"),
    ("      propagate: true", "      propagate: yes", 15,
     "data.networkrulesetpolicies[0].propagate"),
    ("      propagate: true", "      propagates: true", 15,
     "data.networkrulesetpolicies[0].propagates"),
    ("subject: [['app=db']]", "subject: [['app']]", 22,
     "data.networkrulesetpolicies[1].subject[0][0]"),
    ("subject: [['app=db']]", "subject: []", 22, "data.networkrulesetpolicies[1].subject"),
    ("name: from-web", "name: a-name-of-17-chars", 24,
     "data.networkrulesetpolicies[1].incomingRules[0].name"),
    ("IncomingTrafficAction: Reject", "IncomingTrafficAction: Drop", 6,
     "data.namespaces[0].defaultPUIncomingTrafficAction"),
    ("name: /shop", "name: /sh op", 5, "data.namespaces[0].name"),
    ("APIVersion: 1", "APIVersion: one", 1, "APIVersion"),
])
def test_check_finds_errors(tmp_path, old, new, line, path):
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))
    status, problems = check(file)
    assert status == 1
    errors = [p for p in problems if p["severity"] == "error"]
    assert [(p["file"], p["line"], p["path"]) for p in errors] == [(str(file), line, path)]
    assert errors[0]["message"].startswith("found ") and "expected" in errors[0]["message"]
    assert errors[0]["column"] > 0
    table = run("policy", "check", file)
    assert table.returncode == 1 and table.stderr == ""
    assert f"{file}:{line}: {path}: {errors[0]['message']}" in table.stdout


@pytest.mark.parametrize("name, text, line", [
    ("a.yaml", "data: [\n", 2), ("a.yaml", "data:\n\tx: 1\n", 2), ("a.yaml", "a: 1\na: 2\n", 2),
    ("a.yaml", "a: &b [*b]\n", 1), ("a.json", '{"APIVersion": 1,\n"data": {},}', 2),
    ("a.json", '{"data": {}} x', 1), ("a.yaml", "\xff\xfe", 1),
])
def test_check_of_broken_files(tmp_path, name, text, line):
    file = tmp_path / name
    file.write_bytes(text.encode("latin-1"))
    status, problems = check(file)
    assert status == 1 and problems[0]["severity"] == "error"
    assert problems[0]["file"] == str(file) and problems[0]["line"] == line


def test_check_takes_all_paths_for_one_estate(tmp_path):
    one, two = written(tmp_path, GOOD, "a.yaml"), written(tmp_path, GOOD, "b.yml")
    written(tmp_path, "{", "ignored.txt")
    written(tmp_path, "{", ".hidden.yaml")
    assert check(one) == (0, [])
    for args in ([one, two], [tmp_path]):
        status, problems = check(*args)
        assert status == 1 and {p["file"] for p in problems} == {str(two)}
        assert any("again" in p["message"] and f"{one}:" in p["message"] for p in problems)


def test_check_of_json_files(tmp_path):
    file = written(tmp_path, json.dumps(yaml.safe_load(GOOD)), "policy.json")
    assert check(file) == (0, [])


def test_check_of_unreadable_paths(tmp_path):
    done = run("policy", "check", written(tmp_path, GOOD), tmp_path / "none")
    assert done.returncode == 2 and done.stdout == ""
    assert f"cannot read {tmp_path}/none: No such file or directory" in done.stderr


def test_check_of_an_empty_directory(tmp_path):
    status, problems = check(tmp_path)
    assert status == 0 and [p["severity"] for p in problems] == ["warning"]
    assert "*.yaml" in problems[0]["message"]


def test_check_imports_into_the_namespace(tmp_path):
    text = GOOD.replace("      namespace: /shop\n", "").replace(
        "  namespaces:\n    - name: /shop\n      defaultPUIncomingTrafficAction: Reject\n", "")
    file = written(tmp_path, text)
    args = ["policy", "eval", "-f", file, "--from", "ns:/shop;tags:app=web", "--to",
            "ns:/shop;tags:app=db", "--port", "tcp/5432"]
    assert run(*args, "--namespace", "/shop").returncode == 0
    assert run(*args).returncode == 1
    assert check(file, "--namespace", "/shop") == (0, [])
    done = run("policy", "check", file, "--namespace", "shop")
    assert done.returncode == 2 and "--namespace: found 'shop'" in done.stderr


def warnings(tmp_path, old, new):
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))
    status, problems = check(file)
    assert status == 0
    assert check(file, "--strict")[0] == (1 if problems else 0)
    assert all(p["severity"] == "warning" and p["file"] == str(file) for p in problems)
    return [(p["line"], p["path"], p["message"]) for p in problems]


WEB_OUT = "networkrulesetpolicies[name=web-to-db].outgoingRules[0]"
DB_IN = "networkrulesetpolicies[name=db-from-web].incomingRules[0]"


def places(found):
    return [(line, path) for line, path, _ in found]


def test_check_warns_of_missing_opposite_sides(tmp_path):
    found = warnings(tmp_path, "protocolPorts: [tcp/5432], name", "protocolPorts: [tcp/22], name")
    assert places(found) == [(18, WEB_OUT), (24, DB_IN)]
    assert "[[app=db]]" in found[0][2] and "receive from [[app=web]]" in found[0][2]
    assert "[[app=web]]" in found[1][2] and "send to [[app=db]]" in found[1][2]


@pytest.mark.parametrize("old, new, expected", [
    # the receiver's ruleset is off, or only observes, or rejects
    ("      subject: [['app=db']]", "      subject: [['app=db']]\n      disabled: true",
     [(18, WEB_OUT)]),
    ("name: from-web", "name: from-web, observationEnabled: true", [(18, WEB_OUT)]),
    # it lies where the sender's object does not look
    ("object: [['app=db']]", "object: [['app=db', '$namespace=/shop']]", []),
    ("object: [['app=db']]", "object: [['app=db', '$namespace=/']]",
     [(18, WEB_OUT), (24, DB_IN)]),
    # other keys can meet, other values of one key cannot
    ("subject: [['app=db']]", "subject: [['app=db', 'tier=3']]", []),
    ("subject: [['app=web']]", "subject: [['app=web', 'tier=1']]", []),
    ("protocolPorts: [tcp/5432], name", "protocolPorts: [any], name", []),
    ("protocolPorts: [tcp/5432], name", "protocolPorts: ['tcp/5000:6000'], name", []),
    # the default lets it in
    ("IncomingTrafficAction: Reject", "IncomingTrafficAction: Allow", [(24, DB_IN)]),
])
def test_check_of_opposite_sides(tmp_path, old, new, expected):
    if "Allow" in new:
        new, old = new, old
        text = GOOD.replace("protocolPorts: [tcp/5432], name", "protocolPorts: [tcp/22], name")
        file = written(tmp_path, text.replace(old, new))
        assert [(p["line"], p["path"]) for p in check(file)[1]] == expected
    else:
        assert places(warnings(tmp_path, old, new)) == expected


@pytest.mark.parametrize("propagate, expected", [("true", []), ("false", [(18, WEB_OUT), (25, DB_IN)])])
def test_check_of_opposite_sides_above(tmp_path, propagate, expected):
    """The receiver's ruleset lies in the parent of the namespace that the sender's object names."""
    text = GOOD.replace("[['app=db']], proto", "[['app=db', '$namespace=/shop']], proto").replace(
        "      namespace: /shop\n      subject: [['app=db']]",
        f"      namespace: /\n      propagate: {propagate}\n      subject: [['app=db']]")
    problems = check(written(tmp_path, text))[1]
    assert [(p["line"], p["path"]) for p in problems] == expected


def test_check_warns_of_unknown_tags(tmp_path):
    found = warnings(tmp_path, "externalnetwork:name=partners']], proto",
                     "externalnetwork:name=partner']], proto")
    assert places(found) == [(19, "networkrulesetpolicies[name=web-to-db].outgoingRules[1]")]
    assert "externalnetwork:name=partner," in found[0][2]
    found = warnings(tmp_path, "object: [['app=db']]", "object: [['app=db', '$namespace=/shp']]")
    assert places(found) == [(18, WEB_OUT), (24, DB_IN)]
    assert "object tag $namespace=/shp," in found[0][2]
    assert warnings(tmp_path, "object: [['app=db']]", "object: [['app=db', '$name=db1']]") == []


def test_check_of_many_rules_ends(tmp_path):
    rules = [{"name": f"r{i}", "subject": [[f"app=a{i}"]],
              "outgoingRules": [{"action": "Allow", "object": [[f"app=a{i + 1}"]]}],
              "incomingRules": [{"action": "Allow", "object": [[f"app=a{i - 1}"]]}]}
             for i in range(1, 20000)]
    file = written(tmp_path, json.dumps({"APIVersion": 1, "data": {"networkrulesetpolicies": rules}}),
                   "many.json")
    start = time.monotonic()
    status, problems = check(file)
    assert status == 0 and time.monotonic() - start < 30
    assert [p["message"].split(",")[0] for p in problems] == [
        "found object tag app=a0", "found object tag app=a20000"]


# ---- output ---------------------------------------------------------------------------------------

def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BULKHEAD, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "cannot write the answer" in done.stderr


def test_reader_that_goes_away():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([BULKHEAD, "__manual"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.stderr == b"" and done.returncode == 1


def in_terminal(args, answer=None, **env):
    """Run with a terminal on all three descriptors; what it printed, and its exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.environ.update({"TERM": "xterm", **env})
            os.execv(BULKHEAD, [BULKHEAD, *map(str, args)])
        finally:
            os._exit(99)
    seen = b""
    if answer is not None:
        while not seen.endswith(b"[y/N] "):
            assert select.select([fd], [], [], 10)[0], seen
            seen += os.read(fd, 4096)
        os.write(fd, answer)
    with contextlib.suppress(OSError):
        while chunk := os.read(fd, 4096):
            seen += chunk
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_colours_on_a_terminal_only(tmp_path):
    args = ["policy", "eval", "-f", written(tmp_path, GOOD), "--from", "ns:/shop;tags:app=web",
            "--to", "ns:/shop;tags:app=db", "--port", "tcp/22"]
    status, seen = in_terminal(args)
    assert status == 1 and "\x1b[31mReject" in seen
    assert "\x1b" not in in_terminal(args, NO_COLOR="1")[1]
    assert "\x1b" not in in_terminal(args, TERM="dumb")[1]
    assert "\x1b" not in in_terminal([*args, "-o", "json"])[1]
    assert "\x1b" not in run(*args).stdout


# ---- the control socket ---------------------------------------------------------------------------

class Server:
    """Takes connections one by one, reads a line from each, does what it is told."""

    def __init__(self, path, answer):
        self.requests, self.answer, self.path = [], answer, path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen()
        self.socket.settimeout(20)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client:
                    line = b""
                    while not line.endswith(b"\n"):
                        line += client.recv(65536)
                    self.requests.append(json.loads(line))
                    with contextlib.suppress(OSError):
                        if callable(self.answer):
                            self.answer(client)
                        else:
                            client.sendall(self.answer)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(20)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(answer):
        servers.append(Server(tmp_path / f"{len(servers)}.sock", answer))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def ok(result):
    return (json.dumps({"ok": True, "result": result}) + "\n").encode()


def enforcer(server, *args, **options):
    return run("enforcer", *args, "--socket", server.path, **options)


STATUS = {"version": "0.1.0", "mode": "standalone", "datapath": "ebpf", "policyRevision": 7,
          "uptimeSeconds": 93784, "console": {"state": "none"}, "processingUnits": 3, "peers": 2,
          "programs": [{"hook": "sock_ops", "attached": True}, {"hook": "tc", "attached": False}],
          "warnings": ["policy.d/a.yaml:3: wrong \x1b[2Jfile"]}


def test_status(serve):
    server = serve(ok(STATUS))
    done = enforcer(server, "status", "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout) == STATUS and done.stderr == ""
    assert "\x1b" not in done.stdout
    assert server.requests == [{"version": 1, "command": "status", "arguments": {}}]
    assert yaml.safe_load(enforcer(server, "status", "-o", "yaml").stdout) == STATUS
    lines = [line.split() for line in enforcer(server, "status").stdout.splitlines()]
    assert ["policy", "revision", "7"] in lines and ["uptime", "1d", "02:03:04"] in lines
    assert ["sock_ops", "yes"] in lines and ["tc", "no"] in lines
    assert ["warning", "policy.d/a.yaml:3:", "wrong", "\\x1b[2Jfile"] in lines


def test_socket_from_the_environment(serve):
    server = serve(ok(STATUS))
    done = run("enforcer", "status", "-o", "json", env={"BULKHEAD_SOCKET": str(server.path)})
    assert done.returncode == 0
    done = enforcer(server, "status", env={"BULKHEAD_SOCKET": "/nonexistent/s"})
    assert done.returncode == 0


PU = {"id": "1", "name": "web\x1b]0;x\x07", "namespace": "/shop", "tags": ["app=web", "a=b"],
      "cgroup": "/shop/web", "policyId": "p1", "listening": ["tcp/80"]}


def test_pus(serve):
    server = serve(ok([PU]))
    assert json.loads(enforcer(server, "pus", "-o", "json").stdout) == [PU]
    done = enforcer(server, "pus")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "web\\x1b]0;x\\x07" in done.stdout
    assert "app=web,a=b" in done.stdout
    assert len(enforcer(server, "pus", "--no-headers").stdout.splitlines()) == 1


def test_empty_lists(serve):
    server = serve(ok([]))
    for command in ("pus", "flows", "counters", "netstat"):
        assert json.loads(enforcer(server, command, "-o", "json").stdout) == []
        assert len(enforcer(server, command).stdout.splitlines()) == 1
        assert enforcer(server, command, "--no-headers").stdout == ""


def test_netstat_names_the_unit(serve):
    server = serve(ok([]))
    assert enforcer(server, "netstat", "web").returncode == 0
    assert enforcer(server, "netstat").returncode == 0
    assert [r["arguments"] for r in server.requests] == [{"pu": "web"}, {}]
    assert enforcer(server, "netstat", "x" * 70000).returncode == 1  # request too long


def flow(name="web", **more):
    return {"timestamp": "2026-01-02T03:04:05.678Z",
            "source": {"type": "ProcessingUnit", "id": "1", "name": name, "ip": "10.0.0.1",
                       "tags": ["app=web"]},
            "destination": {"type": "ProcessingUnit", "id": "2", "name": "db", "ip": "10.0.0.2",
                            "port": 5432, "tags": ["app=db"]},
            "protocol": "tcp", "action": "Accept", "direction": "outgoing", "policyId": "p1",
            "policyNamespace": "/shop", "policyName": "web-to-db", "ruleName": "r", "count": 3,
            "observedAction": "NotApplicable", "dropReason": "", "bytesIn": 1, "bytesOut": 2, **more}


def test_flows(serve):
    server = serve(ok([flow(), flow("x\x1b[0m")]))
    assert json.loads(enforcer(server, "flows", "-o", "json").stdout) == [flow(), flow("x\x1b[0m")]
    table = enforcer(server, "flows").stdout
    assert "web (10.0.0.1)" in table and "db (10.0.0.2):5432" in table and "\x1b" not in table
    assert "/shop web-to-db r" in table and "NotApplicable" not in table
    server = serve(ok([flow(observedAction="Reject")]))
    assert "Reject" in enforcer(server, "flows").stdout
    assert server.requests[0]["arguments"] == {"follow": False}


def test_follow_until_the_enforcer_goes(serve):
    def answer(client):
        client.sendall(ok([flow("a"), flow("b")]))
        client.sendall(ok([])[:-1])
        time.sleep(0.1)
        client.sendall(b"\n" + ok([flow("c")]))
    server = serve(answer)
    done = enforcer(server, "flows", "--follow", "-o", "json")
    assert [json.loads(line)["source"]["name"] for line in done.stdout.splitlines()] == list("abc")
    assert done.returncode == 1 and "hung up" in done.stderr
    assert server.requests[0]["arguments"] == {"follow": True}
    done = enforcer(server, "flows", "--follow", "-o", "yaml")
    assert [d["source"]["name"] for d in yaml.safe_load_all(done.stdout)] == list("abc")
    assert len(enforcer(server, "flows", "--follow").stdout.splitlines()) == 4


def test_follow_is_not_buffered(serve):
    release = threading.Event()

    def answer(client):
        client.sendall(ok([flow("a")]))
        release.wait(20)
    server = serve(answer)
    process = subprocess.Popen([BULKHEAD, "enforcer", "flows", "--follow", "-o", "json", "--socket",
                                str(server.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert json.loads(process.stdout.readline())["source"]["name"] == "a"
    process.stdout.close()  # the reader goes, no flow comes: it ends all the same
    assert process.wait(10) == 1 and process.stderr.read() == b""
    release.set()


def test_follow_ends_by_signal(serve):
    release = threading.Event()

    def answer(client):
        client.sendall(ok([flow("a")]))
        release.wait(20)
    server = serve(answer)
    # What runs the tests in the background has them ignore SIGINT, and so would the child.
    process = subprocess.Popen(["env", "--default-signal=INT", BULKHEAD, "enforcer", "flows",
                                "--follow", "--socket", str(server.path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process.stdout.close()
    release.set()


def test_follow_tells_of_dropped_flows(serve):
    server = serve(b'{"ok":true,"result":[],"dropped":12}\n')
    done = enforcer(server, "flows", "--follow", "-o", "json")
    assert done.stdout == "" and "12 flows were left out" in done.stderr


@pytest.mark.parametrize("answer, message", [
    (b"", "hung up without an answer"),
    (b'{"ok":true,"res', "hung up in the middle of an answer"),
    (b"\n", "not one of an enforcer"),
    (b"HTTP/1.0 400 Bad Request\r\n\r\n", "not one of an enforcer"),
    (b"[]\n", "not one of an enforcer"),
    (b'{"ok":true}\n', "not one of an enforcer"),
    (b'{"ok":true,"result":7}\n', "not one of an enforcer"),
    (b'{"ok":true,"result":[]}\n', "expected an object"),
    (b'{"ok":"yes","result":{}}\n', "not one of an enforcer"),
    (b'{"ok":false,"ok":true,"result":{}}\n', "not one of an enforcer"),
    (b'{"ok":false}\n', "not one of an enforcer"),
    (b'{"ok":true,"result":{"version":"\xff"}}\n', "not one of an enforcer"),
    (b"[" * 100000 + b"\n", "not one of an enforcer"),
    (b'{"ok":false,"error":{"code":"forbidden","message":"only root \x1b[2J"}}\n',
     "not one of an enforcer"),  # a raw control character is no JSON
    (b'{"ok":false,"error":{"code":"forbidden","message":"only root \\u001b[2J"}}\n',
     "the enforcer refuses: only root \\x1b[2J (forbidden)"),
], ids=lambda value: ascii(value)[:40])
def test_wrong_answers(serve, answer, message):
    done = enforcer(serve(answer), "status")
    assert done.returncode == 1 and done.stdout == ""
    assert message in done.stderr and "\x1b" not in done.stderr


@pytest.mark.parametrize("value", [None, -1, 1e300, 2 ** 62, "x\x1b[2J", [], {}, [[["a"]]], True,
                                   {"programs": 7}], ids=repr)
def test_fields_of_the_wrong_kind(serve, value):
    """The answer is shown as well as it can be; nothing breaks."""
    status = {key: value for key in STATUS}
    for result, command in ((status, "status"), ([value, {"tags": value, "duration": value}], "pus"),
                            ([value, {"source": value, "duration": value}], "netstat"),
                            ([value, flow(value), {"destination": value}], "flows")):
        server = serve(ok(result))
        for format in ("table", "json", "yaml"):
            done = enforcer(server, command, "-o", format)
            assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout


def test_endless_answer(serve):
    def answer(client):
        while True:
            client.sendall(b"x" * (1 << 20))
    done = enforcer(serve(answer), "status")
    assert done.returncode == 1 and "longer than" in done.stderr


def test_no_enforcer(tmp_path):
    done = run("enforcer", "status", "--socket", tmp_path / "none")
    assert done.returncode == 1 and done.stdout == ""
    assert f"{tmp_path}/none: No such file or directory. Is bulkhead-enforcer running?" in done.stderr
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(stale))
    done = run("enforcer", "status", "--socket", stale)
    assert done.returncode == 1 and "Connection refused. Is bulkhead-enforcer" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become another user")
def test_no_permission(tmp_path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = pathlib.Path("/run") / f"bulkhead-test-{os.getpid()}"
    directory.mkdir()
    try:
        server.bind(str(directory / "s"))
        os.chmod(directory / "s", 0o600)
        directory.chmod(0o755)
        shutil.copy(BULKHEAD, directory / "bulkhead")
        done = subprocess.run([directory / "bulkhead", "enforcer", "status", "--socket",
                               directory / "s"], capture_output=True, text=True, user=65534)
        assert done.returncode == 1 and "Permission denied. Only root" in done.stderr
    finally:
        server.close()
        shutil.rmtree(directory)


def test_disable_asks(serve):
    server = serve(ok({}))
    done = enforcer(server, "disable")
    assert done.returncode == 2 and "--yes is needed" in done.stderr and server.requests == []
    args = ["enforcer", "disable", "--socket", server.path]
    for answer in (b"\n", b"n\n", b"maybe\n"):
        assert in_terminal(args, answer)[0] == 1
    assert server.requests == []
    status, seen = in_terminal(args, b"y\n")
    assert status == 0 and "Enforcement is off." in seen
    assert [r["command"] for r in server.requests] == ["disable"]


@pytest.mark.parametrize("command, text", [("disable", "off"), ("enable", "on")])
def test_switching_with_yes(serve, command, text):
    server = serve(ok({"enforcing": text == "on"}))
    done = enforcer(server, command, "--yes")
    assert done.returncode == 0 and done.stdout == f"Enforcement is {text}.\n"
    assert json.loads(enforcer(server, command, "-y", "-o", "json").stdout) == {
        "enforcing": text == "on"}
    assert [r["command"] for r in server.requests] == [command] * 2
