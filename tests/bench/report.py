# SPDX-License-Identifier: Apache-2.0
"""Table for people, JSON for tools/figures."""

import datetime
import json
import os
import platform
import subprocess

FORMAT_VERSION = 1


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def kernel_file(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def machine():
    virtual = subprocess.run(["systemd-detect-virt", "--vm"], capture_output=True, text=True, check=False).stdout.strip() \
        if os.path.exists("/usr/bin/systemd-detect-virt") else "unknown"
    return {
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memoryGiB": round(memory_gib(), 1),
        "virtualization": virtual or "none",
        "spectreV2": kernel_file("/sys/devices/system/cpu/vulnerabilities/spectre_v2"),
        "bpfJit": kernel_file("/proc/sys/net/core/bpf_jit_enable"),
        "load": os.getloadavg()[0],
    }


def revision():
    """What was measured; "unknown" outside a repository. Leaves the index alone: it may be another user's."""
    def git(*words):
        here = os.path.dirname(os.path.abspath(__file__))
        result = subprocess.run(["git", "--no-optional-locks", "-C", here, *words], capture_output=True, text=True, check=False)
        return result.stdout.strip()
    try:
        name = git("describe", "--always")
        changed = name and git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return "unknown"
    return f"{name}-dirty" if changed else name or "unknown"


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def table(rows):
    cells = [("what", "target", "value", "", "spread")]
    cells += [(row.name, row.target, f"{number(row.value)} {row.unit}".strip(), row.result(), row.spread) for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(5)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells]
    return "\n".join(lines)


def document(rows, settings, started):
    return {
        "formatVersion": FORMAT_VERSION,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round((datetime.datetime.now(datetime.timezone.utc) - started).total_seconds()),
        "revision": revision(),
        "quick": settings.quick,
        "cpu": settings.cpu,
        "machine": machine(),
        "rows": [{"name": row.name, "target": row.target, "value": row.value, "unit": row.unit, "ok": row.ok,
                  "result": row.result(), "spread": row.spread, "note": row.note, "data": row.data} for row in rows],
    }


def write(path, content):
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    os.rename(temporary, path)
