# SPDX-License-Identifier: Apache-2.0
"""`bulkhead policy eval` on real files: the truth table of the policy's meaning, and --cases."""
import json
import os
import pathlib
import resource
import subprocess

import pytest
import yaml

BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", pathlib.Path(__file__).parents[2] / "build"))
BULKHEAD = str(BUILD / "bulkhead")

W = "ns:/shop;tags:app=web"
D = "ns:/shop;tags:app=db"
X = "192.0.2.7"


def run(*args):
    return subprocess.run([BULKHEAD, *map(str, args)], capture_output=True, text=True, timeout=60)


def rule(other, port="tcp/5432", action="Allow", **more):
    return {"action": action, "object": [[other]], "protocolPorts": [port], **more}


def ruleset(name, subject, namespace="/shop", **more):
    return {"name": name, "namespace": namespace, "subject": [[subject]], **more}


def network(**more):
    return {"name": "partners", "namespace": "/shop", "entries": ["192.0.2.0/24", "2001:db8::/32"],
            "associatedTags": ["externalnetwork:name=partners"], **more}


def estate(rulesets=(), networks=(), default="Reject"):
    namespaces = [{"name": "/shop", "defaultPUIncomingTrafficAction": default,
                   "defaultPUOutgoingTrafficAction": default}]
    return {"APIVersion": 1, "label": "test", "data": {
        "namespaces": namespaces, "externalnetworks": list(networks),
        "networkrulesetpolicies": list(rulesets)}}


@pytest.fixture(params=["yaml", "json"])
def judge(request, tmp_path):
    """Write the estate in this format, judge one flow, return exit status and answer."""
    def judge(policy, source, destination, port="tcp/5432"):
        file = tmp_path / f"policy.{request.param}"
        file.write_text(json.dumps(policy) if request.param == "json" else yaml.dump(policy))
        done = run("policy", "eval", "-f", file, "--from", source, "--to", destination,
                   "--port", port, "-o", "json")
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)
    return judge


W_OUT = ruleset("web-out", "app=web", outgoingRules=[rule("app=db")])
W_OUT_ANY = ruleset("web-out", "app=web", outgoingRules=[rule("app=db", "any")])
D_IN = ruleset("db-in", "app=db", incomingRules=[rule("app=web", name="from-web")])
D_FROM_PARTNERS = ruleset("db-partners", "app=db",
                          incomingRules=[rule("externalnetwork:name=partners", name="partners")])
PARENT = ruleset("guard", "app=db", "/", propagate=True,
                 incomingRules=[rule("app=web", "any", "Reject", name="no-web")])


def side(answer, name):
    return next(s for s in answer["sides"] if s["side"] == name)


def decided(answer, name):
    s = side(answer, name)
    return s["verdict"], s["policyNamespace"], s["policyName"], s["ruleName"], s["default"]


def test_no_rulesets(judge):
    status, answer = judge(estate(), W, D)
    assert status == 1 and answer["verdict"] == "Reject"
    assert decided(answer, "sender") == ("Reject", "/shop", "default", "", True)
    assert side(answer, "sender")["action"] == "Reject"
    assert side(answer, "sender")["nearest"] is None
    assert side(answer, "sender")["observed"] == []


def test_outgoing_only(judge):
    status, answer = judge(estate([W_OUT]), W, D)
    assert status == 1 and answer["verdict"] == "Reject"
    assert decided(answer, "sender") == ("Accept", "/shop", "web-out", "", False)
    assert side(answer, "sender")["action"] == "Allow"
    assert decided(answer, "receiver") == ("Reject", "/shop", "default", "", True)


def test_incoming_only(judge):
    status, answer = judge(estate([D_IN]), W, D)
    assert status == 1 and answer["verdict"] == "Reject"
    assert decided(answer, "sender") == ("Reject", "/shop", "default", "", True)
    assert decided(answer, "receiver") == ("Accept", "/shop", "db-in", "from-web", False)


def test_both_sides(judge):
    status, answer = judge(estate([W_OUT, D_IN]), W, D)
    assert status == 0 and answer["verdict"] == "Accept"
    assert decided(answer, "receiver") == ("Accept", "/shop", "db-in", "from-web", False)
    assert side(answer, "receiver")["nearest"] is None


