#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs in dom0: entries, processes, signals, FPU, debuggers, segments, clocks, ports, swap, CPUs.

The programs are those of tests/user, for 64 and for 32 bits; each test here is
one of them on one kind of machine.  The CPU models decide what is tested: qemu64
is AMD's (32-bit programs enter by SYSCALL, no AVX), Haswell is Intel's (SYSENTER,
AVX), max has all that TCG can do (FSGSBASE).
"""
import os

from machine import HV, add_test, disk, run
from programs import Batch, tap_passes

ALL = [name + bits for name in ("entry", "processes", "signals", "fpu", "debugger", "segments",
                                "clocks") for bits in ("_64", "_32")] + ["ports_64"]
# What depends on the CPU's model.
BY_MODEL = ["entry_64", "entry_32", "fpu_64", "fpu_32"]
FULL = bool(os.environ.get("FULL"))


def add(label, names, **options):
    """A batch of programs on one machine, each a test."""
    options.setdefault("argument", HV)
    batch = Batch("user-" + label, "user", names, limit=900, each=300, **options)
    for name in names:
        add_test("program_%s_passes_on_%s" % (name, label), tap_passes, batch, name)


# With SMAP a bare kernel's programs fault under TCG; the hypervisor leaves it off by itself.
add("max", ALL, cpu="max,-smap", dom0_options="vsyscall=emulate")
add("qemu64", ALL if FULL else BY_MODEL)
add("two_cpus", ALL + ["cpus_64"] if FULL else ["cpus_64", "clocks_64", "fpu_64", "processes_64"],
    cpu="max,-smap", smp=2)
if FULL:
    add("haswell", ALL, cpu="Haswell,-smap")
    add("xpti", ALL, cpu="max,-smap", hv_options="xpti=on")
    add("xen_clock", ["clocks_64", "clocks_32"], cpu="max,-smap",
        dom0_options="clocksource=xen vsyscall=xonly")


# Swapping needs a disk.
add("swap", ["swap_64"], argument="/dev/vda", steps="modules+",
    devices=disk("user-swap", "virtio-blk-pci"))
run()
