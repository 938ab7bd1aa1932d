#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dom0's own drivers reach devices that interrupt by messages: MSI and MSI-X.

Disks and nets move data as in test_devices.py, here with the interrupts that
drivers choose when they may.  Before that, dom0 tries to write the messages
itself (/test/messages), which must change nothing; that the data then arrive
shows that it did no harm either.  After it, /proc/interrupts must say that each
device had its messages, and the kernel must have had no cause for complaint.
"""
import os
import re

from machine import BUILD, HV, LIMIT, Failure, TransferServer, add_test, boot, disk, only_on, run

# More than 4 GiB: /test/messages says why.
MEMORY = "5G"
# What Linux says where it wanted messages and did not get them.
COMPLAINTS = (r"xen map irq failed", r"Failed to add - passthrough or MSI", r"restore_msi",
              r"\bMSI.*(?:failed|disabled)", r"irq \d+: nobody cared", r"WARNING: CPU|BUG: |Oops: ")


def check_interrupts(this, wanted):
    """Each of `wanted` (kind, pattern of handlers' names) must have had interrupts."""
    begin = this.position
    this.step("facts")
    for kind, device in wanted:
        counts = re.findall(r"^ *\d+: +(\d+) +xen-pirq +-%s +%s$" % (kind, device),
                            this.text[begin:this.position], re.MULTILINE)
        if not counts:
            raise Failure("%s has no interrupt by %s" % (device, kind))
        if not any(int(count) for count in counts):
            raise Failure("%s had no interrupt by %s" % (device, kind))


# Debian's Xen lets dom0 write an MSI's address, and has it fault where it stores a string to a table.
BEFORE = ("modules", "messages") if HV == "xenolith" else ("modules",)
STEPS = "+".join(BEFORE) + "+%s+facts+poweroff"


def disks(name, machine, devices, wanted, cpu="qemu64,+rdrand"):
    """Boot with `devices`, a disk behind each, and let dom0 write and read them."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    arguments = []
    for number, device in enumerate(devices):
        arguments += disk("%s-%d" % (name, number), device)
    with boot(name, machine=machine, cpu=cpu, memory=MEMORY, limit=2 * LIMIT, devices=arguments,
              dom0_options="iomem=relaxed xldisks=%d xltest=%s"
              % (len(devices), STEPS % "disk")) as this:
        for step in BEFORE:
            this.step(step)
        this.step("disk")
        check_interrupts(this, wanted)
        this.expect_poweroff()
        this.refuse(*COMPLAINTS)
    return None


def nets(name, machine, devices, wanted, cpu="qemu64,+rdrand"):
    """Boot with network devices and transfer both ways by each."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    server = TransferServer()
    arguments = []
    for number, device in enumerate(devices):
        arguments += ["-netdev", "user,id=net%d" % number, "-device", "%s,netdev=net%d" % (device, number)]
    with boot(name, machine=machine, cpu=cpu, memory=MEMORY, limit=2 * LIMIT, devices=arguments,
              dom0_options="iomem=relaxed xlport=%d xlnets=%d xltest=%s"
              % (server.port, len(devices), STEPS % "net")) as this:
        for step in BEFORE:
            this.step(step)
        for _ in devices:
            match = this.expect(r"^net: (\S+): received (\d+) (\w{32})", r"XLTEST net failed")
            if not match.lastindex:
                raise Failure("not every device transferred")
            if match.groups()[1:] != (str(server.SIZE), server.md5()):
                raise Failure("%s received %s bytes with MD5 %s; sent were %d with %s"
                              % (match[1], match[2], match[3], server.SIZE, server.md5()))
        this.step("net")
        if server.results != [True] * len(devices):
            raise Failure("what dom0 sent back is not what it was sent")
        check_interrupts(this, wanted)
        this.expect_poweroff()
        this.refuse(*COMPLAINTS)
    return None


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


AHCI, VIRTIO_BLK, NVME = ("msi", r"ahci\S+"), ("msi-x", r"virtio0-req.*"), ("msi-x", "nvme0q1")
# The test has set the interface down by then: e1000e has no handlers any more, only the counts stay.
E1000E, VIRTIO_NET = ("msi-x", ""), ("msi-x", "virtio0-(?:in|out)put.*")

add_test("ahci_by_msi_and_virtio_and_nvme_by_msi_x_keep_64_mib_each", disks, "msi-disks", "q35",
         ["ide-hd", "virtio-blk-pci", "nvme,serial=1"], [AHCI, VIRTIO_BLK, NVME])
add_test("e1000e_and_virtio_net_by_msi_x_move_16_mib_both_ways", nets, "msi-nets", "q35",
         ["e1000e", "virtio-net-pci"], [E1000E, VIRTIO_NET])
add_test("guest_msi_with_a_device_that_interrupts_when_told", guest, "msi-guest", "q35",
         ["edu", "virtio-rng-pci"])
if os.environ.get("FULL"):
    add_test("guest_msi_on_pc_with_two_functions_of_msi_x", guest, "msi-guest-pc", "pc",
             ["edu", "virtio-rng-pci", "virtio-balloon-pci"], cpu="max")
    for cpu in ("max", "EPYC,-monitor", "Haswell"):
        model = re.sub(r"\W+.*", "", cpu)
        add_test("disks_by_messages_on_%s" % model, disks, "msi-disks-" + model, "q35",
                 ["ide-hd", "virtio-blk-pci", "nvme,serial=1"], [AHCI, VIRTIO_BLK, NVME], cpu=cpu)
    add_test("virtio_and_nvme_by_msi_x_on_pc", disks, "msi-disks-pc", "pc",
             ["virtio-blk-pci", "nvme,serial=1"], [VIRTIO_BLK, NVME])
    add_test("two_nvme_and_two_virtio_disks_have_their_own_messages", disks, "msi-disks-four", "q35",
             ["nvme,serial=1", "nvme,serial=2", "virtio-blk-pci", "virtio-blk-pci"],
             [NVME, ("msi-x", "nvme1q1"), VIRTIO_BLK, ("msi-x", "virtio1-req.*")])
    add_test("e1000e_by_msi_x_on_pc", nets, "msi-net-pc", "pc", ["e1000e"], [E1000E])
    add_test("virtio_net_by_msi_x_on_pc", nets, "msi-net-virtio-pc", "pc", ["virtio-net-pci"], [VIRTIO_NET])
run()
