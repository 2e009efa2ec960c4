# SPDX-License-Identifier: Apache-2.0
"""The command line against a running Console."""
import json
import os
import re
import shlex
import subprocess
import time

import pytest
import yaml

from installation import BUILD
from terminal import Terminal

BULKHEAD = os.path.join(BUILD, "bulkhead")


class CommandLine:
    def __init__(self, installation, home):
        self.installation, self.home = installation, home
        self.credential = os.path.join(installation.data, "administrator.json")

    def environment(self, more=None):
        known = {name: value for name, value in os.environ.items()
                 if not name.startswith(("BULKHEAD", "XDG_")) or name == "BULKHEAD_BUILD"}
        return {**known, "HOME": str(self.home), "BULKHEAD_CREDENTIALS": self.credential,
                "BULKHEAD_API": f"https://127.0.0.1:{self.installation.port}", **(more or {})}

    def __call__(self, *args, status=0, input=None, **environment):
        done = subprocess.run([BULKHEAD, *args], capture_output=True, text=True, input=input or "",
                              env=self.environment(environment), timeout=60)
        assert "AddressSanitizer" not in done.stderr and "runtime error" not in done.stderr, done
        assert done.returncode == status, done
        return done

    def json(self, *args, **more):
        return json.loads(self(*args, "-o", "json", **more).stdout)


@pytest.fixture(scope="module")
def cli(installation, tmp_path_factory):
    return CommandLine(installation, tmp_path_factory.mktemp("home"))


def test_life_of_an_object(cli, namespace):
    made = cli.json("api", "create", "extnet", "-n", namespace, "-k", "name", "lan", "-k", "entries",
                    "192.0.2.0/24", "-k", "entries=2001:db8::/32", "-k", "propagate", "true")
    assert made["entries"] == ["192.0.2.0/24", "2001:db8::/32"] and made["propagate"] is True
    by_name = cli.json("api", "get", "externalnetworks", "lan", "-n", namespace)
    by_id = cli.json("api", "get", "externalnetwork", made["ID"], "-n", namespace)
    assert by_name == by_id and by_name["ID"] == made["ID"]
    changed = cli.json("api", "update", "extnet", "lan", "-n", namespace, "-k", "description=x")
    assert changed["description"] == "x" and changed["entries"] == made["entries"]
    listed = cli("api", "list", "extnet", "-n", namespace).stdout.splitlines()
    assert listed[0].split()[:3] == ["ID", "name", "namespace"] and made["ID"] in listed[1]
    assert cli("api", "count", "extnet", "-n", namespace).stdout == "1\n"
    cli("api", "delete", "extnet", "lan", "-n", namespace)
    assert cli.json("api", "list", "extnet", "-n", namespace) == []
    assert "there is none in namespace" in cli("api", "get", "extnet", "lan", "-n", namespace,
                                               status=1).stderr


@pytest.mark.parametrize("args, message", [
    (["create", "nettset"], "unknown resource 'nettset'; did you mean 'netset'?"),
    (["create", "extnet", "-k", "nme", "x"], "has no attribute 'nme'; did you mean 'name'?"),
    (["create", "extnet", "-k", "name=x", "-k", "entries", "1.2.3.4/99"], "entries[0]: found"),
    (["create", "extnet", "-k", "propagate=perhaps"], "expected true or false"),
    (["create", "extnet", "-k", "createTime=2020-01-01T00:00:00Z"], "-k createTime: cannot be set, only read"),
    (["list", "extnet", "--limit", "0"], "--limit: expected a number from 1"),
    (["stub", "extnet", "--indent", "x"], "--indent: expected a number from 1 to 1000"),
    (["import", "--label", "x"], "FILE is missing"),
    (["import", "--delete"], "FILE is missing"),
    (["create", "extnet", "-d", "{name: [}"], "-d:1"),
    (["create", "roles"], "roles cannot be created"),
    (["list", "extnet", "-c", "nane"], "did you mean 'name'?"),
    (["list", "extnet", "-p", "recursiv=1"], "did you mean 'recursive'?"),
    (["list", "extnet", "--order", "-nam"], "did you mean 'name'?"),
    (["list", "extnet", "--limit", "x"], "--limit: expected a number from 1 to 999999999"),
    (["list", "extnet", "--limit", "1", "--page", "1"], "do not go with"),
    (["list", "extnet", "-o", "template"], "expected --template"),
    (["list", "extnet", "--template", "{{ x }}"], "expected a function"),
    (["update", "extnet", "x"], "nothing to change"),
    (["delete-many", "extnet"], "--filter is missing"),
])
def test_wrong_input_is_not_sent(cli, args, message):
    done = cli("api", *args, status=2, BULKHEAD_API="https://127.0.0.1:1")
    assert message in done.stderr and done.stdout == ""


