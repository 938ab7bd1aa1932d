#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dom0's own drivers reach devices, each by the kind of interrupt that is its own.

Disks are written, caches dropped, read back and compared (/test/disk); nets ping
QEMU's gateway, and take bytes by TCP from a server on the host's loopback and
give them back (/test/net).  After each, /proc/interrupts must say that the device
had interrupts, and of the right kind: -msi-x, -msi, or a line, -ioapic-level or
-ioapic-edge.  vectors=0 takes MSI-X away from virtio.

While devices that use messages are at work, dom0 tries to write the messages
itself (/test/messages), which must change nothing.  The clock, the keyboard and
a second serial port have their ISA interrupts.

The short form moves little, with one machine that has all devices with messages
and one that has all with lines.  With FULL=1 each disk gets 64 MiB and each net
16 MiB both ways, on q35 and pc, with one CPU and with two, and on other models.
"""
import calendar
import hashlib
import os
import random
import re
import socket
import time

from machine import HV, LIMIT, Failure, TransferServer, add_test, boot, disk, only_on, run

FULL = bool(os.environ.get("FULL"))
DISK_MIB = 64 if FULL else 8
NET_MIB = 16 if FULL else 2
PROMPT = r"dom0 \S+ # "
SWITCH = "\x01" * 3
SERIAL_BYTES = 16384 if FULL else 4096
# What Linux says where it wanted interrupts and did not get them, or has other trouble with us.
COMPLAINTS = (r"xen map irq failed", r"Failed to add - passthrough or MSI", r"restore_msi",
              r"\bMSI.*(?:failed|disabled)", r"irq \d+: nobody cared", r"WARNING: CPU|BUG: |Oops: ")

MSIX, MSI, LEVEL, EDGE = "-msi-x", "-msi", "-ioapic-level", "-ioapic-edge"
# Disks: QEMU's device, and the driver and interrupts that dom0 must say it has.
AHCI = ("ide-hd", "ahci", MSI)
IDE = ("ide-hd", "ata_piix", EDGE)
NVME = ("nvme,serial=1", "nvme", MSIX)
VIRTIO_BLK = ("virtio-blk-pci", "virtio_blk", MSIX)
VIRTIO_BLK_LINE = ("virtio-blk-pci,vectors=0", "virtio_blk", LEVEL)
# Nets.
E1000 = ("e1000", "e1000", LEVEL)
E1000E = ("e1000e", "e1000e", MSIX)
VIRTIO_NET = ("virtio-net-pci", "virtio_net", MSIX)
VIRTIO_NET_LINE = ("virtio-net-pci,vectors=0", "virtio_net", LEVEL)


def arguments(name, disks, nets):
    """QEMU's arguments for these devices, a disk or a user network behind each."""
    words = []
    for number, (device, _, _) in enumerate(disks):
        words += disk("%s-%d" % (name, number), device)
    for number, (device, _, _) in enumerate(nets):
        words += ["-netdev", "user,id=net%d" % number, "-device", "%s,netdev=net%d" % (device, number)]
    return words


def check_interrupts(text, wanted):
    """The lines of interrupts-of in `text` must be those of the devices `wanted`, each with some."""
    seen = re.findall(r"^interrupts: (\S+) (\S+) (\d+)$", text, re.MULTILINE)
    want = sorted((driver, kind) for _, driver, kind in wanted)
    if sorted((driver, kind) for driver, kind, _ in seen) != want:
        raise Failure("interrupts should be %s and are %s" % (want, seen))
    for driver, kind, count in seen:
        if not int(count):
            raise Failure("%s had no interrupt by %s" % (driver, kind))