def test_other_port(judge):
    status, answer = judge(estate([W_OUT, D_IN]), W, D, "tcp/22")
    assert status == 1
    assert decided(answer, "sender") == ("Reject", "/shop", "default", "", True)
    nearest = side(answer, "sender")["nearest"]
    assert (nearest["policyNamespace"], nearest["policyName"]) == ("/shop", "web-out")
    assert "tcp/22" in nearest["missing"] and "tcp/5432" in nearest["missing"]


def test_parent_rejects(judge):
    status, answer = judge(estate([W_OUT, D_IN, PARENT]), W, D)
    assert status == 1
    assert side(answer, "sender")["verdict"] == "Accept"
    assert decided(answer, "receiver") == ("Reject", "/", "guard", "no-web", False)
    assert side(answer, "receiver")["action"] == "Reject"


@pytest.mark.parametrize("address", [X, "ip:" + X, "2001:db8::7"])
def test_external_network(judge, address):
    status, answer = judge(estate([D_FROM_PARTNERS], [network()]), address, D)
    assert status == 0 and answer["verdict"] == "Accept"
    assert len(answer["sides"]) == 1
    assert decided(answer, "receiver") == ("Accept", "/shop", "db-partners", "partners", False)


def test_outside_the_external_network(judge):
    status, answer = judge(estate([D_FROM_PARTNERS], [network()]), "198.51.100.7", D)
    assert status == 1
    assert decided(answer, "receiver") == ("Reject", "/shop", "default", "", True)
    assert side(answer, "receiver")["nearest"]["policyName"] == "db-partners"


def test_identity_inside_the_external_network(judge):
    policy = [W_OUT, D_FROM_PARTNERS]
    status, answer = judge(estate(policy, [network()]), W + ";ip:" + X, D)
    assert status == 1 and side(answer, "sender")["verdict"] == "Accept"
    assert decided(answer, "receiver") == ("Reject", "/shop", "default", "", True)

    status, answer = judge(estate(policy, [network(matchProcessingUnits=True)]), W + ";ip:" + X, D)
    assert status == 0
    assert decided(answer, "receiver") == ("Accept", "/shop", "db-partners", "partners", False)


def test_reject_by_address_holds_for_identities(judge):
    guard = ruleset("no-partners", "app=db", incomingRules=[
        rule("externalnetwork:name=partners", "any", "Reject", name="no-partners")])
    policy = estate([W_OUT, D_IN, guard], [network()])
    assert judge(policy, W, D)[0] == 0
    status, answer = judge(policy, W + ";ip:" + X, D)
    assert status == 1
    assert decided(answer, "receiver") == ("Reject", "/shop", "no-partners", "no-partners", False)


def test_observation(judge):
    watched = ruleset("db-in", "app=db", incomingRules=[
        rule("app=web", name="watch", observationEnabled=True)])
    status, answer = judge(estate([W_OUT, watched]), W, D)
    assert status == 1
    assert decided(answer, "receiver") == ("Reject", "/shop", "default", "", True)
    observed = side(answer, "receiver")["observed"]
    assert observed == [{"action": "Allow", "policyNamespace": "/shop", "policyName": "db-in",
                         "ruleName": "watch"}]


def test_default_allow(judge):
    assert judge(estate(default="Allow"), W, D)[0] == 0
    guard = ruleset("db-in", "app=db", incomingRules=[rule("app=web", "any", "Reject", name="no")])
    status, answer = judge(estate([guard], default="Allow"), W, D)
    assert status == 1
    assert decided(answer, "sender") == ("Accept", "/shop", "default", "", True)
    assert side(answer, "sender")["action"] == "Allow"
    assert decided(answer, "receiver") == ("Reject", "/shop", "db-in", "no", False)


def test_default_is_named_by_its_namespace(judge):
    policy = estate()
    policy["data"]["namespaces"] = [
        {"name": "/", "defaultPUOutgoingTrafficAction": "Reject"},
        {"name": "/shop", "defaultPUOutgoingTrafficAction": "Allow"},
        {"name": "/shop/eu", "defaultPUOutgoingTrafficAction": "Inherit"}]
    answer = judge(policy, "ns:/shop/eu;tags:app=web", X)[1]
    assert decided(answer, "sender") == ("Accept", "/shop", "default", "", True)
    answer = judge(policy, X, "ns:/shop/eu;tags:app=web")[1]
    assert decided(answer, "receiver") == ("Reject", "/shop/eu", "default", "", True)


def test_fallback_counts_only_alone(judge):
    fallback = ruleset("any", "app=db", fallback=True, incomingRules=[rule("app=web", "any")])
    assert judge(estate([W_OUT_ANY, fallback]), W, D, "tcp/22")[0] == 0
    assert judge(estate([W_OUT_ANY, fallback, D_IN]), W, D, "tcp/22")[0] == 1


