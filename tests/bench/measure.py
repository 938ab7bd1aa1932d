# SPDX-License-Identifier: MIT
"""Boot one machine with exact counts and return its figures: bench and bars use it.

Figures are instructions, by the TSC (scripts/qemu.py, EXACT).  What a machine
prints is:

    BENCH name minimum [median]     a program's or a guest's operation
    BENCH tsc N                     userland is reached
    (XEN) boot: entry tsc=N         our hypervisor's first instruction
    (XEN) boot: dom0 entry tsc=N    the last before dom0's first

Debian's Xen is told to put the TSC before each of its lines; its first line
and its last before dom0 stand for the last two.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))
from machine import Failure, Machine, qemu  # noqa: E402

MEMORY = "1G"
LIMIT = int(os.environ.get("LIMIT", "1800"))


def exact_machine(name, hv, **options):
    """A machine that counts; every figure comes from one of the same shape."""
    if hv == "xen":
        options["hv_options"] = "console_timestamps=raw " + options.get("hv_options", "")
    options.setdefault("memory", MEMORY)
    return Machine(name, limit=LIMIT, hv=hv, exact=True, no_reboot=True, **options)


def bench_lines(text):
    """Return {name: (minimum, median)} of the BENCH lines."""
    figures = {}
    for match in re.finditer(r"^BENCH (\S+) (\d+)(?: (\d+))?$", text, re.MULTILINE):
        figures[match[1]] = (int(match[2]), int(match[3] or match[2]))
    return figures


def store():
    """Return {operation: instructions} of our xenstored; it needs no hypervisor, and none tells it apart."""
    with exact_machine("bench-store", "bare", initrd=os.path.join(TOP, "build/initramfs-tools"),
                       dom0_options="xltest=xenstore-bench+poweroff") as this:
        this.step("xenstore-bench")
        this.expect_poweroff()
        return {"xenstore_" + match[1]: int(match[2])
                for match in re.finditer(r"xenstore-bench: (\w+) (\d+)", this.text)}


def guests(hv, tool="ours"):
    """Return {operation: instructions} of xl on `hv`: tiny guests of 16 MiB, and Linux from a gzipped ELF file.

    `tool` is "ours" or "debian": that of Debian, with our xenstored and xenconsoled.
    """
    initrd = os.path.join(TOP, "build", {"ours": "initramfs-guests", "debian": "initramfs-bench-debian"}[tool])
    with exact_machine("bench-guests-%s-%s" % (tool, hv), hv, initrd=initrd, memory="1200M",
                       hv_options="dom0_mem=600M bootscrub=on",
                       dom0_options="xltest=create-bench+poweroff xlguests=12") as this:
        this.step("create-bench")
        this.expect_poweroff()
        return {"xl_" + match[1]: int(match[2]) for match in re.finditer(r"run_count: (\w+) (\d+)", this.text)}


BENCH_INITRD = os.path.join(TOP, "build/initramfs-bench")


def rings(hv, plan="full", plugin=True, **options):
    """Run two guests with a ring between them (rings.c); return {case: {"round", "latency", KINDS...}}.

    A case is (way, bytes, batch, "held" or "told"). "round" is a batch's instructions, "latency" the mean of its
    requests'; KINDS, with `plugin` alone, are averages per request.
    """
    output = os.path.join(qemu.BUILD, "bench/rings-" + hv)
    devices = []
    if plugin:
        os.makedirs(os.path.dirname(output), exist_ok=True)
        devices = ["-plugin", "%s,out=%s" % (os.path.join(qemu.BUILD, "count.so"), output)]
    with exact_machine("bench-rings-%s-%s" % (hv, plan), hv, initrd=BENCH_INITRD, devices=devices,
                       hv_options="dom0_mem=400M", dom0_options="xltest=ring-bench+poweroff xlplan=" + plan,
                       **options) as this:
        this.step("ring-bench")
        this.expect_poweroff()
        cases = {}
        for way, size, batch, told, ticks, latency in re.findall(
                r"^RING (\w+) (\d+) (\d+) (held|told) (\d+) (\d+)$", this.text, re.MULTILINE):
            cases[way, int(size), int(batch), told] = {"round": int(ticks), "latency": int(latency)}
    if plugin:
        for case, counted in zip(cases, read_counts(output, len(cases))):
            cases[case].update((kind, value / case[2]) for kind, value in counted.items())
    return cases


def drivers(hv, name="", disk="", vif="", raw=False, devices=(), hv_options="", **options):
    """Run io_bench in Linux guests; return {operation: instructions, for each I/O, packet, trip or byte}.

    `disk` and `vif` are further words of the guest's devices; with `raw` the device and the loopback of dom0 alone, and
    the device in the guest itself, are measured too.
    """
    words = "xltest=driver-bench+poweroff" + (" xldisk=" + disk if disk else "") + (" xlvif=" + vif if vif else "") + (
        " xlraw=1" if raw else "")
    with exact_machine("bench-drivers-" + (name or hv), hv, initrd=BENCH_INITRD, devices=list(devices), memory="1200M",
                       hv_options="dom0_mem=500M " + hv_options, dom0_options=words, **options) as this:
        this.step("driver-bench")
        this.expect_poweroff()
        figures = {}
        for what, value in re.findall(r"^IO (\w+) (\d+)$", this.text, re.MULTILINE):
            figures[what] = int(value) / 100
    for what in [what for what in figures if what.endswith("_1000_bytes")]:
        figures[what.replace("_1000_bytes", "_byte")] = figures.pop(what) / 1000
    return figures


# (column, hypervisor, options of drivers()); the first measures the floors too. Words name the backends, so that a change
# of the default is no change of a column.
LINUX = {"disk": "backendtype=phy", "vif": "backendtype=linux"}
OURS = {"disk": "backendtype=qdisk", "vif": "backendtype=netback"}
DRIVERS = [
    ("Xenolith, ours", "xenolith", {**OURS, "name": "xenolith-ours", "raw": True}),
    ("Xenolith, Linux's", "xenolith", {**LINUX, "name": "xenolith-linux"}),
    ("Xen 4.17, ours", "xen", {**OURS, "name": "xen-ours"}),
    ("Xen 4.17, Linux's", "xen", {**LINUX, "name": "xen-linux"}),
]


def boot_figures(hv, text, userland):
    """Return {name: instructions} of the way to userland."""
    figures = {"power_on_to_userland": userland}
    if hv == "xenolith":
        entry = re.search(r"^\(XEN\) boot: entry tsc=(\d+)", text, re.MULTILINE)
        dom0 = re.search(r"^\(XEN\) boot: dom0 entry tsc=(\d+)", text, re.MULTILINE)
        if not entry or not dom0:
            raise Failure("the hypervisor did not print its two boot: lines")
        first, last = int(entry[1]), int(dom0[1])
    elif hv == "xen":
        before = text[:text.index("XLTEST userland")]
        stamps = re.findall(r"^\(XEN\) \[([0-9a-f]{16})\]", before, re.MULTILINE)
        first, last = int(stamps[0], 16), int(stamps[-1], 16)
    else:
        return figures
    figures["hypervisor_entry_to_dom0_entry"] = last - first
    return figures


def linux(hv, only="", name="", **options):
    """Boot dom0, run linux_bench; return (boot figures, operations)."""
    words = "xltest=bench+poweroff" + (" xlbench=" + only if only else "")
    with exact_machine("bench-" + (name or hv), hv, dom0_options=words, **options) as this:
        this.expect(r"XLTEST userland$")
        this.step("bench")
        this.expect_poweroff()
        operations = bench_lines(this.text)
        userland, _ = operations.pop("tsc")
        return boot_figures(hv, this.text, userland), operations


KINDS = ("hv instructions", "ring crossings", "cr3 loads", "tlb flushes", "ipis", "locked")


def read_counts(output, expected):
    """Return [{kind: average per round}] of the plugin's file, which must have `expected` lines."""
    with open(output, encoding="utf-8") as file:
        lines = [[int(word) for word in line.split()[1:]] for line in file]
    if len(lines) != expected:
        raise Failure("the plugin counted %d operations, %d were run" % (len(lines), expected))
    result = []
    for rounds, *sums in lines:
        averages = [total / rounds for total in sums]
        averages[1] *= 2        # a return is the second half of a crossing
        result.append(dict(zip(KINDS, averages)))
    return result