def moves_data(name, disks=(), nets=(), protect=False, **options):
    """Boot with `disks` and `nets` and let dom0 move data by each; `protect` adds /test/messages."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    server = TransferServer(NET_MIB)
    steps = ["modules"]
    line = "xldisks=%d xlnets=%d xlport=%d xlmib=%d" % (len(disks), len(nets), server.port, DISK_MIB)
    # Debian's Xen lets dom0 write an MSI's address, and has it fault where it stores a string to a table.
    if protect and HV == "xenolith":
        steps.append("messages")
        # Else Linux itself forbids it; and /dev/mem writes nothing that lies behind all memory.
        line += " iomem=relaxed"
        options.setdefault("memory", "3G")
    steps += ["disk"] * bool(disks) + ["net"] * bool(nets)
    with boot(name, devices=arguments(name, disks, nets), limit=(8 if FULL else 2) * LIMIT,
              dom0_options="%s xltest=%s+poweroff" % (line, "+".join(steps)), **options) as this:
        for step in steps:
            begin = this.position
            for _ in nets if step == "net" else ():
                match = this.expect(r"^net: (\S+): received (\d+) (\w{32})", r"XLTEST net failed")
                if not match.lastindex:
                    raise Failure("not every network device transferred")
                if match.groups()[1:] != (str(server.size), server.md5()):
                    raise Failure("%s received %s bytes with MD5 %s; sent were %d with %s"
                                  % (match[1], match[2], match[3], server.size, server.md5()))
            this.step(step)
            if step in ("disk", "net"):
                check_interrupts(this.text[begin:this.position], disks if step == "disk" else nets)
        if server.results != [True] * len(nets):
            raise Failure("what dom0 sent back is not what it was sent")
        this.expect_poweroff()
        this.refuse(*COMPLAINTS)
    return None


def where(this, vcpu):
    """By the debug keys: the CPUs that each of dom0's device interrupts is sent to, and the CPU that `vcpu` is on."""
    this.send(SWITCH)
    this.expect(r"\(XEN\).*input to Xenolith")
    begin = this.position
    this.send("iq")
    cpu = int(this.expect(r"\(XEN\)   vcpu %d: CPU (\d+)," % vcpu)[1])
    lines = re.findall(r"(GSI|message) (\d+): vector 0x\w+, CPU (\d+), \w+, domain 0 port", this.text[begin:this.position])
    this.send(SWITCH)
    this.expect(r"\(XEN\).*input to (DOM0|dom0)")
    # The lines below 16 are not these devices'.
    return [int(there) for kind, number, there in lines if kind == "message" or int(number) >= 16], cpu


