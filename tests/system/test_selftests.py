#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux's own tests of x86 (tools/testing/selftests/x86) in dom0 say what they say on the bare kernel.

Each program runs twice in the same QEMU, on the bare kernel and in dom0, and the
two runs are compared result by result: the lines that say OK, FAIL, SKIP, WARN or
NOTE, with numbers left out, and the exit status.

A PV kernel differs here and there by its nature.  Such differences are listed in
DIFFERENT, line by line, each with its reason.  The full form runs the programs on
Debian's Xen too, and there every difference must be the same.  What only Xen
gets wrong is listed in BETTER.
"""
import os
import re
from collections import Counter

from machine import HV, Failure, add_test, complain, run
from programs import Batch

FULL = bool(os.environ.get("FULL"))
BOTH = """check_initial_reg_state fsgsbase_restore ioperm iopl ldt_gdt mov_ss_trap ptrace_syscall
          sigaltstack sigreturn sigtrap_loop single_step_syscall syscall_arg_fault syscall_nt
          sysret_ss_attrs test_mremap_vdso test_vsyscall""".split()
ONLY_32 = """entry_from_vm86 test_FCMOV test_FCOMI test_FISTTP test_syscall_vdso unwind_vdso
             vdso_restorer""".split()
ONLY_64 = ["amx", "corrupt_xstate_header", "fsgsbase", "syscall_numbering", "sysret_rip"]
NAMES = ([name + bits for name in BOTH for bits in ("_64", "_32")] +
         [name + "_32" for name in ONLY_32] + [name + "_64" for name in ONLY_64])
# Minutes each: a million system calls, or thousands of changes of an LDT.
LONG = ["syscall_numbering_64", "ldt_gdt_32"]

SIXTEEN_BITS = "Linux refuses segments of 16 bits in a Xen PV guest's LDT"
LDT_GDT = (SIXTEEN_BITS, Counter({
    "[OK] LDT entry N has AR X and limit X": 7,
}), Counter({
    "[OK] modify_ldt rejected N bit segment": 7,
}))
# A kernel on the bare CPU returns by another way (espfix) and sees faults of its own IRET,
# whose error codes are lost; the hypervisor passes on the CPU's.
SIGRETURN = (SIXTEEN_BITS + "; a refused return has the CPU's error code", Counter({
    "[OK] all registers okay": 4,
    "[OK] Got #GP(X) (i.e. Segmentation fault)": 4,
    "[OK] Got #GP(X) (i.e. GDT index N, Segmentation fault)": 1,
}), Counter({
    "[NOTE] Failed to create code16 segment": 1,
    "[NOTE] Failed to create data16 segment": 1,
    "[WARN] Could not find N-bit CS": 4,
    "[SKIP] Code segment unavailable for N-bit CS, N-bit SS": 2,
    "[SKIP] Data segment unavailable for N-bit CS, N-bit SS": 2,
    "[OK] Got #GP(X) (i.e. LDT index N, Segmentation fault)": 2,
    "[OK] Got #NP(X) (i.e. LDT index N, Bus error)": 1,
}))
SIGALTSTACK = ("the state of protection keys, which PV guests are not offered, makes frames larger "
               "than the smallest stack", Counter({
                   "[OK] SIGSEGV signal delivered.": 1,
               }), Counter())

# name: (reason, lines only on the bare kernel, lines only in dom0)
DIFFERENT = {
    "ldt_gdt_64": LDT_GDT,
    "ldt_gdt_32": LDT_GDT,
    "sigreturn_32": SIGRETURN,
    "sigreturn_64": (SIGRETURN[0],
                     SIGRETURN[1] + Counter({"[OK] all registers okay": 1, "[NOTE] SP: X -> X": 4}),
                     SIGRETURN[2] + Counter({
                         "[SKIP] Data segment unavailable for N-bit CS, N-bit SS": 1})),
    "sigaltstack_64": SIGALTSTACK,
    "sigaltstack_32": SIGALTSTACK,
    "syscall_arg_fault_32": (
        "no AMD CPU has SYSENTER in long mode, so a hypervisor does not turn it on there; TCG's has",
        Counter({"[OK] Seems okay": 2}), Counter({"[FAIL] AX had the wrong value: X": 2})),
}
# name: reason.  Debian's Xen does not do what the bare kernel does; ours does.
BETTER = {
    "iopl_32": "Linux reads a code segment's base from its GDT, which Xen does not let it read",
}


def results(text):
    """The lines of a program that say how something went, without numbers."""
    lines = []
    for line in text.splitlines():
        match = re.match(r"\s*(\[(?:OK|FAIL|SKIP|WARN|NOTE)\])\s*(.*?)\s*$", line)
        if match:
            said = re.sub(r"0x[0-9A-Fa-fx]+|\b[0-9a-f]{8,}\b", "X", match[2])
            lines.append(match[1] + " " + re.sub(r"\b\d+\b", "N", said))
    return Counter(lines)


def show(what, lines):
    """A line for each difference."""
    return ["%s: %d times %s" % (what, count, line) for line, count in sorted(lines.items())]


def compare(name, bare, dom0, xen):
    """`name` in the three batches; xen is None in the short form."""
    bare_status, bare_text = bare.result(name)
    status, text = dom0.result(name)
    want, got = results(bare_text), results(text)
    _, gone, new = DIFFERENT.get(name, ("", Counter(), Counter()))
    problems = show("only on the bare kernel", want - got - gone) + show("only in dom0", got - want - new)
    if name in DIFFERENT:
        problems += show("said to be only on the bare kernel", gone - (want - got))
        problems += show("said to be only in dom0", new - (got - want))
    if status != bare_status:
        problems.append("its status is %d, on the bare kernel %d" % (status, bare_status))
    if problems:
        complain(text)
        raise Failure("\n".join(problems))
    if xen and (name in DIFFERENT or name in BETTER):
        other = results(xen.result(name)[1])
        if (other == got) != (name in DIFFERENT):
            raise Failure("on Xen:\n" + "\n".join(show("only on Xen", other - got) +
                                                   show("only in dom0", got - other)))


# With SMAP a bare kernel's programs fault under TCG, and Xen's dom0 does; ours leaves it off by itself.
# Linux on one CPU turns its lock prefixes into prefixes for DS, and TCG adds DS's base to such an address in 64-bit mode too,
# which no CPU does. ldt_gdt loads DS with a base; an interrupt meanwhile ends the kernel, the bare one likewise.
OPTIONS = {"cpu": "max,-smap", "limit": 3600, "each": 1800, "dom0_options": "noreplace-smp"}
chosen = NAMES if FULL else [name for name in NAMES if name not in LONG]
if HV != "bare":
    batches = [Batch("selftests-bare", "st", chosen, hv="bare", **OPTIONS),
               Batch("selftests-dom0", "st", chosen, **OPTIONS)]
    xen_batch = None
    if FULL and HV == "xenolith":
        # Those that are compared with it. (There test_syscall_vdso_32 goes round in circles under TCG.)
        compared = [name for name in chosen if name in DIFFERENT or name in BETTER]
        xen_batch = Batch("selftests-xen", "st", compared, hv="xen", **OPTIONS)
    for each in chosen:
        add_test("linux_%s_says_what_it_says_on_the_bare_kernel" % each, compare, each,
                 *batches, xen_batch)
run()
