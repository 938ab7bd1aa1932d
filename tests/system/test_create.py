#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xl, domain builder, xenstored and xenconsoled make guests, on the hypervisor under test; with FULL=1 on Debian's Xen
too, and Debian's kernel with more vcpus, other sizes of memory, as a gzipped ELF file, and by GRUB from the guest's disk."""
import os
import re

from machine import HV, TOP, Failure, add_test, boot, make, run

INITRAMFS = os.path.join(TOP, "build/initramfs-guests")
NEWER = "build/initramfs-newer"
FULL = bool(os.environ.get("FULL"))


def create(hv, name, memory="1G", dom0="400M", words="", limit=600, initrd=INITRAMFS):
    with boot("create-%s-%s" % (name, hv), hv=hv, initrd=initrd, limit=limit, memory=memory,
              hv_options="dom0_mem=" + dom0, dom0_options="xltest=create+poweroff " + words) as this:
        this.step("create")
        this.expect_poweroff()


def newer_kernel(hv):
    """Debian's kernel 6.12, if its archive has one for this Debian."""
    said = make(NEWER)
    if said:
        return "skip: " + next((line for line in said.splitlines() if line.startswith("fetch: ")), said[-200:])
    create(hv, "newer", words="xlparts=linux xlvcpus=2 xlmemory=192 xlkernel=vmlinuz-newer", initrd=os.path.join(TOP, NEWER))
    return None


# Instructions. The hypervisor scrubs at boot, so that the counts do not depend on which memory is used first.
BARS = {"create_2": 12_000_000, "create_12": 12_000_000, "destroy_2": 15_000_000, "create_linux": 459_000_000,
        "list": 4_000_000}
# The rest of it is the hypervisor's: Debian's needs 29,500,000.
DESTROY_LINUX = {"xenolith": 15_300_000, "xen": 31_000_000}


def bars(hv):
    with boot("create-bench-%s" % hv, hv=hv, initrd=INITRAMFS, limit=900, memory="1200M", exact=True,
              hv_options="dom0_mem=600M bootscrub=on", dom0_options="xltest=create-bench+poweroff xlguests=12") as this:
        this.step("create-bench")
        this.expect_poweroff()
        costs = dict(re.findall(r"run_count: (\w+) (\d+)", this.text))
    for name, bar in {**BARS, "destroy_linux": DESTROY_LINUX[hv]}.items():
        print("# %s: %s instructions, bar %d" % (name, costs.get(name), bar))
        if int(costs.get(name, bar + 1)) > bar:
            raise Failure("%s costs %s instructions, more than %d" % (name, costs.get(name), bar))
    if int(costs["create_12"]) > 1.2 * int(costs["create_2"]):
        raise Failure("making a guest becomes dearer with the guests there are: %s, then %s" % (
            costs["create_2"], costs["create_12"]))


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("refusals_are_one_sentence_and_leave_nothing_on_" + hypervisor, create, hypervisor, "refusals",
             words="xlparts=refusals")
    add_test("guests_end_in_every_way_and_a_killed_xl_leaves_nothing_on_" + hypervisor, create, hypervisor, "lives",
             words="xlparts=lives+killed xlstep=%d" % (1 if FULL else 64), limit=9000 if FULL else 600)
    add_test("the_stock_kernel_with_96_mib_and_one_vcpu_on_" + hypervisor, create, hypervisor, "linux",
             words="xlparts=linux")
    if FULL:
        add_test("making_and_ending_guests_costs_no_more_instructions_than_its_bars_on_" + hypervisor, bars, hypervisor)
        add_test("grub_starts_the_stock_kernel_from_the_disk_of_its_guest_on_" + hypervisor, create, hypervisor, "pvgrub",
                 words="xlparts=pvgrub")
        add_test("debians_kernel_6_12_with_two_vcpus_on_" + hypervisor, newer_kernel, hypervisor)
        add_test("the_stock_kernel_with_two_vcpus_on_" + hypervisor, create, hypervisor, "linux2",
                 words="xlparts=linux xlvcpus=2 xlmemory=256")
        add_test("the_stock_kernel_as_gzipped_elf_with_four_vcpus_and_2_gib_on_" + hypervisor, create, hypervisor, "linux4",
                 memory="3G", words="xlparts=linux xlvcpus=4 xlmemory=2048 xlkernel=vmlinux.gz")
run()
