# SPDX-License-Identifier: Apache-2.0
"""Policies of a wanted size, as JSON documents of the import envelope (YAML is a superset)."""

import json

from lab import SERVER_PORT

NAMESPACE = "/bench"
RULES_PER_RULESET = 500
PAIR_PORTS = f"tcp/{SERVER_PORT}:{SERVER_PORT + 2}"


def envelope(rulesets, networks=(), incoming="Reject", outgoing="Reject"):
    return {
        "APIVersion": 1,
        "label": "bench",
        "data": {
            "namespaces": [{"name": NAMESPACE, "defaultPUIncomingTrafficAction": incoming,
                            "defaultPUOutgoingTrafficAction": outgoing}],
            "externalnetworks": list(networks),
            "networkrulesetpolicies": list(rulesets),
        },
    }


def ruleset(name, subject, incoming=(), outgoing=()):
    return {"name": name, "namespace": NAMESPACE, "subject": [[subject]],
            "incomingRules": list(incoming), "outgoingRules": list(outgoing)}


def allow(target, *ports):
    return {"action": "Allow", "object": [[target]], "protocolPorts": list(ports)}


def network(name, *entries):
    return {"name": name, "namespace": NAMESPACE, "entries": list(entries),
            "associatedTags": [f"externalnetwork:name={name}"]}


def pair_rulesets():
    return [ruleset("pair-out", "app=bench-client", outgoing=[allow("app=bench-server", PAIR_PORTS)]),
            ruleset("pair-in", "app=bench-server", incoming=[allow("app=bench-client", PAIR_PORTS)])]


def peer_tag(number):
    return f"app=peer{number}"


def many_rules(subject, count, peers):
    """`count` different rules for `subject`, both directions, over `peers` peers and their ports."""
    rules = []
    for i in range(count):
        port = 1024 + (i // peers) * 3 % 60000
        rules.append((i % 2, allow(peer_tag(i % peers), f"tcp/{port}", f"udp/{port + 1}")))
    result = []
    for start in range(0, count, RULES_PER_RULESET):
        part = rules[start:start + RULES_PER_RULESET]
        result.append(ruleset(f"many-{start:06d}", subject,
                              incoming=[rule for side, rule in part if side == 0],
                              outgoing=[rule for side, rule in part if side == 1]))
    return result


def many_networks(count):
    """External networks 10.64.0.0/16 upward, a /28 each, for rules by address."""
    return [network(f"net{i}", f"10.{64 + (i >> 12)}.{(i >> 4) & 255}.{(i & 15) << 4}/28") for i in range(count)]


def peer_file(enforcer_id, public_key, address, count):
    """A host that runs `count` processing units of the tags of many_rules."""
    return {"enforcerId": enforcer_id, "publicKey": public_key, "addresses": [address],
            "processingUnits": [{"namespace": NAMESPACE, "tags": [peer_tag(i)]} for i in range(count)]}


def text(document):
    return json.dumps(document, indent=0)