def interrupts_follow_their_vcpu():
    """One by message, one by line: after /proc/irq has moved them to a vcpu they come to the CPU that this one is on."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("devices-follow", devices=arguments("devices-follow", [AHCI, VIRTIO_BLK_LINE], []), smp=2) as this:
        this.expect(PROMPT)
        for vcpu in (1, 0, 1):
            this.send("for i in $(awk '/ahci|virtio/ { sub(\":\", \"\", $1); print $1 }' /proc/interrupts); do "
                      "echo %d >/proc/irq/$i/smp_affinity; done\n" % (1 << vcpu))
            # A vcpu may have moved since: then they follow it again.
            for attempt in range(5):
                this.send("for d in sda vda; do dd if=/dev/$d of=/dev/null bs=4k count=100 iflag=direct; done; "
                          "echo %s=$((%d + 0))\n" % ("read", attempt))
                this.expect(r"^read=%d$" % attempt)
                there, cpu = where(this, vcpu)
                if there == [cpu, cpu]:
                    break
            else:
                raise Failure("vcpu %d is on CPU %d, its interrupts go to %s" % (vcpu, cpu, there))
    return None


def interrupts(this, name, kind):
    """How many interrupts of that kind interrupts-of says that `name` had."""
    match = this.expect(r"^interrupts: %s (\S+) (\d+)$" % name)
    if match[1] != kind and HV != "bare":
        raise Failure("%s has interrupts by %s, not %s" % (name, match[1], kind))
    return int(match[2])


def check_clock(this, base, started):
    """The clocks agree with the one QEMU was given, and the alarm comes by its interrupt."""
    match = this.expect(r"^rtc: system (\d+) clock (\d+)$")
    now = calendar.timegm(time.strptime(base, "%Y-%m-%dT%H:%M:%S")) + time.monotonic() - started
    # QEMU started a little later than `started`, and what is read now was printed before.
    for which in (int(match[1]), int(match[2])):
        if not now - (time.monotonic() - started) <= which <= now + 1:
            raise Failure("dom0's time is %d, the machine's clock %d" % (which, now))
    if abs(int(match[1]) - int(match[2])) > 2:
        raise Failure("dom0's two clocks differ: %s and %s" % match.groups())
    before = interrupts(this, "rtc", EDGE)
    flags = int(this.expect(r"^rtc: alarm, flags (\w\w)$")[1], 16)
    if not flags & 0x20:
        raise Failure("the clock's interrupt was no alarm: %#x" % flags)
    if interrupts(this, "rtc", EDGE) <= before:
        raise Failure("the alarm came without an interrupt")


def check_keyboard(this):
    """What is typed on the keyboard arrives in dom0."""
    before = interrupts(this, "i8042", EDGE)
    this.expect(r"^keyboard: ready$")
    for key in ("x", "shift-e", "n", "0", "spc", "7", "ret"):
        this.monitor_command("sendkey " + key)
    match = this.expect(r"^keyboard: (.*)$")
    if match[1] != "xEn0 7":
        raise Failure("typed was \"xEn0 7\", dom0 read \"%s\"" % match[1])
    if interrupts(this, "i8042", EDGE) < before + 6:
        raise Failure("the keyboard had too few interrupts")


def check_serial(this, line):
    """Bytes go both ways on the second serial line."""
    data = random.Random(3).randbytes(SERIAL_BYTES)
    this.expect(r"^serial: ready$")
    line.settimeout(LIMIT)
    line.sendall(data)
    match = this.expect(r"^serial: received (\w{32})")
    if match[1] != hashlib.md5(data).hexdigest():
        raise Failure("dom0 received other bytes than were sent on its serial line")
    back = b""
    while len(back) < len(data):
        part = line.recv(65536)
        if not part:
            break
        back += part
    if back != data:
        raise Failure("dom0 sent other bytes back by its serial line than it received")
    if not interrupts(this, "serial", EDGE):
        raise Failure("the serial line had no interrupts")


def isa_devices(name, **options):
    """Clock, keyboard and second serial line."""
    ours, theirs = socket.socketpair()
    base = "2024-02-29T23:59:30"
    devices = ["-rtc", "base=" + base, "-chardev", "socket,id=line,fd=%d" % theirs.fileno(),
               "-device", "isa-serial,chardev=line,index=1"]
    started = time.monotonic()
    with boot(name, devices=devices, fds=[theirs.fileno()],
              dom0_options="xlserial=%d xltest=rtc+keyboard+serial+poweroff" % SERIAL_BYTES, **options) as this:
        theirs.close()
        check_clock(this, base, started)
        this.step("rtc")
        check_keyboard(this)
        this.step("keyboard")
        check_serial(this, ours)
        this.step("serial")
        this.expect_poweroff()
        this.refuse(*COMPLAINTS)
    ours.close()


add_test("disks_and_nets_by_messages_keep_and_move_data_on_q35", moves_data, "messages", [AHCI, VIRTIO_BLK, NVME],
         [E1000E, VIRTIO_NET], protect=True)
add_test("disks_and_nets_by_lines_keep_and_move_data_on_pc", moves_data, "lines", [IDE, VIRTIO_BLK_LINE],
         [E1000, VIRTIO_NET_LINE], machine="pc")
add_test("interrupts_follow_their_vcpu", interrupts_follow_their_vcpu)
add_test("clock_keyboard_and_second_serial_line_by_isa_interrupts", isa_devices, "isa")
if FULL:
    for smp in (1, 2):
        for machine, disks in ("q35", [AHCI, NVME, VIRTIO_BLK]), ("pc", [IDE, NVME, VIRTIO_BLK]):
            label = "%s_with_%d_cpu" % (machine, smp)
            add_test("disks_keep_64_mib_on_" + label, moves_data, "disks-" + label,
                     disks + [VIRTIO_BLK_LINE], machine=machine, smp=smp)
            add_test("nets_move_16_mib_on_" + label, moves_data, "nets-" + label, (),
                     [E1000, E1000E, VIRTIO_NET, VIRTIO_NET_LINE], machine=machine, smp=smp)
            add_test("isa_devices_on_" + label, isa_devices, "isa-" + label, machine=machine, smp=smp)
    for cpu in ("max", "EPYC,-monitor", "Haswell"):
        model = re.sub(r"\W+.*", "", cpu)
        add_test("disks_by_messages_on_" + model, moves_data, "disks-" + model, [AHCI, VIRTIO_BLK, NVME],
                 protect=True, cpu=cpu)
    add_test("two_nvme_and_two_virtio_disks_have_their_own_messages", moves_data, "four-disks",
             [NVME, ("nvme,serial=2", "nvme", MSIX), VIRTIO_BLK, VIRTIO_BLK], protect=True)
run()
