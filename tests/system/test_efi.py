#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GRUB on UEFI (OVMF) loads us by multiboot2; dom0 finds ACPI and draws on the framebuffer.

dom0 has to be told where the ACPI tables are, which on UEFI is not below 1 MiB,
and how the screen is laid out.  That it draws rightly is seen from outside, in
a picture that QEMU takes of the screen.  EFI itself is not shown to dom0.
"""
import os
import re

from machine import HV, LIMIT, LOGS, Failure, add_test, boot, only_on, run

# What /test/screen writes: pixels of 32 bits, blue, green, red, and one byte of nothing.
COLOURS = (0x80, 0x40, 0x20)        # red, green, blue
ROWS = 32


def picture(this, name):
    """Return (width, height, bytes) of the screen, three bytes a pixel."""
    path = os.path.join(LOGS, name + ".ppm")
    answer = this.monitor_command("screendump " + path)
    if answer.strip():
        raise Failure("QEMU takes no picture of the screen: %s" % answer)
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    return int(head[1]), int(head[2]), data[head.end():]


def check_screen(this, name, driver):
    """dom0's framebuffer must be by `driver` and show what dom0 draws."""
    match = this.expect(r"^screen: (.*), (\d+)x(\d+), stride (\d+)$", r"XLTEST screen failed.*$")
    if not match.lastindex or not re.search(driver, match[1]):
        raise Failure("dom0 has no framebuffer by %s: %s" % (driver, match[0]))
    width, height, pixels = picture(this, name)
    if (width, height) != (int(match[2]), int(match[3])):
        raise Failure("the screen has %dx%d pixels, dom0 thinks it has %sx%s" % (width, height, match[2], match[3]))
    if pixels[:width * ROWS * 3] != bytes(COLOURS) * (width * ROWS):
        raise Failure("the screen does not show what dom0 drew on it")
    this.send("\n")
    this.step("screen")


def boots(name, loader, driver=None, end="poweroff", **options):
    """One boot by GRUB; `driver` is a pattern of the framebuffer's name, None for no screen."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    steps = "facts+firmware+%s%s" % ("screen+" if driver else "", end)
    with boot(name, loader=loader, no_reboot=end == "reboot", limit=2 * LIMIT,
              dom0_options="xltest=" + steps, devices=["-device", "VGA"] if driver else [], **options) as this:
        if HV == "xenolith" and loader == "efi":
            this.expect(r"^\[.*Command line: .*acpi_rsdp=0x[0-9a-f]+ ")
        this.expect(r"ACPI: RSDP 0x[0-9A-F]+ ")
        begin = this.position
        this.step("facts")
        if not re.search(r"^ *9: .* xen-pirq .*acpi$", this.text[begin:this.position], re.MULTILINE):
            raise Failure("dom0 has no ACPI interrupt, so no ACPI")
        if this.expect(r"^firmware: (.*)$")[1] != "no EFI" and HV == "xenolith":
            raise Failure("dom0 thinks that it can use EFI")
        this.step("firmware")
        if driver:
            check_screen(this, name, driver)
        if end == "reboot":
            this.expect_reset()
        else:
            this.expect_poweroff()
    return None


add_test("efi_dom0_finds_acpi_and_draws_on_the_framebuffer", boots, "efi-screen", "efi", "EFI VGA",
         kernel="vmlinuz")
if os.environ.get("FULL"):
    add_test("efi_without_a_screen", boots, "efi-blind", "efi")
    add_test("efi_with_memory_above_4_gib", boots, "efi-6g", "efi", memory="6G", cpu="max")
    add_test("efi_on_pc", boots, "efi-pc", "efi", machine="pc", kernel="vmlinuz")
    add_test("efi_machine_restarts", boots, "efi-reboot", "efi", end="reboot", kernel="vmlinuz")
    add_test("bios_grub_gives_a_vesa_framebuffer", boots, "vesa", "multiboot2", "VESA VGA", kernel="vmlinuz")
run()
