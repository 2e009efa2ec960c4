# SPDX-License-Identifier: Apache-2.0
"""Every route of the Console with every kind of credential, and what becomes of credentials."""
import base64
import hashlib
import hmac
import struct
import time
from urllib.parse import parse_qs, urlparse

import jwt
import pytest

from auth_client import Client, key_pem, new_key, request_pem

ID = "0123456789abcdef01234567"
ADMINISTRATOR = "@auth:role=namespace.administrator"
# What a good token may always ask: all of it is about the caller, or checks by itself.
OWN = {"/authn", "/apichecks", "/roles", "/accessiblenamespaces", "/authz", "/datapathcertificates",
       "/logout"}
# Needs no token: getting one, and what a load balancer asks.
OPEN = {("POST", "/issue"), ("GET", "/healthchecks")}


@pytest.fixture(scope="module")
def admin(console):
    admin = console.administrator()
    for name in ("a", "b"):
        answer = admin.post("/namespaces", {"name": name}, namespace="/")
        assert answer.status == 200, answer
    return admin


@pytest.fixture(scope="module")
def objects(admin):
    """One object of each kind that the table of routes meets with an ID."""
    bodies = {
        "externalnetworks": {"name": "x", "entries": ["192.0.2.0/24"], "associatedTags": ["x=y"]},
        "networkrulesetpolicies": {"name": "x", "subject": [["a=b"]]},
        "enforcers": {"name": "x", "FQDN": "x.example"},
        "enforcerprofiles": {"name": "x"},
        "apiauthorizationpolicies": {
            "name": "x", "subject": [["@auth:realm=vince", "@auth:account=x"]],
            "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"},
        "appcredentials": {"name": "x", "roles": ["enforcer,get"]},
    }
    found = {}
    for plural, body in bodies.items():
        answer = admin.post("/" + plural, body, namespace="/a")
        assert answer.status == 200, (plural, answer)
        found[plural] = answer.body["ID"]
    return found


@pytest.fixture(scope="module")
def routes(admin, objects):
    """(method, path, ID is of an object that is there) from GET /openapi.json, that is from the tables."""
    document = admin.get("/openapi.json").body
    found = []
    for path, methods in document["paths"].items():
        plural = path.split("/")[1]
        there = plural in objects
        for method in methods:
            if method.upper() in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                found.append((method.upper(), path.replace("{id}", objects.get(plural, ID)), "{" in path, there))
    assert len(found) > 60
    return found


def answers(client, routes, **more):
    for method, path, with_id, there in sorted(routes, key=lambda route: route[1] == "/logout"):  # ends the token
        body = {} if method in ("POST", "PUT", "PATCH") else None
        yield method, path, with_id, there, client.ask(method, path, body, namespace="/a", **more)


def expect_all(client, routes, status, **more):
    wrong = [(method, path, answer) for method, path, _, _, answer in answers(client, routes, **more)
             if (method, path) not in OPEN and not path.startswith(("/_meta", "/openapi")) and answer.status != status]
    assert not wrong


def expect_forbidden(client, routes, only=None, sees=False, **more):
    """403 everywhere, but for questions about oneself, and 404 where there is no such object. Who sees nothing of a
    namespace does not see either that there is one."""
    wrong = []
    for method, path, with_id, there, answer in answers(client, routes, **more):
        if (method, path) in OPEN or path in OWN or path.startswith(("/_meta", "/openapi")):
            continue
        if only and method not in only:
            continue
        allowed = {403} if not with_id or (there and sees) else {404} if there else {403, 404}
        if answer.status not in allowed:
            wrong.append((method, path, answer))
    assert not wrong


# ---- Every route -----------------------------------------------------------------------------------


def test_no_token(console, admin, routes):
    expect_all(Client(console), routes, 401)


def test_foreign_tokens(console, admin, routes):
    claims = jwt.decode(admin.token, options={"verify_signature": False})
    header = jwt.get_unverified_header(admin.token)
    key = new_key()
    ours = key_pem(key)
    known = jwt.encode(claims, ours, "ES256", headers={"kid": header["kid"]})
    unknown = jwt.encode(claims, ours, "ES256", headers={"kid": "0" * 32})
    none = jwt.encode(claims, None, "none", headers={"kid": header["kid"]})
    secret = jwt.encode(claims, "secret", "HS256", headers={"kid": header["kid"]})
    client = Client(console)
    for token in (known, unknown, none, secret, admin.token[:-8] + "AAAAAAAA", "nonsense", "a.b.c"):
        assert client.get("/namespaces", namespace="/", token=token).status == 401
    expect_all(client, routes, 401, token=known)