def test_errors_of_the_console(cli, namespace):
    cli("api", "create", "extnet", "-n", namespace, "-k", "name=a", "-k", "entries=10.0.0.0/8")
    done = cli("api", "create", "extnet", "-n", namespace, "-k", "name=a", "-k", "entries=10.0.0.0/8",
               status=2)
    assert "POST https://" in done.stderr and ": 422" in done.stderr and "\n  name: " in done.stderr
    done = cli("api", "list", "extnet", "-n", namespace, "--filter", "name =", status=2)
    assert ": 400" in done.stderr and "q: column" in done.stderr
    cli("api", "list", "extnet", "-n", "/nowhere/at/all", status=1)


def test_forms_of_output(cli, namespace):
    for name in ("a", "b", "c"):
        cli("api", "create", "netset", "-n", namespace, "-k", f"name={name}", "-k", "subject",
            f"app={name},tier=1")
    where = ["api", "list", "netset", "-n", namespace]
    assert yaml.safe_load(cli(*where, "-o", "yaml", "-c", "name").stdout) == [
        {"name": "a"}, {"name": "b"}, {"name": "c"}]
    assert cli(*where, "-o", "none").stdout == ""
    assert cli(*where, "--template", "{{.name}}:{{index (index .subject 0) 1}}").stdout == (
        "a:tier=1\nb:tier=1\nc:tier=1\n")
    ordered = cli.json(*where, "--order", "-name", "--limit", "2", "-c", "name")
    assert ordered == [{"name": "c"}, {"name": "b"}]
    assert cli.json(*where, "--page", "2", "--page-size", "2", "-c", "name") == [{"name": "c"}]
    assert cli.json(*where, "--filter", "name == a", "-c", "name") == [{"name": "a"}]
    assert cli.json(*where, "--encoding", "msgpack") == cli.json(*where)
    resources = {line.split()[0] for line in cli("api", "all", "-n", namespace).stdout.splitlines()}
    assert "networkrulesetpolicies" in resources


def test_pairs_are_as_wide_as_the_longest_name(cli, namespace):
    cli("api", "create", "extnet", "-n", namespace, "-k", "name=a", "-k", "entries=10.0.0.0/8")
    lines = cli("api", "get", "extnet", "a", "-n", namespace).stdout.splitlines()
    starts = {len(line) - len(line.split(None, 1)[1]) for line in lines}
    assert starts == {len("matchProcessingUnits  ")}


def test_every_command_has_every_format(cli, namespace):
    """What is no object is printed in the same formats as objects are."""
    for words in (["api", "info"], ["api", "describe", "netset", "--full"], ["api", "stub", "netset"],
                  ["api", "count", "netset", "-n", namespace], ["api", "search", "a", "-n", namespace],
                  ["api", "all", "-n", namespace], ["api", "export", "-n", namespace], ["appcred", "list"],
                  ["appcred", "roles"], ["auth", "verify"], ["auth", "appcred"], ["profiles", "list"],
                  ["profiles", "show"]):
        ours, theirs = json.loads(cli("-o", "json", *words).stdout), yaml.safe_load(cli(*words, "-o", "yaml").stdout)
        assert ours == theirs or words in (["auth", "appcred"], ["profiles", "show"])  # a new token; the flag itself
        assert cli(*words, "-o", "none").stdout == ""
        lines = cli(*words, "--template", "x{{ with .name }}{{ . }}{{ end }}" if words[1] != "count" else "x").stdout
        assert all(line.startswith("x") for line in lines.splitlines())
        if lines:
            assert "--template:1: found " in cli(*words, "--template", "{{ .a.b.c.d }}", status=2).stderr


