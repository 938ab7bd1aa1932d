#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Xen's own xl starts in QEMU's place says that it runs, and answers on the sockets that xl asks for."""
import json
import os
import signal
import socket
import subprocess

from xenstore import PATIENCE, TOOLS, Daemon, check, run, test


class Model:
    """The program, started as libxl 4.17 does it for a PV guest of that number."""

    def __init__(self, daemon, domid):
        self.paths = [os.path.join(daemon.dir, name) for name in ("qmp-libxl", "qmp-libxenstat")]
        words = ["-xen-domid", str(domid), "-no-shutdown"]
        for i, path in enumerate(self.paths):
            words += ["-chardev", "socket,id=c%d,path=%s,server=on,wait=off" % (i, path), "-mon",
                      "chardev=c%d,mode=control" % i]
        self.process = subprocess.Popen([os.path.join(TOOLS, "device-model"), *words, "-nodefaults", "-machine", "xenpv"],
                                        env=daemon.env, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        check("QMP" in json.loads(self.file.readline()), "no greeting")

    def ask(self, **command):
        self.socket.sendall(json.dumps(command).encode() + b"\r\n")
        return json.loads(self.file.readline())


def running(daemon, domid):
    """Wait for the node that xl waits for."""
    path = "/local/domain/0/device-model/%d/state" % domid
    watcher = daemon.connect()
    watcher.good("WATCH", path, "state")
    while True:
        watcher.event()
        if watcher.ask("READ", path) == b"running":
            return


@test
def xl_is_told_that_it_runs_and_gets_answers_on_both_sockets():
    with Daemon() as daemon, Model(daemon, 7) as model:
        running(daemon, 7)
        for path in model.paths:
            first, second = Qmp(path), Qmp(path)
            check(first.ask(execute="qmp_capabilities", id=1) == {"return": {}, "id": 1}, "no capabilities")
            check(first.ask(execute="query-chardev", id=123456789) == {"return": [], "id": 123456789}, "other devices")
            check(second.ask(execute="query-status", id=2)["return"]["running"] is True, "not running")
            check(first.ask(execute="query-status")["id"] is None, "an id that was not given")


@test
def commands_that_it_does_not_have_and_lines_that_are_none_are_refused():
    with Daemon() as daemon, Model(daemon, 8) as model:
        running(daemon, 8)
        qmp = Qmp(model.paths[0])
        check(qmp.ask(execute="blockdev-add", id=3)["error"]["class"] == "CommandNotFound", "done")
        check(qmp.ask(id=4)["id"] == 4, "no answer")
        qmp.socket.sendall(b"not json\r\n\r\n")
        check("error" in json.loads(qmp.file.readline()), "no error")
        check(qmp.ask(execute="query-status", id=5)["id"] == 5, "it does not go on after that")
        # A line without an end costs its connection only.
        qmp.socket.sendall(b"x" * 8192)
        try:
            check(qmp.file.readline() == b"", "still open")
        except ConnectionResetError:
            pass        # it had not read all of them
        check(Qmp(model.paths[0]).ask(execute="query-status", id=6)["id"] == 6, "no other connection")


@test
def signal_of_xl_ends_it():
    with Daemon() as daemon, Model(daemon, 9) as model:
        running(daemon, 9)
        model.process.send_signal(signal.SIGHUP)
        check(model.process.wait(PATIENCE) == -signal.SIGHUP, "it ended with", model.process.returncode)


@test
def without_a_domain_it_says_who_starts_it():
    done = subprocess.run([os.path.join(TOOLS, "device-model")], stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    check(done.returncode == 1 and "backendd(8)" in done.stderr, done)


run()