def test_identity_tags_are_there(judge):
    everyone = ruleset("db-in", "$identity=processingunit", incomingRules=[rule("$namespace=/shop")])
    assert judge(estate([W_OUT, everyone]), W, D)[0] == 0
    assert judge(estate([W_OUT, everyone]), "ns:/other;tags:app=web", D)[0] == 1


@pytest.mark.parametrize("port, status", [("icmp/8/0", 0), ("icmp/0/0", 1), ("sctp", 0),
                                          ("udp/53", 0), ("udp/54", 1), ("TCP/80", 0)])
def test_ports(judge, port, status):
    ports = ["icmp/8/0", "sctp", "udp/53", "tcp/80:90"]
    into = ruleset("db-in", "app=db", incomingRules=[dict(rule("app=web"), protocolPorts=ports)])
    out = ruleset("web-out", "app=web",
                  outgoingRules=[dict(rule("app=db"), protocolPorts=list(ports))])
    assert judge(estate([into, out]), W, D, port)[0] == status


# ---- files and cases ------------------------------------------------------------------------------

@pytest.fixture
def policy(tmp_path):
    directory = tmp_path / "policy.d"
    directory.mkdir()
    (directory / "10-web.yaml").write_text(yaml.dump(estate([W_OUT])))
    rest = estate([D_IN, D_FROM_PARTNERS], [network()])
    del rest["data"]["namespaces"]
    (directory / "20-db.json").write_text(json.dumps(rest))
    (directory / "README").write_text("no policy")
    return directory


def cases_file(tmp_path, cases):
    file = tmp_path / "cases.json"
    file.write_text(cases if isinstance(cases, str) else json.dumps(cases))
    return file


def test_namespace_option_and_many_files(policy):
    args = ["--namespace", "/shop", "--from", "tags:app=web", "--to", "tags:app=db", "--port",
            "tcp/5432"]
    assert run("policy", "eval", "-f", policy, *args).returncode == 0
    web, db = policy / "10-web.yaml", policy / "20-db.json"
    assert run("policy", "eval", "-f", web, "-f", db, *args).returncode == 0
    assert run("policy", "eval", "-f", web, db, *args).returncode == 0
    assert run("policy", "eval", "-f", web, *args).returncode == 1
    assert run("policy", "eval", "-f", policy, *args[2:]).returncode == 1  # peers in /


def test_table_and_yaml(policy):
    args = ["policy", "eval", "-f", policy, "--from", W, "--to", D, "--port", "tcp/22"]
    table = run(*args)
    assert table.returncode == 1 and table.stderr == ""
    assert "\x1b" not in table.stdout  # not a terminal
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["VERDICT", "Reject"]
    assert lines[2].split() == ["SIDE", "VERDICT", "DECIDED", "BY", "OBSERVED", "NEAREST"]
    assert "/shop web-out lacks port tcp/22 (rule has tcp/5432)" in lines[3]
    assert yaml.safe_load(run(*args, "-o", "yaml").stdout) == json.loads(
        run(*args, "-o", "json").stdout)
    bare = run(*args, "--no-headers").stdout.splitlines()
    assert [line.split()[0] for line in bare] == ["sender", "receiver"]