def test_expired_token(console, admin, routes):
    answer = admin.issue(validity="1s")
    assert answer.status == 200
    time.sleep(2.1)
    client = Client(console, token=answer.body["token"])
    assert "expired" in client.get("/namespaces", namespace="/").reason
    expect_all(client, routes, 401)


def test_read_only(console, admin, routes):
    client = Client(console, token=admin.issue(restrictedPermissions=["*,get"]).body["token"])
    expect_forbidden(client, routes, only={"POST", "PUT", "PATCH", "DELETE"}, sees=True)
    client.token = admin.issue(restrictedPermissions=["*,get"]).body["token"]
    wrong = [(path, answer) for method, path, _, _, answer in answers(client, routes)
             if method == "GET" and answer.status in (401, 403) and not path.endswith("/poke")]  # a GET that writes
    assert not wrong


def test_restricted_by_namespace(console, admin, routes):
    client = Client(console, token=admin.issue(restrictedNamespace="/b").body["token"])
    assert client.get("/externalnetworks", namespace="/b").status == 200
    expect_forbidden(client, routes)


def test_restricted_by_permission(console, admin, routes):
    client = Client(console, token=admin.issue(restrictedPermissions=["activity,get"]).body["token"])
    expect_forbidden(client, [route for route in routes if not route[1].startswith("/activities")], sees=True)


def test_restricted_by_network(console, admin, routes):
    client = Client(console, token=admin.issue(restrictedNetworks=["198.51.100.0/24"]).body["token"])
    expect_forbidden(client, routes)
    client.token = admin.issue(restrictedNetworks=["127.0.0.0/8"]).body["token"]
    assert client.get("/externalnetworks", namespace="/a").status == 200


def test_without_any_policy(console, admin, routes):
    body, client = console.credential(admin, "nobody", "/b", roles=["enforcer,get"])
    client.token = client.issue().body["token"]
    expect_forbidden(client, routes)


def test_quota_used_up(console, admin, routes):
    client = Client(console, token=admin.issue(quota=2).body["token"])
    assert client.get("/roles").status == 200
    assert client.get("/roles").status == 200
    expect_all(client, routes, 417)


def test_disabled_credential(console, admin, routes):
    body, client = console.credential(admin, "to-be-disabled")
    client.token = client.issue().body["token"]
    assert client.get("/namespaces", namespace="/").status == 200
    changed = admin.ask("PATCH", "/appcredentials/" + body["ID"], {"disabled": True})
    assert changed.status == 200, changed
    assert "disabled" in client.get("/namespaces", namespace="/").reason
    expect_all(client, routes, 401)
    assert client.ask("POST", "/issue", {"realm": "Certificate"}).status == 401
    assert admin.ask("PATCH", "/appcredentials/" + body["ID"], {"disabled": False}).status == 200
    assert client.get("/namespaces", namespace="/").status == 200


# ---- App credentials -------------------------------------------------------------------------------


def test_deleted_credential(console, admin):
    body, client = console.credential(admin, "to-be-deleted")
    client.token = client.issue().body["token"]
    policies = admin.get("/apiauthorizationpolicies", namespace="/").body
    assert [policy for policy in policies if body["ID"] in policy["name"]]
    assert admin.ask("DELETE", "/appcredentials/" + body["ID"]).status in (200, 204)
    assert "deleted" in client.get("/namespaces", namespace="/").reason
    client.token = None
    assert "deleted" in client.issue().reason
    policies = admin.get("/apiauthorizationpolicies", namespace="/").body
    assert not [policy for policy in policies if body["ID"] in policy["name"]]


def test_credentials_go_with_their_namespace(console, admin):
    """Its policy is deleted with the credential, and with the namespace: that is once."""
    made = admin.post("/namespaces", {"name": "gone"}, namespace="/")
    console.credential(admin, "inside", "/gone", ["enforcer,get"])
    assert admin.ask("DELETE", f"/namespaces/{made.body['ID']}").status == 409
    assert admin.ask("DELETE", f"/namespaces/{made.body['ID']}?recursive=true").status == 200
    left = admin.get("/apiauthorizationpolicies?recursive", namespace="/").body
    assert not [policy for policy in left if policy["namespace"] == "/gone"]