def test_stub_can_be_indented(cli):
    plain, indented = (cli("api", "stub", "extnet", *more).stdout for more in ([], ["--indent", "4"]))
    assert indented == "".join(f"    {line}\n" for line in plain.splitlines())
    assert "entries" in cli.json("api", "stub", "extnet", "--indent", "2")


def test_the_examples_of_help_work(cli, namespace):
    """Those of create, which are long enough to be wrong."""
    help = cli("api", "create", "--help").stdout
    lines = [line for line in re.findall(r"^  bulkhead (api create .*)$", help, re.MULTILINE) if " -i" not in line]
    assert len(lines) == 2
    for line in lines:
        cli(*shlex.split(line.replace(" -n /shop", "")), "-n", namespace)
    assert cli("api", "count", "netset", "-n", namespace).stdout == "1\n"


def test_more_than_one_page(cli, client, namespace):
    objects = [{"name": f"n{i:04}", "entries": ["192.0.2.1"]} for i in range(1300)]
    answer = client.post("/import", {"data": {"APIVersion": 1, "data": {"externalnetworks": objects}}},
                         namespace=namespace)
    assert answer.status == 200, answer
    names = cli("api", "list", "extnet", "-n", namespace, "--template", "{{.name}}").stdout.split()
    assert sorted(names) == [item["name"] for item in objects]
    assert len(cli.json("api", "list", "extnet", "-n", namespace, "--limit", "1100")) == 1100
    done = cli("api", "delete-many", "extnet", "-n", namespace, "--filter", 'name matches ["^n00"]',
               status=2)
    assert "Delete 100 externalnetworks?" in done.stderr
    cli("api", "delete-many", "extnet", "-n", namespace, "--filter", 'name matches ["^n00"]',
        "--confirm", "-o", "none")
    assert cli("api", "count", "extnet", "-n", namespace).stdout == "1200\n"


def test_editor(cli, namespace, tmp_path):
    cli("api", "create", "extnet", "-n", namespace, "-k", "name=a", "-k", "entries=10.0.0.0/8")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/^description:.*/description: $WORDS/" "$1"\n')
    editor.chmod(0o755)
    changed = cli.json("api", "update", "extnet", "a", "-n", namespace, "-i", EDITOR=str(editor),
                       WORDS="edited")
    assert changed["description"] == "edited" and changed["entries"] == ["10.0.0.0/8"]
    done = cli("api", "update", "extnet", "a", "-n", namespace, "-i", EDITOR=str(editor), WORDS="[1]",
               TMPDIR=str(tmp_path), status=2)
    assert "description: found a list" in done.stderr
    cli("api", "update", "extnet", "a", "-n", namespace, "-i", EDITOR="true", TMPDIR=str(tmp_path), status=1)
    cli("api", "update", "extnet", "a", "-n", namespace, "-i", EDITOR="false", TMPDIR=str(tmp_path), status=1)
    assert cli.json("api", "get", "extnet", "a", "-n", namespace)["description"] == "edited"


IMPORT = """\
APIVersion: 1
label: three
data:
  externalnetworks:
{{- range $i, $net := .Values.nets }}
    - name: net-{{ $i }}
      entries: [{{ $net | quote }}]
{{- end }}
  networkrulesetpolicies:
    - name: web
      subject: [['app=web']]
      outgoingRules:
        - {action: Allow, object: [['app=db']], protocolPorts: ['tcp/{{ .Values.port | default 5432 }}']}
"""


