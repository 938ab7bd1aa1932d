#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's xl in dom0 sees the machine as it does on Xen, and what it says to the scheduler is done.

What xl prints is compared with patterns that were taken from Debian's Xen; with FULL=1 the same tests run there too.
Shares of CPU time are measured by the hypervisor's own counts (debug key q). The machines' clocks count
instructions: nothing depends on how busy the host is.
"""
import os
import re

from dom0 import Dom0
from machine import HV, TOP, Failure, add_test, boot, run

FULL = bool(os.environ.get("FULL"))
INITRAMFS = os.path.join(TOP, "build/initramfs-xl")
SETUP = """while read -r n; do insmod /lib/modules/$n.ko; done </lib/modules/order.more
mount -t xenfs xenfs /proc/xen
mkdir -p /var/run/xen /var/lib/xen /var/lock /var/log/xen /run /etc/xen /dev/pts
touch /etc/xen/xl.conf
xenstored -T /tmp/xenstored.log -F /var/run/xenstored.pid
xen-init-dom0
mount -t devpts devpts /dev/pts
xenconsoled
guest() { printf 'name = "%s"\\nkernel = "/boot/spin"\\nmemory = 8\\n%s\\n' "$1" "$2" >/tmp/$1; xl create -q /tmp/$1; }
"""


VCPUS = r"Name                                ID  VCPU   CPU State   Time\(s\) Affinity \(Hard / Soft\)"


def looks(hv):
    """info, list, dmesg, vcpu-list, vcpu-pin, sched-credit2, cpupool-*, debug-keys, uptime."""
    # One vcpu: two on one CPU wait for each other with PAUSE, over which QEMU takes its time.
    with boot("sysctl-looks-" + hv, hv=hv, smp=2, exact=True, limit=900, initrd=INITRAMFS,
              hv_options="dom0_mem=400M dom0_max_vcpus=1") as this:
        dom0 = Dom0(this, SETUP)
        dom0.shows("xl info -n", r"nr_cpus                : 2", r"max_cpu_id             : 1",
                   r"nr_nodes               : 1", r"cores_per_socket       : 2", r"threads_per_core       : 1",
                   r"cpu_mhz                : \d+\.\d+", r"hw_caps                : (?:[0-9a-f]{8}:){7}[0-9a-f]{8}",
                   r"virt_caps              : pv.* gnttab-v1.*", r"total_memory           : 10\d\d",
                   r"free_memory            : \d+", r"outstanding_claims     : 0", r"free_cpus              : 0",
                   r"xen_major              : 4", r"xen_minor              : 17",
                   r"xen_caps               : xen-3.0-x86_64 .*", r"xen_scheduler          : credit2",
                   r"cpu:    core    socket     node", r"  1:       1        0        0",
                   r"No device topology data available", r"   0: +10\d\d +\d+ +10")
        dom0.shows("xl list", r"Name                                        ID   Mem VCPUs\tState\tTime\(s\)",
                   r"Domain-0                                     0   400     1     r-----    +\d+\.\d")
        uptime(dom0)
        # The hypervisor's messages are there; what dom0 said is not; cleared ones are gone.
        dom0.shows("xl dmesg", r"\(XEN\) .*[Cc]ommand line.*")
        if re.search(r"Linux version|XLTEST", dom0.sh("xl dmesg")):
            raise Failure("xl dmesg shows what dom0 wrote")
        dom0.shows("xl debug-keys h", r"\(XEN\) +(\[.*\] )?key '.*h.*'.*")
        dom0.shows("xl dmesg -c | tail -n 30", r"\(XEN\) +(\[.*\] )?key '.*h.*'.*")
        dom0.shows("xl dmesg | wc -l", "0")
        dom0.shows("xl sched-credit2", r"Cpupool Pool-0: ratelimit=1000us",
                   r"Name                                ID Weight  Cap", r"Domain-0                             0    256    0")
        dom0.sh("xl sched-credit2 -s -r 500")
        dom0.shows("xl sched-credit2 -s", r"Cpupool Pool-0: ratelimit=500us")
        dom0.sh("xl sched-credit2 -d 0 -w 300 && xl sched-credit2 -d 0 -c 80")
        dom0.shows("xl sched-credit2 -d 0", r"Domain-0                             0    300   80")
        dom0.sh("xl sched-credit2 -d 0 -c 0")
        # Another scheduler has no domains here.
        for other in ("credit", "rtds"):
            if "Domain-0" in dom0.sh("xl sched-" + other):
                raise Failure("sched-%s shows a domain" % other)
        dom0.shows("xl vcpu-list", VCPUS, r"Domain-0                             0     0    \d   r--  +\d+\.\d  all / all")
        for pinned in (1, 0, 1):
            dom0.sh("xl vcpu-pin 0 0 %d 0" % pinned)
            dom0.shows("xl vcpu-list", r"Domain-0                             0     0    %d .*  %d / 0" % (pinned, pinned))
        dom0.shows("xl vcpu-pin 0 0 7 2>&1", r".*Setting vcpu affinity: Invalid argument", status=1)
        dom0.sh("xl vcpu-pin 0 all all all")
        pools(dom0, hv)
        placed(dom0)
        this.send("poweroff -f\n")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)")


def uptime(dom0):
    """Its uptime is dom0's own. While the machine waits for what is typed its clock runs on, by any time."""
    match = re.search(r"^(\d+)\.\d+ .*\n(?:.*\n)*Domain-0 +0 +(?:(\d+) days?, +)?(\d+):(\d\d):(\d\d)$",
                      dom0.sh("cat /proc/uptime; xl uptime"), re.MULTILINE)
    if not match:
        raise Failure("xl uptime does not show dom0's")
    own, days, hours, minutes, seconds = (int(word or 0) for word in match.groups())
    shown = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    # Dom0's starts when its kernel has the clock.
    if not own <= shown <= own + 5:
        raise Failure("dom0 is up %d s, says xl, and %d s, says its kernel" % (shown, own))


