# SPDX-License-Identifier: Apache-2.0
"""Processes inside a host, and the events that the tools print."""

import json
import signal
import subprocess
import threading

from .system import WAIT_SECONDS, wait_for


class Result:
    """What a tool that has ended said."""

    def __init__(self, events, code, stderr=""):
        self.events = events
        self.code = code
        self.stderr = stderr

    @property
    def ok(self):
        return self.code == 0

    @property
    def error(self):
        """Name of the errno, or None."""
        for event in self.events:
            if event["event"] in ("error", "dead"):
                return event["errno"]
        return None

    @property
    def ms(self):
        return self.events[-1].get("ms") if self.events else None

    def named(self, name):
        return [event for event in self.events if event["event"] == name]

    def __repr__(self):
        return f"<exit {self.code}: {self.events}{self.stderr}>"


class Process:
    """A tool in the background; its events are collected as they come."""

    def __init__(self, command, system, echo=None):
        self.command = [str(word) for word in command]
        self.events = []
        self.lines = []
        self._popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=echo or subprocess.STDOUT,
                                       text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        system.processes.append(self)
        self._system = system

    def _read(self):
        for line in self._popen.stdout:
            event = parse_event(line)
            if event is None:
                self.lines.append(line.rstrip())
            else:
                self.events.append(event)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    def named(self, name):
        return [event for event in self.events if event["event"] == name]

    def wait_event(self, name, seconds=WAIT_SECONDS, count=1):
        def look():
            found = self.named(name)
            if len(found) >= count:
                return found[count - 1]
            if not self.running and not self._reader.is_alive():
                raise AssertionError(f"{self.command}: ended without {name}: "
                                     f"{self.events} {self.lines}")
            return None
        return wait_for(look, seconds, what=f"event {name} of {self.command}: {self.events}")

    def signal(self, number):
        if self.running:
            self._popen.send_signal(number)

    def wait(self, seconds=WAIT_SECONDS):
        code = self._popen.wait(seconds)
        self._reader.join(seconds)
        self._forget()
        return Result(self.events, code, "\n".join(self.lines))

    def _forget(self):
        if self in self._system.processes:
            self._system.processes.remove(self)

    def kill(self):
        if self.running:
            self._popen.kill()
        self._popen.wait()
        self._reader.join(1)
        self._forget()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Sniffer(Process):
    """A sniffer: at its end it has told every packet that came before."""

    def __exit__(self, *_):
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        finally:
            self.kill()


def parse_event(line):
    """A JSON object, or None for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def parse_events(text):
    return [event for line in text.splitlines() if (event := parse_event(line)) is not None]
