#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The OS-less guests of tests/guest, each as dom0's payload.

A guest reports in TAP on the console, ends with "# END" and powers off.  Its
tests are passed on here under its name, so a guest's failed test is a failed
test of ours; a guest that does not reach its end is one more.
"""
import os
import re
import sys

from machine import HV, LIMIT, Failure, boot, close_all
from payloads import OPTIONS, payloads

CPUS = ("qemu64,+rdrand", "max") if os.environ.get("FULL") else ("qemu64,+rdrand",)
# Guests that need another CPU as well: SYSENTER in long mode is Intel's. (Debian's Xen takes a double fault at it there.)
MORE_CPUS = {"entry": ("qemu64,vendor=GenuineIntel,+rdrand",)} if HV == "xenolith" else {}
# CPUs of the machine for a guest of several vcpus, of which it always has eight.
SMP = {"vcpus": (1, 2, 4) if os.environ.get("FULL") else (1, 2)}


def run_guest(name, image, cpu, smp):
    """Run one guest; return its TAP lines as (ok, text), or raise Failure."""
    # Debian's Xen believes TCG's wrong error code for "int n" (tests/guest/privileged.c).
    words = ("hv=xen " if HV == "xen" else "") + (
        "int-fault=skip" if HV == "xen" and name in ("privileged", "entry") else "")
    with boot("guest-" + name, limit=4 * LIMIT, cpu=cpu, kernel=image, initrd="", memory="512M",
              no_reboot=True, hv_options=OPTIONS.get(name, ""), dom0_options=words,
              smp=smp, threads=True) as this:
        this.expect(r"^# BEGIN ")
        begin = this.position
        this.expect(r"^# END.*$")
        lines = this.text[begin:this.position].splitlines()
        this.expect_poweroff()
    results = []
    for line in lines:
        match = re.match(r"(not )?ok \d+ - (.*)", line)
        if match:
            results.append((not match[1], match[2]))
        elif line.startswith("#"):
            results.append((None, line))
    plan = [line for line in lines if line.startswith("1..")]
    count = sum(good is not None for good, _ in results)
    if plan != ["1..%d" % count]:
        raise Failure("%d tests reported, the plan is %s" % (count, plan))
    return results


def main():
    images = payloads()
    number = 0
    failed = 0
    if HV == "bare":
        images = {}
        number = 1
        print("ok 1 - guests # skip: a PV guest needs a hypervisor")
    elif not images:
        number = failed = 1
        print("not ok 1 - there are guests in build/guest (make guests builds them)")
    for name, image, cpu, smp in ((name, image, cpu, smp) for name, image in images.items()
                                  for cpu in CPUS + MORE_CPUS.get(name, ())
                                  for smp in SMP.get(name, (1,))):
        if not all(part in name for part in sys.argv[1:]):
            continue
        try:
            results = run_guest(name, image, cpu, smp)
        except Failure as failure:
            results = [(False, "runs to its end"), (None, "# %s" % failure)]
        for good, text in results:
            if good is None:
                print(text)
                continue
            number += 1
            failed += not good
            print("%sok %d - guest %s (%s%s): %s" % (
                "" if good else "not ", number, name, cpu, ", %d CPUs" % smp if smp > 1 else "", text))
        close_all(show=results[0] == (False, "runs to its end"))
        sys.stdout.flush()
    print("1..%d" % number)
    sys.exit(1 if failed else 0)


main()
