#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks of a stock guest in images and behind NBD: contents verified while everything between guest and data is killed;
a file system stays clean; reasons are told. On the hypervisor that HV names. FULL=1 kills more and takes all formats."""
import os

from machine import HV, TOP, add_test, dom0_step, run

INITRAMFS = os.path.join(TOP, "build/initramfs-images")
FULL = bool(os.environ.get("FULL"))


def images(hv):
    options = "xlkills=%s xlimages=all xlmib=256" % os.environ.get("KILLS", "20") if FULL else ""
    dom0_step("images-" + hv, "images", options, hv=hv, initrd=INITRAMFS, limit=7200 if FULL else 2400,
              hv_options="dom0_mem=1900M" if FULL else "dom0_mem=700M", memory="3G" if FULL else "1300M")


hypervisor = "xen" if HV == "bare" else HV
add_test("disks_in_images_and_behind_nbd_keep_what_was_written_on_" + hypervisor, images, hypervisor)
run()