def pools(dom0, hv):
    """A CPU leaves the first pool and comes back; the last one can't leave."""
    dom0.shows("xl cpupool-list", r"Name               CPUs   Sched     Active   Domain count",
               r"Pool-0               2   credit2       y          1")
    dom0.sh("xl cpupool-cpu-remove Pool-0 1")
    dom0.shows("xl vcpu-list", r"Domain-0                             0     0    0 .*")
    dom0.shows("xl cpupool-cpu-remove Pool-0 0 2>&1", r".*" + ("Invalid argument" if hv == "xen" else "Device or resource busy"),
               status=None)
    dom0.sh("""printf 'name = "other"\\nsched = "credit2"\\ncpus = ["1"]\\n' >/tmp/other && xl cpupool-create /tmp/other""")
    dom0.shows("xl cpupool-list -c", r"Pool-0             0", r"other              1")


def placed(dom0):
    """Guests run in their pool and where they are pinned, and nowhere else; dom0 goes on."""
    dom0.sh("""guest a 'pool = "other"'; guest b""")
    dom0.shows("xl cpupool-list", r"Pool-0               1   credit2       y          2",
               r"other                1   credit2       y          1")
    for _ in range(3):
        dom0.shows("xl vcpu-list", r"a +1     0    1   r-- .*", r"b +2     0    0   .*")
    dom0.shows("xl cpupool-destroy other 2>&1", r"Can't destroy cpupool 'other'", status=1)
    dom0.sh("xl cpupool-migrate a Pool-0 && xl cpupool-destroy other && xl cpupool-cpu-add Pool-0 1")
    dom0.sh("xl vcpu-pin a 0 1 && xl vcpu-pin b 0 1")
    for _ in range(3):
        dom0.shows("xl vcpu-list", r"a +1     0    1   .* 1 / all", r"b +2     0    1   .* 1 / all")
    dom0.sh("xl vcpu-pin a 0 0")
    dom0.shows("xl vcpu-list", r"a +1     0    0   .* 0 / all")
    dom0.sh("xl pause a")
    dom0.shows("xl list", r"a  +1     8     1     --p---  +\d+\.\d")
    dom0.sh("xl destroy a && xl destroy b")
    if len(dom0.sh("xl list").splitlines()) != 3:
        raise Failure("a guest is left")


def ran(dom0, wait="usleep 2000000"):
    """{domain: ms that its vcpu 0 ran, waited} during `wait`, and the ms that this took; by debug key q."""
    line = r"domain (\d+)[ :].*\n(?:.*\n)*?.*vcpu 0: ran (\d+) ms, waited (\d+) ms, blocked (\d+) ms"
    text = dom0.sh("xl debug-keys q; %s; xl debug-keys q" % wait)
    half = text.index("domain 0 (", text.index("domain 0 (") + 1)
    before, after = ({m[1]: [int(m[n]) for n in (2, 3, 4)] for m in re.finditer(line, part)}
                     for part in (text[:half], text[half:]))
    times = {d: [b - a for a, b in zip(before[d], after[d])] for d in before}
    print("# ms that the domains ran, waited and were blocked: %s" % times)
    return times, sum(times["0"])


def near(what, value, wanted):
    """Within 5 %."""
    print("# %s: %.4f, wanted %.4f" % (what, value, wanted))
    if not 0.95 * wanted <= value <= 1.05 * wanted:
        raise Failure("%s: %.4f, not %.4f" % (what, value, wanted))


def shares():
    """Two guests of weights 256 and 512 on one CPU; a cap; four guests, and dom0 wakes among them."""
    if HV != "xenolith":
        return "skip: only on xenolith, whose debug key q tells the times"
    with boot("sysctl-shares", exact=True, limit=900, initrd=INITRAMFS, hv_options="dom0_mem=400M") as this:
        dom0 = Dom0(this, SETUP)
        dom0.sh("guest a 'cpu_weight = 256'; guest b 'cpu_weight = 512'")
        times, _ = ran(dom0)
        near("weight 512 to 256", times["2"][0] / times["1"][0], 2)
        dom0.sh("xl sched-credit2 -d b -c 25")
        times, total = ran(dom0)
        near("a cap of 25 in competition", times["2"][0] / total, 0.25)
        dom0.sh("xl pause a")
        times, total = ran(dom0)
        near("a cap of 25 with nobody else", times["2"][0] / total, 0.25)
        dom0.sh("xl sched-credit2 -d b -c 0 && xl unpause a; guest c; guest d")
        wakes = 100
        times, _ = ran(dom0, "i=0; while [ $i -lt %d ]; do usleep 5000; i=$((i + 1)); done" % wakes)
        # A round is one wake-up and the start of a process, 1 to 2 ms of work.
        print("# dom0 waits %.3f ms each time that it wakes" % (times["0"][1] / wakes))
        if times["0"][1] > 2 * wakes:
            raise Failure("dom0 waited %d ms in %d rounds" % (times["0"][1], wakes))
        this.send("poweroff -f\n")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)")
    return None


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("debians_xl_shows_and_steers_the_machine_on_" + hypervisor, looks, hypervisor)
add_test("guests_share_a_cpu_by_weights_and_caps_and_dom0_is_woken_at_once", shares)
run()
