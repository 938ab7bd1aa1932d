# SPDX-License-Identifier: MIT
"""Whole machines for the tests of this directory.

A test file makes a Machine, waits for patterns on its serial line, types
answers, and reports in TAP.  What this module promises:

1. Nothing sleeps.  A test waits for a line of the machine, or for its end;
   the time limit is only there to end a machine that hangs, and the time
   that QEMU waited for a CPU of a busy host is not counted.
2. The whole serial line is in build/logs/NAME.log, and its tail is shown when
   a test fails.
3. QEMU never outlives its Machine, however the test ends.

Every test runs on the hypervisor that the variable HV names (xenolith by
default, or xen, or bare), so that each can be proved against Debian's Xen.
"""
import ctypes
import glob
import hashlib
import json
import os
import random
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "scripts"))
import qemu  # noqa: E402  (found through the path above)

HV = os.environ.get("HV", "xenolith")
BUILD = qemu.BUILD
LOGS = os.path.join(BUILD, "logs")
# Seconds of wall time, without waits for a CPU, after which a machine is held to hang.
LIMIT = int(os.environ.get("LIMIT", "180"))


def die_with_parent():
    """In the child: SIGKILL when this program ends, even by a signal (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Failure(Exception):
    """A test's expectation that was not met; the text says which."""


