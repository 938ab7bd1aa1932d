# SPDX-License-Identifier: MIT
"""What the xenstore tests share: daemons (ours, Debian's) on a folder of their own, connections by socket and by ring.

Both daemons run without Xen: ours as build/tools/test/xenstored, which has files in Xen's place (xen_files.c),
Debian's under fake_xen.so. A guest is a ring page in the file ring.DOMID and ports written to the fifo `events`.
"""
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(TOP, "build/tools")
DEBIAN = os.path.join(TOP, "build/xenstore-debian")
PATIENCE = float(os.environ.get("PATIENCE", "120"))          # seconds until something that has to come is given up

TYPES = ["CONTROL", "DIRECTORY", "READ", "GET_PERMS", "WATCH", "UNWATCH", "TRANSACTION_START", "TRANSACTION_END",
         "INTRODUCE", "RELEASE", "GET_DOMAIN_PATH", "WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH_EVENT", "ERROR",
         "IS_DOMAIN_INTRODUCED", "RESUME", "SET_TARGET", "T20", "RESET_WATCHES", "DIRECTORY_PART", "T23"]
NUMBER = {name: number for number, name in enumerate(TYPES)}
HEADER = struct.Struct("<IIII")


class Failure(Exception):
    """What a test found wrong."""


def check(good, *what):
    if not good:
        raise Failure(" ".join(str(w) for w in what))