def test_credentials_are_answered_once(console, admin):
    body, client = console.credential(admin, "once")
    assert body["credentials"]["certificateKey"] == ""
    assert body["credentials"]["namespace"] == "/"
    again = admin.get("/appcredentials/" + body["ID"])
    assert not again.body.get("credentials") and not again.body.get("CSR")


def test_renewal_with_grace(console, admin):
    body, old = console.credential(admin, "renewed")
    clients = [old]
    for _ in range(2):
        key = new_key()
        answer = admin.ask("PATCH", "/appcredentials/" + body["ID"], {"CSR": request_pem(key)})
        assert answer.status == 200, answer
        certificate = base64.b64decode(answer.body["credentials"]["certificate"]).decode()
        clients.append(Client(console, certificate=(certificate, key_pem(key))))
    assert clients[2].issue().status == 200
    assert clients[1].issue().status == 200  # within its grace
    assert "old one" in clients[0].issue().reason


def test_bad_requests_for_certificates(console, admin):
    for csr in ("x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"):
        answer = admin.post("/appcredentials", {"name": "bad", "roles": ["enforcer,get"], "CSR": csr}, namespace="/")
        assert answer.status == 422
        assert answer.body[0]["data"]["attribute"] == "CSR"


def test_subnets_and_validity(console, admin):
    _, elsewhere = console.credential(admin, "elsewhere", authorizedSubnets=["198.51.100.0/24"])
    assert "127.0.0.1" in elsewhere.issue().reason
    body, short = console.credential(admin, "short", maxIssuedTokenValidity="1m",
                                     authorizedSubnets=["127.0.0.0/8"])
    answer = short.issue(validity="24h")
    assert answer.body["claims"]["exp"] - answer.body["claims"]["iat"] <= 60
    assert "validity" in answer.headers["X-Messages"]
    # what the certificate says stays, whatever becomes of the object
    assert admin.ask("PATCH", "/appcredentials/" + body["ID"], {"maxIssuedTokenValidity": "10h"}).status == 200
    answer = short.issue(validity="24h")
    assert answer.body["claims"]["exp"] - answer.body["claims"]["iat"] <= 60


def test_roles_follow_at_once(console, admin):
    body, client = console.credential(admin, "follows", "/a", roles=["externalnetwork,get"])
    client.token = client.issue().body["token"]
    assert client.get("/externalnetworks", namespace="/a").status == 200
    assert client.get("/enforcers", namespace="/a").status == 403
    assert admin.ask("PATCH", "/appcredentials/" + body["ID"], {"roles": ["enforcer,get"]}).status == 200
    assert client.get("/externalnetworks", namespace="/a").status == 403
    assert client.get("/enforcers", namespace="/a").status == 200


def test_nobody_gives_what_he_does_not_have(console, admin):
    _, helper = console.credential(admin, "helper", "/a",
                                   roles=["@auth:role=appcredentials", "apiauthorizationpolicy,any", "enforcer,get"])
    strong, _ = console.credential(admin, "strong", "/a")
    helper.token = helper.issue().body["token"]
    key = new_key()
    new = {"name": "more", "roles": [ADMINISTRATOR], "CSR": request_pem(key)}
    assert helper.post("/appcredentials", new, namespace="/a").status == 403
    assert helper.post("/appcredentials", {**new, "roles": ["enforcer,get"]}, namespace="/a").status == 200
    assert helper.ask("PATCH", "/appcredentials/" + strong["ID"], {"CSR": request_pem(key)}).status == 403
    policy = {"name": "more", "subject": [["@auth:realm=certificate", "@auth:id=" + ID]],
              "authorizedIdentities": ["*,any"], "authorizedNamespace": "/a"}
    assert helper.post("/apiauthorizationpolicies", policy, namespace="/a").status == 403
    policy["authorizedIdentities"] = ["enforcer,get"]
    assert helper.post("/apiauthorizationpolicies", {**policy, "authorizedNamespace": "/"}, namespace="/a").status == 422
    assert helper.post("/apiauthorizationpolicies", policy, namespace="/a").status == 200


