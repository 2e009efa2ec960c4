# SPDX-License-Identifier: Apache-2.0
"""Policy as Python values: the import envelope, and the identity option for the forger."""

import hashlib
import json

NAMESPACE = "/shop"
RESERVED = 255


def rule(target, *ports, action="Allow", **more):
    """Object `target`: one tag, or a DNF of tags."""
    dnf = [[target]] if isinstance(target, str) else target
    out = {"action": action, "object": dnf, **more}
    if ports:
        out["protocolPorts"] = list(ports)
    return out


def ruleset(name, subject, incoming=(), outgoing=(), **more):
    dnf = [[subject]] if isinstance(subject, str) else subject
    out = {"name": name, "subject": dnf, **more}
    if incoming:
        out["incomingRules"] = list(incoming)
    if outgoing:
        out["outgoingRules"] = list(outgoing)
    return out


def external(name, *entries, **more):
    return {"name": name, "entries": list(entries),
            "associatedTags": [f"externalnetwork:name={name}"], **more}


def policy(rulesets=(), externals=(), incoming="Reject", outgoing="Reject", namespaces=()):
    """The text of a policy file: JSON is YAML."""
    data = {"namespaces": [{"name": NAMESPACE,
                            "defaultPUIncomingTrafficAction": incoming,
                            "defaultPUOutgoingTrafficAction": outgoing}, *namespaces]}
    for key, values in (("networkrulesetpolicies", rulesets), ("externalnetworks", externals)):
        if values:
            data[key] = [{"namespace": NAMESPACE, **value} for value in values]
    return json.dumps({"APIVersion": 1, "label": "e2e", "data": data}, indent=1)


def option(enforcer, identity, tail=bytes(8), kind=254, length=20, exid=0xB1C4):
    """The identity option as bytes in hexadecimal; tail: hello (8 bytes) or MAC."""
    return (bytes([kind, length]) + exid.to_bytes(2, "big") + enforcer.to_bytes(4, "big") +
            identity.to_bytes(4, "big") + tail).hex()


def hello(epoch=1, version=1, flags=0):
    return bytes([version, flags]) + epoch.to_bytes(2, "big") + bytes(4)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]