class Machine:
    """One QEMU with its serial line and its monitor; use it in a with statement."""

    def __init__(self, name, limit=LIMIT, fds=(), **options):
        """`fds` are descriptors that QEMU gets under the same numbers, for its -chardev socket,fd=."""
        options.setdefault("hv", HV)
        self.name = name
        self.fds = fds
        self.config = qemu.Config(**options)
        self.deadline = time.monotonic() + limit
        self.text = ""          # all that came by the serial line
        self.position = 0       # up to where expect() has read
        self.reason = None      # why QEMU ended or reset first, in its own words
        self.answers = []       # what the monitor returned and nobody has taken
        self.process = None
        self.start()

    def start(self):
        """Start QEMU: serial line on pipes, monitor on a socket pair."""
        os.makedirs(LOGS, exist_ok=True)
        problem = qemu.missing(self.config)
        if problem:
            raise Failure(problem)
        base = os.path.join(LOGS, self.name)
        ours, theirs = socket.socketpair()
        command = qemu.command(self.config, base) + [
            "-display", "none", "-serial", "stdio",
            "-chardev", "socket,id=qmp,fd=%d" % theirs.fileno(), "-mon", "chardev=qmp,mode=control"]
        self.log = open(base + ".log", "wb")
        self.log.write(("# %s\n" % qemu.shell_words(command[:-4])).replace(TOP + "/", "").encode())
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, pass_fds=[theirs.fileno(), *self.fds],
                                        start_new_session=True, preexec_fn=die_with_parent)
        theirs.close()
        self.monitor = ours
        self.monitor.sendall(b'{"execute":"qmp_capabilities"}\n')
        self.monitor_rest = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ, self.read_serial)
        self.selector.register(self.monitor, selectors.EVENT_READ, self.read_monitor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End QEMU if it still runs, and keep the log."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.monitor, self.log):
            try:
                file.close()
            except OSError:
                pass
        for suffix in (".iso", ".pvh"):
            if os.path.exists(os.path.join(LOGS, self.name) + suffix):
                os.unlink(os.path.join(LOGS, self.name) + suffix)

    def read_serial(self):
        """Take what the serial line has; return False at its end."""
        data = os.read(self.process.stdout.fileno(), 65536)
        self.log.write(data)
        self.log.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def read_monitor(self):
        """Take the monitor's events and keep the reason of an end."""
        try:
            data = self.monitor.recv(65536)
        except ConnectionError:
            data = b""
        self.monitor_rest += data
        *lines, self.monitor_rest = self.monitor_rest.split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event.get("event") in ("SHUTDOWN", "RESET") and not self.reason:
                self.reason = event["data"].get("reason", event["event"])
            elif "return" in event or "error" in event:
                self.answers.append(event)
        return bool(data)

    def left(self):
        """Seconds until the machine is held to hang.

        QEMU's thread that waited longest for a CPU (/proc/PID/task/TID/schedstat, second number, ns) is the one that emulates.
        """
        waits = [0]
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.process.pid):
            try:
                with open(path, encoding="ascii") as file:
                    waits.append(int(file.read().split()[1]))
            except OSError:
                pass        # that thread has just ended
        return self.deadline + max(waits) / 1e9 - time.monotonic()

    def wait_input(self, what):
        """Wait for the machine to say something; False when it has ended."""
        if not self.selector.get_map():
            return False
        events = []
        while not events and self.left() > 0:
            events = self.selector.select(self.left())
        if not events:
            self.process.kill()
            raise Failure("no %s within the time limit" % what)
        for key, _ in events:
            if not key.data():
                self.selector.unregister(key.fileobj)
        return True

    def expect(self, *patterns):
        """Wait for the first of `patterns` (regular expressions, ^ and $ at lines).

        Return its match.  What came before it will not be looked at again.  A
        $ at the end of a pattern is a line's end that has come, not the point
        up to which the line has come so far.
        """
        compiled = [re.compile(re.sub(r"\$$", r"(?=\\n)", pattern), re.MULTILINE)
                    for pattern in patterns]
        while True:
            found = [match for match in (each.search(self.text, self.position)
                                         for each in compiled) if match]
            if found:
                first = min(found, key=lambda match: match.start())
                self.position = first.end()
                return first
            if not self.wait_input("line like %s" % " or ".join(patterns)):
                raise Failure("the machine ended without a line like %s" % " or ".join(patterns))

    def send(self, text):
        """Type `text` on the serial line."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_end(self):
        """Wait until QEMU ends by itself; return its exit status."""
        while self.wait_input("end of the machine"):
            pass
        try:
            return self.process.wait(max(self.left(), 1))
        except subprocess.TimeoutExpired:
            raise Failure("QEMU closed its serial line and did not end") from None

    def step(self, name):
        """Wait for the end of the initramfs' step `name`; Failure if it failed."""
        match = self.expect(r"XLTEST %s (ok|failed.*)$" % name, r"^\(XEN\).*(?:panic|PANIC|Panic).*$",
                            r"Kernel panic.*$")
        if match[0].endswith(" ok"):
            return
        raise Failure("step %s: %s" % (name, match[0]))

    def expect_poweroff(self):
        """The machine must end by ACPI S5, with QEMU's status 0."""
        status = self.wait_end()
        if self.reason != "guest-shutdown":
            raise Failure("the machine ended by %s, not by a power-off" % self.reason)
        if status != 0:
            raise Failure("QEMU's exit status is %d" % status)

    def expect_reset(self):
        """The machine (made with no_reboot) must end by a reset."""
        self.wait_end()
        if self.reason != "guest-reset":
            raise Failure("the machine ended by %s, not by a reset" % self.reason)

    def monitor_command(self, line):
        """Return what QEMU's human monitor answers to `line`."""
        request = {"execute": "human-monitor-command", "arguments": {"command-line": line}}
        del self.answers[:]
        self.monitor.sendall(json.dumps(request).encode() + b"\n")
        while not any(isinstance(answer.get("return"), str) for answer in self.answers):
            if not self.wait_input("answer of the monitor"):
                raise Failure("the machine ended; it should have stayed")
        return next(answer["return"] for answer in self.answers
                    if isinstance(answer.get("return"), str))

    def expect_halted(self):
        """The CPU must come to rest in a hlt, with the machine neither reset nor off."""
        while "HLT=1" not in self.monitor_command("info registers"):
            if self.left() < 0:
                raise Failure("the CPU does not halt")
        if self.reason:
            raise Failure("the machine ended or was reset: %s" % self.reason)

    def refuse(self, *patterns):
        """No line so far may match any of `patterns`."""
        for line in self.text.splitlines():
            for pattern in patterns:
                if re.search(pattern, line):
                    raise Failure("there is the line: %s" % line)

    def tail(self, lines=30):
        """The end of the serial log."""
        return self.text.splitlines()[-lines:]


