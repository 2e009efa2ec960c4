# SPDX-License-Identifier: Apache-2.0
"""Rows about the daemon: compile, apply, change, start, memory, flow reports."""

import json
import os
import statistics
import subprocess
import time

import estate
from enforcer import Enforcer
from lab import BenchError, Lab, World, run
from rows import Row, at_most
from rows_traffic import MANY_IDENTITIES, MANY_RULES

COMPILE_MS_MAX = 1000
APPLY_MS_MAX = 1000
CHANGE_MS_MAX = 50
START_MS_MAX = 300
MEMORY_MIB_MAX = 16
FLOWS_PER_SECOND = 20000
FLOWS_CPU_PERCENT_MAX = 25
ESTATE_RULES = 1000
ESTATE_UNITS = 100
ESTATE_PEERS = 100
PROBE_PORT = 9
FLOWS_NET = "198.18.0.0"
FLOWS_BITS = 8
FLOWS_PORT = 1000


def key_values(text):
    """Lines "key value" → {key: [values]}; lines of other shapes are left out."""
    values = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2:
            try:
                value = float(words[1])
            except ValueError:
                continue
            values.setdefault(words[0], []).append(value)
    return values


def percentile(values, percent):
    """The smallest value that at least so many per cent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def spread(values, form="{:.1f}"):
    return f"{form.format(min(values))}..{form.format(max(values))}"


def compile_policy(lab, settings, build):
    tool = os.path.join(build, "tests", "compile_bench")
    if not os.access(tool, os.X_OK):
        raise BenchError(f"{tool} is not built")
    seen = []
    for _ in range(settings.pick(7, 3)):
        output = run("taskset", "-c", str(settings.cpu), tool, str(MANY_RULES), str(MANY_IDENTITIES)).stdout
        seen.append(key_values(output))
    if not all("compile_ms" in values for values in seen):
        raise BenchError(f"compile_bench printed no compile_ms: {output.strip()}")
    times = [values["resolve_ms"][0] + values["compile_ms"][0] for values in seen]
    note = ", ".join(f"{key} {value[0]:g}" for key, value in seen[0].items() if key != "compile_ms")
    return [at_most(f"compile {MANY_RULES:,} rules, {MANY_IDENTITIES:,} identities", COMPILE_MS_MAX,
                    statistics.median(times), "ms", spread(times), note=note)]


def apply_policy(lab, settings):
    tool = lab.tool("apply_bench")
    if not os.access(tool, os.X_OK):
        raise BenchError(f"{tool} is not built")
    world = World(lab, "ap", settings.cpu)
    host = world.client
    path = os.path.join(lab.scratch, "apply.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(estate.text(estate.envelope(estate.many_rules("app=bench-client", MANY_RULES, MANY_IDENTITIES))))
    output = run(tool, "--netns", f"/run/netns/{host.netns}", "--bpffs", "--cpu", str(settings.cpu), "--policy", path,
                 "--namespace", estate.NAMESPACE, "--tags", "app=bench-client", "--cgroup-root", host.cgroup_relative,
                 "--pu", host.pu_cgroup_relative, "--identities", str(MANY_IDENTITIES), timeout=300).stdout
    values = key_values(output)
    note = ", ".join(f"{key} {statistics.median(value):g}" for key, value in values.items() if key != "apply_ms")
    return [at_most(f"put {MANY_RULES:,} rules, {MANY_IDENTITIES:,} identities into the kernel", APPLY_MS_MAX,
                    statistics.median(values["apply_ms"]), "ms", spread(values["apply_ms"]), note=note)]


def probe_ruleset(action):
    rule = {"action": action, "object": [["externalnetwork:name=probe"]], "protocolPorts": [f"udp/{PROBE_PORT}"]}
    return estate.text(estate.envelope([estate.ruleset("probe", "app=bench-client", outgoing=[rule])]))


def estate_of(rules, networks=()):
    """`rules` rules for app=bench-client over ESTATE_PEERS identities."""
    return estate.envelope(estate.many_rules("app=bench-client", rules, ESTATE_PEERS), networks)


def write_estate(enforcer, rules, networks=()):
    enforcer.write_policy(estate_of(rules, networks))
    enforcer.write_peer("many", estate.text(estate.peer_file(
        99, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=", "192.0.2.99/32", ESTATE_PEERS)))


def change_latency(lab, settings):
    world = World(lab, "ch", settings.cpu)
    host = world.client
    enforcer = Enforcer(lab, host, 1, {"pu": (host.pu_cgroup, ["app=bench-client"])})
    try:
        write_estate(enforcer, ESTATE_RULES - 1, [estate.network("probe", f"{world.server.address}/32")])
        for action in ("Allow", "Reject"):
            probe = estate.envelope([])
            probe = json.loads(probe_ruleset(action))
            del probe["data"]["namespaces"]
            enforcer.write(f"probe.{action}", estate.text(probe))
        with open(enforcer.path("probe.Allow"), encoding="utf-8") as file:
            enforcer.write("policy.d/probe.yaml", file.read())
        enforcer.start()
        output = run(lab.tool("change_probe"), *host.place(realtime=False), "--to", world.server.address,
                     "--port", str(PROBE_PORT), "--file", enforcer.path("policy.d/probe.yaml"),
                     "--allow", enforcer.path("probe.Allow"), "--reject", enforcer.path("probe.Reject"),
                     "--count", str(settings.pick(100, 20)), timeout=600).stdout
    finally:
        enforcer.remove()
    times = sorted(float(line) / 1000 for line in output.split())
    p99 = percentile(times, 99)
    return [at_most(f"changed ruleset effective in the kernel, p99 of {len(times)}", CHANGE_MS_MAX, p99, "ms",
                    f"{times[0]:.1f}..{times[-1]:.1f}", note=f"median {statistics.median(times):.1f} ms; {ESTATE_RULES:,} rules")]


def start_time(lab, settings):
    world = World(lab, "st", settings.cpu)
    host = world.client
    times = []
    for _ in range(settings.pick(11, 4)):
        enforcer = Enforcer(lab, host, 1, {"pu": (host.pu_cgroup, ["app=bench-client"])})
        try:
            write_estate(enforcer, ESTATE_RULES)
            enforcer.describe()  # makes the key, as an installation does
            times.append(enforcer.start() * 1000)
        finally:
            enforcer.remove()
    return [at_most(f"start to first policy in the kernel, {ESTATE_RULES:,} rules", START_MS_MAX, statistics.median(times), "ms",
                    spread(times), note="no pins of an earlier run; process start to READY")]


def memory(lab, settings):
    world = World(lab, "me", settings.cpu)
    host = world.client
    units = {f"pu{i}": (lab.cgroup(f"{host.name}/pu{i}"), ["app=bench-client", f"unit={i}"]) for i in range(ESTATE_UNITS)}
    enforcer = Enforcer(lab, host, 1, units)
    try:
        write_estate(enforcer, ESTATE_RULES)
        enforcer.start()
        time.sleep(settings.pick(10, 3))
        rss = enforcer.memory_kib() / 1024
        anonymous = enforcer.memory_kib("RssAnon") / 1024
        peak = enforcer.memory_kib("VmHWM") / 1024
        units_seen = len(enforcer.bulkhead("pus"))
    finally:
        enforcer.remove()
    if units_seen < ESTATE_UNITS:
        raise BenchError(f"only {units_seen} processing units")
    return [at_most(f"resident memory, {ESTATE_UNITS} PUs, {ESTATE_RULES:,} rules, idle", MEMORY_MIB_MAX, rss, "MiB",
                    note=f"anonymous {anonymous:.1f} MiB, peak {peak:.1f} MiB")]


class Follower:
    """`bulkhead enforcer flows --follow`, counted."""

    def __init__(self, enforcer):
        self.path = enforcer.path("followed")
        self.output = open(self.path, "wb")
        self.process = enforcer.lab.start(enforcer.binary("bulkhead"), "enforcer", "flows", "--follow", "-o", "json",
                                          "--socket", enforcer.path("socket"), stdout=self.output, stderr=subprocess.DEVNULL)
        self.lab = enforcer.lab

    def close(self):
        self.lab.stop(self.process)
        self.output.close()
        with open(self.path, "rb") as file:
            return sum(line.count(FLOWS_NET.rpartition(".")[0].encode()) > 0 for line in file)


def flow_run(lab, settings, name, action, follow):
    world = World(lab, name, settings.cpu)
    host = world.client
    Lab.in_netns(host.netns, "ip", "route", "add", f"{FLOWS_NET}/15", "via", world.server.address)
    Lab.in_netns(host.netns, "sysctl", "-qw", "net.ipv4.conf.all.forwarding=0")
    enforcer = Enforcer(lab, host, 1, {"pu": (host.pu_cgroup, ["app=bench-client"])})
    try:
        networks = [estate.network("flows", f"{FLOWS_NET}/15")]
        rule = {"action": action, "object": [["externalnetwork:name=flows"]], "protocolPorts": ["udp/1:65535"]}
        enforcer.write_policy(estate.envelope([estate.ruleset("flows", "app=bench-client", outgoing=[rule])], networks))
        enforcer.start()
        follower = Follower(enforcer) if follow else None
        time.sleep(0.5)
        before, cpu, began = enforcer.counters(), enforcer.cpu_seconds(), time.monotonic()
        sent = json.loads(run(lab.tool("flowgen"), *host.place(1 - settings.cpu, realtime=False), "--to", FLOWS_NET,
                              "--bits", str(FLOWS_BITS), "--port", str(FLOWS_PORT), "--rate", str(FLOWS_PER_SECOND),
                              "--seconds", str(settings.pick(30, 5)), timeout=300).stdout)
        time.sleep(1.5)
        cpu, elapsed = enforcer.cpu_seconds() - cpu, time.monotonic() - began - 1.5
        after = enforcer.counters()
        told = follower.close() if follower else None
    finally:
        enforcer.remove()
    wanted = sent["refused"] if action == "Reject" else sent["sent"]
    if wanted != sent["sent"] + sent["refused"] + sent["failed"]:
        raise BenchError(f"not every datagram was judged {action}: {sent}")
    moved = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    return {"sent": wanted, "told": told, "cpu": cpu / elapsed * 100, "moved": moved, "seconds": sent["seconds"]}


def flow_losses(seen):
    """Flows that the daemon was not told of, by the kernel's count and by our own."""
    lost = sum(value for key, value in seen["moved"].items() if key.endswith("events_lost"))
    return max(lost, seen["sent"] - seen["moved"].get("flow_reports", 0))


