#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The console carries both ways: to dom0's shell and to the hypervisor's keys.

Three times Ctrl-a switches the serial input between dom0 and the hypervisor.
"""
import hashlib
import re

from machine import Failure, boot, only_on, run, test

SWITCH = "\x01" * 3
PROMPT = r"dom0 \S+ # "


def computed(this, left, right):
    """Have dom0's shell multiply, so that an echo alone would not do."""
    this.send("echo product=$((%d * %d))\n" % (left, right))
    this.expect(r"^product=%d$" % (left * right))
    this.expect(PROMPT)


@test
def shell_on_console_computes_answers_and_poweroff_ends_the_machine():
    """What `make run` gives: a shell, whose plain poweroff works."""
    with boot("console-shell") as this:
        this.expect(r"^\"poweroff\" ends it\.$")
        this.expect(PROMPT)
        computed(this, 1234, 5678)
        # More than a ring (1024 bytes in, 2048 out) in one go, each way.
        line = "x" * 900
        this.send("echo %s | md5sum\n" % line)
        this.expect("^%s  -$" % hashlib.md5(line.encode() + b"\n").hexdigest())
        this.expect(PROMPT)
        this.send("seq 1 2000; echo last=$?\n")
        this.expect(r"^1999\n2000\nlast=0$")
        lines = [line for line in this.text.splitlines() if line.isdigit()]
        if [line for line in lines if len(line) <= 4][-2000:] != [str(i) for i in range(1, 2001)]:
            raise Failure("of the lines 1 to 2000 some were lost or changed")
        this.expect(PROMPT)
        this.send("poweroff\n")
        this.expect_poweroff()


@test
def console_switches_to_hypervisor_and_back():
    """The hypervisor's key h prints its keys; dom0 then gets input again."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    with boot("console-switch") as this:
        this.expect(PROMPT)
        this.send(SWITCH)
        this.expect(r"\(XEN\).*input to (Xen|Xenolith)")
        this.send("h")
        this.expect(r"^\(XEN\).*key 'h'.*$")
        this.send(SWITCH)
        this.expect(r"\(XEN\).*input to (DOM0|dom0)")
        computed(this, 4321, 8765)
        this.send("poweroff\n")
        this.expect_poweroff()


@test
def hypervisor_bug_prints_registers_back_trace_and_vcpu_and_stops():
    """The key C provokes a bug in the hypervisor itself."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("console-bug", hv_options="noreboot") as this:
        this.expect(PROMPT)
        this.send(SWITCH)
        this.expect(r"\(XEN\).*input to (Xen|Xenolith)")
        this.send("C")
        start = this.position
        this.expect(r"^\(XEN\) .*(?i:stopped|halted)")
        report = [line for line in this.text[start:this.position].splitlines()
                  if line.startswith("(XEN) ")]
        for register in ("rip", "rsp", "rflags", "rax", "r15", "cr2", "cr3"):
            if not any(re.search(r"(?i)\b%s\b.*[0-9a-f]{16}" % register, line)
                       for line in report):
                raise Failure("the report does not show %s" % register)
        frames = [line for line in report
                  if re.search(r"[0-9a-f]{16} [a-z_][a-z0-9_.]+\+0x[0-9a-f]+$", line)]
        if len(frames) < 3 or len({line.split()[-1] for line in frames}) < 3:
            raise Failure("the back trace has %d frames with a symbol" % len(frames))
        if not any(re.search("current vcpu: (idle|d[0-9]+v[0-9]+)", line) for line in report):
            raise Failure("the report does not show the current vcpu")
        this.expect_halted()


run()
