#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hotplug scripts, with programs in the store's and losetup's place: what they find out and what they say. In a
machine with real devices they run in tests/system/test_consoles.py."""
import os
import shutil
import subprocess
import tempfile

from xenstore import TOP, check, run, test

BACKEND = "/local/domain/0/backend/vbd/5/51712"
# The store is a folder with a file for each node of the backend.
READ = """#!/bin/sh
cat "$STORE/$(basename "$1")" 2>/dev/null
"""
WRITE = """#!/bin/sh
while [ $# -gt 1 ]; do printf %s "$2" >"$STORE/$(basename "$1")"; shift 2; done
"""
LOSETUP = """#!/bin/sh
echo "$*" >>"$STORE/losetup.calls"
[ "$1" = -d ] || echo /dev/null
"""
# Programs that change dom0's network only write down how they were called.
NOTE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$STORE/calls"
[ "$*" = list-br ] && printf 'ovs0\novs1\n'
[ "$2" != nobridge ]
"""


class Script:
    def __init__(self, name, **nodes):
        self.folder = tempfile.mkdtemp()
        self.name = name
        os.mkdir(self.folder + "/store")
        noted = [(program, NOTE) for program in ("ip", "nft", "dnsmasq", "sysctl", "ovs-vsctl")]
        for program, text in [("xenstore-read", READ), ("xenstore-write", WRITE), ("losetup", LOSETUP)] + noted:
            with open("%s/%s" % (self.folder, program), "w", encoding="ascii") as file:
                file.write(text)
            os.chmod("%s/%s" % (self.folder, program), 0o755)
        for node, value in nodes.items():
            with open("%s/store/%s" % (self.folder, node), "w", encoding="ascii") as file:
                file.write(value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def run(self, *words, **variables):
        env = {**os.environ, "PATH": self.folder + ":" + os.environ["PATH"], "STORE": self.folder + "/store",
               "XENBUS_PATH": BACKEND, **variables}
        return subprocess.run([os.path.join(TOP, "dom0-tools/hotplug", self.name), *words], env=env, capture_output=True,
                              text=True, timeout=60, check=False)

    def node(self, name):
        try:
            with open("%s/store/%s" % (self.folder, name), encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return None


@test
def file_becomes_a_loop_device_that_only_its_own_removal_undoes():
    with tempfile.NamedTemporaryFile() as file, Script("block", params=file.name, mode="r") as script:
        done = script.run("add")
        check(done.returncode == 0, done.stderr)
        check(script.node("physical-device") == "1:3", "the device is", script.node("physical-device"))
        check(script.node("hotplug-status") == "connected", "status", script.node("hotplug-status"))
        check("-r" in script.node("losetup.calls"), "it can be written:", script.node("losetup.calls"))
        check(script.run("remove").returncode == 0 and "-d" not in script.node("losetup.calls"), "another's loop is undone")
        again = script.run("add")
        check(again.returncode == 0 and script.node("losetup.calls").count("\n") == 1, "done twice")


@test
def disk_that_is_not_there_is_told_to_the_toolstack():
    with Script("block", params="/none/such", mode="w") as script:
        done = script.run("add")
        check(done.returncode == 1 and script.node("hotplug-status") == "error", done)
        check("/none/such is neither" in script.node("hotplug-error"), script.node("hotplug-error"))


@test
def missing_bridge_is_told_to_the_toolstack():
    with Script("vif-bridge", bridge="nobridge0") as script:
        done = script.run("online", "type_if=vif", vif="vif5.0")
        check(done.returncode == 1 and script.node("hotplug-error") == "there is no bridge nobridge0", done,
              script.node("hotplug-error"))
        check(script.run("offline", "type_if=vif", vif="vif5.0").returncode == 0, "what is gone can't be undone")


def nat(path, **nodes):
    """The calls of vif-nat for the interface of that backend folder."""
    with Script("vif-nat", mac="00:16:3e:00:00:01", **nodes) as script:
        done = script.run("online", "type_if=vif", vif="vif5.0", XENBUS_PATH=path)
        return done, script.node("calls") or "", script.node("hotplug-error")


@test
def nat_gives_each_interface_four_addresses_of_its_own():
    for path, own, address in (("/local/domain/0/backend/vif/5/0", "10.128.5.1", "10.128.5.2"),
                               ("/local/domain/0/backend/netback/5/3", "10.128.5.13", "10.128.5.14"),
                               ("/local/domain/0/backend/vif/32751/63", "10.255.239.253", "10.255.239.254")):
        done, calls, _ = nat(path)
        check(done.returncode == 0, path, done)
        check("ip addr add %s/30 dev vif5.0" % own in calls, path, calls)
        check("-F %s,static,255.255.255.252,12h -G 00:16:3e:00:00:01,%s -O option:router,%s" % (address, address, own) in calls,
              path, calls)
    done, _, error = nat("/local/domain/0/backend/vif/5/64")
    check(done.returncode == 1 and "0 to 63" in error, done, error)
    done, calls, _ = nat("/local/domain/0/backend/vif/5/0", ip="192.168.9.10/24 fe80::1")
    check("ip addr add 192.168.9.9/30" in calls, calls)
    done, _, error = nat("/local/domain/0/backend/vif/5/0", ip="192.168.9.0")
    check(done.returncode == 1 and "192.168.9.0" in error, done, error)


@test
def open_vswitch_gets_the_port_with_its_vlans():
    for bridge, port in (("ovs0", "add-port ovs0 vif5.0\n"), ("ovs0.7", "add-port ovs0 vif5.0 tag=7\n"),
                         ("ovs0:7:8", "add-port ovs0 vif5.0 trunks=7,8\n"),
                         ("ovs0.9:7", "add-port ovs0 vif5.0 tag=9 trunks=7\n")):
        with Script("vif-openvswitch", bridge=bridge) as script:
            done = script.run("online", "type_if=vif", vif="vif5.0")
            check(done.returncode == 0 and port in script.node("calls"), done, script.node("calls"))
            check(script.node("hotplug-status") == "connected", script.node("hotplug-status"))
    for bridge, error in (("nobridge", "Open vSwitch has no bridge nobridge"), ("", "Open vSwitch has several")):
        with Script("vif-openvswitch", bridge=bridge) as script:
            done = script.run("online", "type_if=vif", vif="vif5.0")
            check(done.returncode == 1 and error in script.node("hotplug-error"), done, script.node("hotplug-error"))


@test
def emulated_interfaces_are_left_alone_and_scripts_say_who_runs_them():
    for name in "vif-bridge", "vif-route", "vif-nat", "vif-openvswitch":
        with Script(name) as script:
            check(script.run("add", "type_if=tap", vif="vif5.0").returncode == 0, name, "does something about a tap")
            done = script.run("online", "type_if=vif")
            check(done.returncode == 1 and "run by xl" in script.node("hotplug-error"), name, done)


if __name__ == "__main__":
    run()
