#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench: the same programs on Xenolith, Debian's Xen and the bare kernel.

Prints tables, writes build/bench/results.json, results.svg and the curves of
rings, rings-throughput.svg and rings-latency.svg.
Every figure is an exact count of instructions (measure.py), so a run need not
be repeated: the next one says the same, to the last digit.

What each protection in the file protections costs, on a CPU that does not need
it, is printed beside: instructions, and loads of CR3 and flushes, more than
without it.

usage: bench.py [xenolith] [xen] [bare] [io]
All three by default; with the word io alone, only rings and drivers.
"""
import json
import os
import sys
import time

import measure  # first: it finds the modules of tests/system
import io_report
import plot
from machine import Failure, qemu

OUTPUT = os.path.join(qemu.BUILD, "bench")
TITLES = {
    "boot": "the way to userland, vmlinux already unpacked",
    "linux": "a Linux program in dom0, median of many",
    "guest": "a PV kernel without an OS",
    "guests": "our xl: making and ending guests, tiny ones and Linux",
    "debian_guests": "the same by Debian's xl, with our xenstored",
    "store": "a request to xenstored, client, daemon and kernel together",
}


def collect(hvs):
    """Return {section: {operation: {hv: instructions}}}, the minima of linux, Xenolith's raw figures."""
    results = {section: {} for section in TITLES}
    minima = {}
    ours = [{}, {}]

    def put(section, name, hv, value):
        results[section].setdefault(name, {})[hv] = value

    for hv in hvs:
        print("bench: %s ..." % hv, file=sys.stderr, flush=True)
        boot, operations = measure.linux(hv)
        for name, value in boot.items():
            put("boot", name, hv, value)
        for name, (minimum, median) in operations.items():
            put("linux", name, hv, median)
            minima.setdefault(name, {})[hv] = minimum
        figures = measure.guest(hv, measure.GUEST) if hv != "bare" else {}
        for name, (_, median) in figures.items():
            put("guest", name, hv, median)
        if hv == "xenolith":
            ours = [operations, figures]
        for section, tool in (("guests", "ours"), ("debian_guests", "debian")) if hv != "bare" else ():
            for name, value in measure.guests(hv, tool).items():
                put(section, name, hv, value)
        if hv == "bare":
            for name, value in measure.store().items():
                put("store", name, hv, value)
    return results, minima, ours


def ratio(values, over, under):
    """Return "1.23" or nothing, where one of the two is not there."""
    if over not in values or not values.get(under):
        return ""
    return "%.2f" % (values[over] / values[under])


def table(results):
    """Return the lines of the table for people."""
    lines = []
    for section, operations in results.items():
        if not operations:
            continue
        lines += ["", "%s (instructions)" % TITLES[section],
                  "%-34s%15s%15s%15s%9s%9s" % ("", "Xenolith", "Xen 4.17", "bare", "to Xen",
                                               "to bare")]
        for name, values in operations.items():
            cells = ["{:,}".format(values[hv]) if hv in values else "" for hv in qemu.HVS]
            lines.append("%-34s%15s%15s%15s%9s%9s" % (
                name, *cells, ratio(values, "xenolith", "xen"),
                ratio(values, "xenolith", "bare")))
    return lines


def counts_table(counts):
    """Return the lines of the second table: what one instruction can hide."""
    lines = ["", "per operation of the Linux program, average (Xenolith / Xen 4.17)",
             "%-26s" % "" + "".join("%18s" % kind for kind in measure.KINDS)]
    names = next(iter(counts.values()))
    for name in names:
        cells = []
        for kind in measure.KINDS:
            cells.append(" / ".join("%.*f" % (0 if counts[hv][name][kind] >= 1000 else 1,
                                              counts[hv][name][kind])
                                    for hv in ("xenolith", "xen") if hv in counts))
        lines.append("%-26s" % name + "".join("%18s" % cell for cell in cells))
    return lines


