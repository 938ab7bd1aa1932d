#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each fuzz target survives its corpus and mutations of it from a fixed seed.

The targets are build/host/fuzz_NAME (make host-tests builds them), made with
AddressSanitizer and UBSan; their corpora are tests/fuzz/corpus/NAME.
"""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FULL = bool(os.environ.get("FULL"))
# Mutations, in the short form and in the full one. One input of core is some hundred hypercalls, one of kernel a guest,
# one of frontend two devices' setting up.
MUTATIONS = {"core": (600, 20000), "kernel": (4000, 100000), "frontend": (2000, 50000)}
TARGETS = sorted(os.listdir(os.path.join(TOP, "tests/fuzz/corpus")))


def main():
    failed = 0
    print("1..%d" % len(TARGETS))
    for number, name in enumerate(TARGETS, 1):
        mutations = str(MUTATIONS.get(name, (20000, 200000))[FULL])
        result = subprocess.run([os.path.join(TOP, "build/host/fuzz_" + name), "-n", mutations, "-s", "1",
                                 os.path.join(TOP, "tests/fuzz/corpus", name)],
                                capture_output=True, text=True, errors="replace", check=False, timeout=1200)
        good = result.returncode == 0
        failed += not good
        print("%sok %d - %s_survives_its_corpus_and_%s_mutations" % ("" if good else "not ", number, name, mutations))
        if not good:
            for line in (result.stdout[-1000:] + result.stderr[-4000:]).splitlines():
                print("# " + line)
    sys.exit(1 if failed else 0)


main()
