"""A process that a test starts, in a process group of its own, and ends by its id."""

import ctypes
import os
import signal
import subprocess
import threading

from waiting import wait_until

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_the_tests():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A child process whose output goes to `log` (a path), or to pipes if `log` is None.

    Use as a context manager, or call stop(): a child never outlives the tests, also if these are
    killed.
    """

    def __init__(self, args, log=None, env=None, cwd=None, stderr_log=None,
                 stdin=subprocess.DEVNULL):
        self.args = [str(arg) for arg in args]
        self.log = log
        self._files = []
        if log is None:
            out, err = subprocess.PIPE, subprocess.PIPE
        else:
            out = self._open(log)
            err = self._open(stderr_log) if stderr_log else subprocess.STDOUT
        # The kernel's death signal is tied to the starting thread, so it is set only for children
        # of the main thread, which lives as long as the tests.
        in_main = threading.current_thread() is threading.main_thread()
        self.process = subprocess.Popen(
            self.args,
            stdin=stdin,
            stdout=out,
            stderr=err,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_the_tests if in_main else None,
        )
        self.pid = self.process.pid

    def _open(self, path):
        file = open(path, "ab")
        self._files.append(file)
        return file

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        """Sends a signal to the child's whole group; nothing if it has ended."""
        if self.alive():
            os.killpg(self.pid, number)

    def pause(self):
        """Freezes the child (SIGSTOP) and returns once it stands still."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._state() in "TtZX", 5, f"process {self.pid} stopping")

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL, and waits for the end."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def wait(self, within):
        """The exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(within)

    def stop(self, grace=10):
        """SIGTERM, then SIGKILL after `grace` seconds. Returns the exit code."""
        try:
            if self.alive():
                self.resume()
                self.signal(signal.SIGTERM)
                try:
                    self.wait(grace)
                except subprocess.TimeoutExpired:
                    self.kill()
        finally:
            for file in self._files:
                file.close()
            self._files = []
        return self.process.returncode

    def output(self):
        """What the child has written to its log so far."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _state(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "X"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