class Daemon:
    """A running xenstored; used in a with statement. @fault: POINT:N, see XENSTORED_FAULT in main.c."""

    def __init__(self, *options, debian=False, fault=None):
        self.dir = tempfile.mkdtemp(prefix="xs")
        self.socket = os.path.join(self.dir, "socket")
        self.pid_file = os.path.join(self.dir, "pid")
        self.log = os.path.join(self.dir, "log")
        self.env = dict(os.environ, XENSTORED_RUNDIR=self.dir)
        env = dict(self.env)
        if debian:
            program = os.path.join(DEBIAN, "usr/lib/xen-4.17/bin/xenstored")
            env["LD_PRELOAD"] = os.path.join(TOOLS, "test/fake_xen.so")
        else:
            program = os.path.join(TOOLS, "test/xenstored")
            options += ("-F", self.pid_file)
        if fault:
            env["XENSTORED_FAULT"] = fault
        with open(self.log, "wb") as log:
            # In a process group of its own: the keeper and its daemon end together.
            self.process = subprocess.Popen([program, "-N", *options], env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        self.connect().close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if kind is not None:
            print("# the daemon's log:")
            for line in self.text().splitlines()[-15:]:
                print("#   " + line)
        shutil.rmtree(self.dir, ignore_errors=True)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def worker(self):
        """The pid of the daemon that the keeper started last."""
        with open(self.pid_file, encoding="ascii") as file:
            return int(file.read())

    def kill(self):
        """Kill the daemon, not its keeper."""
        try:
            os.kill(self.worker(), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def connect(self, path=None):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return Connection(path or self.socket)
            except (FileNotFoundError, ConnectionRefusedError):
                check(self.process.poll() is None, "the daemon ended with status", self.process.poll())
                check(time.monotonic() < end, "the daemon does not come up")
                time.sleep(0.005)

    def guest(self, domid):
        return Ring(self, domid)

    def restarts(self):
        return self.text().count("starting it again")


class Channel:
    """Requests over anything that can send() and receive() bytes."""

    def __init__(self):
        self.next_id = 0
        self.events = []

    def start(self, kind, *strings, tx=0, raw=None):
        """Send a request; returns its number."""
        body = raw if raw is not None else b"".join(s.encode() + b"\0" for s in strings)
        self.next_id += 1
        self.send(HEADER.pack(NUMBER[kind], self.next_id, tx, len(body)) + body)
        return self.next_id

    def message(self):
        kind, number, tx, length = HEADER.unpack(self.receive(HEADER.size))
        return TYPES[kind], number, tx, self.receive(length)

    def answer(self, number):
        """The answer to request @number, which must be the next answer; events before it are kept."""
        while True:
            kind, got, tx, body = self.message()
            if kind == "WATCH_EVENT":
                self.events.append(tuple(body.decode().split("\0")[:2]))
                continue
            check(got == number, "answer to request", got, "came instead of to", number)
            return kind, tx, body

    def ask(self, kind, *strings, tx=0, raw=None):
        """The answer's body, or the error's name as a string."""
        got, got_tx, body = self.answer(self.start(kind, *strings, tx=tx, raw=raw))
        check(got_tx == tx, "answer in transaction", got_tx, "to a request in", tx)
        if got == "ERROR":
            return body[:-1].decode()
        check(got == kind, "answer of type", got, "to", kind)
        return body

    def good(self, kind, *strings, tx=0, raw=None):
        answer = self.ask(kind, *strings, tx=tx, raw=raw)
        check(isinstance(answer, bytes), kind, strings, "is answered", answer)
        return answer

    def write(self, path, value, tx=0):
        self.good("WRITE", tx=tx, raw=path.encode() + b"\0" + value.encode())

    def read(self, path, tx=0):
        return self.good("READ", path, tx=tx).decode()

    def begin(self):
        return int(self.good("TRANSACTION_START", raw=b"\0")[:-1])

    def event(self):
        """The next event, waited for."""
        if not self.events:
            kind, _, _, body = self.message()
            check(kind == "WATCH_EVENT", "an event was expected, not", kind)
            return tuple(body.decode().split("\0")[:2])
        return self.events.pop(0)

    def quiet(self):
        """All events that the daemon has sent by now."""
        self.good("READ", "/")
        events, self.events = self.events, []
        return events


class Connection(Channel):
    def __init__(self, path):
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            check(data, "the daemon closed the connection")
            self.buffer += data
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def close(self):
        self.socket.close()


class Ring(Channel):
    """A domain's end of its ring: struct xenstore_domain_interface of xen/io/xs_wire.h."""
    SIZE, REQ, RSP = 1024, 0, 1024
    REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD, FEATURES, CONNECTION, ERROR = 2048, 2052, 2056, 2060, 2064, 2068, 2072

    def __init__(self, daemon, domid):
        super().__init__()
        self.port = 16 + domid
        with open(os.path.join(daemon.dir, "ring.%d" % domid), "a+b") as file:
            file.truncate(4096)
            self.page = mmap.mmap(file.fileno(), 4096)
        # Positions are read and written whole, as the other end does it: struct's "<I" goes byte by byte.
        self.words = memoryview(self.page).cast("I")
        self.events_fd = os.open(os.path.join(daemon.dir, "events"), os.O_RDWR | os.O_NONBLOCK)

    def get(self, at):
        return self.words[at // 4]

    def put(self, at, value):
        self.words[at // 4] = value & 0xffffffff

    def notify(self):
        try:
            os.write(self.events_fd, struct.pack("<I", self.port))
        except BlockingIOError:
            pass

    def wait(self, ready):
        end = time.monotonic() + PATIENCE
        while not ready():
            check(time.monotonic() < end, "the ring of port", self.port, "is not served")
            time.sleep(0.0002)

    def send(self, data):
        for at in range(0, len(data), 512):
            piece = data[at:at + 512]
            self.wait(lambda n=len(piece): self.SIZE - (self.get(self.REQ_PROD) - self.get(self.REQ_CONS)) >= n)
            prod = self.get(self.REQ_PROD)
            for i, byte in enumerate(piece):
                self.page[self.REQ + (prod + i) % self.SIZE] = byte
            self.put(self.REQ_PROD, prod + len(piece))
            self.notify()

    def receive(self, count):
        out = bytearray()
        while len(out) < count:
            self.wait(lambda: self.get(self.RSP_PROD) != self.get(self.RSP_CONS))
            cons = self.get(self.RSP_CONS)
            have = min(count - len(out), (self.get(self.RSP_PROD) - cons) & 0xffffffff)
            check(have <= self.SIZE, "the answer ring holds", have, "bytes")
            out += bytes(self.page[self.RSP + (cons + i) % self.SIZE] for i in range(have))
            self.put(self.RSP_CONS, cons + have)
            self.notify()
        return bytes(out)


TESTS = []


def test(function):
    """Decorator: one test, named by its function."""
    TESTS.append((function.__name__, function))
    return function


def add(name, function):
    TESTS.append((name, function))


def run():
    """All tests, or those that have one of the arguments in their names, as TAP."""
    wanted = sys.argv[1:]
    tests = [t for t in TESTS if not wanted or any(w in t[0] for w in wanted)]
    failed = 0
    print("1..%d" % len(tests), flush=True)
    for number, (name, function) in enumerate(tests, 1):
        try:
            function()
        except Exception as error:      # a test may fail in any way
            failed += 1
            print("not ok %d - %s" % (number, name))
            for line in ("%s: %s" % (type(error).__name__, error)).splitlines():
                print("# " + line, flush=True)
            if not isinstance(error, Failure):
                import traceback
                for line in traceback.format_exc().splitlines():
                    print("# " + line, flush=True)
        else:
            print("ok %d - %s" % (number, name), flush=True)
    sys.exit(1 if failed else 0)
