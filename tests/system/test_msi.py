#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Messages of devices (MSI and MSI-X) as a kernel without drivers asks for them.

tests/guest/msi.c tries refusals, the registers, and delivery where there is a
device that interrupts when told to.  What dom0's drivers do with messages is in
test_devices.py.
"""
import os

from machine import BUILD, add_test, boot, only_on, run


def guest(name, machine, devices, cpu="qemu64,+rdrand"):
    """Run tests/guest/msi.c with `devices`: refusals, registers, delivery."""
    skip = only_on("xenolith")
    if skip:
        return skip
    arguments = [word for device in devices for word in ("-device", device)]
    with boot(name, machine=machine, cpu=cpu, kernel=os.path.join(BUILD, "guest/msi.elf"), initrd="",
              memory="512M", no_reboot=True, devices=arguments) as this:
        this.expect(r"^# END.*$")
        this.refuse(r"^not ok", r"# SKIP")
        this.expect_poweroff()
    return None


add_test("guest_msi_with_a_device_that_interrupts_when_told", guest, "msi-guest", "q35",
         ["edu", "virtio-rng-pci", "e1000e"])
if os.environ.get("FULL"):
    add_test("guest_msi_on_pc_with_two_functions_of_msi_x", guest, "msi-guest-pc", "pc",
             ["edu", "virtio-rng-pci", "virtio-balloon-pci"], cpu="max")
run()
