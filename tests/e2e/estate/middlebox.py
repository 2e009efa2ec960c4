# SPDX-License-Identifier: Apache-2.0
"""A router's interface that misbehaves: tests/tools/bpf/middlebox.bpf.c and its map."""

import json
import struct

from . import system as sys_

STRIP = 1
DROP_OPTION = 2
FIELDS = ("flags", "port", "seq_add", "ack_add", "match_mask", "match_flags", "drop_from",
          "drop_to", "matched", "dropped", "with_option")

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
KIND = {"syn": (SYN | ACK, SYN), "synack": (SYN | ACK, SYN | ACK), "ack": (SYN | ACK | RST, ACK)}


class Box:
    """What leaves through one interface of one router; without set() everything passes."""

    def __init__(self, router, interface):
        self.pin = f"/sys/fs/bpf/bht-{router.name}-{interface}"
        sys_.run("bpftool", "prog", "loadall", sys_.TOOLS / "middlebox.bpf.o", self.pin,
                 "type", "tc", "pinmaps", self.pin)
        router.exec("tc", "qdisc", "add", "dev", interface, "clsact")
        router.exec("tc", "filter", "add", "dev", interface, "egress", "bpf", "da",
                    "object-pinned", f"{self.pin}/middlebox")

    def set(self, **values):
        data = struct.pack("<11I", *(values.get(name, 0) & 0xffffffff for name in FIELDS))
        sys_.run("bpftool", "map", "update", "pinned", f"{self.pin}/box", "key", "hex", "0", "0",
                 "0", "0", "value", "hex", *(f"{byte:02x}" for byte in data))

    def strip(self, port=0):
        self.set(flags=STRIP, port=port)

    def drop_option(self, port=0):
        self.set(flags=DROP_OPTION, port=port)

    def rewrite(self, seq=0, ack=0, port=0):
        self.set(seq_add=seq, ack_add=ack, port=port)

    def lose(self, kind, first=1, last=1, port=0):
        """Lose the first-th to last-th segment of a kind: syn, synack, ack (anything later)."""
        mask, flags = KIND[kind]
        self.set(match_mask=mask, match_flags=flags, drop_from=first, drop_to=last, port=port)

    def reset(self):
        self.set()

    def seen(self):
        """All fields as they are now, the counted ones included."""
        answer = json.loads(sys_.run("bpftool", "-j", "map", "lookup", "pinned", f"{self.pin}/box",
                                     "key", "hex", "0", "0", "0", "0").stdout)
        data = bytes(int(byte, 16) for byte in answer["value"])
        return dict(zip(FIELDS, struct.unpack("<11I", data)))
