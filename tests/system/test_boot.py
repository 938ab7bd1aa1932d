#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dom0 boots to userland and powers off by ACPI S5, on each kind of machine.

The short set changes one or two things at a time; with FULL=1 every machine
meets every memory size, CPU model, loader and kernel form.
"""
import itertools
import os

from machine import HV, add_test, boot, run

MACHINES = ("q35", "pc")
MEMORY = ("512M", "1G", "2G", "6G")
# EPYC has monitor and mwait, which TCG has not in full.
CPUS = ("qemu64", "qemu64,+rdrand", "max", "Haswell", "EPYC,-monitor")
# Options of the hypervisor that must not change whether dom0 boots.
OPTIONS = ("", "xpti=on", "smap=off smep=off", "sync_console loglvl=all")

SHORT = [
    ("q35", "512M", "qemu64", "kernel", "vmlinux", ""),
    ("pc", "1G", "max", "kernel", "vmlinux", ""),
    ("q35", "2G", "Haswell", "kernel", "vmlinuz", ""),
    ("pc", "6G", "EPYC,-monitor", "kernel", "vmlinux", ""),
    ("q35", "1G", "qemu64,+rdrand", "multiboot1", "vmlinuz", ""),
    ("pc", "1G", "qemu64,+rdrand", "multiboot2", "vmlinuz", ""),
    ("q35", "1G", "qemu64,+rdrand", "kernel", "vmlinux", "xpti=on"),
    ("q35", "1G", "max", "kernel", "vmlinux", "smap=off smep=off"),
]


def full():
    """Every combination that says something new: options only with one of each."""
    for item in itertools.product(MACHINES, MEMORY, CPUS, ("kernel",), ("vmlinux",), ("",)):
        yield item
    for item in itertools.product(MACHINES, ("1G",), ("qemu64,+rdrand", "max"),
                                  ("kernel", "multiboot1", "multiboot2"),
                                  ("vmlinux", "vmlinuz"), ("",)):
        yield item
    for item in itertools.product(("q35",), ("1G",), ("qemu64,+rdrand", "max"), ("kernel",),
                                  ("vmlinux",), OPTIONS[1:]):
        yield item


def boots(name, machine, memory, cpu, loader, kernel, options):
    """One boot with a power-off as its only step."""
    with boot(name, machine=machine, memory=memory, cpu=cpu, loader=loader, kernel=kernel,
              hv_options=options, dom0_options="xltest=facts+poweroff") as this:
        this.expect(r"XLTEST userland$")
        this.step("facts")
        this.expect_poweroff()


matrix = dict.fromkeys(full() if os.environ.get("FULL") else SHORT)
for case in matrix:
    if HV == "bare" and (case[3] != "kernel" or case[5]):
        continue        # without a hypervisor there is no multiboot
    if HV == "xen" and "smap=off" in case[5]:
        continue        # Xen has it off already: it can't run with SMAP in TCG
    label = "_".join(word for word in case if word)
    label = "".join(c if c.isalnum() else "_" for c in label)
    add_test("boots_and_powers_off_on_" + label, boots, "boot-" + label, *case)
run()
