# SPDX-License-Identifier: Apache-2.0
"""What every row of the table is, and the list of measurements that make them."""

import dataclasses
import typing


@dataclasses.dataclass
class Row:
    name: str
    target: str = ""
    value: typing.Optional[float] = None
    unit: str = ""
    ok: typing.Optional[bool] = None  # None: no target, or not measured
    spread: str = ""
    note: str = ""
    data: dict = dataclasses.field(default_factory=dict)

    def result(self):
        if self.value is None:
            return "not run"
        return {None: "", True: "ok", False: "MISSED"}[self.ok]


def at_least(name, target, value, unit="", spread="", **more):
    return Row(name, f">= {target:g}", value, unit, value >= target, spread, **more)


def at_most(name, target, value, unit="", spread="", **more):
    return Row(name, f"<= {target:g} {unit}".rstrip(), value, unit, value <= target, spread, **more)


@dataclasses.dataclass
class Settings:
    """How long everything takes. The quick one shows that it works, not what it is worth."""

    cpu: int
    realtime: bool = False
    quick: bool = False

    def pick(self, full, quick):
        return quick if self.quick else full


class Measurement:
    """One function that makes rows; `names` are the rows it owes, also when it cannot run."""

    def __init__(self, key, names, function):
        self.key = key
        self.names = names
        self.function = function
