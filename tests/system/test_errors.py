#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Errors of the machine: NMIs, machine checks, CPUs and domains that hang.

QEMU's monitor raises the first two (commands nmi and mce). TCG's CPU has ten
banks for machine checks and tells errors in memory from others, as Intel's do.
"""
import os
import re
import struct

from machine import BUILD, LIMIT, LOGS, Failure, boot, only_on, run, test

PROMPT = r"dom0 \S+ # "
SWITCH = "\x01" * 3

# IA32_MCi_STATUS: valid, uncorrected, enabled, MISC and ADDR valid, context corrupt, signalled, action required.
VAL, UC, EN, MISCV, ADDRV, PCC, SIG, ACT = (1 << bit for bit in (63, 61, 60, 59, 58, 57, 56, 55))
DATA_LOAD = 0x134


def full(function):
    """Decorator: a test of the full form only."""
    return test(function) if os.environ.get("FULL") else function


def shell(name, **options):
    """dom0 up to its shell."""
    this = boot(name, **options)
    this.expect(PROMPT)
    return this


def mce(this, status, address, gstatus=0, bank=4):
    """Raise it on CPU 0."""
    this.monitor_command("mce 0 %d %#x %#x %#x 0x8c" % (bank, status, gstatus, address))


def virqs(this):
    """How many events of the kind dom0 has got."""
    this.send("echo mces=$(awk '/virq *mce/ { print $2 }' /proc/interrupts)\n")
    return int(this.expect(r"^mces=(\d+)$")[1])


@test
def nmi_and_harmless_machine_checks_are_told_to_dom0():
    """One boot: two NMIs, a corrected error found by looking, bad data that nobody used."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with shell("errors-told") as this:
        # The kernel says what it always says to an NMI that it does not know, and goes on.
        for _ in range(2):
            this.monitor_command("nmi")
            this.expect(r"Uhhuh\. NMI received for unknown reason")
        before = virqs(this)
        mce(this, VAL | EN | MISCV | ADDRV | DATA_LOAD, 0x123456000)
        this.expect(r"^\(XEN\) machine check: CPU 0 bank 4: corrected, status 9c00000000000134, address 0x123456000")
        if virqs(this) != before + 1:
            raise Failure("dom0 got no VIRQ_MCA")
        this.send("timeout 5 hexdump -C /dev/mcelog | head -5; echo read=$?\n")
        this.expect(r"(?i)34 01 00 00 00 00 00 9c")
        this.expect(r"^read=0$")
        # Uncorrected, but no action is required now.
        mce(this, VAL | UC | EN | MISCV | ADDRV | SIG | 0xc0, 0x20000000, gstatus=5)
        this.expect(r"^\(XEN\) machine check: CPU 0 bank 4: bad data, not used yet")
        if virqs(this) != before + 2:
            raise Failure("dom0 got no second VIRQ_MCA")
    return None


def storm(name, hv_options):
    """The guest tests/guest/entry.c under NMIs from outside, as fast as QEMU takes them."""
    with boot(name, kernel=os.path.join(BUILD, "guest/entry.elf"), initrd="", memory="512M", no_reboot=True,
              hv_options=hv_options, dom0_options="nmi-storm=1", limit=4 * LIMIT) as this:
        this.expect(r"^# BEGIN entry$")
        sent = 0
        # Not to the end: QEMU hangs when an NMI comes while it powers off.
        while not re.search(r"^ok \d+ - an NMI can have a handler|^# (?:END|PANIC)", this.text, re.M):
            this.monitor_command("nmi")
            sent += 1
        this.expect(r"^# END passed (\d+) failed 0$")
        if sent < 100:
            raise Failure("only %d NMIs were sent" % sent)


@test
def nmis_at_any_moment_change_nothing():
    """Between any two instructions of the guest and of the hypervisor's entries and exits."""
    skip = only_on("xenolith")
    if skip:
        return skip
    storm("nmi-storm", "")
    if os.environ.get("FULL"):
        storm("nmi-storm-isolated", "xpti=on spec-ctrl=on")
    return None


@full
def nmi_is_fatal_or_ignored_by_option():
    skip = only_on("xenolith")
    if skip:
        return skip
    with shell("nmi-ignore", hv_options="nmi=ignore") as this:
        this.monitor_command("nmi")
        this.send("echo sum=$((40 + 2))\n")
        this.expect(r"^sum=42$")
        this.refuse(r"Uhhuh")
    with shell("nmi-fatal", hv_options="nmi=fatal", no_reboot=True) as this:
        this.monitor_command("nmi")
        this.expect(r"^\(XEN\) NMI, unknown reason \(nmi=fatal\)$")
        this.expect_reset()
    return None


