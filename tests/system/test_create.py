#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xl, domain builder, xenstored and xenconsoled make guests, on the hypervisor under test; with FULL=1 on Debian's Xen
too, and Debian's kernel with more vcpus, other sizes of memory, as a gzipped ELF file, and by GRUB from the guest's disk."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-guests")
FULL = bool(os.environ.get("FULL"))


def create(hv, name, memory="1G", dom0="400M", words="", limit=600):
    with boot("create-%s-%s" % (name, hv), hv=hv, initrd=INITRAMFS, limit=limit, memory=memory,
              hv_options="dom0_mem=" + dom0, dom0_options="xltest=create+poweroff " + words) as this:
        this.step("create")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("refusals_are_one_sentence_and_leave_nothing_on_" + hypervisor, create, hypervisor, "refusals",
             words="xlparts=refusals")
    add_test("guests_end_in_every_way_and_a_killed_xl_leaves_nothing_on_" + hypervisor, create, hypervisor, "lives",
             words="xlparts=lives+killed xlstep=%d" % (2000 if FULL else 20000), limit=6000 if FULL else 600)
    add_test("the_stock_kernel_with_96_mib_and_one_vcpu_on_" + hypervisor, create, hypervisor, "linux",
             words="xlparts=linux")
    if FULL:
        add_test("grub_starts_the_stock_kernel_from_the_disk_of_its_guest_on_" + hypervisor, create, hypervisor, "pvgrub",
                 words="xlparts=pvgrub")
        add_test("the_stock_kernel_with_two_vcpus_on_" + hypervisor, create, hypervisor, "linux2",
                 words="xlparts=linux xlvcpus=2 xlmemory=256")
        add_test("the_stock_kernel_as_gzipped_elf_with_four_vcpus_and_2_gib_on_" + hypervisor, create, hypervisor, "linux4",
                 memory="3G", words="xlparts=linux xlvcpus=4 xlmemory=2048 xlkernel=vmlinux.gz")
run()
