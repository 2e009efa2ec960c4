# SPDX-License-Identifier: Apache-2.0
"""`bulkhead` with a terminal."""
import os
import pty
import select
import signal
import subprocess
import termios
import time

from installation import BUILD

BULKHEAD = os.path.join(BUILD, "bulkhead")


class Terminal:
    """A process with a terminal on standard input and standard error, and on standard output unless it is given.
    SIGINT ends it: in the background of a shell it is ignored, and what starts ignored stays so."""

    def __init__(self, args, environment, stdout=None, cwd=None):
        self.ours, terminal = pty.openpty()
        self.process = subprocess.Popen([BULKHEAD, *args], stdin=terminal, stderr=terminal, stdout=stdout or terminal,
                                        env=environment, cwd=cwd, start_new_session=True,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        os.close(terminal)
        self.seen = ""

    def until(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready = select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]
            assert ready, self.seen
            self.seen += os.read(self.ours, 65536).decode()

    def answer(self, *answers):
        """(what is asked, what to say)…"""
        for question, answer in answers:
            self.until(question)
            self.seen = self.seen.partition(question)[2]
            os.write(self.ours, f"{answer}\n".encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.ours)[3] & termios.ECHO)

    def end(self, signal_number=None):
        if signal_number is not None:
            self.process.send_signal(signal_number)
        status = self.process.wait(20)
        while select.select([self.ours], [], [], 0.2)[0]:
            try:
                self.seen += os.read(self.ours, 65536).decode()
            except OSError:
                break
        os.close(self.ours)
        return status
