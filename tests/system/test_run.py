#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make run` shows: dom0 with its toolstack, and a first guest that has a console, a disk and a network."""
import os

from machine import BUILD, LIMIT, Failure, boot, only_on, run, test

DOM0 = r"dom0 \S+ # "
GUEST = r"first \S+ # "


@test
def first_guest_has_console_disk_and_network():
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    with boot("run", initrd=os.path.join(BUILD, "initramfs-run"), memory="1G", hv_options="dom0_mem=512M",
              devices=["-nic", "user,model=virtio-net-pci"], limit=3 * LIMIT) as this:
        this.expect(DOM0)
        this.send("xl list\n")
        this.expect(r"^first +1 +128 +1 +[rb-]{6} +\d")
        this.send("xl console first\n")
        this.expect(GUEST)
        this.send("mount /dev/xvda /mnt && echo kept >/mnt/file && umount /mnt; mount /dev/xvda /mnt; cat /mnt/file\n")
        this.expect(r"^kept$")
        # Its address comes from QEMU, through the bridge in dom0; the answer to the ping too.
        this.send("ping -c 3 10.0.2.15\n")
        if int(this.expect(r"^3 packets transmitted, (\d) packets received")[1]) != 3:
            raise Failure("dom0 does not answer to each ping of the guest")
        this.expect(GUEST)
        this.send("poweroff\n")
        this.expect(DOM0)
        this.send("while xl domid first >/dev/null 2>&1; do sleep 1; done; xl list | wc -l\n")
        this.expect(r"^2$")
        this.send("poweroff\n")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: ")
    return None


run()
