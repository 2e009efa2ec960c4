# SPDX-License-Identifier: Apache-2.0
"""Rows about packets: cost per packet, ratios of rates, rivals, many rules."""

import base64
import json
import os
import statistics
import subprocess

import estate
import modes
import pairs
from lab import BenchError, World
from rows import Row, at_least, at_most

PACKET_NS_MAX = 60
RATIO_MIN = {"rr": 0.97, "crr": 0.92, "stream": 0.99}
TITLES = {"rr": "TCP_RR", "crr": "TCP_CRR", "stream": "TCP_STREAM"}
MANY_RULES = 100000
MANY_IDENTITIES = 10000
MANY_RATIO_MIN = 0.97
SLICE_US = 3000
INGRESS, EGRESS, SCHED_CLS = 0, 1, 3  # enum bpf_attach_type, enum bpf_prog_type


class Stats:
    """Run time and count of the programs of one world."""

    def __init__(self, world):
        self.world = world
        self.process = world.lab.start(world.lab.tool("bpfbench"), "stats", *[host.cgroup for host in world.hosts()],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise BenchError("no statistics of BPF programs")

    def read(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return {entry["id"]: entry for entry in json.loads(self.process.stdout.readline())}

    def over(self, milliseconds):
        """([(name, attach, type, ns, runs)] of what ran in that time, transactions)."""
        before = self.read()
        transactions = self.world.slice(milliseconds * 1000) * milliseconds / 1000
        after = self.read()
        changes = []
        for number, entry in after.items():
            runs = entry["runs"] - before[number]["runs"]
            if runs:
                changes.append((entry["name"], entry["attach"], entry["type"], entry["ns"] - before[number]["ns"], runs))
        return changes, transactions

    def close(self):
        self.world.lab.stop(self.process)


def per_packet(changes, empty_ns):
    """({"ingress": net ns, "egress": net ns}, text of what ran)."""
    net = {}
    ran = {}
    for direction, attach in (("ingress", INGRESS), ("egress", EGRESS)):
        mine = [change for change in changes if change[1] == attach]
        runs = sum(change[4] for change in mine)
        if not runs:
            raise BenchError(f"no {direction} program ran")
        net[direction] = sum(change[3] for change in mine) / runs - empty_ns[direction]
    packets = sum(change[4] for change in changes if change[1] in (INGRESS, EGRESS))
    other = sum(change[3] - change[4] * empty_ns["ingress"] for change in changes if change[1] not in (INGRESS, EGRESS))
    for direction in net:
        net[direction] += max(other, 0) / packets
    for name, _attach, _type, ns, runs in changes:
        total = ran.setdefault(name, [0, 0])
        total[0] += ns
        total[1] += runs
    text = ", ".join(f"{name} {ns / runs:.0f} ns x {runs / packets:.2f}" for name, (ns, runs) in sorted(ran.items()))
    return net, text


def direction_means(changes):
    means = {}
    for direction, attach in (("ingress", INGRESS), ("egress", EGRESS)):
        mine = [change for change in changes if change[1] == attach]
        means[direction] = sum(change[3] for change in mine) / max(sum(change[4] for change in mine), 1)
    return means


def packet_cost(lab, settings):
    pairs_n = settings.pick(15, 7)
    milliseconds = settings.pick(200, 60)
    sides = []
    for name, mode in (("pa", modes.Bulkhead()), ("pb", modes.Empty())):
        world = World(lab, name, settings.cpu, settings.realtime)
        sides.append((mode, world))
    started = []
    values = {"ingress": [], "egress": []}
    try:
        for mode, world in sides:
            started.append((mode, world))
            mode.on(world)
            world.server_start()
            world.client_start("rr")
            world.slice(20000)
        stats = [Stats(world) for _mode, world in sides]
        for _ in range(pairs_n):
            ours, _count = stats[0].over(milliseconds)
            empty_ns = direction_means(stats[1].over(milliseconds)[0])
            net, text = per_packet(ours, empty_ns)
            for direction, value in net.items():
                values[direction].append(value)
        for entry in stats:
            entry.close()
        sides[0][0].check()
        connection = connection_cost(sides[0][1], empty_ns["ingress"], pairs_n, milliseconds)
    finally:
        for mode, world in started:
            world.client_stop()
            world.server_stop()
            mode.off(world)
    rows = []
    for direction, seen in values.items():
        rows.append(at_most(f"added per established packet, {direction}", PACKET_NS_MAX, statistics.median(seen), "ns",
                            f"{min(seen):.1f}..{max(seen):.1f}",
                            note=f"net of an empty program ({empty_ns[direction]:.0f} ns); runs per packet: {text}"))
    return rows + [connection]


def connection_cost(world, empty_ns, times, milliseconds):
    """Where the time of TCP_CRR goes, as far as it is spent inside programs."""
    world.client_start("crr")
    world.slice(20000)
    stats = Stats(world)
    totals = []
    for _ in range(times):
        changes, transactions = stats.over(milliseconds)
        totals.append(sum(ns - empty_ns * runs for _name, _attach, _type, ns, runs in changes) / transactions)
    stats.close()
    parts = {}
    for name, _attach, _type, ns, runs in changes:
        part = parts.setdefault(name, [0, 0])
        part[0] += ns - empty_ns * runs
        part[1] += runs
    text = ", ".join(f"{name} {ns / transactions:.0f} ns in {runs / transactions:.1f} runs" for name, (ns, runs)
                     in sorted(parts.items(), key=lambda part: -part[1][0]))
    return Row("time inside programs per connection (TCP_CRR), both ends", "", statistics.median(totals), "ns", None,
               f"{min(totals):.0f}..{max(totals):.0f}", f"net of an empty program for each run: {text}")


def spread(value):
    return f"{value['low']:.3f}..{value['high']:.3f}"


def ratios(lab, settings, progress):
    rivals = [modes.NftLinear(), modes.NftSet(), modes.Nfqueue()]
    candidates = [pairs.Mode(), modes.Bulkhead(), modes.Empty(), *rivals]
    worlds = [World(lab, f"r{i}", settings.cpu, settings.realtime) for i in range(len(candidates))]
    result = pairs.compare(worlds, candidates, list(TITLES), settings.pick(15, 7), settings.pick(40, 15), SLICE_US, progress)
    rows = []
    for kind, title in TITLES.items():
        values = result[kind]
        base = values["none"]["rate"]
        unit = "GB/s" if kind == "stream" else "/s"
        rate = base / 1e9 if kind == "stream" else base
        ours = values["bulkhead"]
        rows.append(at_least(f"{title}, Bulkhead / none", RATIO_MIN[kind], ours["ratio"], "", spread(ours),
                             note=f"none: {rate:.4g} {unit}", data=ours))
        empty = values["empty"]
        rows.append(Row(f"{title}, empty programs / none", "", empty["ratio"], "", None, spread(empty), modes.Empty.title, empty))
        for mode in rivals:
            value = values[mode.name]
            rows.append(Row(f"{title}, {mode.name} / none", "", value["ratio"], "", None, spread(value), mode.title, value))
            ahead = [ours_block / other for ours_block, other in zip(ours["blocks"], value["blocks"])]
            ratio = statistics.median(ahead)
            ok = ratio > 1 if mode.name != "nft-set" else None
            rows.append(Row(f"{title}, Bulkhead / {mode.name}", "> 1" if ok is not None else "", ratio, "", ok,
                            f"{min(ahead):.3f}..{max(ahead):.3f}", ""))
    return rows


def many_rules(enforcer):
    """99,999 more rules for the pair's units, and a host with 10,000 identities that they name."""
    key = base64.b64encode(os.urandom(32)).decode()
    enforcer.write_peer("many", estate.text(estate.peer_file(99, key, "192.0.2.99/32", MANY_IDENTITIES)))
    subject = "app=bench-client" if enforcer.host.name.endswith("-a") else "app=bench-server"
    return estate.many_rules(subject, MANY_RULES - 1, MANY_IDENTITIES)


def scaling(lab, settings, progress):
    candidates = [modes.Bulkhead("one-rule"), modes.Bulkhead("many-rules", many_rules)]
    worlds = [World(lab, f"s{i}", settings.cpu, settings.realtime) for i in range(len(candidates))]
    result = pairs.compare(worlds, candidates, ["crr"], settings.pick(10, 4), settings.pick(100, 30), SLICE_US, progress)
    value = result["crr"]["many-rules"]
    return [at_least(f"TCP_CRR, {MANY_RULES:,} rules / 1 rule", MANY_RATIO_MIN, value["ratio"], "", spread(value),
                     note=f"{MANY_IDENTITIES:,} identities known at both ends", data=value)]
