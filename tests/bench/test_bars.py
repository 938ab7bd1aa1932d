#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No operation of ours costs more instructions than its bar, but for 2 %.

The bars are the lines "section.operation instructions" of the file bars beside
this one; those of section size are bytes and KiB, those of rings are for each request, those of drivers for an I/O, packet or
trip.  Counts are exact, so a test that fails here was made dearer by a
change; the 2 % are for what a new kernel package may shift.  After a gain,
"test_bars.py --set" writes the measured counts as the new bars, but keeps
those of section size.
"""
import os
import sys

import measure  # first: it finds the modules of tests/system
from machine import Failure, add_test, complain, only_on, run

BARS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bars")
SLACK = 2       # per cent


def read_bars():
    """Return ([comment lines], {name: instructions})."""
    comments, bars = [], {}
    with open(BARS, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                comments.append(line)
            elif line.strip():
                name, value = line.split()
                bars[name] = int(value)
    return comments, bars


def measured():
    """Return {name: figure} of Xenolith; instructions are medians, as in make bench."""
    boot, operations = measure.linux("xenolith")
    figures = {"boot." + name: value for name, value in boot.items()}
    figures.update(("linux." + name, median) for name, (_, median) in operations.items())
    if os.path.exists(measure.GUEST):
        figures.update(("guest." + name, median) for name, (_, median)
                       in measure.guest("xenolith", measure.GUEST).items())
        figures.update(("size." + name, value) for name, value in measure.sizes().items())
    for (way, size, batch, told), case in measure.rings("xenolith", "short", plugin=False).items():
        figures["rings.%s_%d_batch_%d_%s" % (way, size, batch, told)] = case["round"] // batch
    # Streams have none: what they cost goes by what dom0's scheduler makes of them, 4 per cent more or less.
    figures.update(("drivers." + name, round(value)) for name, value
                   in measure.drivers("xenolith", **measure.OURS).items() if not name.endswith("_byte"))
    return figures


def check(name, bar, figures):
    """One bar: `figures` is filled by the first test that asks."""
    skip = only_on("xenolith")
    if skip:
        return skip
    if not figures:
        figures.update(measured())
    if name not in figures:
        raise Failure("nothing measured %s" % name)
    value = figures[name]
    complain("{}: {:,}, the bar is {:,} ({:+.1f} %)".format(
        name, value, bar, 100 * (value - bar) / bar))
    if value * 100 > bar * (100 + SLACK):
        raise Failure("%s is above its bar" % name)
    return None


def main():
    comments, bars = read_bars()
    if sys.argv[1:] == ["--set"]:
        figures = measured()
        with open(BARS, "w", encoding="utf-8") as file:
            file.writelines(comments)
            # Sizes may grow with what is built, up to what was asked for.
            file.writelines("%s %d\n" % (name, bars[name] if name.startswith("size.") and name in bars
                                         else figures[name]) for name in figures)
        return
    figures = {}
    for name, bar in bars.items():
        add_test("%s_is_not_above_its_bar" % name, check, name, bar, figures)
    run()


main()
