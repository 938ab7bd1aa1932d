#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hypervisor stays as small as it wants to be: code, files, functions, image, memory.

test_size.py          checks the bars below, in TAP
test_size.py --table  prints all figures beside their bars (make size)

A code line is one with something on it that is no comment.  The memory taken is
what neither dom0 nor the heap has of a 2 GiB machine's RAM once dom0 starts.
"""
import glob
import os
import re
import sys

from machine import TOP, Failure, boot, complain, only_on, run, test

CODE_LINES = 16000      # of hypervisor/: what is wanted
CODE_LINES_MOST = 24000 # and where the line is drawn: near 20,000 for the whole of PV
FILE_LINES = 900
FUNCTION_LINES = 60     # a screen
FUNCTION_LINES_MOST = 90
LONG_FUNCTIONS = 3      # that may be longer than a screen
IMAGE_KIB = 400
MEMORY_MIB = 14


def sources():
    """Return the C, header and assembly files of the hypervisor, by folder and name."""
    return sorted(name for name in glob.glob(os.path.join(TOP, "hypervisor/*/*")) if name.endswith((".c", ".h", ".S")))


def without_comments(text):
    """Blank out comments, keeping line ends and strings."""
    def blank(match):
        return match[0] if match[0][0] in "\"'" else re.sub(r"[^\n]", " ", match[0])

    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|/\*.*?\*/|//[^\n]*', blank, text, flags=re.DOTALL)


def read(path):
    """Return a file's text."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def code_lines():
    """Return {file: code lines}."""
    return {os.path.relpath(path, TOP): sum(1 for line in without_comments(read(path)).splitlines() if line.strip())
            for path in sources()}


def functions():
    """Return [(lines, name, file)] of all C functions, longest first."""
    found = []
    for path in sources():
        if path.endswith(".S"):
            continue
        lines, start, head = without_comments(read(path)).splitlines(), None, ""
        for number, line in enumerate(lines):
            if line == "{" and start is None:
                start = number
                name = re.search(r"HYPERCALL\((\w+)\)$", head) or re.search(r"(\w+)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*$", head)
            elif line == "}" and start is not None:
                found.append((number - start + 2, name[1] if name else "?", os.path.relpath(path, TOP)))
                start, head = None, ""
            if line.strip() == "" or line.endswith((";", "}")):
                head = ""
            else:
                head += " " + line
    return sorted(found, reverse=True)


def image_bytes():
    """Return the size of the image as it is loaded from disk, without symbols."""
    return os.path.getsize(os.path.join(TOP, "build/xenolith"))


def memory_kib():
    """Return what a 2 GiB machine's hypervisor keeps for itself, as it says in its log."""
    with boot("size", memory="2G", dom0_options="xltest=poweroff") as this:
        found = this.expect(r"^\(XEN\) memory: (\d+) KiB of RAM: (\d+) dom0's, (\d+) free, (\d+) the hypervisor's")
        ram, dom0, free, ours = (int(number) for number in found.groups())
        if dom0 + free + ours != ram or dom0 < ram * 3 // 4:
            raise Failure("the parts of %d KiB of RAM are wrong: %d, %d, %d" % (ram, dom0, free, ours))
        this.expect(r"XLTEST userland$")
        this.expect_poweroff()
    return ours


@test
def code_of_the_hypervisor_stays_small():
    """All code lines together."""
    total = sum(code_lines().values())
    complain("%d code lines, about %d are wanted" % (total, CODE_LINES))
    if total > CODE_LINES_MOST:
        raise Failure("more than %d" % CODE_LINES_MOST)


@test
def no_file_is_longer_than_a_sitting():
    """Lines of every kind, comments too."""
    for path in sources():
        lines = read(path).count("\n")
        if lines > FILE_LINES:
            raise Failure("%s has %d lines; at most %d" % (os.path.relpath(path, TOP), lines, FILE_LINES))


@test
def no_function_is_longer_than_a_screen():
    """But for a few."""
    long = [item for item in functions() if item[0] > FUNCTION_LINES]
    complain("\n".join("%s() in %s has %d lines" % (name, path, lines) for lines, name, path in long))
    if len(long) > LONG_FUNCTIONS or any(item[0] > FUNCTION_LINES_MOST for item in long):
        raise Failure("at most %d functions may be longer than %d lines, and none than %d" %
                      (LONG_FUNCTIONS, FUNCTION_LINES, FUNCTION_LINES_MOST))


@test
def image_without_symbols_stays_small():
    """What the boot loader loads."""
    size = image_bytes()
    complain("%d KiB, at most %d" % (size >> 10, IMAGE_KIB))
    if size > IMAGE_KIB << 10:
        raise Failure("the image is too big")


@test
def memory_taken_from_a_2_gib_machine_stays_small():
    """Tables, heap, stacks and image together."""
    skip = only_on("xenolith")
    if skip:
        return skip
    ours = memory_kib()
    complain("%.1f MiB, at most %d" % (ours / 1024, MEMORY_MIB))
    if ours > MEMORY_MIB << 10:
        raise Failure("the hypervisor takes too much")
    return None


def table():
    """Print everything."""
    lines, folders = code_lines(), {}
    for path, count in lines.items():
        folder = os.path.dirname(path)
        folders[folder] = folders.get(folder, 0) + count
    print("code lines, about %d in all, at most %d" % (CODE_LINES, CODE_LINES_MOST))
    for folder, count in sorted(folders.items()):
        print("  %-40s %6d" % (folder, count))
    print("  %-40s %6d" % ("all", sum(folders.values())))
    print("biggest files, in lines of every kind, at most %d" % FILE_LINES)
    for count, path in sorted(((read(path).count("\n"), path) for path in sources()), reverse=True)[:10]:
        print("  %-40s %6d" % (os.path.relpath(path, TOP), count))
    print("longest functions, in lines, at most %d but for %d" % (FUNCTION_LINES, LONG_FUNCTIONS))
    for count, name, path in functions()[:10]:
        print("  %-40s %6d  %s" % (name, count, path))
    print("image without symbols, at most %d KiB\n  %-40s %6d KiB" % (IMAGE_KIB, "build/xenolith", image_bytes() >> 10))
    print("taken from a 2 GiB machine, at most %d MiB\n  %-40s %8.1f MiB" % (MEMORY_MIB, "", memory_kib() / 1024))


if "--table" in sys.argv:
    table()
else:
    run()