# ---- Tokens ----------------------------------------------------------------------------------------


def exchange(client, token, **more):
    return client.post("/issue", {"realm": "BulkheadIdentityToken", "metadata": {"token": token}, **more})


def test_exchange_only_ever_restricts(console, admin):
    client = Client(console)
    parent = admin.issue(restrictedNamespace="/a", restrictedPermissions=["*,get"],
                         restrictedNetworks=["127.0.0.0/8"], validity="10m").body["token"]
    same = exchange(client, parent).body["claims"]
    assert same["restrictions"] == {"namespace": "/a", "perms": ["*,get"], "networks": ["127.0.0.0/8"]}
    assert same["exp"] <= jwt.decode(parent, options={"verify_signature": False})["exp"]
    for more, status in (
            ({"restrictedNamespace": "/a"}, 200), ({"restrictedNamespace": "/"}, 403),
            ({"restrictedNamespace": "/b"}, 403), ({"restrictedPermissions": ["enforcer,get"]}, 200),
            ({"restrictedPermissions": ["enforcer,put"]}, 403), ({"restrictedPermissions": [ADMINISTRATOR]}, 403),
            ({"restrictedNetworks": ["127.0.0.1/32"]}, 200), ({"restrictedNetworks": ["0.0.0.0/0"]}, 403),
            ({"restrictedNetworks": ["127.0.0.0/8", "192.0.2.0/24"]}, 403)):
        assert exchange(client, parent, **more).status == status, more
    child = exchange(client, parent, restrictedPermissions=["enforcer,get"], validity="24h").body
    assert child["claims"]["restrictions"]["namespace"] == "/a"
    client.token = child["token"]
    assert client.get("/enforcers", namespace="/a").status == 200
    assert client.get("/externalnetworks", namespace="/a").status == 403


def test_exchange_takes_uses_from_the_parent(console, admin):
    client = Client(console)
    parent = admin.issue(quota=3).body["token"]
    child = exchange(client, parent, quota=2)
    assert child.body["claims"]["quota"] == 2
    assert exchange(client, parent, quota=2).status == 417
    assert client.get("/roles", token=parent).status == 200
    assert client.get("/roles", token=parent).status == 417
    assert exchange(client, parent).status == 417
    assert client.get("/roles", token=child.body["token"]).status == 200


