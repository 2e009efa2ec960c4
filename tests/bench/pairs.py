# SPDX-License-Identifier: Apache-2.0
"""Ratios of rates, measured so that neither drift of the machine nor the place in memory decides.

One round is a run of a few milliseconds in each mode, in random order; its ratios are taken within the
round, so that a change of the machine's speed hits both sides. A block is many rounds. Between blocks the
modes change worlds in turn (a Latin square): two worlds that are alike in everything differ by two per
cent for as long as they live. The ratio of a block is the median of its rounds, the figure the median
of the blocks.
"""

import random
import statistics


class Mode:
    """What judges traffic. The base class is: nothing."""

    name = "none"
    title = "no enforcement"

    def on(self, world):
        pass

    def check(self):
        """Raise BenchError when what was measured was not what the title says."""

    def off(self, world):
        pass


def block(assigned, kind, rounds, slice_us, reference):
    """{mode name: (ratio to the reference, rate)} of one block; assigned: {mode name: world}."""
    ratios = {name: [] for name in assigned}
    rates = {name: [] for name in assigned}
    for world in assigned.values():
        world.client_start(kind)
        world.slice(4 * slice_us)
    for _ in range(rounds):
        order = list(assigned)
        random.shuffle(order)
        seen = {name: assigned[name].slice(slice_us) for name in order}
        for name, rate in seen.items():
            rates[name].append(rate)
            ratios[name].append(rate / seen[reference])
    for world in assigned.values():
        world.client_stop()
    return {name: (statistics.median(ratios[name]), statistics.median(rates[name])) for name in assigned}


def compare(worlds, modes, kinds, blocks, rounds, slice_us, progress=lambda text: None):
    """{kind: {mode name: {"ratio", "low", "high", "rate", "blocks"}}} against the first mode."""
    reference = modes[0].name
    result = {kind: {mode.name: [] for mode in modes} for kind in kinds}
    for number in range(blocks):
        assigned = {}
        try:
            for index, mode in enumerate(modes):
                world = worlds[(index + number) % len(worlds)]
                assigned[mode.name] = world
                mode.on(world)
                world.server_start()
            for kind in kinds:
                for name, value in block(assigned, kind, rounds, slice_us, reference).items():
                    result[kind][name].append(value)
            for mode in modes:
                mode.check()
        finally:
            for mode in modes:
                if mode.name in assigned:
                    world = assigned[mode.name]
                    world.client_stop()
                    world.server_stop()
                    mode.off(world)
        progress(f"block {number + 1} of {blocks}")
    return {kind: {name: summary(values) for name, values in by_mode.items()} for kind, by_mode in result.items()}


def summary(values):
    ratios = [ratio for ratio, _rate in values]
    return {
        "ratio": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "rate": statistics.median(rate for _ratio, rate in values),
        "blocks": [round(ratio, 4) for ratio in ratios],
    }