def protections(plain):
    """Return {protection: (instructions more, loads and flushes more)}."""
    costs = {}
    for number, (name, on, off) in enumerate(measure.protections()):
        print("bench: %s ..." % name, file=sys.stderr, flush=True)
        costs[name] = measure.protection_costs(number, on, off, plain)
    return costs


def protections_table(costs):
    """Return the lines of the third table: each protection is a column."""
    lines = ["", "what a protection costs, instructions (loads of CR3, flushes) more on Xenolith"]
    for number, name in enumerate(costs):
        lines.append("  (%d) %s" % (number + 1, name))
    lines.append("%-26s" % "" + "".join("%24s" % ("(%d)" % (i + 1)) for i in range(len(costs))))
    first = next(iter(costs.values()))[0]
    for section in ("linux", "guest"):
        for operation in first[section]:
            cells = []
            for instructions, more in costs.values():
                cell = "{:+,}".format(instructions[section].get(operation, 0))
                if section == "linux":
                    cell += " ({:+.1f}, {:+.1f})".format(*more.get(operation, (0, 0)))
                cells.append(cell)
            lines.append("%-26s" % operation + "".join("%24s" % cell for cell in cells))
    return lines


def write(name, text):
    """Write one file of build/bench."""
    with open(os.path.join(OUTPUT, name), "w", encoding="utf-8") as file:
        file.write(text)
    print("written: build/bench/" + name)


def operations(hvs):
    """Measure single operations; print their tables, return what goes into the JSON."""
    results, minima, ours = collect(hvs)
    print("bench: counting crossings, loads, flushes ...", file=sys.stderr, flush=True)
    counts = {hv: measure.counts(hv) for hv in hvs if hv != "bare"}
    costs = protections((*ours, counts["xenolith"])) if "xenolith" in hvs else {}
    lines = table(results) + (counts_table(counts) if counts else [])
    lines += protections_table(costs) if costs else []
    print("\n".join(lines).lstrip("\n"))
    write("results.svg", plot.svg(results, TITLES))
    return {**results, "linux_minimum": minima, "linux_counts": counts,
            "protections": {name: {"instructions": cost, "cr3_loads_and_flushes": more}
                            for name, (cost, more) in costs.items()}}


def timed(walls, what, function, *words, **options):
    """Return what `function` returns, and note in `walls` how many seconds of the host it took."""
    print("bench: %s ..." % what, file=sys.stderr, flush=True)
    begun = time.monotonic()
    result = function(*words, **options)
    walls[what] = round(time.monotonic() - begun, 1)
    return result


def rings_and_drivers(hvs):
    """The same for rings between two guests and for split drivers."""
    rings, drivers, walls = {}, {}, {}
    for hv in (hv for hv in hvs if hv != "bare"):
        rings[hv] = timed(walls, "rings, " + hv, measure.rings, hv)
    for column, hv, options in measure.DRIVERS:
        if hv in hvs:
            drivers[column] = timed(walls, "drivers, " + column, measure.drivers, hv, **options)
    if not rings:
        return {}
    floors = next(iter(drivers.values()))
    print("\n".join(io_report.rings_table(rings) + io_report.drivers_table(drivers, floors) + io_report.walls_table(walls)))
    for name, picture in io_report.rings_curves(rings).items():
        write(name, picture)
    return {"rings": io_report.rings_json(rings), "drivers": drivers, "wall_seconds": walls}


def main():
    words = sys.argv[1:]
    hvs = [word for word in words if word != "io"] or list(qemu.HVS)
    for hv in hvs:
        if hv not in qemu.HVS:
            sys.exit("bench: there is no %s; known are %s, and io" % (hv, ", ".join(qemu.HVS)))
    os.makedirs(OUTPUT, exist_ok=True)
    try:
        results = {"unit": "instructions", **({} if "io" in words else operations(hvs)), **rings_and_drivers(hvs)}
    except Failure as failure:
        sys.exit("bench: %s\nbench: the logs are in build/logs/bench-*.log" % failure)
    write("results.json", json.dumps(results, indent=1) + "\n")


main()
