#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenstored's daemon can be killed at any moment: no request is lost, none is done or answered twice.

First at each labelled point of its code, under a scripted conversation whose every answer is known; then at random
moments (60; FULL=1: 500) under clients that check all they get: one that writes and reads back, some that count in
transactions, one that has a watch, one that sends many requests at once, one that connects again and again, and a
guest with a ring.
"""
import glob
import multiprocessing
import os
import random
import re
import signal
import tempfile
import time

from xenstore import PATIENCE, TOP, Daemon, Failure, add, check, run, test

KILLS = 500 if os.environ.get("FULL") else 60


def conversation(daemon):
    """Everything once, checked."""
    a, b = daemon.connect(), daemon.connect()
    a.write("/c/one", "1")
    a.good("WATCH", "/c", "token")
    check(a.event() == ("/c", "token"), "no first event")
    for i in range(12):
        b.write("/c/%d" % i, "v" * i)
        check(a.event() == ("/c/%d" % i, "token"), "not the event of write", i)
        check(b.read("/c/%d" % i) == "v" * i, "read back something else")
    b.good("INTRODUCE", "7", "1", "1")
    b.write("/local/domain/7", "")
    b.good("SET_PERMS", "/local/domain/7", "n7")
    guest = daemon.guest(7)
    guest.write("name", "guest" * 200)
    check(guest.read("name") == "guest" * 200, "the guest reads something else")
    for i in range(5):
        guest.write("n", str(i))
        check(guest.read("n") == str(i), "the guest reads something else")
    check(guest.ask("WRITE", raw=b"/c/one\0x") == "EACCES", "the guest writes where it must not")
    check(b.read("/local/domain/7/name") == "guest" * 200, "dom0 does not see what the guest wrote")
    for i in range(3):
        while True:
            t = b.begin()
            n = int(b.read("/c/one", t))
            b.write("/c/one", str(n + 1), t)
            answer = b.ask("TRANSACTION_END", "T", tx=t)
            if answer != "EAGAIN":
                break
        check(answer == b"OK\0", "a transaction ends with", answer)
        check(a.event() == ("/c/one", "token"), "no event of the transaction")
    check(a.read("/c/one") == "4", "the transactions counted to", a.read("/c/one"))
    batch = [b.start("WRITE", raw=b"/c/batch\0%d" % i) for i in range(20)]
    for number in batch:
        check(b.answer(number)[0] == "WRITE", "a write of the batch failed")
    check([a.event() for _ in batch] == [("/c/batch", "token")] * 20, "not the batch's events")
    b.good("RELEASE", "7")
    check(b.ask("READ", "/local/domain/7/name") == "ENOENT", "the domain's nodes are still there")
    a.good("UNWATCH", "/c", "token")
    for _ in range(5):
        c = daemon.connect()
        c.write("/c/again", "x")
        c.close()
    a.good("RM", "/c")
    check(a.ask("READ", "/c/one") == "ENOENT", "removed and still there")
    check(b.good("CONTROL", "check") == b"OK\0", "the counts are wrong")
    check(a.quiet() == [], "an event too many")


def fault_points():
    found = set()
    for path in glob.glob(os.path.join(TOP, "dom0-tools/xenstored/*.c")):
        with open(path, encoding="ascii") as file:
            found |= set(re.findall(r'fault_point\("([^"]+)"\)', file.read()))
    return sorted(found)


def killed_at(point):
    def function():
        for n in (1, 2, 5) if point not in ("snapshot", "snapshot-counts", "recovered", "introduce",
                                            "introduce-bound") else (1, 2):
            try:
                with Daemon(fault="%s:%d" % (point, n)) as daemon:
                    conversation(daemon)
                    if point not in ("snapshot", "snapshot-counts", "recovered") or n == 1:
                        check(daemon.restarts() == 1, "the daemon did not come by", point, n, "times")
            except Failure as error:
                raise Failure("killed at %s, time %d: %s" % (point, n, error)) from error
    add("nothing_is_lost_when_killed_at_%s" % point.replace("-", "_"), function)


# --- clients that check, each until the killing has ended ---

def writer(daemon, running):
    c, n = daemon.connect(), 0
    while running.is_set():
        n += 1
        c.write("/w/value", str(n))
        check(c.read("/w/value") == str(n), "read back something else")
        c.good("MKDIR", "/w/dir%d" % (n % 50))
        check(c.ask("RM", "/w/dir%d" % (n % 50)) == b"OK\0", "removing failed")
    return n


def counter(daemon, running):
    c, n = daemon.connect(), 0
    while running.is_set():
        t = c.begin()
        value = int(c.read("/t/counter", t))
        c.write("/t/counter", str(value + 1), t)
        answer = c.ask("TRANSACTION_END", "T", tx=t)
        check(answer in (b"OK\0", "EAGAIN"), "a transaction ended with", answer)
        n += answer == b"OK\0"
    return n


def watcher(daemon, running):
    c, other, n = daemon.connect(), daemon.connect(), 0
    c.good("WATCH", "/watched", "w")
    c.event()
    while running.is_set():
        path = "/watched/%d" % (n % 7)
        other.write(path, str(n))
        got = c.event()
        check(got == (path, "w"), "event", got, "instead of", path)
        n += 1
    check(c.quiet() == [], "events too many")
    return n


def batcher(daemon, running):
    c, n = daemon.connect(), 0
    while running.is_set():
        numbers = [c.start("WRITE", raw=b"/b/%d\0%d" % (i, n)) for i in range(20)]
        numbers.append(c.start("READ", "/b/3"))
        for number in numbers[:-1]:
            check(c.answer(number)[0] == "WRITE", "a write failed")
        kind, _, body = c.answer(numbers[-1])
        check(kind == "READ" and body == str(n).encode(), "read", body, "instead of", n)
        n += 1
    return n


def visitor(daemon, running):
    n = 0
    while running.is_set():
        c = daemon.connect()
        c.write("/v/value", str(n))
        check(c.read("/v/value") == str(n), "read back something else")
        c.close()
        n += 1
    return n


def guest(daemon, running):
    c, n = daemon.guest(5), 0
    while running.is_set():
        n += 1
        value = str(n) * 150
        c.write("data/value", value)
        check(c.read("data/value") == value, "the guest reads something else")
        check(c.ask("WRITE", raw=b"/w/value\0x") == "EACCES", "the guest writes where it must not")
    return n


CLIENTS = [writer, counter, counter, counter, watcher, batcher, visitor, guest]


def client(function, daemon, running, results, index):
    try:
        results[index] = function(daemon, running)
    except Exception as error:
        print("# %s: %s: %s" % (function.__name__, type(error).__name__, error), flush=True)
        results[index] = -1


@test
def nothing_is_lost_when_killed_at_random_moments():
    chance = random.Random(4)
    with Daemon() as daemon:
        setup = daemon.connect()
        setup.write("/t/counter", "0")
        setup.good("INTRODUCE", "5", "1", "1")
        setup.good("MKDIR", "/local/domain/5")
        setup.good("SET_PERMS", "/local/domain/5", "n5")
        setup.close()
        running = multiprocessing.Event()
        running.set()
        results = multiprocessing.Array("l", len(CLIENTS))
        clients = [multiprocessing.Process(target=client, args=(function, daemon, running, results, i), daemon=True)
                   for i, function in enumerate(CLIENTS)]
        for process in clients:
            process.start()
        for _ in range(KILLS):
            seen = daemon.restarts()
            time.sleep(chance.random() * 0.03)
            end = time.monotonic() + PATIENCE
            while daemon.restarts() == seen:
                daemon.kill()
                check(time.monotonic() < end, "the daemon is not started again")
                time.sleep(0.001)
        running.clear()
        for process in clients:
            process.join(PATIENCE)
        check(all(process.exitcode == 0 for process in clients), "a client got stuck:",
              [f.__name__ for f, p in zip(CLIENTS, clients) if p.exitcode != 0])
        check(min(results) >= 0, "a client found something wrong, see above")
        check(min(results) > 0, "a client did nothing:", list(results))
        last = daemon.connect()
        counted = sum(n for n, f in zip(results, CLIENTS) if f is counter)
        check(int(last.read("/t/counter")) == counted, counted, "transactions were committed, the counter says",
              last.read("/t/counter"))
        check(last.good("CONTROL", "check") == b"OK\0", "the counts are wrong")
        print("# %d kills, work done: %s" % (daemon.restarts(), list(results)))


@test
def connection_whose_number_another_got_after_a_kill_is_served():
    """Two connections wait for the daemon. It is killed once it has numbered the first, which has the higher slot, and
    its successor, which begins with the lower slot, gives that number to the other."""
    with Daemon(fault="adopt:4") as daemon:     # the first is the one by which Daemon sees that it is up
        def held():
            """The keeper's sockets, by inode."""
            links = set()
            for path in glob.glob("/proc/%d/fd/*" % daemon.process.pid):
                try:
                    links.add(os.readlink(path))
                except FileNotFoundError:       # closed meanwhile
                    pass
            return links

        def opened():
            """A new connection, and the keeper's end of it."""
            before, end = held(), time.monotonic() + PATIENCE
            connection = daemon.connect()
            while not held() - before:
                check(time.monotonic() < end, "the keeper does not accept a connection")
                time.sleep(0.001)
            return connection, held() - before

        ends = [opened(), opened()]
        for connection, sockets in ends:
            connection.write("/old", "1")
            connection.close()
            end = time.monotonic() + PATIENCE
            while held() & sockets:
                check(time.monotonic() < end, "the keeper does not close a connection that has ended")
                time.sleep(0.001)
        os.kill(daemon.worker(), signal.SIGSTOP)
        first, second = opened()[0], opened()[0]        # the first gets the slot that became free last
        os.kill(daemon.worker(), signal.SIGCONT)
        first.write("/first", "1")
        second.write("/second", "1")
        check(daemon.restarts() == 1, "the daemon was not killed between")