class TransferServer:
    """The host's side of /test/net: odd connections send, even ones check.

    The data are `mib` MiB of random bytes from a fixed seed.  `results` gets,
    for each upload, whether it was the same.
    """

    def __init__(self, mib=16):
        self.size = mib << 20
        self.data = random.Random(2).randbytes(self.size)
        self.results = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def md5(self):
        """The checksum as md5sum shows it."""
        return hashlib.md5(self.data).hexdigest()

    def serve(self):
        """Answer connections until the socket is closed."""
        upload = False
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                if upload:
                    self.results.append(self.receive(peer) == self.data)
                else:
                    peer.sendall(self.data)
            upload = not upload

    def receive(self, peer):
        """Read up to `size` bytes."""
        parts, size = [], 0
        while size < self.size:
            part = peer.recv(65536)
            if not part:
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def close(self):
        """Stop serving."""
        self.socket.close()


def disk(name, device, size=64 << 20):
    """QEMU's arguments for a fresh sparse disk behind `device`; it's a file in build/logs."""
    path = os.path.join(LOGS, name + ".disk")
    os.makedirs(LOGS, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    return ["-drive", "file=%s,format=raw,if=none,id=%s,cache=unsafe" % (path, name),
            "-device", "%s,drive=%s" % (device, name)]


# --- TAP ------------------------------------------------------------------

TESTS = []


def test(function):
    """Decorator: the function is a test, its name the behaviour it holds.

    Its docstring is for readers; it returns, raises Failure, or returns a
    string that begins with "skip" and says why.
    """
    TESTS.append((function.__name__, function, (), {}))
    return function


def add_test(name, function, *arguments, **options):
    """The same for a function that makes several tests by its arguments."""
    TESTS.append((name, function, arguments, options))


def only_on(*hvs):
    """Return a reason to skip when HV is not one of `hvs`, else None."""
    return None if HV in hvs else "skip: not on %s" % HV


def complain(text):
    """Print a diagnostic, each line behind a #."""
    for line in text.splitlines():
        print("# " + line)


MACHINES = []


def boot(name, **options):
    """Start a Machine whose log is shown if the running test fails."""
    machine = Machine(name, **options)
    MACHINES.append(machine)
    return machine


def make(target):
    """Have make build what only a full form needs, "build/...". Return None, or what it said, in case it can't."""
    made = subprocess.run(["make", "-C", TOP, target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return made.stdout if made.returncode else None


def dom0_step(label, step, words="", **options):
    """Boot a dom0 for the initramfs' `step` (the last of ONE+TWO; further `words` on its command line) and a power-off.

    Neither hypervisor nor kernel may have complained. Return the machine's text.
    """
    with boot(label, dom0_options="xltest=%s+poweroff %s" % (step, words), **options) as machine:
        machine.step(step.rpartition("+")[2])
        machine.expect_poweroff()
        machine.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: |WARNING: ")
        return machine.text


def close_all(show):
    """End what the last test booted; with `show`, print the ends of the logs."""
    for machine in MACHINES:
        machine.close()
        if show:
            complain("the end of build/logs/%s.log:" % machine.name)
            complain("\n".join("  " + line for line in machine.tail()))
    del MACHINES[:]


def run():
    """Run the file's tests (those that its arguments name), print TAP, exit.

    Arguments are parts of names; with none, all tests run.
    """
    wanted = sys.argv[1:]
    chosen = [item for item in TESTS if not wanted or any(part in item[0] for part in wanted)]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, (name, function, arguments, options) in enumerate(chosen, 1):
        problem = None
        result = None
        start = time.monotonic()
        try:
            result = function(*arguments, **options)
        except Failure as failure:
            problem = str(failure)
        except Exception:       # a fault of the test is a failed test
            problem = traceback.format_exc()
        note = " # " + result if isinstance(result, str) and result.startswith("skip") else ""
        print("%sok %d - %s%s" % ("not " if problem else "", number, name, note))
        if problem:
            failed += 1
            complain(problem)
        close_all(show=bool(problem))
        complain("%.0f seconds" % (time.monotonic() - start))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
