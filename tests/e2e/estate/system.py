# SPDX-License-Identifier: Apache-2.0
"""What the estate takes from the machine, and gives back whatever happens.

The process moves into a mount namespace of its own with its own bpffs and its own /run/netns: pins
and namespace names vanish with the last process of the run, also after SIGKILL. Cgroups do not, so
those of dead runs are swept at the start.
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", REPOSITORY / "build")).resolve()
TOOLS = pathlib.Path(os.environ.get("BULKHEAD_TOOLS", BUILD / "tests" / "tools")).resolve()

CLONE_NEWNS = 0x00020000
WAIT_SECONDS = 15.0  # of a machine that has other work as well


def wait_for(condition, seconds=WAIT_SECONDS, interval=0.02, what="condition"):
    """The first true value of condition(), or AssertionError."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}; last {value!r}")
        time.sleep(interval)


def run(*command, check=True, text=None, timeout=30):
    """A command of the system, quietly; its output in the exception when it fails."""
    done = subprocess.run([str(word) for word in command], input=text, timeout=timeout,
                          capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: "
                           f"{done.stdout}{done.stderr}")
    return done


class System:
    """One run: its cgroup subtree, namespaces, temporary directory and processes."""

    def __init__(self):
        if os.geteuid() != 0:
            raise RuntimeError("the estate needs root: namespaces, cgroups, BPF")
        self.processes = []
        self.namespaces = []
        self.cgroup_mount = self._find_cgroup_mount()
        self._isolate()
        self._sweep()
        self.name = f"bulkhead-test-{os.getpid()}"
        self.cgroup = self.cgroup_mount / self.name
        self.cgroup.mkdir()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bht-"))
        self.directory.chmod(0o755)
        (self.directory / "owner").write_text(str(os.getpid()), encoding="utf-8")

    @staticmethod
    def _find_cgroup_mount():
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                if rest.split()[0] == "cgroup2":
                    return pathlib.Path(fields.split()[4])
        raise RuntimeError("cgroup2 is not mounted")

    @staticmethod
    def _isolate():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
        pathlib.Path("/run/netns").mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")

    def _sweep(self):
        """Cgroups of runs that are dead; theirs were the only processes in them."""
        for path in self.cgroup_mount.glob("bulkhead-test-*"):
            match = re.fullmatch(r"bulkhead-test-(\d+)", path.name)
            if match and not pathlib.Path("/proc", match.group(1)).exists():
                remove_cgroup(path)
        for path in pathlib.Path(tempfile.gettempdir()).glob("bht-*"):
            owner = path / "owner"
            if owner.exists() and not pathlib.Path("/proc", owner.read_text()).exists():
                shutil.rmtree(path, ignore_errors=True)

    def make_namespace(self, name):
        full = f"bht-{os.getpid()}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        return full

    def close(self):
        for process in reversed(self.processes):
            process.kill()
        for name in self.namespaces:
            run("ip", "netns", "delete", name, check=False)
        remove_cgroup(self.cgroup)
        shutil.rmtree(self.directory, ignore_errors=True)


def remove_cgroup(path):
    """Kill what still runs in this subtree of ours and remove it."""
    if not path.exists():
        return
    for procs in path.rglob("cgroup.procs"):
        for pid in procs.read_text().split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
    children = sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True)
    for directory in [*children, path]:
        for _ in range(100):
            try:
                directory.rmdir()
                break
            except OSError:
                time.sleep(0.02)
