#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's stress-ng in dom0: each stressor does its rounds and finds what it wrote.

Rounds are counted, never seconds, so that a slow machine takes longer and judges
the same.  --verify makes the stressors check memory, files, results and counts;
stress-ng's own exit status says whether they were right.
"""
import os
import re

from machine import Failure, add_test, run
from programs import Batch

FULL = bool(os.environ.get("FULL"))

# Seconds after which a stressor is told to stop; it then says that all was well.
LIMIT = 900
# Rounds of each, small enough for an emulated CPU.
SHORT = {
    "cpu": 2, "vm": 200, "fork": 60, "mmap": 2, "switch": 1000, "signal": 1000, "context": 10,
    "fault": 100, "futex": 200, "pipe": 2000, "pthread": 40, "vecmath": 2, "sigsegv": 100,
}
MORE = {
    "bad-altstack": 10, "clock": 40, "clone": 40, "daemon": 10, "dup": 5, "epoll": 100, "eventfd": 500,
    "exec": 8, "fp": 1, "getrandom": 50, "itimer": 100, "kill": 200, "malloc": 300, "matrix": 8,
    "memcpy": 6, "mincore": 10, "mprotect": 50, "mremap": 1, "msg": 500,
    "nanosleep": 50, "poll": 100, "qsort": 1, "radixsort": 1, "regs": 2, "remap": 2, "rseq": 1,
    "shm": 2, "sigabrt": 20, "sigchld": 30, "sigfd": 200, "sigfpe": 100, "sigq": 200,
    "sigrt": 200, "sigsuspend": 100, "sigtrap": 100, "sock": 10, "stack": 3, "timer": 200,
    "tlb-shootdown": 3, "userfaultfd": 50, "usersyscall": 50, "vdso": 2000, "vfork": 50, "vm-rw": 4,
    "wait": 30, "x86syscall": 300, "zombie": 40,
}
# One that refuses to run on a CPU that is not Intel's.
INTEL = {"x86syscall": MORE.pop("x86syscall")}
# The memory and the arrays that they work on.
SIZES = """--vm-bytes 8M --mmap-bytes 4M --shm-bytes 1M --qsort-size 16384 --radixsort-size 16384
           --vm-rw-bytes 4M --userfaultfd-bytes 1M --exec-max 8""".split()


def passes(batch, name):
    """Status 0 is success; 3 is "not implemented here", which would be no test."""
    status, text = batch.result(name)
    if status:
        raise Failure("stress-ng ended with status %d:\n%s" % (status, "\n".join(text.splitlines()[-12:])))
    took = re.search(r"run completed in ([0-9.]+)s", text)
    if not took or float(took[1]) > LIMIT - 10:
        raise Failure("it did not come to the end of its rounds:\n%s" % text)


def add(label, stressors, **options):
    """One machine that runs `stressors`, each a test; several where the names are too many for
    a kernel's command line, which has 1024 characters in a PV guest."""
    if len(stressors) > 30:
        items = list(stressors.items())
        add(label, dict(items[:30]), **options)
        add(label + "_more", dict(items[30:]), **options)
        return
    names = ["%s:%d" % item for item in stressors.items()]
    batch = Batch("stress-" + label, "", names, argument=",".join(SIZES), runner="stress", limit=3600,
                  each=LIMIT, **options)
    for name in stressors:
        add_test("stressor_%s_finds_nothing_wrong_on_%s" % (name, label), passes, batch, name)


# With SMAP Xen's dom0 faults under TCG; ours leaves it off by itself.
add("max", {**SHORT, **MORE} if FULL else SHORT, cpu="max,-smap")
if FULL:
    add("intel", INTEL, cpu="max,-smap,vendor=GenuineIntel")
    add("two_cpus", SHORT, cpu="max,-smap", smp=2)
    add("qemu64", SHORT)
run()