def test_import(cli, namespace, tmp_path):
    (tmp_path / "p.yaml").write_text(IMPORT)
    (tmp_path / "values.yaml").write_text("nets: [192.0.2.0/24, 198.51.100.0/24]\n")
    where = ["api", "import", str(tmp_path / "p.yaml"), "-n", namespace, "--values",
             str(tmp_path / "values.yaml")]
    rendered = yaml.safe_load(cli(*where, "--render", BULKHEAD_API="https://nowhere").stdout)
    assert [net["name"] for net in rendered["data"]["externalnetworks"]] == ["net-0", "net-1"]

    dry = cli(*where, "--dry-run")
    assert f"create externalnetwork net-0 in {namespace}" in dry.stdout
    assert "would make 3 changes" in dry.stderr
    assert cli("api", "count", "extnet", "-n", namespace).stdout == "0\n"

    done = cli.json(*where)
    assert sorted(change["operation"] for change in done["changes"]) == ["create"] * 3
    assert cli.json(*where)["unchanged"] == 3
    dry = cli(*where, "--set", "nets={10.0.0.0/8}", "--set", "port=99", "--dry-run").stdout
    assert "update externalnetwork net-0" in dry and "delete externalnetwork net-1" in dry
    assert '    - entries: ["192.0.2.0/24"]\n    + entries: ["10.0.0.0/8"]' in dry

    wrong = cli(*where, "--set", "port=99999", status=2).stderr
    assert f"{tmp_path}/p.yaml:13: data.networkrulesetpolicies[0].outgoingRules[0].protocolPorts[0]:" in wrong

    exported = yaml.safe_load(cli("api", "export", "-n", namespace).stdout)
    assert len(exported["data"]["externalnetworks"]) == 2
    gone = cli.json(*where, "--delete")
    assert len(gone["changes"]) == 3 and gone["unchanged"] == 0
    cli(*where)
    gone = cli("api", "import", "-n", namespace, "--label", "three", "--delete", "--dry-run")
    assert "would make 3 changes, 0 objects as they were" in gone.stderr
    cli("api", "import", "-n", namespace, "--label", "three", "--delete")
    assert cli("api", "count", "extnet", "-n", namespace).stdout == "0\n"
    cli("api", "import", "-", "-n", namespace, input=json.dumps(exported))
    assert cli("api", "count", "extnet", "-n", namespace).stdout == "2\n"


