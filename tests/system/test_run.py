#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make run` shows: dom0 with its toolstack, and a first guest that has a console, a disk and a network."""
import http.server
import os
import threading

from machine import BUILD, LIMIT, Failure, boot, only_on, run, test

DOM0 = r"dom0 \S+ # "
GUEST = r"first \S+ # "


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page from outside\n")

    def log_message(self, *_):
        pass


@test
def first_guest_has_console_disk_and_network():
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server, boot("run", initrd=os.path.join(BUILD, "initramfs-run"), memory="1G", hv_options="dom0_mem=512M",
              devices=["-nic", "user,model=virtio-net-pci"], limit=3 * LIMIT) as this:
        this.expect(DOM0)
        this.send("xl list\n")
        this.expect(r"^first +1 +128 +1 +[rb-]{6} +\d")
        this.send("xl console first\n")
        this.expect(GUEST)
        this.send("mount /dev/xvda /mnt && echo kept >/mnt/file && umount /mnt; mount /dev/xvda /mnt; cat /mnt/file\n")
        this.expect(r"^kept$")
        # Its address comes from dnsmasq in dom0, which has the one before it; QEMU has the host's loopback at 10.0.2.2.
        this.send("ifconfig eth0\n")
        this.expect(r"inet addr:10\.128\.1\.2 ")
        this.send("wget -q -O - http://10.0.2.2:%d/\n" % server.server_address[1])
        this.expect(r"^a page from outside$")
        this.send("ping -c 3 10.128.1.1\n")
        if int(this.expect(r"^3 packets transmitted, (\d) packets received")[1]) != 3:
            raise Failure("dom0 does not answer to each ping of the guest")
        this.expect(GUEST)
        this.send("poweroff\n")
        this.expect(DOM0)
        this.send("while xl domid first >/dev/null 2>&1; do sleep 1; done; xl list | wc -l\n")
        this.expect(r"^2$")
        this.send("poweroff\n")
        this.expect_poweroff()
        server.shutdown()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: ")
    return None


run()
