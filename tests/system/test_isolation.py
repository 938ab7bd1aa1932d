#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Page-table isolation: what a running guest's page table shows of the hypervisor.

dom0's shell spins in user mode; the machine is stopped there, and QEMU is
asked which of the hypervisor's addresses the loaded table maps. With
isolation only the entry code and this CPU's area may be there; without it
the direct map is, which shows that the question is a good one.
"""
import re

from machine import Failure, boot, only_on, run, test

DIRECT_MAP = 0xffff830000400000      # RAM at 4 MiB: hypervisor/x86/layout.h
FRAME_TABLE = 0xffff810000000000
IMAGE = 0xffff82d040200000           # first page of the image: headers and the start of the code
CPU_AREA = 0xffff82d08000f000        # last page of CPU 0's stack: entry needs it
PROMPT = r"dom0 \S+ # "


def stop_in_user(this):
    """Stop the machine while it runs a user program."""
    while True:
        this.monitor_command("stop")
        if "CPL=3" in (registers := this.monitor_command("info registers")):
            rip = int(re.search(r"RIP=([0-9a-f]{16})", registers)[1], 16)
            if rip < 1 << 47:
                return
        this.monitor_command("cont")


def mapped(this, address):
    """Does the loaded page table map `address`?"""
    return "gpa:" in this.monitor_command("gva2gpa %#x" % address)


def look(name, options):
    """Return {address: mapped} with the shell spinning."""
    with boot(name, hv_options=options, no_reboot=True) as this:
        this.expect(r"^\"poweroff\" ends it\.$")
        this.expect(PROMPT)
        this.send("echo spin; while :; do :; done\n")
        this.expect(r"^spin$")
        stop_in_user(this)
        return {address: mapped(this, address) for address in (DIRECT_MAP, FRAME_TABLE, IMAGE, CPU_AREA)}


@test
def isolated_guest_sees_of_the_hypervisor_only_its_entry():
    skip = only_on("xenolith")
    if skip:
        return skip
    seen = look("isolated", "xpti=on")
    if seen != {DIRECT_MAP: False, FRAME_TABLE: False, IMAGE: False, CPU_AREA: True}:
        raise Failure("with xpti=on the guest's table maps %s" % seen)
    return None


@test
def without_isolation_the_same_question_finds_the_direct_map():
    skip = only_on("xenolith")
    if skip:
        return skip
    seen = look("not-isolated", "xpti=off")
    if not all(seen.values()):
        raise Failure("with xpti=off the guest's table maps %s" % seen)
    return None


run()
