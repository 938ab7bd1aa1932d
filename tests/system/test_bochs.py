#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SMAP and SMEP in force: OS-less guests under Bochs, whose CPU does both right.

QEMU's TCG makes a guest's iret fault while SMAP is on, so there it stays off
(docs/security.md).  Bochs has no such fault.  A hypervisor that touched guest
memory outside of its copy functions, or ran guest code, would die here of a
page fault; the guests' own tests pass every kind of pointer to it.
"""
import os
import re
import subprocess
import sys

from machine import BUILD, HV, LOGS, TOP, Failure, add_test, complain, run
from payloads import OPTIONS, payloads

# Bochs 2.7's model that has SMAP, SMEP and Skylake's weaknesses; time0 is in 2024.
RC = """config_interface: textconfig
display_library: rfb, options="timeout=0"
memory: guest=256, host=256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model=corei7_skylake_x, count={cpus}, ips=4000000, reset_on_triple_fault=0, ignore_bad_msrs=1
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={base}.iso, status=inserted
com1: enabled=1, mode=file, dev={base}.log
clock: sync=none, time0=1704067200
log: {base}.bochs
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
pci: enabled=1, chipset=i440fx
mouse: enabled=0
sound: driver=dummy
"""
LIMIT = int(os.environ.get("LIMIT", "300"))
SHORT = ("hypercalls", "iret", "l1tf", "grants")


def run_in_bochs(name, options, cpus=1):
    """Boot a guest on the hypervisor; return the serial line's text."""
    os.makedirs(LOGS, exist_ok=True)
    base = os.path.join(LOGS, "bochs-" + name)
    subprocess.run([os.path.join(TOP, "scripts/mkiso"), "multiboot1", base + ".iso",
                    "%s console=com1 com1=115200,8n1 noreboot %s" % (os.path.join(BUILD, "xenolith"), options),
                    os.path.join(BUILD, "guest/%s.elf" % name)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(base + ".rc", "w", encoding="ascii") as file:
        file.write(RC.format(base=base, cpus=cpus))
    try:
        # Debian's build has a debugger, which waits for "c". The status is 1 even on a clean power-off.
        subprocess.run(["bochs", "-q", "-f", base + ".rc"], input=b"c\n", timeout=LIMIT, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Failure("Bochs was still running after %d seconds" % LIMIT) from None
    finally:
        os.unlink(base + ".iso")
    with open(base + ".log", encoding="utf-8", errors="replace") as file:
        return file.read().replace("\r", "")


def guest(name):
    """The guest reaches its end without a failed test, with SMEP and SMAP said to be on."""
    if HV != "xenolith":
        return "skip: only on xenolith"
    text = run_in_bochs(name, OPTIONS.get(name, ""))
    problem = None
    if not re.search(r"^\(XEN\) CPU: .*, SMEP, SMAP$", text, re.MULTILINE):
        problem = "SMEP and SMAP are not on"
    elif not re.search(r"^\(XEN\) Protections: page-table isolation on, .*retpolines", text, re.MULTILINE):
        problem = "a Skylake without microcode gets other protections"
    elif not re.search(r"^# END passed \d+ failed 0", text, re.MULTILINE):
        problem = "the guest's tests failed, or it did not reach its end"
    if problem:
        complain("\n".join(line for line in text.splitlines() if line.startswith("not ok")))
        complain("\n".join(text.splitlines()[-30:]))
        raise Failure(problem)
    return None


def x2apic(name, cpus):
    """The guest's timers and events, and with several CPUs the IPIs that start and wake them, by x2APIC."""
    if HV != "xenolith":
        return "skip: only on xenolith"
    text = run_in_bochs(name, "x2apic dom0_max_vcpus=8", cpus)
    for wanted in (r"^\(XEN\) local APICs: x2APIC mode$", r"^\(XEN\) CPUs: %d of %d are up$" % (cpus, cpus),
                   r"^# END passed \d+ failed 0"):
        if not re.search(wanted, text, re.MULTILINE):
            complain("\n".join(line for line in text.splitlines() if line.startswith("not ok")))
            complain("\n".join(text.splitlines()[-30:]))
            raise Failure("no line like %s" % wanted)
    return None


for image in payloads() or sys.exit("test_bochs: no guests in build/guest (make guests builds them)"):
    # msi needs QEMU's device.
    if image != "msi" and (os.environ.get("FULL") or image in SHORT):
        add_test("with_smap_and_smep_on_guest_%s_finds_nothing_wrong" % image, guest, image)
add_test("with_x2apic_guest_time_finds_nothing_wrong", x2apic, "time", 1)
if os.environ.get("FULL"):
    add_test("with_x2apic_guest_vcpus_finds_nothing_wrong_on_two_cpus", x2apic, "vcpus", 2)
run()
