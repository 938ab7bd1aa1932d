#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenconsoled with files in Xen's place: guests that are pages written to from here, viewers that open terminals, the
store's own daemon. No guest, no viewer and no kill loses another's bytes.

The test build asks for domains in the file `domains`; the rest of what it has in Xen's place is in
tests/tools/xenconsoled/xen_files.c.
"""
import mmap
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import time

from xenstore import PATIENCE, TOOLS, Daemon, check, run, test

OUT, OUT_SIZE, IN_SIZE = 1024, 2048, 1024
IN_CONS, IN_PROD, OUT_CONS, OUT_PROD = 3072, 3076, 3080, 3084


def until(ready, *what):
    """Wait for something that has to come."""
    end = time.monotonic() + PATIENCE
    while True:
        result = ready()
        if result:
            return result
        check(time.monotonic() < end, *what)
        time.sleep(0.001)


class Guest:
    def __init__(self, consoles, domid, name, uuid=None):
        self.consoles, self.domid, self.name = consoles, domid, name
        self.uuid = uuid or "uuid%d" % domid
        path = os.path.join(consoles.dir, "console.%d" % domid)
        if os.path.exists(path):
            os.unlink(path)
        with open(path, "a+b") as file:
            file.truncate(4096)
            self.page = mmap.mmap(file.fileno(), 4096)
        self.words = memoryview(self.page).cast("I")        # positions whole, as in xenstore.py
        self.home = "/local/domain/%d" % domid
        c = consoles.store
        c.write(self.home + "/name", name)
        c.write(self.home + "/console/tty", "")
        c.write(self.home + "/console/type", "xenconsoled")
        c.write(self.home + "/console/ring-ref", str(1000 + domid))
        c.write(self.home + "/console/port", "2")
        consoles.domains[domid] = (0, self.uuid)
        consoles.write_domains()
        c.good("INTRODUCE", str(domid), "1", "1")

    def get(self, at):
        return self.words[at // 4]

    def put(self, at, value):
        self.words[at // 4] = value & 0xffffffff

    def ring(self):
        try:
            os.write(self.consoles.events, struct.pack("<I", 16 + self.domid))
        except BlockingIOError:
            pass

    def room(self):
        return OUT_SIZE - ((self.get(OUT_PROD) - self.get(OUT_CONS)) & 0xffffffff)

    def say(self, data, wait=True):
        """Write all of `data`, waiting for room; without `wait` only what there is room for. Returns how much."""
        done = 0
        while done < len(data):
            room = self.room()
            if not room:
                if not wait:
                    break
                until(self.room, "domain", self.domid, "gets no room")
                continue
            piece = data[done:done + room]
            prod = self.get(OUT_PROD)
            for i, byte in enumerate(piece):
                self.page[OUT + (prod + i) % OUT_SIZE] = byte
            self.put(OUT_PROD, prod + len(piece))
            done += len(piece)
            self.ring()
        return done

    def hear(self, count):
        """The next `count` bytes of input."""
        out = bytearray()
        while len(out) < count:
            until(lambda: self.get(IN_PROD) != self.get(IN_CONS), "no input for domain", self.domid, "after", bytes(out))
            cons = self.get(IN_CONS)
            have = min((self.get(IN_PROD) - cons) & 0xffffffff, count - len(out))
            check(have <= IN_SIZE, "the input ring holds", have)
            out += bytes(self.page[(cons + i) % IN_SIZE] for i in range(have))
            self.put(IN_CONS, cons + have)
            self.ring()
        return bytes(out)

    def drained(self):
        until(lambda: self.get(OUT_PROD) == self.get(OUT_CONS), "the ring of domain", self.domid, "is not emptied")

    def tty(self, other_than=""):
        """A terminal that is not `other_than`."""
        def look():
            tty = self.consoles.store.read(self.home + "/console/tty")
            return tty if tty != other_than and tty else None
        return until(look, "no terminal for domain", self.domid)

    def view(self):
        def look():
            try:
                return Viewer(self, self.tty())
            except FileNotFoundError:   # still a dead daemon's
                return None
        return until(look, "no terminal for domain", self.domid)

    def ask(self):
        self.consoles.store.write(self.home + "/console/viewer-tty", "")

    def further(self):
        """A terminal for one viewer more."""
        self.ask()
        return until(lambda: self.consoles.store.read(self.home + "/console/viewer-tty"),
                     "no further terminal for domain", self.domid)

    def views(self, count):
        """That many viewers."""
        viewers = [self.view()]
        while len(viewers) < count:
            viewers.append(Viewer(self, self.further()))
        return viewers

    def log(self, n=0):
        return self.consoles.file("guest-%s.log%s" % (self.name, ".%d" % n if n else ""))

    def dying(self):
        self.consoles.domains[self.domid] = (1, self.uuid)
        self.consoles.write_domains()
        self.consoles.store.good("RELEASE", str(self.domid))

    def gone(self):
        del self.consoles.domains[self.domid]
        self.consoles.write_domains()


class Viewer:
    def __init__(self, guest, path):
        self.path = path
        self.fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.text = b""
        self.over = False

    def read(self):
        """What has come so far."""
        while not self.over:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.over = not data
            self.text += data
        return self.text

    def expect(self, data):
        until(lambda: data in self.read(), "viewer of", self.path, "has", self.text[-200:], "and not", data)

    def type(self, data):
        while data:
            select.select([], [self.fd], [], PATIENCE)
            data = data[os.write(self.fd, data):]

    def close(self):
        os.close(self.fd)


class XlConsole(Viewer):
    """`xl console` on pipes."""

    def __init__(self, guest, *options):
        self.process = subprocess.Popen([os.path.join(TOOLS, "test/xlconsole"), *options, str(guest.domid)],
                                        env=guest.consoles.daemon.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.path = "xl console"
        self.fd = self.process.stdout.fileno()
        os.set_blocking(self.fd, False)
        self.text = b""
        self.over = False

    def type(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def status(self):
        return self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()
        for file in self.process.stdin, self.process.stdout, self.process.stderr:
            file.close()


class Consoles:
    """A store's daemon and a console daemon; used in a with statement."""

    def __init__(self, *options):
        self.options = options
        self.domains = {}
        self.process = None

    def __enter__(self):
        self.daemon = Daemon()
        self.daemon.__enter__()
        self.dir = self.daemon.dir
        self.logs = os.path.join(self.dir, "logs")
        self.run = os.path.join(self.dir, "run")
        self.store = self.daemon.connect()
        for name in "console-events", "console-notify":
            os.mkfifo(os.path.join(self.dir, name))
        self.events = os.open(os.path.join(self.dir, "console-events"), os.O_RDWR | os.O_NONBLOCK)
        self.notify = os.open(os.path.join(self.dir, "console-notify"), os.O_RDWR | os.O_NONBLOCK)
        self.write_domains()
        self.start()
        return self

    def start(self):
        self.messages = os.path.join(self.dir, "messages")
        pid_file = os.path.join(self.dir, "console.pid")
        if os.path.exists(pid_file):
            os.unlink(pid_file)
        with open(self.messages, "ab") as file:
            self.process = subprocess.Popen([os.path.join(TOOLS, "test/xenconsoled"), "-i", "-v", "--log-dir", self.logs,
                                             "--pid-file", pid_file, *self.options],
                                            env=dict(self.daemon.env, XENCONSOLED_RUNDIR=self.run), stderr=file,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        until(lambda: os.path.exists(pid_file) or self.process.poll() is not None, "xenconsoled does not come up")
        check(self.process.poll() is None, "xenconsoled ends:", self.said())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, kind, value, trace):
        if self.process:
            self.kill()
        if kind is not None:
            print("# xenconsoled's messages:")
            for line in self.said().splitlines()[-15:]:
                print("#   " + line)
        os.close(self.events)
        os.close(self.notify)
        self.daemon.__exit__(kind, value, trace)

    def said(self):
        with open(self.messages, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write_domains(self):
        path = os.path.join(self.dir, "domains")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("0 0 dom0\n")
            for domid, (dying, uuid) in sorted(self.domains.items()):
                file.write("%d %d %s\n" % (domid, dying, uuid))
        os.rename(path + ".new", path)

    def file(self, name):
        try:
            with open(os.path.join(self.logs, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


@test
def output_reaches_log_and_viewer_and_input_the_guest():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        guest.tty()
        guest.say(b"before anybody looks\n")
        viewer = guest.view()
        viewer.expect(b"before anybody looks\n")
        guest.say(b"and after\n")
        viewer.expect(b"and after\n")
        viewer.type(b"typed\r\x03")
        check(guest.hear(7) == b"typed\r\x03", "the guest hears something else")
        until(lambda: guest.log() == b"before anybody looks\nand after\n", "the log has", guest.log())
        check(viewer.read() == b"before anybody looks\nand after\n", "the viewer has", viewer.text)


@test
def each_of_several_viewers_sees_all_and_all_can_type():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        viewers = guest.views(5)
        check(len({viewer.path for viewer in viewers}) == 5, "viewers share terminals")
        guest.say(b"hello all")
        for i, viewer in enumerate(viewers):
            viewer.expect(b"hello all")
            viewer.type(b"from %d" % i)
            check(guest.hear(6) == b"from %d" % i, "input of viewer", i)
        viewers[1].close()
        viewers[3].close()
        guest.say(b" that are left")
        for i in 0, 2, 4:
            viewers[i].expect(b"hello all that are left")
        late = Viewer(guest, guest.further())
        late.expect(b"hello all that are left")


@test
def first_terminal_stays_the_same_and_a_newcomer_gets_nothing_that_was_left_in_it():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        path = guest.tty()
        for i in range(10):
            guest.say(b"%d\n" % i)
            guest.drained()
            viewer = guest.view()
            viewer.type(b"from %d" % i)
            check(guest.hear(6) == b"from %d" % i, "input of viewer", i)
            if i % 2:
                viewer.expect(b"%d\n" % i)
                check(viewer.text == b"".join(b"%d\n" % j for j in range(i + 1)), "viewer", i, "has", viewer.text)
            viewer.close()
            check(guest.tty() == path, "the terminal has changed")


@test
def beyond_the_limit_who_asks_is_answered_when_a_place_comes_free():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        viewers = guest.views(8)
        guest.say(b"x")
        viewers[7].expect(b"x")
        guest.ask()
        guest.say(b"y")
        viewers[7].expect(b"xy")
        check(consoles.store.read(guest.home + "/console/viewer-tty") == "", "there is a ninth")
        viewers[3].close()
        Viewer(guest, guest.further()).expect(b"xy")


@test
def words_that_are_written_to_a_terminal_and_left_reach_the_guest():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        for i in range(20):
            viewer = guest.view()
            viewer.type(b"line %02d\n" % i)
            viewer.close()
            check(guest.hear(8) == b"line %02d\n" % i, "line", i)


@test
def long_input_waits_for_the_guest_and_nothing_of_it_is_lost():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        viewer = guest.view()
        data = random.Random(1).randbytes(20000)
        sent = 0
        heard = b""
        while len(heard) < len(data):
            try:
                sent += os.write(viewer.fd, data[sent:sent + 4000])
            except BlockingIOError:
                pass
            heard += guest.hear(min(500, sent - len(heard)))
        check(heard == data, "the guest hears something else")


@test
def viewer_that_does_not_read_holds_nobody_up_and_loses_the_oldest():
    with Consoles("--backlog=4K") as consoles:
        guest = Guest(consoles, 1, "one")
        asleep, awake = guest.views(2)
        lines = [b"%06d\n" % i for i in range(20000)]
        for i in range(0, len(lines), 100):
            guest.say(b"".join(lines[i:i + 100]))
            awake.expect(lines[i + 99])
        check(awake.read() == b"".join(lines), "the viewer that reads has lost something")
        asleep.expect(lines[-1])
        text = asleep.read()
        check(len(text) < len(awake.text) and text.endswith(b"".join(lines[-500:])), "the sleeper has", len(text))


@test
def guest_waits_for_a_viewer_if_data_are_to_be_kept():
    with Consoles("--overflow-data=keep", "--backlog=4K") as consoles:
        guest = Guest(consoles, 1, "one")
        viewer = guest.view()
        guest.say(b"begin\n")
        viewer.expect(b"begin\n")
        data = b"".join(b"%06d\n" % i for i in range(20000))
        done = 0
        while done < len(data):
            done += guest.say(data[done:done + 7000], wait=False)
            viewer.read()
        viewer.expect(data[-20:])
        check(viewer.text == b"begin\n" + data, "the viewer has lost something")


@test
def daemon_that_is_killed_loses_and_repeats_nothing():
    with Consoles("--timestamp=none", "--rate=0") as consoles:
        guest = Guest(consoles, 1, "one")
        rng = random.Random(2)
        said = b""
        for i in range(30):
            for j in range(rng.randrange(1, 30)):
                line = b"%d-%d %s\n" % (i, j, b"x" * rng.randrange(100))
                n = guest.say(line, wait=False)
                said += line[:n]
            if i % 3:
                guest.drained()
            consoles.kill()
            said_more = b"while nobody listens %d\n" % i
            said += said_more[:guest.say(said_more, wait=False)]
            consoles.start()
        guest.say(b"end\n")
        said += b"end\n"
        until(lambda: guest.log().endswith(b"end\n"), "the log ends with", guest.log()[-50:])
        check(guest.log() == said, "the log has", len(guest.log()), "bytes of", len(said))
        viewer = guest.view()
        viewer.expect(b"end\n")
        check(viewer.read() == said[-65536:], "the backlog is", len(viewer.text))


@test
def kill_under_a_flood_loses_and_repeats_nothing():
    with Consoles("--rate=0", "--log-size=0") as consoles:
        guest = Guest(consoles, 1, "one")
        said = bytearray()
        rng = random.Random(3)
        for i in range(15):
            for j in range(rng.randrange(40)):
                line = b"%d-%d %s\n" % (i, j, b"y" * 300)
                guest.say(line)
                said += line
            line = b"z" * 2000
            said += line[:guest.say(line, wait=False)]
            consoles.kill()
            consoles.start()
        guest.drained()
        until(lambda: len(guest.log()) >= len(said), "the log has", len(guest.log()), "bytes of", len(said))
        check(guest.log() == said, "the log differs")


@test
def write_to_the_log_that_was_cut_short_is_done_again():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        guest.say(b"whole line\n")
        until(lambda: guest.log() == b"whole line\n", "no log")
        consoles.kill()
        # As if it had died in the middle of the next write: taken, begun, a part is in the file.
        path = os.path.join(consoles.run, "1")
        with open(path, "r+b") as file:
            head = bytearray(file.read(4096))
            total, logged = struct.unpack_from("<Q", head, 48)[0], struct.unpack_from("<Q", head, 64)[0]
            check(total == 11 and logged == 11, "the file has", total, logged)
            struct.pack_into("<QQQ", head, 72, logged, os.stat(os.path.join(consoles.logs, "guest-one.log")).st_ino, 11)
            struct.pack_into("<Q", head, 48, 17)
            file.seek(0)
            file.write(head)
            file.seek(4096 + 11)
            file.write(b"again\n")
        guest.say(b"again\n", wait=False)
        with open(os.path.join(consoles.logs, "guest-one.log"), "ab") as file:
            file.write(b"aga")
        consoles.start()
        guest.drained()
        until(lambda: guest.log() == b"whole line\nagain\n", "the log has", guest.log())


@test
def file_of_nonsense_in_place_of_the_backlog_is_not_used():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        guest.say(b"one\n")
        guest.drained()
        consoles.kill()
        with open(os.path.join(consoles.run, "1"), "r+b") as file:
            file.write(b"\xff" * 4096)
        guest.say(b"two\n", wait=False)
        consoles.start()
        until(lambda: guest.log() == b"one\ntwo\n", "the log has", guest.log())


@test
def flooding_guest_is_held_and_does_not_starve_the_others():
    with Consoles("--rate=100K") as consoles:
        bad = Guest(consoles, 1, "bad")
        good = Guest(consoles, 2, "good")
        watcher = good.view()
        before = consoles.cpu()
        for i in range(100):
            bad.say(b"f" * 2048, wait=False)
            for _ in range(10):
                bad.ring()
            good.say(b"%d\n" % i)
            watcher.expect(b"%d\n" % i)
        check(len(bad.log()) < 100 * 2048, "all of the flood was taken")
        check(consoles.cpu() - before < 200, "the flood cost", consoles.cpu() - before, "ticks")
        bad.drained()


@test
def hostile_indices_hurt_only_their_guest():
    with Consoles() as consoles:
        bad = Guest(consoles, 1, "bad")
        good = Guest(consoles, 2, "good")
        typist = bad.view()
        rng = random.Random(4)
        for i in range(300):
            bad.put(rng.choice((IN_CONS, IN_PROD, OUT_CONS, OUT_PROD)), rng.choice((0, 1, 2047, 2048, 2049, 1 << 31,
                                                                                    0xffffffff, rng.getrandbits(32))))
            bad.ring()
            if i % 50 == 0:
                typist.type(b"x")
                good.say(b"%d\n" % i)
                good.drained()
        check(consoles.process.poll() is None, "the daemon has ended")
        until(lambda: good.log() == b"".join(b"%d\n" % i for i in range(0, 300, 50)), "the neighbour's log is",
              good.log())
        check(consoles.said().count("make no sense") == 1, "it is told", consoles.said().count("make no sense"), "times")
        # A guest that comes to its senses is heard again.
        viewer = bad.view()
        bad.put(OUT_PROD, bad.get(OUT_CONS))
        bad.ring()
        consoles.kill()
        consoles.start()
        bad.put(OUT_PROD, bad.get(OUT_CONS))
        bad.say(b"sane again\n", wait=False)
        viewer = bad.view()
        viewer.expect(b"sane again\n")


@test
def last_words_of_a_guest_are_read_and_its_number_can_come_again():
    with Consoles() as consoles:
        guest = Guest(consoles, 7, "first")
        viewer = guest.view()
        guest.say(b"alive\n")
        viewer.expect(b"alive\n")
        # Its last words are in the ring when it is already dying, and it does not ring for them.
        prod = guest.get(OUT_PROD)
        for i, byte in enumerate(b"last words\n"):
            guest.page[OUT + (prod + i) % OUT_SIZE] = byte
        guest.put(OUT_PROD, prod + 11)
        guest.dying()
        viewer.expect(b"last words\n")
        until(lambda: viewer.read() and viewer.over, "the viewer is not hung up")
        check(guest.log() == b"alive\nlast words\n", "the log has", guest.log())
        guest.gone()
        check(not os.path.exists(os.path.join(consoles.run, "7")), "the backlog's file is still there")
        other = Guest(consoles, 7, "second", uuid="another")
        other.say(b"a new one\n")
        until(lambda: other.log() == b"a new one\n", "the new one's log has", other.log())
        other.tty()
        viewer = other.view()
        viewer.expect(b"a new one\n")
        check(viewer.read() == b"a new one\n", "the new one's viewer has", viewer.text)


@test
def number_that_comes_again_unnoticed_is_another_guest():
    with Consoles() as consoles:
        guest = Guest(consoles, 7, "first")
        guest.say(b"of the first\n")
        guest.drained()
        consoles.kill()
        del consoles.domains[7]
        consoles.store.good("RELEASE", "7")
        second = Guest(consoles, 7, "second", uuid="another")
        second.say(b"of the second\n", wait=False)
        consoles.start()
        until(lambda: second.log() == b"of the second\n", "the log has", second.log())
        viewer = second.view()
        viewer.expect(b"of the second\n")
        check(viewer.read() == b"of the second\n", "the viewer has", viewer.text)
        # Without a restart in between: the list has another UUID at the same number.
        third = Guest(consoles, 7, "third", uuid="a-third")
        Guest(consoles, 3, "trigger")
        third.say(b"of the third\n")
        until(lambda: third.log() == b"of the third\n", "the log has", third.log())


@test
def log_follows_a_rename():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "old")
        guest.say(b"as old\n")
        until(lambda: guest.log() == b"as old\n", "no log")
        guest.name = "new"
        consoles.store.write(guest.home + "/name", "new")
        until(lambda: os.path.exists(os.path.join(consoles.logs, "guest-new.log")), "no new log")
        guest.say(b"as new\n")
        until(lambda: guest.log() == b"as new\n", "the log has", guest.log())
        check(consoles.file("guest-old.log") == b"as old\n", "the old log has", consoles.file("guest-old.log"))
        consoles.store.write(guest.home + "/name", "../../evil")
        path = os.path.join(consoles.logs, "guest-.._.._evil.log")
        until(lambda: os.path.exists(path), "no log of the evil name:", os.listdir(consoles.logs))


@test
def logs_take_turns_and_are_opened_anew_by_a_signal():
    with Consoles("--log-size=2K", "--log-count=2", "--timestamp=guest") as consoles:
        guest = Guest(consoles, 1, "one")
        for i in range(400):
            guest.say(b"line %d\n" % i)
        until(lambda: guest.log().endswith(b"line 399\n"), "the log ends with", guest.log()[-40:])
        names = sorted(os.listdir(consoles.logs))
        check(names == ["guest-one.log", "guest-one.log.1", "guest-one.log.2", "hypervisor.log"], "logs:", names)
        text = guest.log(2) + guest.log(1) + guest.log()
        check(max(len(guest.log(n)) for n in range(3)) <= 2048, "a log is too long")
        numbers = [int(n) for n in re.findall(rb"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] line (\d+)$", text, re.M)]
        check(numbers == list(range(400 - len(numbers), 400)) and len(numbers) > 50, "lines are missing", numbers[:3])
        os.rename(os.path.join(consoles.logs, "guest-one.log"), os.path.join(consoles.logs, "moved"))
        consoles.process.send_signal(signal.SIGHUP)
        until(lambda: os.path.exists(os.path.join(consoles.logs, "guest-one.log")), "the log is not opened anew")
        guest.say(b"afterwards\n")
        until(lambda: guest.log().endswith(b"] afterwards\n"), "the log has", guest.log())


@test
def hypervisors_log_is_kept_and_no_part_of_it_twice():
    with Consoles() as consoles:
        path = os.path.join(consoles.dir, "hvlog")

        def append(text):
            with open(path, "ab") as file:
                file.write(text)
            os.write(consoles.events, struct.pack("<I", 1))

        append(b"(XEN) one\n")
        until(lambda: consoles.file("hypervisor.log") == b"(XEN) one\n", "no log of the hypervisor")
        consoles.kill()
        append(b"(XEN) two\n")
        consoles.start()
        until(lambda: consoles.file("hypervisor.log") == b"(XEN) one\n(XEN) two\n", "it is",
              consoles.file("hypervisor.log"))


@test
def console_of_another_type_is_left_alone_and_one_that_comes_later_is_taken():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        guest.tty()
        other = "/local/domain/2"
        consoles.domains[2] = (0, "two")
        consoles.write_domains()
        consoles.store.write(other + "/console/type", "ioemu")
        consoles.store.good("INTRODUCE", "2", "1", "1")
        consoles.store.write(other + "/console/ring-ref", "5")
        consoles.store.write(other + "/console/port", "3")
        consoles.store.write(other + "/name", "two")
        guest.say(b"x")
        guest.drained()
        check(consoles.store.ask("READ", other + "/console/tty") == "ENOENT", "somebody else's console was taken")
        consoles.store.write(other + "/console/type", "xenconsoled")
        until(lambda: consoles.store.ask("READ", other + "/console/tty") != "ENOENT", "the console was not taken")


@test
def many_guests_are_served_and_an_idle_daemon_does_nothing():
    with Consoles() as consoles:
        guests = [Guest(consoles, i, "g%d" % i) for i in range(1, 61)]
        for guest in guests:
            guest.tty()
        for guest in guests:
            guest.say(b"I am %d\n" % guest.domid)
        for guest in guests:
            guest.drained()
            until(lambda g=guest: g.log() == b"I am %d\n" % g.domid, "no log")
        before = consoles.cpu()
        with open("/proc/%d/status" % consoles.process.pid, encoding="ascii") as file:
            switches = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
        for guest in guests:        # time passes by asking the store, not by sleeping
            consoles.store.read(guest.home + "/name")
        with open("/proc/%d/status" % consoles.process.pid, encoding="ascii") as file:
            after = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
        check(after - switches <= 2 and consoles.cpu() == before, "an idle daemon runs", after - switches, "times")


@test
def second_daemon_is_refused_and_signals_end_the_first_in_order():
    with Consoles() as consoles:
        second = subprocess.run([os.path.join(TOOLS, "test/xenconsoled"), "-i", "--log-dir", consoles.logs],
                                env=dict(consoles.daemon.env, XENCONSOLED_RUNDIR=consoles.run), capture_output=True,
                                text=True, timeout=PATIENCE, check=False)
        check(second.returncode == 1 and "another xenconsoled" in second.stderr, second.returncode, second.stderr)
        consoles.process.send_signal(signal.SIGTERM)
        check(consoles.process.wait(PATIENCE) == 0, "it ends with a bad status")
        check(not os.path.exists(os.path.join(consoles.dir, "console.pid")), "the pid file is still there")


@test
def xl_console_shows_what_was_said_and_leaves_by_its_key():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        guest.say(b"said before\n")
        guest.drained()
        consoles_of_two = [XlConsole(guest), XlConsole(guest)]
        for viewer in consoles_of_two:
            viewer.expect(b"said before\n")
        guest.say(b"login: ")
        for i, viewer in enumerate(consoles_of_two):
            viewer.expect(b"login: ")
            viewer.type(b"root%d\r" % i)
            check(guest.hear(6) == b"root%d\r" % i, "input")
        for viewer in consoles_of_two:
            viewer.type(b"last\x1dnot this")
            check(viewer.status() == 0, "xl console ends with", viewer.status())
            check(guest.hear(4) == b"last", "input before the key")
            viewer.close()
        guest.say(b"x")
        guest.drained()
        check(guest.get(IN_PROD) == guest.get(IN_CONS), "more was typed")


@test
def xl_console_puts_its_terminal_back_as_it_was():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        process = subprocess.Popen([os.path.join(TOOLS, "test/xlconsole"), "1"], env=consoles.daemon.env, stdin=theirs,
                                   stdout=theirs, stderr=theirs, start_new_session=True)
        until(lambda: not termios.tcgetattr(theirs)[3] & termios.ICANON, "the terminal is not raw")
        os.write(ours, b"\x03\x1aq")
        check(guest.hear(3) == b"\x03\x1aq", "keys of the terminal's own do not reach the guest")
        os.write(ours, b"\x1d")
        check(process.wait(PATIENCE) == 0, "it ends with", process.returncode)
        check(termios.tcgetattr(theirs) == before, "the terminal's modes are changed")
        process = subprocess.Popen([os.path.join(TOOLS, "test/xlconsole"), "1"], env=consoles.daemon.env, stdin=theirs,
                                   stdout=theirs, stderr=theirs, start_new_session=True)
        until(lambda: not termios.tcgetattr(theirs)[3] & termios.ICANON, "the terminal is not raw")
        process.terminate()
        check(process.wait(PATIENCE) == 128 + signal.SIGTERM, "it ends with", process.returncode)
        check(termios.tcgetattr(theirs) == before, "the terminal's modes are changed by a signal")
        os.close(ours)
        os.close(theirs)


@test
def xl_console_goes_on_with_a_daemon_that_is_started_anew():
    with Consoles() as consoles:
        guest = Guest(consoles, 1, "one")
        viewer = XlConsole(guest)
        for i in range(5):
            guest.say(b"round %d\n" % i, wait=False)
            viewer.expect(b"round %d\n" % i)
            viewer.type(b"in %d" % i)
            check(guest.hear(4) == b"in %d" % i, "input in round", i)
            consoles.kill()
            consoles.start()
        guest.dying()
        consoles.store.ask("RM", guest.home)
        check(viewer.status() == 0, "it ends with", viewer.status())
        viewer.close()


@test
def xl_console_waits_for_the_console_and_ends_behind_the_last_words():
    with Consoles() as consoles:
        c = consoles.store
        c.write("/local/domain/5/name", "five")

        class Early:
            domid = 5
        Early.consoles = consoles
        viewer = XlConsole(Early, "-f")
        guest = Guest(consoles, 5, "five")
        check(viewer.process.stderr.readline() == b"started\n", "not told that the console is there")
        guest.say(b"first\n")
        viewer.expect(b"first\n")
        prod = guest.get(OUT_PROD)
        guest.page[OUT + prod % OUT_SIZE] = ord("!")
        guest.put(OUT_PROD, prod + 1)
        guest.dying()
        c.ask("RM", guest.home)
        check(viewer.status() == 0, "it ends with", viewer.status())
        viewer.expect(b"first\n!")
        viewer.close()
        nobody = XlConsole(Early)
        check(nobody.status() == 1 and b"there is no domain 5" in nobody.process.stderr.read(), "no complaint")
        nobody.close()


@test
def mistakes_on_the_command_line_are_told():
    for args, words in ((["--log=some"], "none of none, guest, hv, all"), (["--log-size=x"], "not a number"),
                        (["-o", "drop"], "neither discard nor keep"), (["x"], "no arguments"),
                        (["--log-count=5000"], "1000 at most")):
        done = subprocess.run([os.path.join(TOOLS, "test/xenconsoled"), *args], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        check(done.returncode == 1 and words in done.stderr, args, done.returncode, done.stderr)


if __name__ == "__main__":
    run()
