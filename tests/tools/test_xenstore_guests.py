#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile guests on xenstored: each hurts only itself, whatever it writes into its ring, and dom0 and a neighbour are
answered meanwhile. What can be asked of both daemons is compared in test_xenstore_compare.py; this is about ours."""
import os
import random
import resource
import struct
import time

from xenstore import HEADER, NUMBER, TOOLS, Daemon, Failure, Ring, check, run, test

GUESTS = 1000 if os.environ.get("FULL") else 200


def introduce(c, *domids):
    for domid in domids:
        c.good("INTRODUCE", str(domid), "1", "1")
        home = "/local/domain/%d" % domid
        c.write(home, "")
        c.good("SET_PERMS", home, "n%d" % domid)


def heartbeat(c, neighbour):
    """dom0 and a neighbour are served."""
    c.write("/heart", "beat")
    check(c.read("/heart") == "beat", "dom0 is answered nonsense")
    neighbour.write("heart", "beat")
    check(neighbour.read("heart") == "beat", "the neighbour is answered nonsense")


@test
def impossible_ring_positions_end_only_that_connection():
    for field, value in ((Ring.REQ_PROD, 1025), (Ring.REQ_PROD, 0xffffffff), (Ring.RSP_CONS, 7)):
        with Daemon() as daemon:
            c = daemon.connect()
            introduce(c, 1, 2)
            bad, neighbour = daemon.guest(1), daemon.guest(2)
            bad.write("x", "1")
            if field == Ring.RSP_CONS:
                # An answer has to be on its way before the daemon looks there.
                bad.put(field, bad.get(field) + value + 2000)
                bad.start("READ", "x")
            else:
                bad.put(field, bad.get(Ring.REQ_CONS) + value)
            bad.notify()
            bad.wait(lambda: bad.get(Ring.ERROR) == 2)
            heartbeat(c, neighbour)
            check("domain 1" in daemon.text(), "nothing is logged")
            # Introduced again it is served again.
            c.good("INTRODUCE", "1", "1", "1")
            again = daemon.guest(1)
            again.put(Ring.REQ_PROD, again.get(Ring.REQ_CONS))
            again.put(Ring.RSP_CONS, again.get(Ring.RSP_PROD))
            check(again.get(Ring.ERROR) == 0, "the error stays")


@test
def too_long_message_is_a_protocol_error():
    with Daemon() as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        bad, neighbour = daemon.guest(1), daemon.guest(2)
        bad.send(HEADER.pack(NUMBER["WRITE"], 1, 0, 4097))
        bad.wait(lambda: bad.get(Ring.ERROR) == 3)
        heartbeat(c, neighbour)
        for length in (4097, 0x7fffffff, 0xffffffff):
            other = daemon.connect()
            other.send(HEADER.pack(NUMBER["READ"], 1, 0, length))
            try:
                other.message()
            except (Failure, ConnectionResetError):
                continue
            raise Failure("a message of %d bytes was taken" % length)
        heartbeat(c, neighbour)


@test
def random_bytes_in_a_ring_hurt_nobody():
    chance = random.Random(7)
    with Daemon() as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        neighbour = daemon.guest(2)
        for i in range(150):
            bad = daemon.guest(1)
            kind = chance.choice([chance.randrange(24), chance.randrange(1 << 32)])
            body = chance.randbytes(chance.randrange(200))
            length = chance.choice([len(body), len(body), chance.randrange(5000)])
            data = struct.pack("<IIII", kind, i, chance.randrange(3), length) + body
            try:
                bad.put(Ring.RSP_CONS, bad.get(Ring.RSP_PROD))
                room = 1024 - ((bad.get(Ring.REQ_PROD) - bad.get(Ring.REQ_CONS)) & 0xffffffff)
                if bad.get(Ring.ERROR) or room < len(data):
                    raise Failure("start anew")
                bad.send(data)
            except Failure:
                bad.put(Ring.REQ_PROD, bad.get(Ring.REQ_CONS))
                bad.put(Ring.RSP_CONS, bad.get(Ring.RSP_PROD))
                c.good("INTRODUCE", "1", "1", "1")
            if i % 10 == 0:
                heartbeat(c, neighbour)
        heartbeat(c, neighbour)
        check(c.good("CONTROL", "check") == b"OK\0", "the counts are wrong")
        check(daemon.restarts() == 0, "the daemon died")


@test
def guest_that_does_not_read_is_stalled_and_its_memory_bounded():
    with Daemon() as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        bad, neighbour = daemon.guest(1), daemon.guest(2)
        c.write("/all", "x" * 2000)
        c.good("SET_PERMS", "/all", "r0")
        bad.good("WATCH", "/all", "t" * 200)
        request = HEADER.pack(NUMBER["READ"], 1, 0, 5) + b"/all\0"
        # It sends until nobody takes it any more, and never reads.
        end = time.monotonic() + 60
        quiet = 0
        while quiet < 200:
            check(time.monotonic() < end, "it is served without end")
            if 1024 - (bad.get(Ring.REQ_PROD) - bad.get(Ring.REQ_CONS)) >= len(request):
                prod = bad.get(Ring.REQ_PROD)
                for i, byte in enumerate(request):
                    bad.page[(prod + i) % 1024] = byte
                bad.put(Ring.REQ_PROD, prod + len(request))
                bad.notify()
                quiet = 0
            else:
                quiet += 1
                time.sleep(0.001)
        for i in range(3000):
            c.write("/all/%d" % i, "")
            c.good("RM", "/all/%d" % i)
        heartbeat(c, neighbour)
        memory = int(c.good("CONTROL", "quota", "1").split(b"memory")[1].split(b":")[1].split()[0])
        check(memory < 400000, "the guest that does not read holds", memory, "bytes")
        waiting = int(c.good("CONTROL", "quota", "1").split(b"outstanding")[1].split(b":")[1].split()[0])
        check(waiting <= 20, waiting, "answers are outstanding")


@test
def flood_of_one_guest_leaves_the_others_their_turn():
    """While one guest's ring always holds requests, each of the others' takes at most a round."""
    with Daemon() as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        flood, neighbour = daemon.guest(1), daemon.guest(2)
        for _ in range(200):
            numbers = [flood.start("WRITE", raw=b"data/%d\0x" % i) for i in range(15)]
            heartbeat(c, neighbour)
            for number in numbers:
                flood.answer(number)


@test
def refusals_are_logged_by_domain_and_quota():
    with Daemon("-E", "20", "-W", "3", "-t", "2", "-Q", "transaction-nodes=4") as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        guest, neighbour = daemon.guest(1), daemon.guest(2)
        refused = [guest.ask("MKDIR", "n%d" % i) for i in range(40)]
        check(refused.count("ENOSPC") == 21, "nodes:", refused.count("ENOSPC"), "refused")
        refused = [guest.ask("WATCH", "w%d" % i, "t") for i in range(6)]
        check(refused.count("E2BIG") == 3, "watches:", refused)
        refused = [guest.ask("TRANSACTION_START", raw=b"\0") for _ in range(4)]
        check(refused.count("ENOSPC") == 2, "transactions:", refused)
        refused = [guest.ask("READ", "r%d" % i, tx=1) for i in range(6)]
        check(refused.count("ENOSPC") == 2, "transaction-nodes:", refused)
        for name in ("nodes", "watches", "transactions", "transaction-nodes"):
            check("domain 1: quota %s (" % name in daemon.text(), "the log does not name", name)
        check(daemon.text().count("quota nodes") < 10, "each refusal fills the log")
        heartbeat(c, neighbour)


@test
def domain_that_dies_is_noticed_and_leaves_nothing():
    with Daemon() as daemon:
        c, watcher = daemon.connect(), daemon.connect()
        introduce(c, 1, 2)
        before = c.good("CONTROL", "quota", "1")
        watcher.good("WATCH", "@releaseDomain", "gone")
        watcher.event()
        guest, neighbour = daemon.guest(1), daemon.guest(2)
        guest.write("a/b/c", "1")
        guest.good("WATCH", "a", "t")
        guest.begin()
        check(before, "no counts")
        with open(os.path.join(daemon.dir, "dead.1"), "wb"):
            pass
        os.write(guest.events_fd, struct.pack("<I", 1))         # VIRQ_DOM_EXC
        check(watcher.event() == ("@releaseDomain", "gone"), "no event of the domain's end")
        check(c.ask("READ", "/local/domain/1/a/b/c") == "ENOENT", "its nodes are still there")
        check(c.ask("CONTROL", "quota", "1") == "ENOENT", "it is still counted")
        check(c.good("IS_DOMAIN_INTRODUCED", "1") == b"F\0", "it is still introduced")
        heartbeat(c, neighbour)
        daemon.kill()
        heartbeat(c, neighbour)
        check(c.good("CONTROL", "check") == b"OK\0", "the counts are wrong")


@test
def domain_that_dies_while_the_daemon_is_dead_is_noticed():
    """Its ring can't be mapped any more when the daemon comes back."""
    with Daemon() as daemon:
        c, watcher = daemon.connect(), daemon.connect()
        introduce(c, 1, 2)
        watcher.good("WATCH", "@releaseDomain", "gone")
        watcher.event()
        daemon.guest(1).write("a", "1")
        neighbour = daemon.guest(2)
        os.unlink(os.path.join(daemon.dir, "ring.1"))
        os.mkdir(os.path.join(daemon.dir, "ring.1"))
        os.mkdir(os.path.join(daemon.dir, "dead.1"))
        daemon.kill()
        heartbeat(c, neighbour)
        check(watcher.event() == ("@releaseDomain", "gone"), "no event of the domain's end")
        check(c.good("IS_DOMAIN_INTRODUCED", "1") == b"F\0", "it is still introduced")
        check(c.ask("READ", "/local/domain/1/a") == "ENOENT", "its nodes are still there")
        check(c.good("CONTROL", "check") == b"OK\0", "the counts are wrong")


