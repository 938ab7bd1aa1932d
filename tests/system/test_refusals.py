#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What can't be done is said in one clear sentence, and then nothing boots.

What is merely odd (an option's wrong value, an option of Xen's that we lack)
is named, and dom0 boots.
"""
import os

from machine import LOGS, TOP, Failure, add_test, boot, only_on, qemu, run, test


def stops(name, *patterns, **options):
    """The hypervisor must say a line that matches all `patterns`, and halt."""
    skip = only_on("xenolith")
    if skip:
        return skip
    options["hv_options"] = ("noreboot " + options.get("hv_options", "")).strip()
    options.setdefault("dom0_options", "xltest=poweroff")
    with boot(name, no_reboot=True, **options) as this:
        # One sentence has all of it: lookaheads allow any order.
        this.expect(r"^\(XEN\) " + "".join("(?=.*%s)" % pattern for pattern in patterns) + ".*$")
        this.expect_halted()
        this.refuse(r"Linux version", r"XLTEST", r"Xen BUG|page fault|#(GP|PF|UD)")
    return None


def bad_file(name, data):
    """A file in build/logs that is no kernel; returns its path."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def kernel(form):
    """The bytes of the dom0 kernel."""
    with open(qemu.KERNELS[form], "rb") as file:
        return file.read()


def refuses_kernel(name, make, *found):
    """A file that `make` fills is refused by its name, and the reason is said."""
    return stops("bad-" + name, "bad-kernel-" + name, *found,
                 kernel=bad_file("bad-kernel-" + name, make()), memory="512M")


def damaged_payload():
    """A bzImage with a byte of its packed payload changed, far behind the headers."""
    data = bytearray(kernel("vmlinuz"))
    data[len(data) // 2] ^= 0x55
    return data


def busybox():
    """An ELF image that is a program, not a kernel."""
    with open(os.path.join(TOP, "build/busybox"), "rb") as file:
        return file.read()


add_test("kernel_that_is_text_is_refused_by_name", refuses_kernel, "text",
         lambda: b"This is a text, not a kernel.\n" * 200, "ELF", "bzImage")
add_test("kernel_that_is_a_program_is_refused_by_name", refuses_kernel, "program", busybox)
add_test("kernel_cut_short_is_refused_by_name", refuses_kernel, "short",
         lambda: kernel("vmlinuz")[:3000000])
add_test("kernel_with_damaged_payload_is_refused_by_name", refuses_kernel, "damaged",
         damaged_payload)
add_test("dom0_mem_too_small_for_its_kernel_is_one_sentence", stops, "no-memory-option",
         "dom0_mem", "MiB", hv_options="dom0_mem=32M")
add_test("machine_too_small_for_dom0_is_one_sentence", stops, "no-memory-machine",
         "dom0", "(?i:memory|MiB)", kernel="vmlinuz", memory="40M")
add_test("required_iommu_stops_the_boot", stops, "no-iommu", "iommu=required",
         hv_options="iommu=required")


@test
def dom0_mem_beyond_the_machine_is_said_and_dom0_gets_what_there_is():
    """As Xen does: the amount is cut to what is free, but not silently."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("much-memory", no_reboot=True, hv_options="dom0_mem=100000G",
              dom0_options="xltest=poweroff") as this:
        this.expect(r"^\(XEN\) dom0_mem asks for 102400000 MiB of memory and \d+ MiB are free: dom0 gets \d+ MiB")
        this.expect_poweroff()
    return None


@test
def wrong_value_and_unknown_option_are_named_and_dom0_boots():
    """loglvl has no such value; dom0_nodes is one of Xen's that we lack."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("odd-options", hv_options="loglvl=banana dom0_nodes=0 dom0_nodes=0",
              dom0_options="xltest=poweroff") as this:
        this.expect(r"XLTEST userland$")
        this.expect_poweroff()
        lines = [line for line in this.text.splitlines() if line.startswith("(XEN)")]
        # The whole command line may be shown too; that does not count.
        named = [line for line in lines if "banana" in line and "dom0_nodes" not in line]
        if len(named) != 1 or "loglvl" not in named[0]:
            raise Failure("the wrong value loglvl=banana is named in %d lines" % len(named))
        named = [line for line in lines if "dom0_nodes" in line and "banana" not in line]
        if len(named) != 1:
            raise Failure("the unknown option dom0_nodes is named in %d lines" % len(named))


@test
def pvh_entry_boots_a_payload_without_multiboot():
    """One module and no initramfs: the kernel gets as far as looking for its root."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("pvh", loader="pvh", no_reboot=True) as this:
        this.expect(r"Kernel panic - not syncing: VFS: Unable to mount root")
        this.expect_reset()


run()
