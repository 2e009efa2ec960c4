# SPDX-License-Identifier: Apache-2.0
"""What `make bench-console` measures on one database."""

import json
import os
import subprocess
import time
import urllib.parse

from console_host import Client, Console, HostError, Load, Postgres, cpu_seconds, rss_mib
from rows import Row, at_least, at_most

UNITS = 20
GROUP = 10


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def title(database, text):
    return f"{text} ({database})"


class Place:
    """A Console on one of the two databases, with the load generator; gone at the end."""

    def __init__(self, build, database, scratch):
        self.build, self.scratch = build, scratch
        self.postgres = Postgres(os.path.join(scratch, "postgres")) if database == "PostgreSQL" else None
        self.console = Console(build, os.path.join(scratch, "data"), self.postgres and self.postgres.uri)
        self.load = self.client = None

    def open(self):
        self.console.start()
        self.client = Client(self.console)
        token = self.client.issue()
        self.load = Load(self.build, os.path.join(self.scratch, "registered"), self.console, token)
        return self

    def close(self):
        if self.load:
            self.load.close()
        try:
            self.console.stop()
        finally:
            if self.postgres:
                self.postgres.close()


def estate_ruleset(version):
    """Concerns every unit; its object is a network, so that nobody needs to know about all others."""
    return {"name": "all", "subject": [["estate=load"]], "outgoingRules": [
        {"action": "Allow", "object": [["net=world"]], "protocolPorts": [f"tcp/{1000 + version}"]}]}


def group_ruleset(group, version):
    """Concerns the GROUP Enforcers of one group."""
    tag = f"group=g{group:04d}"
    return {"name": f"group {group}", "subject": [["app=a00", tag]], "outgoingRules": [
        {"action": "Allow", "object": [["app=a01", tag]], "protocolPorts": [f"tcp/{1000 + version}"]}]}


class Change:
    """Changes one ruleset again and again; a latency is from sending the request to an acknowledgement."""

    version = 0

    def __init__(self, place, body, group=None):
        self.place, self.body, self.group = place, body, group
        self.id = place.client.create("/networkrulesetpolicies", self._next(), "/load")["ID"]

    def _next(self):
        Change.version += 1
        return self.body(Change.version) if self.group is None else self.body(self.group, Change.version)

    def once(self, expect):
        result = self.place.load.do(
            "change", method="PUT", path=f"/networkrulesetpolicies/{self.id}", namespace="/load", key=f"r:{self.id}",
            expect=expect, timeout_ms=60000, body=json.dumps(self._next()))
        if not result["ok"]:
            raise HostError(f"a change reached {result['n']} of {expect} Enforcers: {result}")
        return result

    def many(self, expect, times):
        results = []
        for _ in range(times):
            results.append(self.once(expect))
            time.sleep(0.2)
        return results