@test
def bad_data_in_use_end_the_owner_of_the_memory():
    """The memory is dom0's, so dom0 ends, by its own name and not as a bug of the hypervisor."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with shell("mce-memory", no_reboot=True) as this:
        this.send("echo spin; while :; do :; done\n")
        this.expect(r"^spin$")
        # A machine check in the hypervisor could not be recovered from; in the loop that is rare.
        while True:
            this.monitor_command("stop")
            if "CPL=3" in this.monitor_command("info registers"):
                break
            this.monitor_command("cont")
        mce(this, VAL | UC | EN | MISCV | ADDRV | SIG | ACT | DATA_LOAD, 0x20000000, gstatus=7)
        this.monitor_command("cont")
        this.expect(r"^\(XEN\) domain 0 crashed: its memory at machine address 0x20000000 has an error")
        this.expect_reset()
        this.refuse(r"fatal exception in the hypervisor")
    return None


@full
def fatal_machine_check_stops_the_machine_with_its_banks():
    skip = only_on("xenolith")
    if skip:
        return skip
    with shell("mce-fatal", no_reboot=True) as this:
        mce(this, VAL | UC | EN | PCC | 0x400, 0, gstatus=4)
        this.expect(r"^\(XEN\) machine check: CPU 0 bank 4: fatal, status b200000000000400")
        this.expect(r"^\(XEN\) Xenolith: fatal exception in the hypervisor: machine check")
        this.expect_reset()
    return None


def hang(cpus):
    """The hung CPU names itself and where it is; the NMIs before that disturb nobody."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with shell("watchdog-%d" % cpus, hv_options="watchdog watchdog_timeout=3", no_reboot=True, smp=cpus) as this:
        if not re.search(r"^\(XEN\) watchdog: a CPU that is stuck for 3 seconds ends", this.text, re.MULTILINE):
            raise Failure("the watchdog does not run")
        this.send(SWITCH)
        this.expect(r"\(XEN\).*input to (Xen|Xenolith)")
        this.send("L")
        this.expect(r"^\(XEN\) watchdog: CPU \d is stuck for 3 seconds$")
        this.expect(r"^\(XEN\).*key_hang\+")
        this.expect_reset()
        this.refuse(r"Uhhuh")
    return None


@test
def watchdog_ends_a_machine_whose_cpu_hangs():
    return hang(1)


@full
def watchdog_ends_a_machine_one_of_whose_cpus_hangs():
    return hang(2)


@test
def domain_that_does_not_feed_its_watchdog_is_shut_down():
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    with boot("watchdog-domain", kernel=os.path.join(BUILD, "guest/watchdog.elf"), initrd="", memory="512M",
              no_reboot=True, dom0_options="case=fires") as this:
        this.expect(r"^\(XEN\).*[Dd]om.* ?0.*[Ww]atchdog|^\(XEN\).*[Ww]atchdog.*[Dd]om.* ?0")
        this.expect_reset()
    return None


def early_cpio(name, data):
    """An archive of one file, as comes before an initramfs (cpio(5), newc)."""
    archive = b""
    for path, body in ((name, data), ("TRAILER!!!", b"")):
        path = path.encode() + b"\0"
        archive += b"070701" + b"".join(b"%08x" % n for n in (
            1, 0o100644, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(path), 0))
        for piece in (path, body):
            archive += piece
            archive += b"\0" * (-len(archive) % 4)
    return archive


@test
def microcode_in_front_of_the_initramfs_is_offered_to_the_cpu():
    """TCG's CPU takes no microcode; its revision, which is what counts, stays, and that is said."""
    skip = only_on("xenolith")
    if skip:
        return skip
    head = [1, 0x20, 0x01022024, 0x106a3, 0, 1, 0xff, 48, 96, 0, 0, 0] + list(range(12))
    head[4] = -sum(head) & 0xffffffff
    initrd = os.path.join(LOGS, "microcode.initrd")
    os.makedirs(LOGS, exist_ok=True)
    with open(initrd, "wb") as file, open(os.path.join(BUILD, "initramfs"), "rb") as rest:
        file.write(early_cpio("kernel/x86/microcode/GenuineIntel.bin", struct.pack("<24I", *head)))
        file.write(rest.read())
    with boot("microcode", cpu="Nehalem", initrd=initrd, hv_options="ucode=scan",
              dom0_options="xltest=facts+poweroff") as this:
        this.expect(r"^\(XEN\) microcode: this CPU does not take revision 0x20 and stays at 0x1$")
        this.step("facts")
        this.expect_poweroff()
    os.unlink(initrd)
    return None


run()