def follower_row(seen):
    dropped = seen["moved"].get("flow_follower_dropped", 0)
    if seen["told"] + dropped < seen["sent"]:
        raise BenchError(f"{seen['sent']} flows, {seen['told']} told, only {dropped} counted as left out")
    return Row(f"told to `flows --follow` at {FLOWS_PER_SECOND:,} new flows/s", "", seen["told"] / seen["sent"] * 100, "%", None,
               f"{seen['cpu']:.1f} % of one core", note="the rest is counted as left out: the reader was too slow")


def flow_reports(lab, settings):
    rows = []
    for index, (title, action) in enumerate((("rejected", "Reject"), ("allowed", "Allow"))):
        seen = flow_run(lab, settings, f"fl{index}", action, False)
        note = ", ".join(f"{key} +{value}" for key, value in sorted(seen["moved"].items()))
        rows.append(at_most(f"flow events lost, {title}", 0, flow_losses(seen), "flows", f"of {seen['sent']:,}", note=note))
        rows.append(at_most(f"daemon's share of one core at {FLOWS_PER_SECOND:,} new flows/s, {title}",
                            FLOWS_CPU_PERCENT_MAX, seen["cpu"], "%", f"{seen['sent'] / seen['seconds']:,.0f}/s sent"))
    rows.append(follower_row(flow_run(lab, settings, "fl9", "Reject", True)))
    return rows
