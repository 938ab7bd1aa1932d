#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several CPUs: each of them works, dom0 may have more vcpus than there are,
and all get their share.

Shares are measured in virtual time: one instruction is one nanosecond.
"""
import itertools
import os
import re

from machine import HV, Failure, add_test, boot, run, test

FULL = bool(os.environ.get("FULL"))

# machine, CPUs, vcpus, options of the hypervisor
SHORT = [
    ("q35", 1, 4, ""),
    ("q35", 2, 2, ""),
    ("pc", 2, 4, ""),
    ("q35", 4, 4, "xpti=on"),
    ("q35", 8, 8, ""),
]
ALL = SHORT + list(itertools.product(("q35", "pc"), (1, 2, 4, 8), (1, 2, 4, 8), ("", "xpti=on")))


def works(name, machine, cpus, vcpus, options):
    """Programs on every vcpu, and vcpus switched off and on again."""
    if HV == "bare":
        vcpus = cpus
    with boot(name, machine=machine, smp=cpus, limit=400, cpu="qemu64,+rdrand",
              hv_options=("dom0_max_vcpus=%d %s" % (vcpus, options)).strip(),
              dom0_options="xltest=cpus+poweroff xlcpus=%d xlrounds=%d" % (vcpus, 10 if FULL else 2)) as this:
        this.step("cpus")
        this.expect_poweroff()
        if HV == "xenolith" and "CPUs: %d of %d are up" % (cpus, cpus) not in this.text:
            raise Failure("the hypervisor does not say that %d CPUs are up" % cpus)
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)")


def shares(name, cpus, vcpus):
    """What each vcpu got done while all were busy, in per cent of the mean."""
    with boot(name, smp=cpus, exact=True, limit=400, hv_options="dom0_max_vcpus=%d" % vcpus,
              dom0_options="xltest=share+poweroff xlshare=100") as this:
        this.step("share")
        this.expect_poweroff()
        counts = [int(count) for count in re.findall(r"^share \d+ (\d+)$", this.text, re.MULTILINE)]
    if len(counts) != vcpus:
        raise Failure("%d of %d vcpus told what they did" % (len(counts), vcpus))
    mean = sum(counts) / vcpus
    return [round(100 * count / mean) for count in counts]


def share_alike(cpus, vcpus):
    """No vcpu gets more than a tenth more or less than the mean."""
    if HV == "bare":
        return "skip: needs a hypervisor"
    got = shares("smp-share-%d-%d" % (cpus, vcpus), cpus, vcpus)
    print("# shares, in per cent of the mean: %s" % got)
    if max(got) > 110 or min(got) < 90:
        raise Failure("shares in per cent of the mean: %s" % got)
    return None


@test
def maxcpus_limits_the_cpus_that_are_used():
    """maxcpus=2 of 4: dom0 sees two, and works."""
    if HV == "bare":
        return "skip: needs a hypervisor"
    with boot("smp-maxcpus", smp=4, hv_options="maxcpus=2",
              dom0_options="xltest=facts+poweroff") as this:
        this.expect(r"^cpus: 2$")
        this.expect_poweroff()
    return None


@test
def a_bug_on_one_cpu_stops_all():
    """The debug key C: the whole machine ends though other CPUs were busy."""
    if HV != "xenolith":
        return "skip: only on xenolith"
    with boot("smp-bug", smp=4, no_reboot=True, limit=300) as this:
        this.expect(r"dom0 \S+ # ")
        this.send("for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; echo busy=$((40 + 2))\n")
        this.expect(r"^busy=42$")
        this.send("\x01\x01\x01")
        this.expect(r"\(XEN\).*input to Xenolith")
        this.send("C")
        this.expect(r"\(XEN\) Xenolith: fatal exception in the hypervisor: invalid opcode")
        this.expect_reset()
    return None


for case in dict.fromkeys(ALL if FULL else SHORT):
    label = "%s_%d_cpus_%d_vcpus%s" % (case[0], case[1], case[2], "_xpti" if case[3] else "")
    add_test("all_vcpus_work_on_" + label, works, "smp-" + label, *case)
for case in ((2, 4), (2, 3)) + (((1, 3), (3, 4), (4, 6)) if FULL else ()):
    add_test("%d_vcpus_share_%d_cpus_alike" % (case[1], case[0]), share_alike, *case)
run()
