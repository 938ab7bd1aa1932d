#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host tests find every bug that tests/mutants seeds.

test_mutants.py [NAME...]

Each NAME.patch says in a sentence what it breaks, names in its "Tests:" line the
host programs concerned, and changes a line or a few of a pure module.  The
sources are copied to build/mutants, with the objects that are there already; a
mutant is found when one of its programs fails.  One that does not build, does
not apply, or only runs out of time is not found.  The short form takes six
mutants, FULL=1 all of them.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(TOP, "tests/mutants")
TREE = os.path.join(TOP, "build/mutants")
COPIED = ["Makefile", "hypervisor", "include", "scripts", "tests/host", "tests/fuzz"]
SHORT = 6
BUILD_SECONDS, RUN_SECONDS = 900, 300


def included(name):
    """The makefiles that `name` includes, and those that they include."""
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        names = [word for line in re.findall(r"^include (.*)$", file.read(), re.MULTILINE) for word in line.split()]
    return names + [more for each in names for more in included(each)]


def copy_tree():
    """Make build/mutants a copy of the sources and of the host objects."""
    shutil.rmtree(TREE, ignore_errors=True)
    for name in COPIED + [name for name in included("Makefile") if not name.startswith("tests/host/")]:
        source, target = os.path.join(TOP, name), os.path.join(TREE, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    for folder, _, names in os.walk(os.path.join(TOP, "build/host")):
        for name in names:
            if name.endswith((".o", ".d", ".a")):
                target = os.path.join(TREE, os.path.relpath(folder, TOP), name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(os.path.join(folder, name), target)
    make("build/host/libpure.a")


def make(*goals):
    """Build in the copy; return the output where it fails, else None."""
    result = subprocess.run(["make", "-j2", "--no-print-directory"] + list(goals), cwd=TREE, text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BUILD_SECONDS)
    return result.stdout if result.returncode else None


def keep(paths):
    """Return the present state of files of the copy, to be put back by restore()."""
    state = {}
    for path in paths:
        if os.path.exists(path):
            with open(path, "rb") as file:
                state[path] = (file.read(), os.stat(path))
    return state


def restore(state):
    """Put files back, with their times, so that make sees nothing to do."""
    for path, (data, stat) in state.items():
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def command(program):
    """Return how a host program is run: a fuzzer over its corpus and some mutations."""
    if program.startswith("fuzz_"):
        return ["build/host/" + program, "-n", "1000", "tests/fuzz/corpus/" + program[len("fuzz_"):]]
    return ["build/host/" + program]


def fails(program):
    """Return the last line that matters of a program that fails, "" where it passes or takes too long."""
    try:
        result = subprocess.run(command(program), cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", check=False, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    if not result.returncode:
        return ""
    lines = [line for line in result.stdout.splitlines() if re.search(r"error:|ERROR +\]|ERROR:|invariant broken|FAILED|panic:", line)]
    return "%s: %s" % (program, (lines or ["status %d" % result.returncode])[0].strip()[:160])


def find(patch):
    """Return (found by, why not found) of one mutant."""
    with open(patch, encoding="utf-8") as file:
        text = file.read()
    programs = re.search(r"^Tests: (.*)$", text, re.MULTILINE)[1].split()
    sources = re.findall(r"^\+\+\+ b/hypervisor/(\S+)\.([ch])$", text, re.MULTILINE)
    paths = ["%s/hypervisor/%s.%s" % (TREE, *source) for source in sources] + [TREE + "/build/host/libpure.a"]
    # Of a header every object may be made anew.
    paths += glob.glob(TREE + "/build/host/**/*.o", recursive=True) if any(kind == "h" for _, kind in sources) else [
        "%s/build/host/%s.o" % (TREE, name) for name, _ in sources]
    state = keep(paths)
    try:
        applied = subprocess.run(["patch", "-p1", "--silent", "--no-backup-if-mismatch", "-i", patch], cwd=TREE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if applied.returncode:
            return None, "does not apply: " + applied.stdout.strip()
        for program in programs:
            output = make("build/host/" + program)
            if output:
                return None, "does not build: " + output[-2000:]
            by = fails(program)
            os.unlink("%s/build/host/%s" % (TREE, program))
            if by:
                return by, None
        return None, "passes " + ", ".join(programs)
    finally:
        restore(state)


def main():
    names = sorted(name[:-len(".patch")] for name in os.listdir(HERE) if name.endswith(".patch"))
    if len(sys.argv) > 1:
        names = sys.argv[1:]
    elif not os.environ.get("FULL"):
        names = names[::-(-len(names) // SHORT)]
    print("1..%d" % len(names), flush=True)
    copy_tree()
    failed = 0
    for number, name in enumerate(names, 1):
        by, why = find(os.path.join(HERE, name + ".patch"))
        print("%sok %d - mutant_%s_is_found" % ("" if by else "not ", number, name))
        for line in (by or why).splitlines():
            print("# " + line, flush=True)
        failed += not by
    shutil.rmtree(TREE, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
