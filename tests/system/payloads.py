# SPDX-License-Identifier: MIT
"""Which of tests/guest's programs are tests that run as dom0's payload, and what the hypervisor must be told for them."""
import glob
import os

from machine import BUILD

# Guests that measure (tests/bench runs them), one that only ends (test_guest_end.py), and those that are domUs of others' tests.
NOT_TESTS = ("bench", "domu", "fatal", "flood", "front", "heart", "rings", "spin", "talk", "web")
OPTIONS = {"vcpus": "dom0_max_vcpus=8", "l1tf": "pv-l1tf=on"}


def payloads():
    """Return {name: file} of those that are built."""
    files = {os.path.basename(path)[:-len(".elf")]: path for path in sorted(glob.glob(os.path.join(BUILD, "guest/*.elf")))}
    return {name: path for name, path in files.items() if name not in NOT_TESTS}