def counts(hv, name="", **options):
    """Run linux_bench under the plugin count.so.

    Return {operation: {kind: average per operation}} with KINDS in their order.
    The plugin slows TCG, and changes no instruction of the machine.
    """
    output = os.path.join(qemu.BUILD, "bench/counts-" + (name or hv))
    plugin = ["-plugin", "%s,out=%s" % (os.path.join(qemu.BUILD, "count.so"), output)]
    _, operations = linux(hv, name=name, devices=plugin, **options)
    # The first line is linux_bench's empty operation.
    return dict(zip(operations, read_counts(output, len(operations) + 1)[1:]))


def guest(hv, image, name="", **options):
    """Run an OS-less guest as dom0's payload; return its operations."""
    with exact_machine("bench-guest-" + (name or hv), hv, kernel=image, initrd="", **options) as this:
        this.expect(r"^# END")
        this.wait_end()
        return bench_lines(this.text)


def sizes():
    """Return {name: value}: bytes of the image, KiB that the hypervisor keeps of a machine with 2 GiB."""
    with Machine("bench-size", limit=LIMIT, hv="xenolith", memory="2G", kernel=GUEST, initrd="",
                 hv_options="loglvl=all", no_reboot=True) as this:
        this.expect(r"^# END")
        this.wait_end()
        own = re.search(r"memory: \d+ KiB of RAM: .* (\d+) the hypervisor's", this.text)
    if not own:
        raise Failure("the hypervisor did not say how much memory it keeps")
    return {"image_bytes": os.path.getsize(os.path.join(qemu.BUILD, "xenolith")),
            "memory_kib_of_2g": int(own[1])}


