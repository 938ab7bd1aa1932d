#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dom0's kernel log: no complaint, and nothing on xen that it keeps from Xen.

The same machine boots twice, on the hypervisor under test and on Debian's Xen
4.17.  Each line that mentions xen on the first must be there on the second,
once numbers are made alike; what Linux says only here is a thing it found odd.
"""
import re

from machine import HV, Failure, boot, run, test

COMPLAINTS = (r"\bWARNING\b", r"\bBUG\b", r"Call Trace", r"\bOops\b", r"\bUBSAN\b",
              r"general protection", r"unchecked MSR", r"nobody cared", r"soft lockup",
              r"rcu: .*stall", r"[Ff]ailed to (alloc|map)", r"[Uu]nhandled")
# What ought to differ: each says its own version, and ours tells Linux that its timers are prompt.
TIMERS = r"(Kernel c|C)ommand line: xen_timer_slop=4000 "
OWN = r"Xen version: .*|" + TIMERS


def dmesg(name, hv):
    """Boot and return dom0's kernel log as a list of lines."""
    with boot(name, hv=hv, dom0_options="xltest=modules+dmesg+poweroff") as this:
        this.expect(r"XLTEST dmesg begin$")
        this.step("dmesg")
        this.expect_poweroff()
        lines = [line[len("dmesg| "):] for line in this.text.splitlines()
                 if line.startswith("dmesg| ")]
    if len(lines) < 100:
        raise Failure("the kernel's log has only %d lines" % len(lines))
    return lines


def alike(line):
    """The line without what differs from boot to boot: numbers and addresses."""
    line = re.sub(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,}\b|[0-9]+", "N", line)
    return re.sub(r"\s+", " ", line).strip()


@test
def kernel_log_has_no_complaint_and_says_of_xen_only_what_it_says_on_xen():
    """One boot of each; the first also must be free of warnings."""
    ours = dmesg("dmesg-" + HV, HV)
    for line in ours:
        for pattern in COMPLAINTS:
            if re.search(pattern, line):
                raise Failure("the kernel complains: %s" % line)
    if HV == "bare":
        return
    if HV == "xenolith" and not any(re.match(TIMERS, line) for line in ours):
        raise Failure("the kernel was not told how close it may set timers")
    reference = {alike(line) for line in dmesg("dmesg-reference", "xen")}
    odd = [line for line in ours if re.search("xen", line, re.IGNORECASE)
           and alike(line) not in reference and not re.match(OWN, line)]
    if odd:
        raise Failure("on Debian's Xen the kernel does not say:\n" + "\n".join(odd))


run()