def test_cases(policy, tmp_path):
    cases = [{"from": W, "to": D, "port": "tcp/5432", "expect": "Accept"},
             {"from": W, "to": D, "port": "tcp/22", "expect": "Reject"},
             {"from": X, "to": D, "port": "tcp/5432"},
             {"from": "tags:app=web", "to": "tags:app=db", "port": "tcp/5432", "expect": "Accept",
              "namespace": "/shop"}]
    done = run("policy", "eval", "-f", policy, "--cases", cases_file(tmp_path, cases), "-o", "json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [r["verdict"] for r in results] == ["Accept", "Reject", "Accept", "Accept"]
    assert [r.get("ok") for r in results] == [True, True, None, True]
    assert "ok" not in results[2] and "expect" not in results[2]
    assert results[2]["from"] == X and len(results[2]["sides"]) == 1
    single = json.loads(run("policy", "eval", "-f", policy, "--from", W, "--to", D, "--port",
                            "tcp/22", "-o", "json").stdout)
    assert results[1]["sides"] == single["sides"]


def test_cases_that_differ(policy, tmp_path):
    cases = [{"from": W, "to": D, "port": "tcp/5432", "expect": "Reject"},
             {"from": W, "to": D, "port": "tcp/22", "expect": "Reject"}]
    file = cases_file(tmp_path, cases)
    done = run("policy", "eval", "-f", policy, "--cases", file, "-o", "json")
    assert done.returncode == 1 and done.stderr == ""
    assert [r["ok"] for r in json.loads(done.stdout)] == [False, True]
    table = run("policy", "eval", "-f", policy, "--cases", file).stdout.splitlines()
    assert table[0].split()[:6] == ["FROM", "TO", "PORT", "VERDICT", "EXPECTED", "OK"]
    assert table[1].split()[:6] == [W, D, "tcp/5432", "Accept", "Reject", "no"]


def test_no_cases(policy, tmp_path):
    done = run("policy", "eval", "-f", policy, "--cases", cases_file(tmp_path, []), "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout) == []


@pytest.mark.parametrize("text, message", [
    ("", ":1: "),
    ("{}", ":1: found a map, expected a list of {from, to, port, expect?}"),
    ('[\n{"from": "tags:a=b", "to": "1.2.3.4",\n"port": "tcp/0x1"}]',
     ":3: [0].port: found 'tcp/0x1', expected "),
    ('[\n{"from": "1.2.3.5", "to": "1.2.3.4", "port": "tcp/1"}]',
     ":2: [0]: found two peers without identity, expected tags: in from or to"),
    ('[{"from": "tags:a=b", "to": "1.2.3.4", "port": "tcp/1", "expect": "Allow"}]',
     ":1: [0].expect: found 'Allow', expected Accept or Reject"),
    ('[{"from": "tags:a=b", "to": "1.2.3.4", "port": "tcp/1", "exp": 1}]', ":1: [0].exp: "),
])
def test_wrong_cases(policy, tmp_path, text, message):
    file = cases_file(tmp_path, text)
    done = run("policy", "eval", "-f", policy, "--cases", file, "-o", "json")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(str(file) + message), done.stderr


def test_wrong_policy(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("APIVersion: 1\ndata:\n  externalnetworks:\n"
                    "    - {name: p, entries: [10.0.0.0/33]}\n")
    done = run("policy", "eval", "-f", file, "--from", X, "--to", D, "--port", "tcp/1")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(
        f"{file}:4: data.externalnetworks[0].entries[0]: found '10.0.0.0/33', expected ")


def test_unreadable_files(tmp_path):
    args = ["--from", X, "--to", D, "--port", "tcp/1"]
    done = run("policy", "eval", "-f", tmp_path / "none.yaml", *args)
    assert done.returncode == 2 and "none.yaml: No such file or directory" in done.stderr
    good = tmp_path / "good.yaml"
    good.write_text(yaml.dump(estate()))
    done = run("policy", "eval", "-f", good, "--cases", tmp_path / "none.json")
    assert done.returncode == 2 and "none.json: No such file or directory" in done.stderr


def test_ten_thousand_cases_are_quick(policy, tmp_path):
    cases = [{"from": f"ns:/shop;tags:app=web,n={i % 100}", "to": D,
              "port": "tcp/5432" if i % 2 else "tcp/22", "expect": "Accept" if i % 2 else "Reject"}
             for i in range(10000)]
    file = cases_file(tmp_path, cases)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = run("policy", "eval", "-f", policy, "--cases", file, "-o", "json")
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 10000
    assert seconds < 10, seconds


# ---- the examples in the documentation ------------------------------------------------------------

def examples():
    page = (pathlib.Path(__file__).parents[2] / "docs/user/policy.md").read_text()
    blocks = page.split("```")[1::2]
    pairs = [(a[len("yaml"):], b[len("json"):]) for a, b in zip(blocks, blocks[1:])
             if a.startswith("yaml") and b.startswith("json")]
    assert len(pairs) == sum(block.startswith("yaml") for block in blocks)
    return pairs


@pytest.mark.parametrize("policy, cases", examples(), ids=lambda text: text.split("label: ")[-1].split()[0][:20])
def test_examples_in_the_documentation(tmp_path, policy, cases):
    file = tmp_path / "policy.yaml"
    file.write_text(policy)
    done = run("policy", "check", file)
    assert done.returncode == 0, done.stdout
    assert "error" not in done.stdout
    done = run("policy", "eval", "-f", file, "--cases", cases_file(tmp_path, cases))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all("expect" in case for case in json.loads(cases))
