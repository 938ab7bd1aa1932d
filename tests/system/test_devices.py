#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dom0's own drivers reach devices that interrupt by INTx lines.

Disks: 64 MiB written, caches dropped, read back, compared (/test/disk).  Nets:
16 MiB by TCP from a server on the host's loopback, and back (/test/net).
vectors=0 takes MSI-X away from virtio; IDE and e1000 have none.
"""
from machine import Failure, TransferServer, add_test, boot, disk, run

# A line of /proc/interrupts, on a bare kernel or on Xen, that would say that a
# device under test has a message-signalled interrupt.
MSI = r"^ *\d+: .*(PCI-MSI|-msi) .*(virtio|eth|ata_piix)"


def disk_test(name, machine, devices, count):
    """Boot with `devices` and let dom0 write and read each disk."""
    with boot(name, machine=machine, memory="1G", devices=devices,
              dom0_options="xldisks=%d xltest=modules+facts+disk+poweroff" % count) as this:
        for step in ("modules", "facts"):
            this.step(step)
        this.refuse(MSI)
        this.step("disk")
        this.expect_poweroff()


def net_test(name, machine, device):
    """Boot with one network device and transfer both ways."""
    server = TransferServer()
    devices = ["-netdev", "user,id=net0", "-device", device + ",netdev=net0"]
    with boot(name, machine=machine, memory="1G", devices=devices,
              dom0_options="xlport=%d xltest=modules+facts+net+poweroff" % server.port) as this:
        for step in ("modules", "facts"):
            this.step(step)
        this.refuse(MSI)
        match = this.expect(r"^net: \S+: received (\d+) (\w{32})", r"XLTEST net failed")
        if not match.lastindex:
            raise Failure("no transfer took place")
        if match.groups() != (str(server.SIZE), server.md5()):
            raise Failure("dom0 received %s bytes with MD5 %s; sent were %d with %s"
                          % (match[1], match[2], server.SIZE, server.md5()))
        this.step("net")
        if server.results != [True]:
            raise Failure("what dom0 sent back is not what it was sent")
        this.expect_poweroff()


add_test("ide_disk_and_virtio_disk_without_msi_keep_64_mib_on_pc", disk_test, "disk-pc", "pc",
         disk("ide", "ide-hd") + disk("virtio-a", "virtio-blk-pci,vectors=0"), 2)
add_test("virtio_disk_without_msi_keeps_64_mib_on_q35", disk_test, "disk-q35", "q35",
         disk("virtio-b", "virtio-blk-pci,vectors=0"), 1)
add_test("e1000_moves_16_mib_both_ways", net_test, "net-e1000", "q35", "e1000")
add_test("virtio_net_without_msi_moves_16_mib_both_ways", net_test, "net-virtio", "pc",
         "virtio-net-pci,vectors=0")
run()