def test_cookie(console, admin):
    answer = admin.post("/issue?asCookie=true", {"realm": "Certificate"})
    cookie = answer.headers["Set-Cookie"]
    for word in ("x-bulkhead-token=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert word in cookie
    client = Client(console)
    assert client.get("/roles", headers={"Cookie": cookie.split(";")[0]}).status == 200
    assert client.get("/roles", headers={"Cookie": cookie.split(";")[0]}, token="nonsense").status == 401
    assert admin.issue().headers["Set-Cookie"] is None


def test_token_for_somebody_else(console, admin):
    answer = admin.issue(audience="https://elsewhere.example", opaque={"who": "me"})
    assert answer.body["claims"]["aud"] == "https://elsewhere.example"
    assert answer.body["claims"]["opaque"] == {"who": "me"}
    assert "audience" in Client(console).get("/roles", token=answer.body["token"]).reason


def test_issue_refuses(console, admin):
    client = Client(console)
    assert client.post("/issue", {}).status == 422
    assert client.post("/issue", {"realm": "Nonsense"}).status == 422
    assert "Certificate" in client.post("/issue", {"realm": "OIDC"}).reason
    assert "client certificate" in client.issue().reason
    assert admin.issue(validity="0s").status == 422
    assert admin.issue(validity="soon").status == 422
    assert admin.issue(restrictedNetworks=["nowhere"]).status == 422
    assert admin.issue(opaque={str(i): "x" * 1000 for i in range(20)}).status == 422


# ---- Questions -------------------------------------------------------------------------------------


def test_authn(console, admin):
    token = admin.issue(opaque={"who": "me"}).body["token"]
    assert admin.get("/authn").body["claims"]["realm"] == "certificate"
    assert "@auth:realm=certificate" in admin.post("/authn", {}).body["tags"]
    assert admin.get("/authn?token=" + token).body["claims"]["opaque"] == {"who": "me"}
    assert admin.post("/authn", {"token": token + "x"}).status == 422


def test_authz_explains(console, admin):
    body, client = console.credential(admin, "asked-about", "/a", roles=["enforcer,get"])
    question = {"claims": ["@auth:realm=certificate", "@auth:id=" + body["ID"]], "targetNamespace": "/a"}
    answer = admin.post("/authz", question).body
    assert answer["permissions"]["enforcer"] == {"get": True, "list": True}
    assert any(body["ID"] in line and "applies" in line for line in answer["explanation"])
    assert any("lacks" in line for line in answer["explanation"])
    assert admin.post("/authz", {**question, "targetNamespace": "/b"}).body["permissions"] == {}
    assert admin.post("/authz", {**question, "restrictedNamespace": "/b"}).body["permissions"] == {}
    assert admin.post("/authz?forwardpolicyrules=true", question).body["APIAuthorizationPolicies"]
    client.token = client.issue().body["token"]
    assert client.post("/authz", question).status == 403


def test_apichecks_and_namespaces(console, admin):
    _, client = console.credential(admin, "checks", "/a", roles=["enforcer,get"])
    client.token = client.issue().body["token"]
    question = {"namespace": "/a", "operation": "Retrieve", "targetIdentities": ["enforcer", "externalnetwork"]}
    assert client.post("/apichecks", question).body["authorized"] == {"enforcer": True, "externalnetwork": False}
    assert client.get("/accessiblenamespaces").body == [{"name": "/a"}]
    roles = {role["key"]: role for role in client.get("/roles").body}
    assert roles[ADMINISTRATOR]["authorizations"] == {"*": ["any"]}


def test_policy_schedules(console, admin):
    policy = {"name": "timed", "subject": [["@auth:realm=certificate", "@auth:id=" + ID]],
              "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a", "activeSchedule": "0 9 * * *"}
    assert admin.post("/apiauthorizationpolicies", policy, namespace="/a").status == 422
    policy["activeDuration"] = "8h"
    assert admin.post("/apiauthorizationpolicies", policy, namespace="/a").status == 200
    assert admin.post("/apiauthorizationpolicies", {**policy, "name": "never", "activeSchedule": "61 * * * *"},
                      namespace="/a").status == 422


# ---- Accounts --------------------------------------------------------------------------------------


def login(client, name, password, otp=None):
    metadata = {"vinceAccount": name, "vincePassword": password}
    if otp is not None:
        metadata["vinceOTP"] = otp
    return client.post("/issue", {"realm": "Vince", "metadata": metadata})


def totp(uri, step_offset=0):
    secret = base64.b32decode(parse_qs(urlparse(uri).query)["secret"][0])
    counter = struct.pack(">Q", int(time.time()) // 30 + step_offset)
    digest = hmac.new(secret, counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return "%06d" % ((struct.unpack(">I", digest[at:at + 4])[0] & 0x7FFFFFFF) % 1000000)


@pytest.fixture(scope="module")
def ann(admin):
    answer = admin.post("/accounts", {"name": "ann", "email": "ann@example.com", "password": "correct horse battery"},
                        namespace="/")
    assert answer.status == 200, answer
    assert "correct horse" not in answer.text and "argon2" not in answer.text
    policy = {"name": "ann", "subject": [["@auth:realm=vince", "@auth:account=ann"]],
              "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"}
    assert admin.post("/apiauthorizationpolicies", policy, namespace="/a").status == 200
    return answer.body


def test_account(console, admin, ann):
    client = Client(console)
    answer = login(client, "ann", "correct horse battery")
    assert answer.status == 200, answer
    assert "correct" not in answer.text
    assert client.get("/enforcers", namespace="/a", token=answer.body["token"]).status == 200
    shown = admin.get("/accounts/" + ann["ID"])
    assert shown.body["lastLogin"] and "argon2" not in shown.text
    wrong, unknown = login(client, "ann", "wrong"), login(client, "nobody", "wrong")
    assert wrong.status == unknown.status == 401 and wrong.reason == unknown.reason
    # a new password makes the tokens of the old one void
    assert admin.ask("PATCH", "/accounts/" + ann["ID"], {"password": "another long password"}).status == 200
    assert "password" in client.get("/enforcers", namespace="/a", token=answer.body["token"]).reason
    assert login(client, "ann", "another long password").status == 200


def test_bad_accounts(console, admin):
    new = {"name": "bob", "email": "bob@example.com", "password": "long enough for a password"}
    assert admin.post("/accounts", {**new, "password": "short"}, namespace="/").status == 422
    assert admin.post("/accounts", {**new, "password": "bob is my name, bob"}, namespace="/").status == 422
    assert admin.post("/accounts", new, namespace="/a").status == 422
    _, helper = console.credential(admin, "account-helper", "/", roles=["account,any"])
    helper.token = helper.issue().body["token"]
    assert helper.post("/accounts", new, namespace="/").status == 200
    ann = [account for account in admin.get("/accounts", namespace="/").body if account["name"] == "ann"]
    if ann:  # may more than the helper
        assert helper.ask("PATCH", "/accounts/" + ann[0]["ID"], {"password": "long enough for it"}).status == 403


def test_one_time_passwords(console, admin):
    password = "correct horse battery"
    answer = admin.post("/accounts", {"name": "otp", "email": "otp@example.com", "password": password,
                                      "OTPEnabled": True}, namespace="/")
    uri = answer.body["OTPURI"]
    shown = admin.get("/accounts/" + answer.body["ID"])
    assert not shown.body.get("OTPURI") and not shown.body.get("OTPSecret")
    client = Client(console)
    assert login(client, "otp", password).status == 401
    assert login(client, "otp", password, "000000").status == 401
    code = totp(uri)
    assert login(client, "otp", password, code).status == 200
    assert login(client, "otp", password, code).status == 401  # once


def test_lock_out(console, admin):
    assert admin.post("/accounts", {"name": "locked", "email": "l@example.com", "password": "correct horse battery"},
                      namespace="/").status == 200
    client = Client(console)
    for name in ("locked", "not-there"):
        reasons = [login(client, name, "wrong").reason for _ in range(6)]
        assert "too many" not in reasons[4] and "too many" in reasons[5]
    assert "too many" in login(client, "locked", "correct horse battery").reason


def test_disabled_account(console, admin):
    answer = admin.post("/accounts", {"name": "off", "email": "o@example.com", "password": "correct horse battery"},
                        namespace="/")
    client = Client(console)
    token = login(client, "off", "correct horse battery").body["token"]
    assert client.get("/roles", token=token).status == 200
    assert admin.ask("PATCH", "/accounts/" + answer.body["ID"], {"status": "Disabled"}).status == 200
    assert client.get("/roles", token=token).status == 401
    assert login(client, "off", "correct horse battery").status == 401


def test_passwords_do_not_stop_the_loop(console, admin):
    """Others are served while passwords are checked."""
    import threading
    clients = [Client(console) for _ in range(8)]
    threads = [threading.Thread(target=login, args=(client, f"thread{i}", "wrong"))
               for i, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    assert admin.get("/roles").status == 200
    for thread in threads:
        thread.join()


# ---- Certificates of Enforcers ---------------------------------------------------------------------


def test_datapath_certificates(console, admin):
    ids, clients = [], []
    for name in ("h1", "h2"):
        key = new_key()
        answer = admin.post("/enforcers", {"name": name, "FQDN": name + ".example",
                                           "certificateRequest": request_pem(key)}, namespace="/a")
        assert answer.status == 200, answer
        ids.append(answer.body["ID"])
        clients.append(Client(console, certificate=(answer.body["certificate"], key_pem(key))))
    key = new_key()
    renewal = {"CSR": request_pem(key), "objectID": ids[0], "type": "Enforcer"}
    assert clients[1].post("/datapathcertificates", renewal).status == 404
    answer = clients[0].post("/datapathcertificates", renewal)
    assert answer.status == 200, answer
    renewed = Client(console, certificate=(answer.body["certificate"], key_pem(key)))
    assert renewed.get("/trustedcas", namespace="/a").status == 200
    assert renewed.get("/externalnetworks", namespace="/a").status == 403
    assert renewed.ask("PATCH", "/enforcers/" + ids[0], {"name": "z"}).status == 403
    assert renewed.get("/trustedcas", namespace="/").status == 403
    assert admin.ask("DELETE", "/enforcers/" + ids[0]).status in (200, 204)
    assert "deleted" in renewed.get("/trustedcas", namespace="/a").reason