@pytest.mark.parametrize("text, message", [
    ("data: {nope: []}", ":1: data: unknown kind 'nope'"),
    ("data: {externalnetwork: []}", "did you mean 'externalnetworks'?"),
    ("data:\n  externalnetworks: {}", ":2: externalnetworks: found something else"),
    ("data:\n  externalnetworks:\n    - name: a\n      entris: []", ":4: data.externalnetworks[0].entris"),
    ("lable: x\ndata: {}", ":1: lable"),
    ("[]", "expected an import envelope"),
    ("a\n{{ .Values.nothing }}", ":2: found no value here"),
    ("data: {}\n---\nlabel: a\ndata: {}\n---\nlabel: b\ndata: {}", ":6: label: found another label"),
    ("data: {}", "there is no object"),
    ("data: {a: 1", ":1"),
])
def test_wrong_imports(cli, tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    assert message in cli("api", "import", str(tmp_path), status=2).stderr


def test_credentials(cli, namespace, tmp_path):
    path = tmp_path / "ci.json"
    done = cli("appcred", "create", "ci", "-n", namespace, "--role", "namespace.viewer", "--output-file",
               str(path))
    assert done.stdout == "" and path.stat().st_mode & 0o777 == 0o600
    credential = json.loads(path.read_text())
    assert set(credential) == {"ID", "name", "namespace", "APIURL", "certificate", "certificateAuthority",
                               "certificateKey"}
    own = {"BULKHEAD_CREDENTIALS": str(path)}
    assert cli.json("api", "list", "extnet", **own) == []
    cli("api", "create", "extnet", "-k", "name=a", "-k", "entries=10.0.0.0/8", status=1, **own)
    assert cli("appcred", "roles", "ci", "-n", namespace).stdout == "@auth:role=namespace.viewer\n"
    cli("appcred", "roles", "ci", "-n", namespace, "--role", "namespace.administrator")
    cli("api", "create", "extnet", "-k", "name=a", "-k", "entries=10.0.0.0/8", **own)
    cli("appcred", "subnets", "ci", "-n", namespace, "--authorized-subnet", "192.0.2.0/24")
    cli("api", "list", "extnet", status=1, **own)
    cli("appcred", "subnets", "ci", "-n", namespace, "--clear")
    cli("appcred", "disable", "ci", "-n", namespace)
    assert "disabled" in cli("api", "list", "extnet", status=1, **own).stderr
    cli("appcred", "enable", "ci", "-n", namespace)
    cli("appcred", "renew", "ci", "-n", namespace, "--output-file", str(tmp_path / "new.json"))
    cli("api", "list", "extnet", BULKHEAD_CREDENTIALS=str(tmp_path / "new.json"))
    pem = cli("appcred", "renew", "ci", "-n", namespace, "--type", "cert").stdout
    (tmp_path / "c.pem").write_text(pem)
    token = cli("auth", "cert", "--cert", str(tmp_path / "c.pem"), "--cert-key", str(tmp_path / "c.pem"),
                "--api-cacert", os.path.join(cli.installation.data, "ca.crt")).stdout.strip()
    assert token.count(".") == 2
    secret = yaml.safe_load(cli("appcred", "renew", "ci", "-n", namespace, "--type", "k8s").stdout)
    assert secret["kind"] == "Secret" and secret["metadata"]["name"] == "ci"
    cli("appcred", "delete", "ci", "-n", namespace)
    assert "ci" not in cli("appcred", "list", "-n", namespace).stdout


def test_tokens(cli, namespace):
    cached = list((cli.home / ".cache/bulkhead").iterdir())
    assert cached and all(path.stat().st_mode & 0o777 == 0o600 for path in cached)
    for path in cached:  # no longer good: asked for again, once
        path.write_text("x.eyJleHAiOjk5OTk5OTk5OTl9.y")
    assert cli.json("api", "list", "roles")
    token = cli("auth", "appcred", "--validity", "10m", "--restrict-namespace", namespace,
                "--restrict-role", "namespace.viewer", "--opaque", "a=b").stdout.strip()
    lines = cli("auth", "verify", "-t", token, "-n", namespace).stdout
    assert "@auth:realm=certificate" in lines
    assert cli.json("api", "list", "extnet", "-n", namespace, "-t", token) == []
    cli("api", "list", "extnet", "-n", "/", "-t", token, status=1)
    less = cli("auth", "token", "-t", token, "--validity", "1m", "-e").stdout
    assert less.startswith("export BULKHEAD_TOKEN='ey")
    assert "expected three parts" in cli("auth", "verify", "-t", token + ".x", status=1).stderr
    done = cli("auth", "appcred", "--validity", "soon", status=2)
    assert "validity: found" in done.stderr


def test_local_account(cli):
    cli("api", "create", "account", "-k", "name=ann", "-k", "email=a@example.com", "-k", "password",
        "correct horse battery")
    done = cli("auth", "local", "--account", "ann", input="correct horse battery\n")
    assert done.stdout.count(".") == 2 and "battery" not in done.stderr
    assert ": 401" in cli("auth", "local", "--account", "ann", input="wrong\n", status=1).stderr


def test_configure(cli, tmp_path):
    fresh = CommandLine(cli.installation, tmp_path)
    bare = {"BULKHEAD_CREDENTIALS": "", "BULKHEAD_API": ""}
    assert "no Console" in fresh("api", "list", "ns", status=2, **bare).stderr
    fresh("configure", "--creds", cli.credential, "--name", "work", "--role", "namespace.viewer", **bare)
    assert [item["name"] for item in fresh.json("api", "list", "ns", **bare)]
    fresh("api", "create", "ns", "-k", "name=x", status=1, **bare)
    fresh("configure", "--creds", cli.credential, "--name", "work", status=2, **bare)
    fresh("configure", "--creds", cli.credential, "--name", "other", **bare)
    assert [(row["name"], row["mark"]) for row in fresh.json("profiles", "list")] == [
        ("other", ""), ("work", "*")]
    fresh("profiles", "use", "other")
    assert "did you mean 'other'?" in fresh("profiles", "use", "othre", status=2).stderr
    shown = {row["setting"]: row for row in fresh.json("profiles", "show", **bare)}
    assert shown["profile"]["value"] == "other" and shown["api"]["from"] == "profile"
    assert [(row["name"], row["mark"]) for row in fresh.json("profiles", "list", BULKHEAD_PROFILE="work")] == [
        ("other", ""), ("work", ">")]


def newcomer(cli, home):
    """Who has nothing: no profile, no environment."""
    fresh = CommandLine(cli.installation, home)
    fresh.bare = {"BULKHEAD_CREDENTIALS": "", "BULKHEAD_API": "", "TERM": "xterm"}
    return fresh


def test_configure_asks_for_a_file(cli, tmp_path):
    fresh = newcomer(cli, tmp_path)
    (tmp_path / "administrator.json").write_text(open(cli.credential).read())
    terminal = Terminal(["configure"], fresh.environment(fresh.bare))
    terminal.answer(("Profile [default]: ", ""), ("Credential file", "~/administrator.json"))
    assert terminal.end() == 0 and "wrote profile 'default'" in terminal.seen
    (tmp_path / "administrator.json").unlink()
    assert fresh.json("api", "list", "roles", **fresh.bare)


def test_configure_asks_for_an_account(cli, tmp_path):
    fresh = newcomer(cli, tmp_path)
    cli("api", "create", "account", "-k", "name=bob", "-k", "email=b@example.com", "-k", "password=correct horse staple")
    cli("api", "create", "apiauth", "-k", "name=bob", "-k", "subject=@auth:realm=vince,@auth:account=bob", "-k",
        "authorizedIdentities=@auth:role=namespace.administrator", "-k", "authorizedNamespace=/")
    terminal = Terminal(["configure", "--name", "mine", "--role", "namespace.viewer"], fresh.environment(fresh.bare),
                        cwd=cli.installation.data)
    terminal.answer(("Credential file", ""), ("Address of the Console", f"127.0.0.1:{cli.installation.port}"),
                    ("Its authority", "ca.crt"), ("Account: ", "bob"), ("Password: ", "correct horse staple"))
    assert terminal.end() == 0 and "staple" not in terminal.seen, terminal.seen
    assert fresh.json("api", "list", "roles", **fresh.bare)  # from another directory than the authority's


def test_configure_makes_nothing_that_it_cannot_keep(cli, tmp_path):
    def credentials():
        return {item["ID"] for item in cli.json("api", "list", "appcred")}

    fresh = newcomer(cli, tmp_path)
    before = credentials()
    (tmp_path / ".config").write_text("a file")
    assert "no profile can be written in" in fresh("configure", "--creds", cli.credential, status=1, **fresh.bare).stderr
    assert "no home directory" in fresh("configure", "--creds", cli.credential, status=2, **fresh.bare, HOME="").stderr
    assert credentials() == before
    (tmp_path / ".config").unlink()
    fresh("configure", "--creds", cli.credential, **fresh.bare)
    made, = credentials() - before
    done = fresh("configure", "--creds", cli.credential, "--force", **fresh.bare)
    assert f"bulkhead appcred delete {made}" in done.stderr
    fresh("appcred", "delete", made, **fresh.bare)
    fresh("profiles", "set", "default")
    assert "expected https://" in fresh("api", "list", "ns", "-A", "http://127.0.0.1", status=2, **fresh.bare).stderr


def test_registration_of_an_enforcer(cli, namespace, tmp_path):
    path = tmp_path / "registration.json"
    cli("enforcer", "register", "-n", namespace, "--output-file", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    file = json.loads(path.read_text())
    assert set(file) == {"APIURL", "namespace", "certificateAuthority", "token"}
    assert file["namespace"] == namespace
    registration = {"BULKHEAD_CREDENTIALS": str(path)}
    made = cli.json("api", "create", "enforcers", "-k", "name=h", "-k", "FQDN=h.example", **registration)
    assert made["namespace"] == namespace
    cli("api", "list", "enforcers", status=1, **registration)
    cli("api", "create", "extnet", "-k", "name=a", "-k", "entries=10.0.0.0/8", status=1, **registration)
    durable = json.loads(cli("enforcer", "register", "-n", namespace, "--with", "appcred", "--name", "image").stdout)
    assert durable["name"] == "image" and durable["certificateKey"]


def test_listen(cli, namespace):
    process = subprocess.Popen([BULKHEAD, "api", "listen", "-n", namespace, "--identity", "extnet"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=cli.environment())
    try:
        time.sleep(1.5)
        cli("api", "create", "netset", "-n", namespace, "-k", "name=x", "-k", "subject=a=b")
        cli("api", "create", "extnet", "-n", namespace, "-k", "name=a", "-k", "entries=10.0.0.0/8")
        event = json.loads(process.stdout.readline())
        assert (event["identity"], event["type"], event["entity"]["name"]) == ("externalnetwork", "create", "a")
    finally:
        process.kill()
        process.communicate()
    assert "404" in cli("api", "listen", "-n", "/not/there", status=1).stderr


def test_completion(cli, namespace):
    def offers(*words, **environment):
        return cli("__complete", "--", *words, **environment).stdout.split()

    cli("api", "create", "extnet", "-n", namespace, "-k", "name=partners", "-k", "entries=10.0.0.0/8")
    assert offers("api", "list", "extern") == ["externalnetworks"]
    assert offers("api", "list", "netset", "-c", "subj") == ["subject"]
    assert offers("api", "create", "netset", "-k", "propagate", "") == ["true", "false"]
    assert offers("api", "get", "extnet", "-n", namespace, "par") == ["partners"]
    assert offers("-n", namespace, "api", "get", "extnet", "") == ["partners"]
    assert offers("api", f"--namespace={namespace}", "delete", "extnet", "p") == ["partners"]
    assert namespace in offers("-n", namespace[:2])
    assert f"--namespace={namespace}" in offers("api", "list", f"--namespace={namespace[:2]}")
    assert namespace in offers("api", "list", "extnet", "-n", "/")
    assert "namespace.viewer" in offers("appcred", "create", "x", "--role", "namespace.v")
    # What the limit of an answer would leave out is asked for by its beginning.
    cli("api", "import", "-", "-n", namespace, input=json.dumps({"data": {"externalnetworks": [
        {"name": f"n.{i:04}", "entries": ["192.0.2.1"]} for i in range(400)]}}))
    assert offers("api", "get", "extnet", "-n", namespace, "n.039") == [f"n.039{i}" for i in range(10)]
    # No Console, no token: no offer, and no waiting.
    start = time.monotonic()
    assert offers("api", "get", "extnet", "x", BULKHEAD_API="https://192.0.2.1") == []
    assert time.monotonic() - start < 20


def test_a_console_that_is_not_trusted(cli, tmp_path):
    other = tmp_path / "other.pem"
    other.write_text(subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=other", "-keyout", "/dev/null"], capture_output=True, text=True, check=True).stdout)
    done = cli("api", "list", "ns", "--api-cacert", str(other), status=1)
    assert "is not trusted" in done.stderr and "--api-cacert FILE" in done.stderr
    done = cli("api", "list", "ns", "--api-cacert", str(other), "--api-skip-verify")
    assert "WARNING" in done.stderr
