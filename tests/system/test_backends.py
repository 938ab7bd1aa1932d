#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stock guests with disks and networks of our backends: some under a mixed load, on one bridge and behind NAT, three for
ten minutes of their time in the full form; how long a network stands still when its worker dies; in the full form what one
has beside a neighbour that breaks the rules, and networks by routes and by Open vSwitch. Pauses and shares in machines that
count instructions. On the hypervisor that HV names."""
import os
import re
import subprocess

from machine import BUILD, HV, Failure, add_test, complain, die_with_parent, dom0_step, make, run

FULL = bool(os.environ.get("FULL"))
LOAD = "xlguests=3 xlseconds=600" if FULL else "xlguests=2 xlseconds=8"
PAUSE_US = 200000       # the most that a guest waits for a new worker
TENTH = 1.1             # more than beside an honest neighbour, or less


def step(name, hv, words="", **options):
    return dom0_step("%s-%s" % (name.replace("+", "-"), hv), name, words, hv=hv, initrd=os.path.join(BUILD, "initramfs-backends"),
                     limit=3600, **options)


def mixed(hv):
    # The server outside, on the host's loopback, at a port that is free.
    with subprocess.Popen([os.path.join(BUILD, "tools/test/netload"), "serve", "0"], stdout=subprocess.PIPE, text=True,
                          preexec_fn=die_with_parent) as server:
        try:
            port = server.stdout.readline().split()[-1]
            step("modules+mixed", hv, "xlport=%s %s" % (port, LOAD), memory="1536M", hv_options="dom0_mem=640M",
                 devices=["-nic", "user,model=virtio-net-pci"])
        finally:
            server.kill()


def pause(hv):
    text = step("network-pause", hv, memory="1G", hv_options="dom0_mem=512M", exact=True)
    found = re.findall(r"^network: kill: (\w+): .*longest pause (\d+) us$", text, re.MULTILINE)
    if [kill for kill, _ in found] != ["no", "yes"]:
        raise Failure("the pauses were not measured")
    for kill, us in found:
        complain("kill: %s: longest pause %s us" % (kill, us))
    if int(found[1][1]) > PAUSE_US:
        raise Failure("the pause is too long")


def neighbour(hv):
    text = step("neighbour", hv, memory="1G", hv_options="dom0_mem=512M", exact=True)
    found = {}
    for name, operations, ns in re.findall(r"^neighbour: (\w+): (\d+) operations a second, a round trip in (\d+) ns$", text,
                                           re.MULTILINE):
        complain("beside a neighbour that is %s: %s operations of a disk a second, a round trip in %s ns" % (name, operations, ns))
        found.setdefault(name, []).append((int(operations), int(ns)))
    found = {name: [sum(each) / len(turns) for each in zip(*turns)] for name, turns in found.items()}
    gap = {}
    for name, gaps in re.findall(r"^neighbour: (\w+): the heart's longest gaps: ([\d ]+) us$", text, re.MULTILINE):
        gaps = [int(us) for us in gaps.split()]
        gap[name] = sum(gaps) / len(gaps)
        complain("beats of 10 ms beside the %s one: the longest gap of each half second %d us on average, %d at most"
                 % (name, gap[name], max(gaps)))
    # Round trips vary fourfold beside an honest one, as it sleeps or not: nothing to be compared with.
    if found["hostile"][0] * TENTH < found["honest"][0]:
        raise Failure("the hostile neighbour takes more of the disk's time than an honest one")
    if gap["hostile"] > TENTH * max(gap["honest"], 10000):
        raise Failure("the hostile neighbour delays the heart")


def networks(hv):
    said = make("build/initramfs-networks")
    if said:
        raise Failure(said[-400:])
    dom0_step("networks-" + hv, "networks", hv=hv, initrd=os.path.join(BUILD, "initramfs-networks"), limit=3600, memory="1536M",
              hv_options="dom0_mem=640M")


hypervisor = "xen" if HV == "bare" else HV
add_test("guests_under_a_mixed_load_leave_no_error_in_any_log_on_" + hypervisor, mixed, hypervisor)
add_test("network_stands_still_for_200_ms_at_most_when_a_worker_dies_on_" + hypervisor, pause, hypervisor)
if FULL:
    add_test("hostile_frontends_leave_a_guest_its_share_of_a_disk_on_" + hypervisor, neighbour, hypervisor)
    add_test("guests_are_routed_and_are_ports_of_open_vswitch_on_" + hypervisor, networks, hypervisor)
run()
