#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the bench: wrong figures are worse than none. Needs no root, measures nothing."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import estate
import pairs
import report
import rows
import rows_console
import rows_daemon
import rows_traffic

FIGURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "figures")


class FakeWorld:
    """Its place makes it faster or slower for as long as it lives; the machine drifts as well."""

    clock = 0

    def __init__(self, place):
        self.place = place
        self.factor = 1.0
        self.modes = []

    def client_start(self, kind):
        self.kind = kind

    def client_stop(self):
        pass

    server_start = server_stop = client_stop

    def slice(self, _microseconds):
        FakeWorld.clock += 1
        return 1000.0 * self.place * self.factor * (1 + FakeWorld.clock * 1e-7)


class FakeMode(pairs.Mode):
    def __init__(self, name, factor):
        self.name = name
        self.factor = factor
        self.seen = []

    def on(self, world):
        world.factor = self.factor
        self.seen.append(world.place)

    def off(self, world):
        world.factor = 1.0


class Broken(FakeMode):
    def check(self):
        raise ValueError("not what was to be measured")


class Pairs(unittest.TestCase):
    def test_ratio_without_the_place(self):
        places = [1.0, 1.02, 0.97]
        modes = [FakeMode("none", 1.0), FakeMode("ours", 0.95), FakeMode("other", 0.5)]
        result = pairs.compare([FakeWorld(place) for place in places], modes, ["rr"], 9, 11, 3000)
        self.assertAlmostEqual(result["rr"]["ours"]["ratio"], 0.95, delta=0.03)
        self.assertAlmostEqual(result["rr"]["other"]["ratio"], 0.5, delta=0.02)
        product = 1.0
        for value in result["rr"]["ours"]["blocks"]:
            product *= value
        self.assertAlmostEqual(product ** (1 / 9), 0.95, delta=0.001)
        for mode in modes:
            self.assertEqual(sorted(mode.seen), sorted(places * 3))

    def test_everything_off_after_failure(self):
        world, other = FakeWorld(1.0), FakeWorld(1.0)
        with self.assertRaises(ValueError):
            pairs.compare([world, other], [FakeMode("none", 1.0), Broken("ours", 0.5)], ["rr"], 1, 1, 1)
        self.assertEqual((world.factor, other.factor), (1.0, 1.0))


class Arithmetic(unittest.TestCase):
    def test_percentile(self):
        self.assertEqual(rows_daemon.percentile(range(1, 101), 99), 99)
        self.assertEqual(rows_daemon.percentile([5], 99), 5)
        self.assertEqual(rows_daemon.percentile(range(1, 21), 99), 20)

    def test_key_values(self):
        values = rows_daemon.key_values("a_ms 1.5\nwords of no use\nb x\na_ms 2\n")
        self.assertEqual(values, {"a_ms": [1.5, 2.0]})

    def test_per_packet(self):
        changes = [("in", 0, 8, 5000, 100), ("out", 1, 8, 8000, 100), ("tc", -1, 3, 4000, 100)]
        net, text = rows_traffic.per_packet(changes, {"ingress": 30.0, "egress": 30.0})
        # tc: (4000 - 100 * 30) / 200 packets = 5 a packet
        self.assertAlmostEqual(net["ingress"], 50 - 30 + 5)
        self.assertAlmostEqual(net["egress"], 80 - 30 + 5)
        self.assertIn("tc 40 ns x 0.50", text)

    def test_console_percentile(self):
        self.assertEqual(rows_console.percentile(range(1, 101), 99), 99)
        self.assertEqual(rows_console.percentile([7, 1, 3], 50), 3)

    def test_console_change(self):
        changes = [{"n": 10, "p99_ms": 1.0, "max_ms": value, "others": 0, "request": {"p50_ms": 2.0}} for value in (40, 60, 50)]
        row = rows_console.change_row("SQLite", "x", 50, changes)
        self.assertEqual((row.value, row.ok), (50, True))

    def test_targets(self):
        self.assertTrue(rows.at_least("x", 0.97, 0.97).ok)
        self.assertFalse(rows.at_least("x", 0.97, 0.9699).ok)
        self.assertFalse(rows.at_most("x", 60, 60.1).ok)
        self.assertEqual(rows.Row("x", "> 1").result(), "not run")

    def test_estate_has_the_rules(self):
        for count, peers in ((999, 100), (1000, 10), (1, 1)):
            rulesets = estate.many_rules("app=a", count, peers)
            seen = [(side, str(rule["object"]), str(rule["protocolPorts"])) for entry in rulesets
                    for side in ("incomingRules", "outgoingRules") for rule in entry[side]]
            self.assertEqual(len(seen), count)
            self.assertEqual(len(set(seen)), count)


class Figures(unittest.TestCase):
    def figures(self, text, *more):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text)
            file.flush()
            more = [file.name if argument == "same" else argument for argument in more]
            return subprocess.run([sys.executable, FIGURES, file.name, "-", *more], capture_output=True, text=True,
                                  check=False)

    def test_table(self):
        import datetime

        settings = rows.Settings(cpu=1, quick=True)
        content = report.document(
            [rows.at_most("added | per packet", 60, 61.25, "ns", "60..62", note="why"), rows.Row("absent", note="no tool")],
            settings, datetime.datetime.now(datetime.timezone.utc))
        result = self.figures(json.dumps(content))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("| added \\| per packet (1) | <= 60 ns | 61.2 ns | MISSED | 60..62 |", result.stdout)
        self.assertIn("| absent (2) |  | – | not run |  |", result.stdout)
        self.assertIn("rough figures", result.stdout)

    def test_console(self):
        import datetime

        settings = rows.Settings(cpu=None, quick=False)
        text = json.dumps(report.document([rows.at_least("writes", 1500, 1499.0, "/s")], settings,
                                          datetime.datetime.now(datetime.timezone.utc)))
        result = self.figures(text, "same")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("## The Console", result.stdout)
        self.assertEqual(result.stdout.count("| writes | >= 1500 | 1,499 /s | MISSED |  |"), 2)
        self.assertNotIn("The Console", self.figures(text).stdout)
        self.assertEqual(self.figures(text, "/nowhere/console.json").returncode, 1)

    def test_wrong_input(self):
        for text in ("", "[]", '{"formatVersion": 2}', '{"formatVersion": 1}'):
            result = self.figures(text)
            self.assertEqual(result.returncode, 1, text)
            self.assertEqual(result.stdout, "")
            self.assertIn("figures: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