@test
def message_of_which_the_daemon_dies_twice_is_answered_eio():
    with Daemon() as daemon:
        c, other = daemon.connect(), daemon.connect()
        c.write("/a", "1")
        check(c.ask("CONTROL", "crash") == "EIO", "the message is not given up")
        check(daemon.restarts() == 2, "the daemon died", daemon.restarts(), "times")
        check(c.read("/a") == "1" and other.read("/a") == "1", "the store is not the same")
        check(other.ask("CONTROL", "crash") == "EIO", "the second such message is not given up")


@test
def journal_is_replaced_by_snapshots_and_survives_that_too():
    """More than the journal's free growth is written, with kills in between."""
    with Daemon() as daemon:
        c = daemon.connect()
        for i in range(6):
            for _ in range(500):
                for n in range(3):
                    c.start("WRITE", raw=b"/big/%d\0" % n + b"v" * 3900)
                while c.message()[1] != c.next_id:
                    pass
            c.write("/i", str(i))
            daemon.kill()
            check(c.read("/i") == str(i) and c.read("/big/2") == "v" * 3900, "lost in round", i)
        with tempfile.NamedTemporaryFile() as report:
            c.good("CONTROL", "memreport", report.name)
            size = int(report.read().split(b"journal\t")[1].split()[0])
        check(size < 8 << 20, "the journal has", size, "bytes")


for label in fault_points():
    killed_at(label)

if __name__ == "__main__":
    run()