def protections():
    """Return [(name, machine's options with it, without it)] of the file protections.

    The options without it are None where the main run has them already.
    """
    result = []
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "protections"),
              encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            name, on, off, cpu = (line.split("|") + ["", ""])[:4]
            model = {"cpu": cpu.strip()} if cpu.strip() else {}
            plain = {"hv_options": off.strip(), **model} if off.strip() or model else None
            result.append((name.strip(), {"hv_options": on.strip(), **model}, plain))
    return result


def cost(with_it, without):
    """Return {operation: instructions more} from two {operation: (minimum, median)}."""
    return {name: with_it[name][1] - without[name][1] for name in without if name in with_it}


def protection_costs(number, on, off, plain):
    """Measure Xenolith with and without a protection.

    `plain` are the main run's (operations of Linux, of the guest, counts), used where
    `off` is None. Return {section: {operation: instructions more}} and for Linux the
    loads of CR3 and flushes more, {operation: (loads, flushes)}.
    """
    def run(options, what):
        name = "protection-%d-%s" % (number, what)
        operations = linux("xenolith", name=name, **options)[1]
        return (operations, guest("xenolith", GUEST, name=name, **options),
                counts("xenolith", name=name, **options))

    with_it = run(on, "on")
    without = run(off, "off") if off is not None else plain
    more = {name: tuple(with_it[2][name][kind] - without[2][name][kind]
                        for kind in ("cr3 loads", "tlb flushes"))
            for name in without[2]}
    return {"linux": cost(with_it[0], without[0]), "guest": cost(with_it[1], without[1])}, more


GUEST = os.path.join(qemu.BUILD, "guest/bench.elf")
