#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks behind NBD, without Xen: the keeper's part and the worker's queue in tests/tools/nbd_driver.c, with the real
blkback-nbd and qemu-nbd in their jails, and nbdkit as a server elsewhere. FULL=1 kills more often and takes all formats."""
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

from xenstore import PATIENCE, TOOLS, check, run, test

DRIVER = os.path.join(TOOLS, "test/nbd_driver")
CLIENT = os.path.join(TOOLS, "blkback-nbd")
FULL = bool(os.environ.get("FULL"))
KILLS = 40 if FULL else 6
CAN_FLUSH, CAN_DISCARD, CAN_ZERO, READONLY = 1, 2, 4, 8


class Place:
    """A folder of the test's own. Users that are not root may look into it, as into any folder with images."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="nbd")
        os.chmod(self.dir, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def image(self, kind="qcow2", size="16M", name=None, *options):
        path = self.path(name or "disk." + kind)
        tool("qemu-img", "create", "-q", "-f", "vpc" if kind == "vhd" else kind, *options, path, size)
        return path


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    check(done.returncode == 0, " ".join(words), done.stdout, done.stderr)
    return done.stdout


def wait(pid):
    """Until the process @pid is gone."""
    deadline = time.monotonic() + PATIENCE
    while os.path.exists("/proc/%d" % pid):
        check(time.monotonic() < deadline, "process", pid, "does not end")
        time.sleep(0.01)


class Disk:
    """The driver with one disk, opened."""

    def __init__(self, place, kind, target, mode="rw", discard="discard", seconds=60, serves=True):
        os.makedirs(place.path("run/empty"), exist_ok=True)
        self.run_dir = place.path("run")
        self.words = [DRIVER, self.run_dir, CLIENT, kind, target, mode, discard, str(seconds)]
        self.said, self.rest = [], b""
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        if serves:
            self.bytes, self.block, self.flags = (int(word) for word in self.expect("serving").split())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # All of it: processes in jails die with the driver.
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        with open(os.path.join(self.run_dir, "qdisk-1-51712.nbd-lock"), "a", encoding="ascii") as lock:
            subprocess.run(["flock", str(lock.fileno())], pass_fds=[lock.fileno()], timeout=PATIENCE, check=False)

    def line(self):
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            check(ready, "the driver says nothing; it said", self.said[-20:])
            data = os.read(self.process.stdout.fileno(), 65536)
            check(data, "the driver ended; it said", self.said[-20:])
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        self.said.append(line.decode())
        return line.decode()

    def expect(self, word):
        """The rest of the next line that begins with @word. Words of wrong data or of the disk's end are no answer."""
        while True:
            line = self.line()
            if line.startswith(word + " ") or line == word:
                return line[len(word) + 1:]
            check(not line.startswith(("wrong", "gone")), line, self.said[-20:])

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, text):
        """Waits for a message with @text, if it was not said already."""
        while not any(text in line for line in self.said):
            self.expect("say")

    def ask(self, line, word):
        self.tell(line)
        return self.expect(word)

    def io(self, op, offset=0, length=4096):
        return int(self.ask("io %s %d %d" % (op, offset, length), "io"))

    def until(self, more):
        """Waits until the load has done that many operations more."""
        begin = now = int(self.ask("ops", "ops"))
        deadline = time.monotonic() + PATIENCE
        while now < begin + more:
            check(time.monotonic() < deadline, "the load stands still;", self.said[-20:])
            time.sleep(0.01)
            now = int(self.ask("ops", "ops"))

    def child(self, name):
        """The process of ours with that name, or None."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as file:
            for pid in file.read().split():
                try:
                    with open("/proc/%s/comm" % pid, encoding="ascii") as comm:
                        if comm.read().strip() == name:
                            return int(pid)
                except FileNotFoundError:
                    pass
        return None

    def kill_child(self, name):
        deadline = time.monotonic() + PATIENCE
        while not (pid := self.child(name)):
            check(time.monotonic() < deadline, "there is no", name)
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    def stop(self):
        operations, errors, starts = (int(word) for word in self.ask("stop", "stopped").split())
        return operations, errors, starts

    def verify(self):
        blocks, written = (int(word) for word in self.ask("verify", "verified").split())
        return blocks, written

    def close(self):
        self.ask("close", "closed")
        self.process.wait(PATIENCE)
        left = os.listdir(self.run_dir)
        check(sorted(left) == ["empty", "table"], "files are left:", left)


class Nbdkit:
    """A server that is not ours, over a file."""

    def __init__(self, place, *words, file="disk.raw", size=16 << 20, tcp=False, options=()):
        self.file, self.socket = place.path(file), place.path("nbdkit.sock")
        if not os.path.exists(self.file):
            with open(self.file, "wb") as out:
                out.truncate(size)
        self.port = None
        where = ["-U", self.socket]
        if tcp:
            self.port = free_port()
            where = ["-i", "127.0.0.1", "-p", str(self.port)]
        self.words = ["nbdkit", "-f", *where, "-P", place.path("nbdkit.pid"), *options, "file", self.file, *words]
        self.pid_file = place.path("nbdkit.pid")
        self.process = None
        self.start()

    def start(self):
        for path in self.pid_file, self.socket:
            if os.path.exists(path):
                os.unlink(path)
        self.process = subprocess.Popen(self.words, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE
        # It writes that file when it listens.
        while not os.path.exists(self.pid_file) or not os.path.getsize(self.pid_file):
            check(self.process.poll() is None, "nbdkit:", self.process.stderr.read() if self.process.poll() is not None else "")
            check(time.monotonic() < deadline, "nbdkit does not come up")
            time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def uri(self, name="", more=""):
        if self.port:
            return "nbd://127.0.0.1:%d/%s%s" % (self.port, name, more)
        return "nbd+unix:///%s?socket=%s%s" % (name, self.socket, more)


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def why_gone(place, kind, target, *rest):
    """The sentence with which the disk does not come up."""
    with Disk(place, kind, target, *rest, serves=False) as disk:
        while not (line := disk.line()).startswith("gone "):
            check(not line.startswith("serving"), "it serves:", line)
        return line[5:]


# --- images ---------------------------------------------------------------------------------------

def image_is_served(kind):
    with Place() as place:
        path = place.image(kind)
        with Disk(place, kind, path) as disk:
            check(16 << 20 <= disk.bytes < 17 << 20, "it has", disk.bytes)
            check(disk.flags & CAN_FLUSH, "it can't be flushed")
            disk.tell("load 32")
            disk.until(1000)
            _, errors, _ = disk.stop()
            check(not errors, errors, "errors")
            disk.verify()
            disk.close()
        # What was written is in the image, for another process too.
        with Disk(place, kind, path) as disk:
            disk.verify()
            disk.close()
        if kind in ("qcow2", "qed", "vmdk"):
            tool("qemu-img", "check", "-f", kind, path)


@test
def images_of_each_format_are_read_and_written():
    formats = ["qcow2", "vhd", "vmdk", "qcow", "qed"]
    for kind in formats if FULL else formats[:3]:
        image_is_served(kind)


@test
def image_of_another_format_is_refused_in_one_sentence():
    with Place() as place:
        path = place.image("vmdk", name="disk")
        why = why_gone(place, "qcow2", path)
        check(why == path + ": Image is not in qcow2 format", why)


@test
def image_that_is_damaged_or_absent_is_refused_in_one_sentence():
    with Place() as place:
        path = place.image()
        with open(path, "r+b") as file:
            file.seek(40)
            file.write(b"\xff" * 8)
        why = why_gone(place, "qcow2", path)
        check(why == path + ": Active L1 table offset invalid", why)
        why = why_gone(place, "qcow2", place.path("absent"))
        check(why == place.path("absent") + ": No such file or directory", why)
        why = why_gone(place, "qcow2", place.dir)
        check("neither a file nor a block device" in why, why)


@test
def backing_file_is_read_but_never_written_and_has_to_be_in_the_images_folder():
    with Place() as place:
        with open(place.path("base"), "wb") as file:
            file.write(b"\x5a" * (4 << 20))
        path = place.path("over.qcow2")
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", path)
        with Disk(place, "qcow2", path) as disk:
            check(disk.bytes == 4 << 20 and disk.io("read") == 0 and disk.io("write", 0, 65536) == 0, "it does not work")
            disk.close()
        with open(place.path("base"), "rb") as file:
            check(file.read() == b"\x5a" * (4 << 20), "the backing file was written to")
        os.unlink(place.path("base"))
        why = why_gone(place, "qcow2", path)
        check(why.startswith(path + ": ") and "base" in why and "No such file" in why, why)
        with Place() as elsewhere:
            other = elsewhere.path("base")
            with open(other, "wb") as file:
                file.truncate(4 << 20)
            tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", other, "-F", "raw", path)
            why = why_gone(place, "qcow2", path)
            check("No such file" in why and "own folder" in why, why)


@test
def format_of_a_backing_file_is_never_guessed():
    with Place() as place:
        place.image("raw", "4M", "base")
        path = place.path("over.qcow2")
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", path)
        tool("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "", path)
        # qemu-img refuses to make one without the format: take the name of the extension out of the image's head.
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", path)
        with open(path, "r+b") as file:
            head = file.read(4096)
            at = head.index(b"\xe2\x79\x2a\xca")
            file.seek(at)
            file.write(b"\x12\x34\x56\x78")
        check("backing file format" not in tool("qemu-img", "info", "-f", "qcow2", path), "the test's image names the format")
        why = why_gone(place, "qcow2", path)
        check(why.startswith(path) and "without its format" in why and "qemu-img rebase" in why, why)


@test
def image_in_use_by_another_is_refused_in_one_sentence():
    with Place() as place:
        path = place.image()
        with Disk(place, "qcow2", path), Place() as other:
            why = why_gone(other, "qcow2", path)
            check(why.startswith(path + ": Failed to get") and "lock" in why and "another process" in why, why)
            check("\n" not in why, why)


@test
def image_for_reading_only_is_not_written():
    with Place() as place:
        path = place.image()
        os.chmod(path, 0o444)
        with Disk(place, "qcow2", path, "ro") as disk:
            check(disk.flags & READONLY, "flags", disk.flags)
            check(disk.io("read") == 0, "it can't be read")
            check(disk.io("write") == 30, "a write is not refused with EROFS")
            check(disk.io("discard") == 30, "a discard is not refused with EROFS")
            disk.close()


@test
def discard_gives_room_back_where_it_is_enabled():
    with Place() as place:
        path = place.image("qcow2", "16M")
        for word, flag in ("discard", CAN_DISCARD), ("keep", 0):
            with Disk(place, "qcow2", path, "rw", word) as disk:
                for at in range(0, 8 << 20, 1 << 20):
                    check(disk.io("write", at, 1 << 20) == 0, "write")
                check(disk.io("flush") == 0, "flush")
                full = os.stat(path).st_blocks
                if flag:
                    check(disk.io("discard", 0, 8 << 20) == 0 and disk.io("flush") == 0, "discard")
                    check(os.stat(path).st_blocks < full / 4, "blocks", full, "now", os.stat(path).st_blocks)
                disk.close()


@test
def requests_out_of_range_cost_nothing_but_themselves():
    with Place() as place, Disk(place, "qcow2", place.image("qcow2", "16M")) as disk:
        check(disk.io("write", 16 << 20, 512) == 22, "behind the end")
        check(disk.io("write", (16 << 20) - 512, 1024) == 22, "across the end")
        check(disk.io("read", 1 << 63, 512) == 22, "far behind the end")
        check(disk.io("read", 0, 0) == 22, "of no length")
        check(disk.io("read", 0, 2 << 20) == 22, "longer than one may be")
        check(disk.io("read", 0, 4096) == 0, "a good one")


@test
def programs_run_as_their_own_users_in_jails():
    with Place() as place:
        place.image("raw", "1M", "neighbour")
        with Disk(place, "qcow2", place.image()) as disk:
            users = set()
            for name, calls in ("blkback-nbd", 0), ("qemu-nbd", 1 << 1):
                pid = disk.child(name)
                with open("/proc/%d/status" % pid, encoding="ascii") as file:
                    status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
                users.add(status["Uid"])
                check(status["Uid"].split()[0] not in ("0", "65534"), name, "runs as", status["Uid"])
                for caps in "CapPrm", "CapEff", "CapBnd", "CapInh":
                    check(int(status[caps], 16) == calls, name, caps, status[caps])
                with open("/proc/%d/limits" % pid, encoding="ascii") as file:
                    check(not re.search(r"(address space|open files|processes) +unlimited", file.read()), name, "has no limits")
                check(status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and not status["Groups"].strip(), name, status)
                for space in "mnt", "pid", "ipc", "net", "uts":
                    check(os.stat("/proc/%d/ns/%s" % (pid, space)).st_ino != os.stat("/proc/self/ns/%s" % space).st_ino,
                          name, "shares the namespace", space)
                seen = os.listdir("/proc/%d/root" % pid)
                check(not set(seen) & {"etc", "proc", "sys", "home", "root", "run", "var"}, name, "sees", seen)
                with open("/proc/%d/mounts" % pid, encoding="ascii") as file:
                    for line in file:
                        where, flags = line.split()[1], line.split()[3].split(",")
                        check("ro" in flags or where in (place.path("disk.qcow2"), "/dev/null"), name, "can write", line)
            check(len(users) == 2, "they share a user:", users)


# --- survival --------------------------------------------------------------------------------------

def survives(disk, kill, kills):
    disk.tell("load 32")
    for _ in range(kills):
        disk.until(200)
        kill()
    disk.until(200)
    _, errors, starts = disk.stop()
    check(not errors, errors, "errors;", disk.said[-20:])
    disk.verify()
    return starts


@test
def killed_worker_loses_and_mixes_nothing_over_a_slow_server():
    with Place() as place, Nbdkit(place, "wdelay=30ms", "rdelay=5ms", options=["--filter=delay"]) as server:
        with Disk(place, "nbd", server.uri()) as disk:
            starts = survives(disk, lambda: disk.tell("kill worker"), KILLS)
            check(starts > KILLS, "workers:", starts)
            disk.close()


@test
def killed_worker_of_an_image_loses_nothing():
    with Place() as place, Disk(place, "qcow2", place.image()) as disk:
        survives(disk, lambda: disk.tell("kill worker"), KILLS)
        disk.close()


@test
def killed_client_is_started_again_and_nothing_is_lost():
    with Place() as place:
        path = place.image()
        with Disk(place, "qcow2", path) as disk:
            survives(disk, lambda: disk.kill_child("blkback-nbd"), KILLS // 2)
            disk.hear("its client was ended by signal 9")
            disk.close()
        tool("qemu-img", "check", "-f", "qcow2", path)


@test
def killed_image_server_is_started_again_and_what_it_had_not_flushed_is_written_again():
    with Place() as place:
        path = place.image("qcow2", "32M")
        with Disk(place, "qcow2", path) as disk:
            survives(disk, lambda: disk.kill_child("qemu-nbd"), KILLS // 2)
            disk.close()
        with Disk(place, "qcow2", path) as disk:
            disk.verify()
            disk.close()


@test
def killed_keeper_finds_its_disk_again_with_all_that_was_under_way():
    with Place() as place:
        path = place.image()
        for _ in range(KILLS // 2):
            with Disk(place, "qcow2", path) as disk:
                disk.tell("load 32")
                disk.until(300)
        with Disk(place, "qcow2", path) as disk:
            disk.tell("load 32")
            disk.until(100)
            _, errors, _ = disk.stop()
            check(not errors, errors, "errors")
            disk.verify()
            disk.close()


@test
def lost_server_is_found_again_and_requests_are_sent_again():
    for tcp in False, True:
        with Place() as place, Nbdkit(place, tcp=tcp) as server, Disk(place, "nbd", server.uri()) as disk:
            def restart():
                server.kill()
                disk.expect("say the connection is lost")
                server.start()
                disk.expect("say connected again")
            survives(disk, restart, max(1, KILLS // 5))
            disk.close()


@test
def requests_fail_when_a_server_stays_away_and_work_when_it_is_back():
    with Place() as place, Nbdkit(place) as server, Disk(place, "nbd", server.uri(), seconds=1) as disk:
        check(disk.io("write", 0, 65536) == 0, "write")
        server.kill()
        check(disk.io("read") == 5, "a read is not answered with EIO")
        disk.hear("requests fail until it is back")
        server.start()
        disk.expect("say connected again")
        check(disk.io("read") == 0, "a read fails after the server is back")
        disk.close()


@test
def drained_disk_has_nothing_under_way():
    with Place() as place, Nbdkit(place, "wdelay=200ms", options=["--filter=delay"]) as server:
        with Disk(place, "nbd", server.uri()) as disk:
            disk.tell("load 16")
            disk.until(20)
            disk.process.send_signal(signal.SIGSTOP)
            os.kill(disk.child("nbd_driver"), signal.SIGKILL)
            disk.process.send_signal(signal.SIGCONT)
            disk.until(20)
            # The load's end, without its worker finishing what it had begun.
            disk.stop()
            disk.ask("drain", "drained")
            with open(server.file, "rb") as file:
                before = file.read()
            time.sleep(0.5)     # not waited for: a write that lands in this time is what must not be
            with open(server.file, "rb") as file:
                check(file.read() == before, "something was written after all was drained")


# --- servers elsewhere --------------------------------------------------------------------------------

@test
def server_that_is_not_there_or_has_no_such_export_is_told_in_one_sentence():
    with Place() as place:
        uri = "nbd://127.0.0.1:%d/" % free_port()
        why = why_gone(place, "nbd", uri)
        check(why.startswith(uri) and "Connection refused" in why, why)
        why = why_gone(place, "nbd", "nbd+unix:///x?socket=/nowhere/socket")
        check("No such file" in why, why)
        path = place.image()
        server = subprocess.Popen(["qemu-nbd", "-f", "qcow2", "-x", "good", "-t", "-k", place.path("s"), path])
        try:
            deadline = time.monotonic() + PATIENCE
            while not os.path.exists(place.path("s")):
                check(time.monotonic() < deadline, "qemu-nbd does not come up")
                time.sleep(0.01)
            why = why_gone(place, "nbd", "nbd+unix:///bad?socket=" + place.path("s"))
            check("bad" in why, why)
            with Disk(place, "nbd", "nbd+unix:///good?socket=" + place.path("s")) as disk:
                check(disk.bytes == 16 << 20 and disk.io("write") == 0, "the good one does not work")
                disk.close()
        finally:
            server.kill()
            server.wait()


@test
def disk_that_grew_is_told():
    with Place() as place, Nbdkit(place) as server, Disk(place, "nbd", server.uri()) as disk:
        os.truncate(server.file, 24 << 20)
        disk.tell("look")
        size = int(disk.expect("serving").split()[0])
        check(size == 24 << 20, "it has", size)
        check(disk.io("write", (24 << 20) - 4096) == 0, "its end can't be written")
        disk.close()
    with Place() as place, Disk(place, "qcow2", place.image()) as disk:
        check(int(disk.ask("look", "look")) == -95, "an image's size is asked for")


@test
def errors_of_the_medium_are_those_of_the_request():
    with Place() as place:
        flag = place.path("inject")
        with Nbdkit(place, "error-pwrite=ENOSPC", "error-pwrite-rate=100%", "error-pwrite-file=" + flag,
                    options=["--filter=error"]) as server, Disk(place, "nbd", server.uri()) as disk:
            check(disk.io("write") == 0, "write")
            with open(flag, "wb"):
                pass
            check(disk.io("write") == 28, "no ENOSPC")
            check(disk.io("read") == 0, "a read fails")
            os.unlink(flag)
            check(disk.io("write") == 0, "a write fails afterwards")


def certificates(folder):
    """A CA, a server 127.0.0.1 and a client, by openssl."""
    def openssl(*words):
        tool("openssl", *words)
    os.mkdir(folder)
    ca, key = folder + "/ca-cert.pem", folder + "/ca-key.pem"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", ca, "-days", "2", "-subj", "/CN=test CA")
    for who, extension in ("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth"):
        with open(folder + "/ext", "w", encoding="ascii") as file:
            file.write(extension + "\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "%s/%s-key.pem" % (folder, who), "-out", folder + "/csr",
                "-subj", "/CN=" + who)
        openssl("x509", "-req", "-in", folder + "/csr", "-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", "2",
                "-out", "%s/%s-cert.pem" % (folder, who), "-extfile", folder + "/ext")
        os.chmod("%s/%s-key.pem" % (folder, who), 0o600)


@test
def tls_with_certificates_is_spoken_and_asked_for():
    with Place() as place:
        folder = place.path("pki")
        certificates(folder)
        tls = ["--tls=require", "--tls-certificates=" + folder, "--tls-verify-peer"]
        with Nbdkit(place, tcp=True, options=tls) as server:
            uri = server.uri().replace("nbd:", "nbds:")
            with Disk(place, "nbd", uri + "?tls-certificates=" + folder) as disk:
                survives(disk, lambda: disk.tell("kill worker"), 2)
                server.kill()
                disk.expect("say the connection is lost")
                server.start()
                disk.expect("say connected again")
                check(disk.io("read") == 0, "after a new connection")
                disk.close()
            # Without a certificate, and with one of another CA.
            why = why_gone(place, "nbd", server.uri())
            check("TLS" in why or "tls" in why.lower(), why)
            certificates(place.path("other"))
            why = why_gone(place, "nbd", uri + "?tls-certificates=" + place.path("other"))
            check("certificate" in why.lower(), why)


@test
def tls_with_a_shared_key_is_spoken():
    with Place() as place:
        key = place.path("keys.psk")
        with open(key, "w", encoding="ascii") as file:
            file.write("alice:" + "5a" * 32 + "\n")
        os.chmod(key, 0o600)
        with Nbdkit(place, options=["--tls=require", "--tls-psk=" + key]) as server:
            uri = server.uri("", "&tls-psk-file=" + key).replace("nbd+unix://", "nbds+unix://alice@")
            with Disk(place, "nbd", uri) as disk:
                check(disk.io("write") == 0, "write")
                disk.close()


if __name__ == "__main__":
    run()
