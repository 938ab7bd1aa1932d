#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""{Xenolith, Debian's Xen} x {our tools, Debian's}: the same guest's life in each of the four, step by step.

Tools are xl, xenstored, xenconsoled, xenstore-* and libxenstore, all of one side; the hotplug scripts are ours, the backends and
the guest are Debian's kernel. What is typed is short: Debian's Xen loses characters of long lines when it is busy. With FULL=1 all four and a table; else the one that nothing else in `make test` runs: our
hypervisor under Debian's tools.
"""
import os
import re

from dom0 import Dom0, PROMPT
from machine import TOP, Failure, add_test, boot, complain, run

INITRAMFS = os.path.join(TOP, "build/initramfs-matrix")
FULL = bool(os.environ.get("FULL"))
HVS = ("xenolith", "xen")
TOOLS = ("ours", "debian")
NODE = "/local/domain/%s/"
# What each step of each cell came to, for the table.
RESULTS = {}


class Cell:
    """One hypervisor with one toolstack; each step is a method, in this order."""

    STEPS = ("tools", "create", "list", "store", "console", "disk", "network", "mem_set", "vcpu_list", "sched_credit2",
             "shutdown", "destroy")

    def __init__(self, machine, tools):
        self.machine = machine
        self.side = tools
        self.dom0 = None
        self.domid = None

    def until(self, command):
        """Wait for a command's success; the machine's time limit ends it."""
        self.dom0.sh("until %s; do usleep 100000; done" % command)

    def tools(self):
        self.dom0 = Dom0(self.machine, "export PATH=/%s:$PATH\n" % self.side)
        self.dom0.sh("matrix-setup " + self.side)
        self.dom0.shows("xl list", r"Domain-0 +0 +512 +\d+ +r-----.*")

    def create(self):
        self.dom0.sh("xl create /etc/xen/guest.cfg")
        self.domid = re.search(r"^(\d+)$", self.dom0.sh("xl domid guest"), re.MULTILINE)[1]

    def list(self):
        self.dom0.shows("xl list", r"guest +%s +128 +[12] +[rb-]{6} +\d+\.\d" % self.domid)
        self.dom0.shows("xl list -l guest", r' +"name": "guest",', r' +"mac": "00:16:3e:01:02:03",?', r' +"vdev": "xvda",?')

    def store(self):
        home = NODE % self.domid
        self.dom0.shows("xenstore-read %sname" % home, "guest")
        self.dom0.shows("xenstore-list %sdevice" % home, "vbd", "vif")
        self.dom0.shows("xenstore-ls -f %smemory" % home, r'%smemory/target = "\d+"' % home)
        self.dom0.sh("xenstore-write /test/a 1 /test/b 2 && xenstore-exists /test/a && xenstore-rm /test/a")
        self.dom0.sh("xenstore-exists /test/a", status=1)
        self.dom0.sh("xenstore-chmod /test/b n0 r%s" % self.domid)
        self.dom0.shows("xenstore-ls -p /test", r'b = "2".*\(n0,r%s\)' % self.domid)
        self.dom0.shows("watch-twice", "/test", "/test/c")

    def console(self):
        this = self.machine
        this.send("xl console guest\n")
        # What the guest has said before may have scrolled out of the viewer's terminal, what is typed may not.
        this.send("echo heard=$((6 * 7))\n")
        this.expect(r"^heard=42")
        this.send("use-devices\n")
        this.expect(r"^sees=from dom0,8192,00:16:3e:01:02:03$")
        this.expect(r"^written=42")
        this.expect(r"^answers=42")
        this.send("\x1d")
        this.expect(PROMPT)

    def disk(self):
        self.dom0.shows("dd if=/disk bs=512 skip=8 count=1 2>/dev/null | head -n 1", "from the guest")
        self.dom0.shows("xl block-list guest", r"51712 +0 +%s +4 .*" % self.domid)

    def network(self):
        self.dom0.shows("ls /sys/class/net/xenbr0/brif", r"vif%s\.0.*" % self.domid)
        self.dom0.shows("xl network-list guest", r"0 +0 +00:16:3e:01:02:03 +0 +4 .*")

    def mem_set(self):
        self.dom0.sh("xl mem-set guest 100")
        self.until("xl list guest | grep -q '^guest *%s *100 '" % self.domid)
        self.dom0.sh("xl mem-set guest 120")
        self.until("xl list guest | grep -q '^guest *%s *120 '" % self.domid)

    def vcpu_list(self):
        rows = [r"guest +%s +%d +(?:0|-) +(?:r--|-b-|---) +\d+\.\d +all / all" % (self.domid, vcpu) for vcpu in (0, 1)]
        self.dom0.shows("xl vcpu-list guest", *rows)

    def sched_credit2(self):
        self.dom0.sh("xl sched-credit2 -d guest -w 512 -c 50")
        self.dom0.shows("xl sched-credit2", r"guest +%s +512 +50" % self.domid)

    def shutdown(self):
        self.dom0.sh("xl shutdown -w guest")
        self.gone()

    def destroy(self):
        self.dom0.sh("xl create /etc/xen/guest.cfg && xl destroy guest")
        self.domid = str(int(self.domid) + 1)
        self.gone()

    def gone(self):
        """The domain, its nodes and its interface are no more."""
        self.until("[ $(xl list | wc -l) = 2 ]")
        for path in (NODE % self.domid, "/libxl/%s/device" % self.domid, "/local/domain/0/backend/vbd/" + self.domid):
            self.until("! xenstore-exists " + path.rstrip("/"))
        self.dom0.sh("[ ! -e /sys/class/net/vif%s.0 ]" % self.domid)


def cell(hv, tools):
    results = RESULTS.setdefault((hv, tools), {})
    with boot("matrix-%s-%s" % (hv, tools), hv=hv, initrd=INITRAMFS, memory="1G", limit=1500,
              hv_options="dom0_mem=512M") as this:
        life = Cell(this, tools)
        for step in life.STEPS:
            results[step] = "failed"
            getattr(life, step)()
            results[step] = "ok"
        this.send("poweroff -f\n")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: ")


def table():
    """Print what the cells came to; all of them must have been run."""
    cells = [(hv, tools) for hv in HVS for tools in TOOLS]
    complain("%-14s%s" % ("", "".join("%-20s" % " + ".join(each) for each in cells)))
    for step in Cell.STEPS:
        complain("%-14s%s" % (step, "".join("%-20s" % RESULTS.get(each, {}).get(step, "-") for each in cells)))
    if any(RESULTS.get(each, {}).get(step) != "ok" for each in cells for step in Cell.STEPS):
        raise Failure("not every step of every cell was done")


for name in HVS if FULL else HVS[:1]:
    for side in TOOLS if FULL else TOOLS[1:]:
        add_test("guest_lives_on_%s_with_%s_tools" % (name, side), cell, name, side)
if FULL:
    add_test("all_four_cells_of_the_matrix_are_filled", table)
run()