@test
def read_only_socket_reads_and_does_not_write():
    with Daemon() as daemon:
        c, ro = daemon.connect(), daemon.connect(daemon.socket + "_ro")
        c.write("/a", "1")
        check(ro.read("/a") == "1", "it does not read")
        check(ro.ask("WRITE", raw=b"/a\x002") == "EROFS", "it writes")
        check(oct(os.stat(daemon.socket).st_mode)[-3:] == "600", "the socket is open to others")


@test
def work_for_a_request_does_not_grow_with_the_number_of_domains():
    """The daemon's own CPU time for the same requests, with 2 domains and with many: at most double."""
    def cpu(pid):
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))

    def work(c, daemon):
        before = cpu(daemon.worker())
        for _ in range(60):
            for i in range(40):
                c.start("WRITE", raw=b"/local/domain/1/x/%d\0y" % i)
                c.start("READ", "/local/domain/1/x/%d" % i)
            while c.message()[1] != c.next_id:
                pass
        return cpu(daemon.worker()) - before
    with Daemon() as daemon:
        c = daemon.connect()
        introduce(c, 1, 2)
        few = work(c, daemon)
        introduce(c, *range(3, GUESTS))
        for domid in range(3, GUESTS):
            c.good("WATCH", "/local/domain/%d/device" % domid, "t")
        while c.events:
            c.events.pop()
        many = work(c, daemon)
        check(many <= 2 * few + 20, "%d ticks with two domains, %d with %d" % (few, many, GUESTS))
        check(c.good("CONTROL", "check") == b"OK\0", "the counts are wrong")


@test
def daemon_ends_in_order_and_refuses_a_second_one():
    import signal
    import subprocess
    with Daemon() as daemon:
        second = subprocess.run([os.path.join(TOOLS, "test/xenstored"), "-N"], env=daemon.env, capture_output=True,
                                text=True, timeout=60, check=False)
        check(second.returncode == 1 and "another xenstored" in second.stderr, second.returncode, second.stderr)
        daemon.process.send_signal(signal.SIGTERM)
        check(daemon.process.wait(60) == 0, "the keeper ends with a bad status")
        check(not os.path.exists(daemon.socket), "the socket is still there")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    run()