def make_estate(place, count, progress):
    place.client.create("/namespaces", {"name": "load", "tagPrefixes": ["app=", "group=", "estate="]})
    place.client.create("/externalnetworks", {"name": "world", "entries": ["0.0.0.0/0"], "associatedTags": ["net=world"]},
                        "/load")
    groups = -(-count // GROUP)
    body = json.dumps(group_ruleset(0, 0)).replace("g0000", "g{n}").replace("group 0", "group x{n}")
    answer = place.load.http(connections=64, path="/networkrulesetpolicies", namespace="/load", body=body, limit=groups)
    if answer["failed"]:
        raise HostError(f"rulesets: {answer}")
    result = place.load.do("register", count=count, connections=64, namespace="/load", timeout_ms=1800000)
    if result.get("failed"):
        raise HostError(f"registration: {result}")
    progress(f"registered {count} at {result['perSecond']:.0f}/s")
    place.load.do("set", units=UNITS, group=GROUP)


def connect(place, first, count):
    if first == 0:
        place.load.do("mark")
    place.load.do("connect", **{"from": first}, count=count, concurrency=300)
    state = place.load.do("settle", count=first + count, idle_ms=3000, timeout_ms=600000)
    if not state["ok"]:
        raise HostError(f"{state['inStep']} of {first + count} Enforcers are in step: {state}")
    return state


def spread(results, key="p99_ms"):
    values = [result[key] for result in results]
    return f"{min(values):.0f}..{max(values):.0f}"


def change_row(database, name, target, results):
    worst = percentile([result["max_ms" if result["n"] < 100 else "p99_ms"] for result in results], 50)
    commit = percentile([result["request"]["p50_ms"] for result in results], 50)
    return at_most(title(database, name), target, worst, "ms", spread(results),
                   note=f"{len(results)} changes; of it {commit:.0f} ms until the request itself was answered; "
                        f"{sum(result['others'] for result in results)} Enforcers got something that does not concern them",
                   data={"changes": results})


def enforcers(place, database, settings, progress):
    count = settings.pick(10000, 1000)
    few = settings.pick(1000, 100)
    times = settings.pick(20, 10)
    rows = []
    make_estate(place, count, progress)
    everybody = Change(place, estate_ruleset)
    group = Change(place, group_ruleset, 3)
    connect(place, 0, few)
    rows.append(change_row(database, f"ruleset of {GROUP} changed, {few:,} connected", 50, group.many(GROUP, times)))
    progress(f"{few} connected")
    state = connect(place, few, count - few)
    progress(f"{count} connected in {state['seconds']:.0f} s")
    rss = rss_mib(place.console.process.pid)
    rows.insert(0, at_most(title(database, f"{count:,} Enforcers, {UNITS} PUs each"), 1536 * count / 10000, rss, "MiB",
                           note=f"{state['entries']} entries at the Enforcers; first connection of all with their units "
                                f"{state['seconds']:.0f} s", data=state))
    rows.append(change_row(database, f"ruleset of {GROUP} changed, {count:,} connected", 50, group.many(GROUP, times)))
    rows.append(change_row(database, f"ruleset of all {count:,} changed", 1000, everybody.many(count, times)))
    rows.append(reconnect(place, database, count, everybody, progress))
    return rows


def reconnect(place, database, count, everybody, progress):
    """Killed, started again; then a second round shows that all are in step by digest."""
    place.load.do("set", again=True)
    everybody.once(count)
    place.load.do("mark")
    place.console.kill()
    place.console.start()
    state = place.load.do("settle", count=count, idle_ms=1000, timeout_ms=300000)
    cpu = cpu_seconds(place.console.process.pid)
    everybody.once(count)
    place.load.do("set", again=False)
    place.load.do("drop")
    again = connect(place, 0, count)
    lost = count - again["stepAtHello"]
    progress(f"all back after {state['seconds']:.1f} s, {state['stepAtHello']} in step at once")
    row = at_most(title(database, f"all {count:,} back after kill -9 of the Console"), 45, state["seconds"], "s",
                  note=f"from the kill; {cpu:.0f} s of the Console's processor time; {state['stepAtHello']} had nothing to "
                       f"fetch; after one more break {again['stepAtHello']} of {count} were in step by digest",
                  data={"first": state, "second": again})
    row.ok = bool(row.ok and state["ok"] and lost == 0)
    return row


def ruleset_form():
    return {"name": "ruleset {n}", "subject": [["app=x{n}"]], "associatedTags": ["bucket=b{m}"], "outgoingRules": [
        {"action": "Allow", "object": [["app=y{n}"]], "protocolPorts": ["tcp/443"]}]}


def rate_row(database, name, target, result, **more):
    if result["failed"]:
        raise HostError(f"{name}: {result}")
    return at_least(title(database, name), target, result["perSecond"], "/s",
                    f"{result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms", data=result, **more)


def requests(place, database, settings, progress):
    objects = settings.pick(100000, 10000)
    seconds = settings.pick(10, 3)
    buckets = objects // 100
    place.client.create("/namespaces", {"name": "load"})
    common = {"namespace": "/load", "modulo": buckets}
    writes = place.load.http(connections=128, path="/networkrulesetpolicies", body=ruleset_form(), keep=True,
                             limit=objects, timeout_ms=1800000, **common)
    rows = [rate_row(database, "writes: create a ruleset", 1500, writes,
                     note=f"{objects:,} creations over 128 connections")]
    if database != "SQLite":
        rows[0].target, rows[0].ok = "", None
    progress(f"writes {writes['perSecond']:.0f}/s")
    reads = place.load.http(connections=32, method="GET", path="/networkrulesetpolicies/{id}", seconds=seconds, **common)
    rows.append(rate_row(database, f"reads by id, among {objects:,}", 10000, reads))
    progress(f"reads {reads['perSecond']:.0f}/s")
    query = urllib.parse.quote('normalizedTags contains ["bucket=b{m}"]', safe="{}")
    lists = place.load.http(connections=16, method="GET", path=f"/networkrulesetpolicies?q={query}&pageSize=100",
                            seconds=seconds, **common)
    rows.append(rate_row(database, f"filtered lists of 100 out of {objects:,}", 500, lists,
                         note=f"{lists['bytes'] / max(lists['done'], 1) / 1024:.0f} KiB each"))
    progress(f"lists {lists['perSecond']:.0f}/s")
    place.console.stop()
    starts = []
    for _ in range(3):
        starts.append(place.console.start())
        cpu = cpu_seconds(place.console.process.pid)
        rss = rss_mib(place.console.process.pid)
        place.console.stop()
    rows.append(at_most(title(database, f"start with {objects:,} objects"), 2, percentile(starts, 50), "s",
                        f"{min(starts):.2f}..{max(starts):.2f}", note=f"until ready; {cpu:.2f} s of CPU, {rss:.0f} MiB"))
    return rows


def figures_of(build, program, *arguments):
    path = os.path.join(build, "tests", "bench", program)
    result = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise HostError(f"{program}: {result.stderr.strip()}")
    return {name: float(value) for name, value in (line.split() for line in result.stdout.splitlines())}


def render(build):
    value = figures_of(build, "render_bench")
    return [
        at_most("render for one PU, 10,000 rulesets in scope, all apply", 2, value["all_p50_us"] / 1000, "ms",
                note="median of the processor's time", data=value),
        at_most("render for one PU, 10,000 rulesets in scope, 100 apply", 2, value["some_p50_us"] / 1000, "ms"),
        Row("one of those 10,000 changed", value=value["change_p50_us"] / 1000, unit="ms"),
    ]


def tokens(build, scratch):
    os.makedirs(scratch, mode=0o700)
    value = figures_of(build, "auth_bench", scratch)
    return [
        at_most("token check on a request, token seen before", 150, value["again_p99_us"], "us",
                note=f"99 % of checks; median {value['again_p50_us']:.1f}", data=value),
        at_most("token check on a request, token never seen", 150, value["first_p50_us"], "us",
                note="median; signature, claims, permissions"),
    ]
