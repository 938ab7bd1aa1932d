#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other forms: the kernel packed as other distributions pack it, the console on the VGA screen."""
import gzip
import os
import re
import struct
import subprocess

from machine import LOGS, Failure, add_test, boot, only_on, qemu, run, test


def repacked(packing):
    """Debian's bzImage with its payload packed anew; returns the file's name."""
    with open(qemu.KERNELS["vmlinuz"], "rb") as file:
        image = bytearray(file.read())
    with open(qemu.KERNELS["vmlinux"], "rb") as file:
        elf = file.read()
    if packing == "gzip":
        payload = gzip.compress(elf, 1, mtime=0)
    else:
        payload = subprocess.run(["zstd", "-q", "-c"], input=elf, check=True, stdout=subprocess.PIPE).stdout
        payload += struct.pack("<I", len(elf))
    start = (image[0x1f1] + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    struct.pack_into("<I", image, 0x24c, len(payload))
    os.makedirs(LOGS, exist_ok=True)
    name = os.path.join(LOGS, "kernel-" + packing)
    with open(name, "wb") as file:
        file.write(image[:start] + payload)
    return name


def boots_packed(packing):
    """A bzImage with that payload reaches userland."""
    skip = only_on("xenolith")
    if skip:
        return skip
    name = repacked(packing)
    with boot("packed-" + packing, kernel=name, dom0_options="xltest=poweroff") as this:
        this.expect(r"^\(XEN\) dom0 kernel: %s," % packing)
        this.expect(r"XLTEST userland$")
        this.expect_poweroff()
    os.unlink(name)
    return None


def screen(machine):
    """The text on the VGA screen: 80 by 25 cells of character and colour."""
    cells = re.findall(r"0x([0-9a-f]{4})\b", re.sub(r"(?m)^[0-9a-f]+:", "", machine.monitor_command("xp /2000hx 0xb8000")))
    return "".join(chr(int(cell, 16) & 0xff) for cell in cells)


for form in ("gzip", "zstd"):
    add_test("kernel_packed_by_%s_boots" % form, boots_packed, form)


@test
def console_vga_shows_messages_on_the_screen_alone():
    """A boot that must stop leaves its reason there."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("vga", no_reboot=True, hv_options="noreboot console=vga iommu=required",
              dom0_options="xltest=poweroff", devices=["-device", "VGA"]) as this:
        while "Stopped" not in (text := screen(this)):
            if this.left() < 0:
                raise Failure("the screen does not say that the machine stopped: %s" % text[:400])
        if "iommu=required" not in text:
            raise Failure("the screen does not say why: %s" % text[:400])
        this.refuse(r"\(XEN\)")
    return None


run()
