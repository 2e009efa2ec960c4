# SPDX-License-Identifier: Apache-2.0
"""Routes of enforcers and processing units, as far as they need no Enforcer at the other end."""
import contextlib
import sqlite3
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from installation import Installation


def request_for(name="somebody else"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def register(client, namespace, name, **more):
    answer = client.post("/enforcers", {"name": name, "FQDN": f"{name}.example", "certificateRequest": request_for(),
                                        **more}, namespace=namespace)
    assert answer.status == 200, answer
    return answer.body


def test_registration_gives_certificate_and_number(client, namespace):
    one, two = register(client, namespace, "one"), register(client, namespace, "two")
    certificate = x509.load_pem_x509_certificate(one["certificate"].encode())
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == f"enforcer:{one['ID']}"
    assert certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == namespace
    assert one["number"] > 255 and two["number"] > 255 and one["number"] != two["number"]
    assert "BEGIN CERTIFICATE" in one["localCA"]
    assert "previousCertificate" not in one
    same = client.post("/enforcers", {"name": "one", "FQDN": "one.example"}, namespace=namespace)
    assert same.status == 422, same


def test_a_request_that_is_none(client, namespace):
    bad = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    answer = client.post("/enforcers", {"name": "bad", "FQDN": "b.example", "certificateRequest": bad},
                         namespace=namespace)
    assert answer.status == 422 and answer.body[0]["data"]["attribute"] == "certificateRequest", answer


def test_refresh_without_a_connection_warns(client, namespace):
    enforcer = register(client, namespace, "silent")
    answer = client.post(f"/enforcers/{enforcer['ID']}/enforcerrefreshes", {}, namespace=namespace)
    assert answer.status == 200 and answer.body["ID"] == enforcer["ID"], answer
    assert "no connection" in answer.headers["X-Messages"]


def test_poke(client, namespace):
    path = f"/enforcers/{register(client, namespace, 'poked')['ID']}"
    answer = client.get(path + "/poke?status=Connected&enforcementStatus=Active&version=1.2.3&cpuload=0.5&memory=4096"
                        "&processes=7&sessionID=x&ts=2026-01-31T12:00:00Z&zhash=1&forceFullPoke")
    assert answer.status == 204, answer
    read = client.get(path).body
    assert [read[name] for name in ("operationalStatus", "enforcementStatus", "currentVersion")] == \
        ["Connected", "Active", "1.2.3"]
    assert read["lastSyncTime"]
    assert client.get(path + "/poke?sessionClose").status == 204
    assert client.get(path).body["operationalStatus"] == "Disconnected"
    for query in ("cpuload=much", "memory=-1", "status=Gone", "ts=now", "nothing=1"):
        assert client.get(path + "/poke?" + query).status == 400, query
    assert client.get(path + "/poke?version=" + "9" * 65).status == 422
    assert [a["operation"] for a in client.get("/activities", namespace=namespace).body
            if a["targetIdentity"] == "enforcer"] == ["create"]
    assert client.get(path).body["currentVersion"] == "1.2.3"


def test_deletion_frees_the_number(client, namespace):
    enforcer = register(client, namespace, "gone")
    assert client.ask("DELETE", f"/enforcers/{enforcer['ID']}", namespace=namespace).status in (200, 204)
    assert client.get(f"/enforcers/{enforcer['ID']}", namespace=namespace).status == 404
    register(client, namespace, "gone")


def test_profile_in_force(client, namespace):
    enforcer = register(client, namespace, "profiled", associatedTags=["role=edge"])
    for name, tag in (("wide", "kind=wide"), ("narrow", "kind=narrow")):
        assert client.post("/enforcerprofiles", {"name": name, "associatedTags": [tag],
                                                 "targetNetworks": ["10.0.0.0/8"]}, namespace=namespace).status == 200
    mapping = {"name": "edges", "subject": [["role=edge"]], "object": [["kind=narrow"]]}
    assert client.post("/enforcerprofilemappingpolicies", mapping, namespace=namespace).status == 200
    default = client.get("/enforcerprofilemappingpolicies?q=name%20!%3D%20edges", namespace=namespace).body
    for other in default:
        client.ask("DELETE", f"/enforcerprofilemappingpolicies/{other['ID']}?override=true",
                   namespace=namespace)
    answer = client.get(f"/enforcers/{enforcer['ID']}/enforcerprofiles", namespace=namespace)
    assert [profile["name"] for profile in answer.body] == ["narrow"], (answer, default)


def test_host_services_in_force(client, namespace):
    enforcer = register(client, namespace, "served", associatedTags=["role=edge"])
    for name, tag in (("sshd", "kind=ssh"), ("httpd", "kind=http")):
        assert client.post("/hostservices", {"name": name, "associatedTags": [tag], "services": ["tcp/22"]},
                           namespace=namespace).status == 200
    mapping = {"name": "edges", "subject": [["role=edge"]], "object": [["kind=ssh"]]}
    assert client.post("/hostservicemappingpolicies", mapping, namespace=namespace).status == 200
    answer = client.get(f"/enforcers/{enforcer['ID']}/hostservices", namespace=namespace)
    assert [service["name"] for service in answer.body] == ["sshd"], answer


def test_what_would_apply(client, namespace):
    rules = [{"action": "Allow", "object": [["app=db"]], "protocolPorts": ["tcp/5432"]}]
    ruleset = client.post("/networkrulesetpolicies", {"name": "web", "subject": [["app=web"]], "outgoingRules": rules},
                          namespace=namespace)
    assert "selects no processing unit" in ruleset.headers["X-Messages"]
    answer = client.post("/renderedpolicies", {"processingUnitTags": ["app=web", "x=y"]}, namespace=namespace)
    assert [policy["name"] for policy in answer.body["ruleSetPolicies"]] == ["web"], answer
    assert answer.body["defaultPUIncomingTrafficAction"] == "Reject"
    assert "app=web" in answer.body["wireTags"] and "x=y" not in answer.body["wireTags"]
    described = client.get("/openapi.json").body["components"]["schemas"]
    assert set(answer.body) == set(described["RenderedPolicy"]["properties"])
    policy = answer.body["ruleSetPolicies"][0]
    assert set(policy) == set(described["PolicyRule"]["properties"])
    assert policy["policyUpdateTime"] == ruleset.body["updateTime"] and policy["tagClauses"] == [["app=web"]]
    assert [rule["protocolPorts"] for rule in policy["action"]["rules"]["outgoing"]] == [["tcp/5432"]]
    assert "x=y" in answer.body["matchingTags"] and "$namespace=" + namespace in answer.body["matchingTags"]
    few = client.ask("POST", "/renderedpolicies", {"processingUnitTags": ["app=web"]}, namespace=namespace,
                     headers={"X-Fields": "wireTags"})
    assert list(few.body) == ["wireTags"]
    old = client.post("/renderedpolicies", {"processingUnit": {"name": "x", "associatedTags": ["app=web"]}},
                      namespace=namespace)
    assert [policy["name"] for policy in old.body["ruleSetPolicies"]] == ["web"], old
    none = client.post("/renderedpolicies", {"processingUnitTags": ["app=db"]}, namespace=namespace)
    assert none.body["ruleSetPolicies"] == []
    wrong = client.post("/renderedpolicies", {"processingUnitTags": ["nonsense"]}, namespace=namespace)
    assert wrong.status == 422, wrong


def test_unreachable_after_five_minutes(tmp_path):
    """Also for filters, order and X-Fields, though it is not stored."""
    own = Installation(tmp_path)
    client = own.administrator()
    client.post("/namespaces", {"name": "far"}, namespace="/")
    idents = {name: register(client, "/far", name)["ID"] for name in ("late", "lately", "never")}
    for name in ("late", "lately"):
        assert client.get(f"/enforcers/{idents[name]}/poke?status=Connected").status == 204
    assert not client.get(f"/enforcers/{idents['late']}").body["unreachable"]
    own.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "console" / "console.db")) as database:
        for name, minutes in (("late", 5.1), ("lately", 4.5)):
            heard = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 60 * minutes))
            database.execute("UPDATE objects SET body = json_set(body, '$.lastSyncTime', ?) WHERE id = ?",
                             (heard, idents[name]))
        database.commit()
    own.start()
    client = own.administrator()

    def names(query="", **more):
        answer = client.get("/enforcers" + query, namespace="/far", **more)
        assert answer.status == 200, answer
        return [enforcer["name"] for enforcer in answer.body]

    assert [e["name"] for e in client.get("/enforcers", namespace="/far").body if e["unreachable"]] == ["late"]
    assert names("?q=unreachable%20==%20true%20and%20name%20!=%20x") == ["late"]
    assert names("?q=unreachable%20==%20false") == ["lately", "never"]
    assert names("?order=-unreachable&order=-name") == ["late", "never", "lately"]
    few = client.get("/enforcers?q=name%20==%20late", namespace="/far", headers={"X-Fields": "unreachable"})
    assert few.body == [{"unreachable": True}]
    assert client.get(f"/enforcers/{idents['late']}", headers={"X-Fields": "name"}).body == {"name": "late"}
    assert client.get(f"/enforcers/{idents['late']}/poke").status == 204
    assert names("?q=unreachable%20==%20true") == []
    assert own.stop() == 0
