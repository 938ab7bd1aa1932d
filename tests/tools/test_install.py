#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make install puts every file where it belongs, the systemd units hold together, make uninstall leaves only what was
configured, and xendomains starts and ends guests (with a program in xl's place)."""
import os
import shutil
import subprocess
import tempfile

from xenstore import TOP, check, run, test

LIMIT = 600
PROGRAMS = ["sbin/xl", "sbin/xenstored", "sbin/xenconsoled", "sbin/backendd", "libexec/xenolith/blkback",
            "libexec/xenolith/blkback-nbd", "libexec/xenolith/netback",
            "bin/xenstore", "bin/xenstore-control",
            "libexec/xenolith/xendomains", "libexec/xenolith/xen-init-dom0"]
FILES = ["include/xenstore.h", "share/bash-completion/completions/xl", "lib/libxenstore.so.4.0", "lib/libxenstore.so.4",
         "share/man/man8/xenconsoled.8", "share/man/man8/backendd.8", "share/man/man8/xenstored.8", "share/man/man8/xenolith.8",
         "share/man/man1/xl.1", "share/man/man1/xenstore.1", "share/man/man5/xl.cfg.5", "share/man/man5/xl.conf.5"]
SCRIPTS = ["block", "vif-bridge", "vif-nat", "vif-route", "common.sh"]
UNITS = ["proc-xen.mount", "xenstored.service", "xen-init-dom0.service", "xenconsoled.service", "backendd.service", "xendomains.service"]
CONFIGURED = {"etc/default/xendomains", "etc/xen/xl.conf"}


def make(target, folder, *words):
    done = subprocess.run(["make", "--no-print-directory", "-C", TOP, target, "DESTDIR=" + folder, *words],
                          capture_output=True, text=True, timeout=LIMIT, check=False)
    check(done.returncode == 0, "make", target, "fails:", done.stderr[-1000:])


def files_in(folder):
    return {os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names}


@test
def every_file_is_installed_and_removed_again():
    with tempfile.TemporaryDirectory() as folder:
        make("install", folder)
        there = files_in(folder)
        wanted = {"usr/local/" + name for name in PROGRAMS + FILES} | {"etc/xen/scripts/" + name for name in SCRIPTS} | \
            {"usr/local/lib/systemd/system/" + name for name in UNITS} | CONFIGURED | {"boot/xenolith"}
        check(wanted <= there, "not installed:", sorted(wanted - there))
        for name in PROGRAMS:
            check(os.access(os.path.join(folder, "usr/local", name), os.X_OK), name, "can't be run")
        for name in "read", "ls", "write", "rm", "list", "exists", "chmod", "watch":
            check(os.path.exists(os.path.join(folder, "usr/local/bin/xenstore-" + name)), "no xenstore-" + name)
        helped = subprocess.run([os.path.join(folder, "usr/local/sbin/xenconsoled"), "--help"], capture_output=True,
                                text=True, timeout=LIMIT, check=False)
        check(helped.returncode == 0 and "Usage" in helped.stdout, "xenconsoled does not run")
        for name in there:
            if name.startswith("usr/local/lib/systemd"):
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    check("@" not in file.read(), name, "has a place that was not filled in")
        # What was configured survives an update.
        with open(os.path.join(folder, "etc/default/xendomains"), "w", encoding="ascii") as file:
            file.write("XENDOMAINS_AUTO=/mine\n")
        make("install", folder)
        with open(os.path.join(folder, "etc/default/xendomains"), encoding="ascii") as file:
            check(file.read() == "XENDOMAINS_AUTO=/mine\n", "the configuration was written over")
        make("uninstall", folder)
        check(files_in(folder) == CONFIGURED, "left:", sorted(files_in(folder) - CONFIGURED))


@test
def another_prefix_is_used_throughout():
    with tempfile.TemporaryDirectory() as folder:
        make("install", folder, "PREFIX=/opt/xen")
        check(not os.path.exists(os.path.join(folder, "usr")), "something is below /usr")
        with open(os.path.join(folder, "opt/xen/lib/systemd/system/xenconsoled.service"), encoding="ascii") as file:
            check("ExecStart=/opt/xen/sbin/xenconsoled" in file.read(), "the unit has another path")


@test
def systemd_finds_nothing_wrong_with_the_units():
    with tempfile.TemporaryDirectory() as folder:
        make("install", folder, "PREFIX=/usr")
        # The units that ours name, and the programs.
        for path in "/lib/systemd", "/usr/lib/systemd/system":
            if os.path.isdir(path) and not os.path.islink(os.path.dirname(path)):
                shutil.copytree(path, folder + path, symlinks=True, dirs_exist_ok=True,
                                ignore=lambda _, names: [n for n in names if not n.endswith((".target", ".wants", ".slice",
                                                                                              ".socket", "system"))])
        for program in "/bin/kill", "/sbin/modprobe":
            os.makedirs(folder + os.path.dirname(program), exist_ok=True)
            shutil.copy("/bin/true", folder + program)
        done = subprocess.run(["systemd-analyze", "verify", "--root=" + folder, "--man=no", "--recursive-errors=no", *UNITS],
                              capture_output=True, text=True, timeout=LIMIT, check=False)
        check(done.returncode == 0 and not done.stderr.strip(), "status", done.returncode, done.stderr[-2000:])


# A program in xl's place: guests are files in a folder.
XL = """#!/bin/sh
cd "$FAKE" || exit 1
echo "$*" >>calls
case $1 in
list) echo "Name ID Mem"; echo "Domain-0 0 1"; i=0; for f in run/*; do [ -e "$f" ] && i=$((i + 1)) && echo "${f#run/} $i 1"; done ;;
domid) [ -e "run/$2" ] ;;
create) : >"run/$(sed -n 's/name = "\\(.*\\)"/\\1/p' "$3")" ;;
save) [ -e savable ] && mv "run/$2" "$3" ;;
restore) mv "$2" run/ && : >"$2" ;;
shutdown) [ -e "stubborn-$2" ] || rm "run/$2" ;;
destroy) rm "run/$2" ;;
esac
"""


class Guests:
    def __init__(self, settings=""):
        self.folder = tempfile.mkdtemp()
        os.makedirs(self.folder + "/run")
        os.makedirs(self.folder + "/auto")
        with open(self.folder + "/xl", "w", encoding="ascii") as file:
            file.write(XL)
        os.chmod(self.folder + "/xl", 0o755)
        with open(self.folder + "/default", "w", encoding="ascii") as file:
            file.write("XENDOMAINS_AUTO=%s/auto\nXENDOMAINS_STOP_MAXWAIT=0\n%s" % (self.folder, settings))
        self.env = dict(os.environ, FAKE=self.folder, PATH=self.folder + ":" + os.environ["PATH"],
                        XENDOMAINS_CONFIG=self.folder + "/default")

    def auto(self, name):
        with open("%s/auto/%s.cfg" % (self.folder, name), "w", encoding="ascii") as file:
            file.write('name = "%s"\n' % name)

    def xendomains(self, what):
        return subprocess.run([TOP + "/dom0-tools/systemd/xendomains", what], env=self.env, capture_output=True, text=True,
                              timeout=LIMIT, check=False)

    def running(self):
        return sorted(os.listdir(self.folder + "/run"))


@test
def xendomains_starts_what_is_configured_and_ends_all():
    guests = Guests()
    guests.auto("one")
    guests.auto("two")
    check(guests.xendomains("start").returncode == 0, "start fails")
    check(guests.running() == ["one", "two"], guests.running())
    check(guests.xendomains("start").returncode == 0 and guests.running() == ["one", "two"], "a second start")
    open(guests.folder + "/run/by-hand", "w", encoding="ascii").close()
    check(guests.xendomains("stop").returncode == 0 and not guests.running(), "stop leaves", guests.running())
    shutil.rmtree(guests.folder)


@test
def xendomains_destroys_who_does_not_end_and_saves_where_it_is_told():
    guests = Guests()
    guests.auto("one")
    open(guests.folder + "/stubborn-one", "w", encoding="ascii").close()
    guests.xendomains("start")
    done = guests.xendomains("stop")
    check(done.returncode == 1 and "one has not ended" in done.stderr and not guests.running(), done)
    shutil.rmtree(guests.folder)
    folder = tempfile.mkdtemp()
    guests = Guests("XENDOMAINS_SAVE=%s/saved\n" % folder)
    guests.auto("one")
    open(guests.folder + "/savable", "w", encoding="ascii").close()
    guests.xendomains("start")
    check(guests.xendomains("stop").returncode == 0 and os.listdir(folder + "/saved") == ["one"], "not saved")
    check(guests.xendomains("start").returncode == 0 and guests.running() == ["one"], "not restored")
    with open(guests.folder + "/calls", encoding="ascii") as file:
        check(file.read().count("create") == 1, "created though it was restored")
    shutil.rmtree(guests.folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    run()
