#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Protections against what CPUs leak: chosen, said, patched in and executed.

dom0 boots with each of them forced, on several CPU models. A plugin of QEMU
(crossings.c) counts the instructions that the hypervisor executes from its
first return to a guest on. That shows that they run at every crossing; that a
real CPU's leak is closed can't be shown in an emulator.
"""
import os
import re
import subprocess

from machine import BUILD, HV, LOGS, Failure, add_test, boot, run

RETPOLINE = "spec-ctrl=bti-thunk=retpoline"
# A plain CPU of Intel's that says it has the MSRs; TCG takes their writes and does nothing.
FORCED = "Nehalem,x-force-features=on,+spec-ctrl,+md-clear,+stibp,+ssbd"
AMD_FORCED = "qemu64,+rdrand,x-force-features=on,+ibpb"

NONE = "page-table isolation off, L1TF checks off; none"
CASES = [
    # Name, CPU, options, the line, and a check of the counts.
    ("what_needs_nothing_pays_nothing", "qemu64,+rdrand", "", NONE,
     lambda n: n["verw"] == n["wrmsr48"] == n["wrmsr49"] == 0 and n["indirect"] > 0),
    ("retpolines_leave_no_indirect_branch", "qemu64,+rdrand", RETPOLINE,
     "page-table isolation off, L1TF checks off; retpolines", lambda n: n["indirect"] == 0),
    ("all_that_is_instructions_can_be_forced_on_any_cpu", "max",
     "xpti=on pv-l1tf=on " + RETPOLINE + ",rsb,bhb-entry,md-clear,div-scrub,branch-harden",
     "page-table isolation on, L1TF checks on; retpolines, return stack on entry, branch history on entry, "
     "fences behind checks of pointers, VERW on exit, division on exit",
     lambda n: n["verw"] == n["returns"] and n["divisions"] >= n["returns"] and n["indirect"] == 0),
    ("buffers_are_cleared_on_each_return_without_isolation", "qemu64,+rdrand", "spec-ctrl=md-clear",
     "page-table isolation off, L1TF checks off; VERW on exit", lambda n: n["verw"] == n["returns"]),
    ("old_intel_gets_isolation_l1tf_and_verw_by_itself", FORCED, "",
     "page-table isolation on, L1TF checks on; VERW on exit",
     lambda n: n["verw"] == n["returns"] and n["wrmsr48"] == n["wrmsr49"] == 0),
    ("ibrs_is_written_at_each_crossing", FORCED, "spec-ctrl=ibrs,ssbd,stibp",
     "page-table isolation on, L1TF checks on; IBRS on entry, STIBP, SSBD, VERW on exit",
     lambda n: n["wrmsr48"] >= 2 * n["returns"] and n["verw"] == n["returns"]),
    ("ibpb_is_written_at_each_entry", AMD_FORCED, "spec-ctrl=ibpb-entry",
     "page-table isolation off, L1TF checks off; IBPB on entry", lambda n: n["wrmsr49"] >= n["returns"]),
    ("ibpb_is_written_when_another_vcpu_comes", AMD_FORCED, "spec-ctrl=ibpb dom0_max_vcpus=2",
     "page-table isolation off, L1TF checks off; IBPB on a switch of vcpus",
     lambda n: 0 < n["wrmsr49"] < n["returns"]),
]
FULL_CPUS = ("Skylake-Client,-monitor,-invpcid", "Skylake-Server,-monitor,-invpcid",
             "Cascadelake-Server,-monitor,-invpcid", "EPYC,-monitor", "Haswell")
FULL_OPTIONS = ("", "spec-ctrl=no", "smep=off smap=off spec-ctrl=rsb,bti-thunk=lfence",
                "xpti=on pv-l1tf " + RETPOLINE + ",rsb,bhb-entry,md-clear,div-scrub")


def iret_address():
    """Where the hypervisor's IRET to guests is."""
    lines = subprocess.run(["nm", os.path.join(BUILD, "xenolith.syms")], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    return re.search(r"^([0-9a-f]+) \w guest_iretq$", lines, re.MULTILINE)[1]


def counted(name, cpu, options, line, check):
    """dom0 boots, the hypervisor's line is as expected, and so are the counts."""
    if HV != "xenolith":
        return "skip: only Xenolith's protections are known here"
    os.makedirs(LOGS, exist_ok=True)
    out = os.path.join(LOGS, "protections-%s.count" % name)
    plugin = "%s,out=%s,iret=%s" % (os.path.join(BUILD, "crossings.so"), out, iret_address())
    with boot("protections-" + name, cpu=cpu, hv_options=options, dom0_options="xltest=facts+poweroff",
              devices=["-plugin", plugin]) as this:
        said = this.expect(r"^\(XEN\) Protections: (.*)$")[1]
        if said != line:
            raise Failure("the protections are \"%s\", not \"%s\"" % (said, line))
        this.step("facts")
        this.expect_poweroff()
        # An MSR that isn't there would fault; ours would say so.
        this.refuse(r"fatal exception", r"not present but names memory")
    with open(out, encoding="ascii") as file:
        words = file.read().split()
    counts = dict(zip(("returns", "verw", "wrmsr48", "wrmsr49", "divisions", "indirect"), map(int, words[1:])))
    print("# %s" % counts)
    if counts["returns"] < 10000 or not check(counts):
        raise Failure("the hypervisor executed %s" % counts)
    return None


def boots(name, cpu, options):
    """dom0 boots and ends."""
    if HV != "xenolith":
        return "skip: only Xenolith's options"
    with boot("protections-" + name, cpu=cpu, hv_options=options, dom0_options="xltest=facts+poweroff") as this:
        this.expect(r"^\(XEN\) Protections: .*$")
        this.step("facts")
        this.expect_poweroff()
    return None


def refused(name, options, pattern):
    """The boot stops with a sentence that names what can't be done."""
    if HV != "xenolith":
        return "skip: only Xenolith's options"
    with boot("protections-" + name, hv_options=options + " noreboot") as this:
        this.expect(pattern)
        this.expect_halted()
    return None


SHORT = ("what_needs_nothing_pays_nothing", "all_that_is_instructions_can_be_forced_on_any_cpu",
         "ibrs_is_written_at_each_crossing")
for case in CASES:
    if os.environ.get("FULL") or case[0] in SHORT:
        add_test(case[0], counted, *case)
add_test("a_protection_that_the_cpu_lacks_stops_the_boot", refused, "lacks", "spec-ctrl=ibrs",
         r"^\(XEN\) Xenolith stops: spec-ctrl=ibrs: this CPU can't do that")
if os.environ.get("FULL"):
    for model in FULL_CPUS:
        for number, option in enumerate(FULL_OPTIONS):
            label = model.split(",", maxsplit=1)[0].replace("-", "_") + "_%d" % number
            add_test("boots_on_" + label, boots, label, model, option)
run()
