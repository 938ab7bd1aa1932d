#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenstore and Debian's, side by side: same answers to the same requests, same output of the programs.

Both daemons get the same conversations over the socket and over a guest's ring. The programs run in all four cells:
ours and Debian's programs (each with its own library, and Debian's with ours) on our daemon and on Debian's.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios

from xenstore import DEBIAN, TOOLS, TOP, Daemon, check, run, test

OURS = {"programs": TOOLS, "control": TOOLS, "env": {}}
THEIRS = {"programs": os.path.join(DEBIAN, "usr/bin"), "control": os.path.join(DEBIAN, "usr/lib/xen-4.17/bin"),
          "env": {}}
THEIRS_ON_OUR_LIBRARY = dict(THEIRS, env={"LD_LIBRARY_PATH": TOOLS})

LONG = "a" * 2047

# Requests of dom0 whose answers must be the same. bytes are the raw payload.
REQUESTS = [
    ("DIRECTORY", "/"), ("DIRECTORY", "/tool"), ("DIRECTORY", "/tool/xenstored"), ("READ", "/"), ("READ", ""),
    ("READ", b""), ("READ", "tool"), ("READ", "/tool/"), ("READ", "/tool//x"), ("READ", "/too l"), ("READ", "//"),
    ("READ", "@introduceDomain"), ("GET_PERMS", "@releaseDomain"), ("SET_PERMS", "@releaseDomain", "n0", "r5"),
    ("GET_PERMS", "/"), ("GET_PERMS", "/tool"), ("WRITE", b"/a\0hello"), ("WRITE", b"/a\0"), ("READ", "/a"),
    ("WRITE", b"/a"), ("WRITE", b"/a/b/c/d\0x"), ("DIRECTORY", "/a"), ("READ", "/a/b"), ("MKDIR", "/a"),
    ("MKDIR", "/m/n"), ("RM", "/zz"), ("RM", "/zz/yy"), ("RM", "/"), ("RM", "/a/b"), ("MKDIR", "@x"),
    ("WRITE", b"@introduceDomain\0a"), ("RM", "@introduceDomain"), ("SET_PERMS", "/a"), ("SET_PERMS", "/a", "x0"),
    ("SET_PERMS", b"/a\0n0\0r1"), ("SET_PERMS", "/a", "n0", "r1", "w2", "b3"), ("GET_PERMS", "/a"),
    ("SET_PERMS", "/a", "r"), ("SET_PERMS", "/a", "r5x"), ("SET_PERMS", "/a", "r70000"), ("GET_PERMS", "/a"),
    ("SET_PERMS", "/nn", "n0"), ("SET_PERMS", "/a", "r5", "r5", "r5"), ("WRITE", b"/a/kid\0"),
    ("GET_PERMS", "/a/kid"), ("WATCH", "/a", "tok"), ("WATCH", "/a", "tok"), ("WATCH", "/a", "tok2"),
    ("WATCH", "rel", "tok2"), ("WATCH", "/a"), ("WATCH", "@introduceDomain", "t"), ("WATCH", "@foo", "t"),
    ("WATCH", "/x y", "t"), ("WATCH", "", "t"), ("WATCH", "/q", "t", "extra"), ("UNWATCH", "/a", "nn"),
    ("UNWATCH", "/a", "tok2"), ("UNWATCH", "/a"), ("WRITE", b"/a/b/c\0x"), ("WRITE", b"rel/x\0y"),
    ("WATCH", "/a/b/c", "deep"), ("WATCH", "/", "top"), ("MKDIR", "/a/b/d"), ("RM", "/a/b"), ("RM", "/a"),
    ("SET_PERMS", "/m", "n0"), ("RESET_WATCHES", b"\0"), ("WRITE", b"/m\0x"), ("TRANSACTION_END", "T"),
    ("INTRODUCE", "1"), ("INTRODUCE", "3", "1", "1"), ("IS_DOMAIN_INTRODUCED", "3"), ("RELEASE", "3"),
    ("RELEASE", "3"), ("RELEASE", "0"), ("GET_DOMAIN_PATH", "5"), ("GET_DOMAIN_PATH", "abc"),
    ("GET_DOMAIN_PATH", b""), ("IS_DOMAIN_INTRODUCED", "0"), ("IS_DOMAIN_INTRODUCED", "5"), ("RESUME", "5"),
    ("RESUME", "0"), ("SET_TARGET", "1", "2"), ("SET_TARGET", "1"), ("T20", b""), ("T23", b""),
    ("WATCH_EVENT", b""), ("ERROR", b"EIO\0"), ("CONTROL", b""), ("CONTROL", "foo"), ("CONTROL", "check"),
    ("CONTROL", "log"), ("CONTROL", "log", "on"), ("CONTROL", "log", "off"), ("CONTROL", "log", "x"),
    ("CONTROL", "quota"), ("CONTROL", "quota-soft"), ("CONTROL", "quota", "set", "nodes", "900"),
    ("CONTROL", "quota", "set", "nodes", "x"), ("CONTROL", "quota", "set", "bogus", "1"), ("CONTROL", "quota"),
    ("CONTROL", "print", "hello"), ("CONTROL", "logfile"), ("DIRECTORY_PART", "/"), ("DIRECTORY_PART", "/zz", "0"),
    ("WRITE", b"/" + LONG.encode() + b"\0x"), ("WRITE", b"/" + LONG.encode() + b"a\0x"), ("RM", "/" + LONG),
    ("WRITE", b"/big\0" + b"v" * 4080), ("READ", "/big"), ("WRITE", b"relative\0x"), ("READ", "relative"),
    ("READ", "/local/domain/0/relative"), ("DIRECTORY", "/"), ("WRITE", b"/bin\0\0\1\xff"), ("READ", "/bin"),
    ("WRITE", b"/C:+\0x"), ("WRITE", b"/a@b\0x"), ("WRITE", b"/@b\0x"),
]

# And those of a guest, domain 4, which owns /local/domain/4 and may read /shared.
GUEST_REQUESTS = [
    ("READ", "name"), ("WRITE", b"data/x\0one"), ("READ", "data/x"), ("READ", "/local/domain/4/data/x"),
    ("GET_PERMS", "data/x"), ("READ", "/shared"), ("WRITE", b"/shared\0no"), ("READ", "/secret"),
    ("READ", "/secret/none"), ("READ", "/shared/none"), ("READ", "/none"), ("DIRECTORY", "/"), ("RM", "/shared"),
    ("RM", "data/none"), ("RM", "none/none"), ("SET_PERMS", "data/x", "n4", "r9"), ("GET_PERMS", "data/x"),
    ("SET_PERMS", "data/x", "n9"), ("SET_PERMS", "/shared", "n4"), ("SET_PERMS", "data/x", *["r1"] * 8),
    ("MKDIR", "/elsewhere"), ("WATCH", "data", "t"), ("WATCH", "/shared", "t"), ("WRITE", b"data/y\0two"),
    ("RM", "data/y"), ("UNWATCH", "data", "t"), ("UNWATCH", "data", "t"), ("INTRODUCE", "5", "1", "1"),
    ("RELEASE", "4"), ("RESUME", "4"), ("SET_TARGET", "4", "0"), ("CONTROL", "check"),
    ("IS_DOMAIN_INTRODUCED", "4"), ("GET_DOMAIN_PATH", "4"), ("WRITE", b"data/big\0" + b"v" * 3000),
    ("WATCH", "@releaseDomain", "t"), ("RESET_WATCHES", b"\0"),
    ("TRANSACTION_START", b"\0"), ("TRANSACTION_END", "T"), ("DIRECTORY", "data"),
]


def say(channel, kind, *words, tx=0):
    """One request's answer with the events that came by the time of the next: what both daemons must agree on."""
    if words and isinstance(words[0], bytes):
        answer = channel.ask(kind, raw=words[0], tx=tx)
    else:
        answer = channel.ask(kind, *words, tx=tx)
    return answer, channel.quiet()


def talk(daemon):
    """All of the conversation, as (request, answer) pairs."""
    said = []
    c = daemon.connect()
    for request in REQUESTS:
        said.append((request, say(c, *request)))
    # Transactions: isolation, conflict, abort, numbers.
    other = daemon.connect()
    for value in (b"T", b"F", b"conflict"):
        t = int(c.good("TRANSACTION_START", raw=b"\0")[:-1])
        said.append(("transaction", t))
        for request in (("WRITE", b"/t/x\0" + value), ("READ", "/t/x"), ("MKDIR", "/t/" + value.decode()),
                        ("DIRECTORY", "/t"), ("TRANSACTION_START", b"\0"), ("READ", "/none"), ("RM", "/none/none")):
            said.append((request, say(c, *request, tx=t)))
        if value == b"conflict":
            said.append(("other", say(other, "WRITE", b"/t/x\0other")))
        how = "F" if value == b"F" else "T"
        said.append((how, say(c, "TRANSACTION_END", how, tx=t)))
        said.append(("gone", say(c, "READ", "/t/x", tx=t)))
        said.append(("now", say(c, "READ", "/t/x")))
    return said


def talk_guest(daemon):
    said = []
    c = daemon.connect()
    for request in (("INTRODUCE", "4", "1", "1"), ("WRITE", b"/local/domain/4\0"),
                    ("SET_PERMS", "/local/domain/4", "n4"), ("WRITE", b"/local/domain/4/name\0guest"),
                    ("WRITE", b"/shared\0all"), ("SET_PERMS", "/shared", "r0"), ("WRITE", b"/secret\0dom0's")):
        said.append((request, say(c, *request)))
    guest = daemon.guest(4)
    for request in GUEST_REQUESTS:
        if isinstance(request[1], bytes):
            answer = guest.ask(request[0], raw=request[1])
        else:
            answer = guest.ask(*request)
        # A guest may not be able to read "/": its own node serves to collect events.
        guest.ask("READ", "name")
        events, guest.events = guest.events, []
        said.append((request, answer, events))
    c.write("/shared", "new")
    guest.ask("READ", "name")
    said.append(("dom0's write", guest.events))
    return said


def same(first, second):
    for a, b in zip(first, second):
        check(a == b, "Debian's daemon:", a, "- ours:", b)
    check(len(first) == len(second), "one conversation is longer")


@test
def same_answers_to_dom0_as_debians_daemon():
    with Daemon(debian=True) as theirs, Daemon() as ours:
        same(talk(theirs), talk(ours))


@test
def same_answers_to_a_guest_as_debians_daemon():
    with Daemon(debian=True) as theirs, Daemon() as ours:
        same(talk_guest(theirs), talk_guest(ours))


# --- programs ---

V = "v" * 300
COMMANDS = [
    ["write", "/a/b", "1", "/a/c", "two words", "/a/d", ""], ["write", "/a/esc", r"x\ty\\z\x41\101\n"],
    ["write", "-R", "/a/raw", r"x\ty"], ["write", "/a/bad", r"x\q"], ["write", "/a/bad2", "x\\"],
    ["write", "/a/bad3", r"x\xg"], ["write", "/a"], ["write"], ["read", "/a/b"], ["read", "/a/b", "/a/c"],
    ["read", "-p", "/a/b", "/a/c"], ["read", "/a/esc"], ["read", "-R", "/a/esc"], ["read", "/none"],
    ["read", "/a/b", "/none", "/a/c"], ["read"], ["read", "/a/d"], ["exists", "/a"], ["exists", "/none"],
    ["exists", "/a", "/none"], ["exists", "-p", "/a"], ["exists"], ["exists", "-z", "/a"], ["list", "/a"],
    ["list", "-p", "/a"], ["list", "/none"], ["list", "/a", "/a/b"], ["list"], ["ls", "/a"], ["ls", "-f", "/a"],
    ["ls", "-p", "/a"], ["ls", "-fp", "/a"], ["ls"], ["ls", "/none"], ["ls", "/a/b"], ["ls", "/", "/a"],
    ["chmod", "/a/b", "r1", "b2"], ["chmod", "-r", "/a", "n5", "r7"], ["chmod", "-u", "/a/b", "n0", "w3"],
    ["chmod", "/a/b"], ["chmod", "/a/b", "x1"], ["chmod", "/none", "r1"], ["chmod"], ["chmod", "/a/b", "rx"],
    ["ls", "-p", "/a"], ["ls", "-p", "/"], ["rm", "/none"], ["rm", "/none/x"], ["rm", "/a/b"], ["rm"],
    ["write", "/q/w/e/r", "1"], ["rm", "-t", "/q/w/e/r"], ["list", "/"], ["watch", "-n", "1", "/a"],
    ["watch", "-n", "2", "/a", "/none"], ["watch"], ["watch", "-n"], ["read", "-z"], ["ls", "-z"],
    ["read", "-s", "/a/c"], ["write", "-s", "/a/c", "4"], ["read", "relative"], ["write", "relative", "3"],
    ["ls", "/local"], ["write", "/long", V], ["ls", "/"], ["read", "/long"], ["write", "/b d", "1"],
    ["write", "/n/e/s/t/e/d", "x"], ["ls", "/n"], ["ls", "-fp", "/n"], ["read", "/a/"], ["list", "/a/"],
    ["write", "/e", "".join(r"\x%x," % n for n in range(1, 256))], ["read", "/e"], ["read", "-R", "/e"],
    ["ls", "-f", "/"], ["write", "/o", r"\1\12\123\1234\400\8\n\r\t\\\"\e\x1\x12\x123\xfg\X41"], ["read", "/o"],
    ["rm", "-p", "/a"], ["list", "-R", "/a"], ["ls", "-n", "/a"], ["read", "--prefix", "/a/c"],
    ["ls", "--flat", "/a"], ["rm", "--tidy", "/a/c"], ["read", ""], ["write", "", "1"], ["ls", ""], ["rm", "/"],
    ["write", "/big", "a" * 4100], ["read", "-h"], ["ls", "-h"],
] + [["write", "/w/d%d" % n, "v" * n] for n in range(60, 73)] + [["ls", "/w"], ["ls", "-p", "/w"], ["ls", "-p", "/"]]

CONTROL = [["check"], ["quota-soft"], ["print", "hi"], ["log", "on"], []]


def output(daemon, kit, command, control=False):
    """A program's exit code, output and complaints, without the path that it was called by."""
    folder = kit["control"] if control else kit["programs"]
    program = os.path.join(folder, "xenstore-control" if control else "xenstore-" + command[0])
    done = subprocess.run([program] + command[0 if control else 1:], env=dict(daemon.env, **kit["env"]), timeout=300,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return (done.returncode, done.stdout, done.stderr.replace(folder.encode() + b"/", b""))


def transcript(daemon, kit):
    said = [(c, output(daemon, kit, c)) for c in COMMANDS]
    return said + [(c, output(daemon, kit, c, True)) for c in CONTROL]


REFERENCE = []


def reference():
    if not REFERENCE:
        with Daemon(debian=True) as daemon:
            REFERENCE.extend(transcript(daemon, THEIRS))
    return REFERENCE


@test
def our_programs_print_what_debians_do():
    with Daemon() as daemon:
        same(reference(), transcript(daemon, OURS))


@test
def debians_programs_run_on_our_daemon_and_our_library():
    with Daemon() as daemon:
        same(reference(), transcript(daemon, THEIRS_ON_OUR_LIBRARY))


@test
def our_programs_run_on_debians_daemon():
    with Daemon(debian=True) as daemon:
        same(reference(), transcript(daemon, OURS))


@test
def our_programs_run_on_debians_library():
    libraries = {"LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu"}
    with Daemon() as daemon:
        loaded = subprocess.run(["ldd", os.path.join(TOOLS, "xenstore")], env=dict(daemon.env, **libraries),
                                capture_output=True, text=True, check=True, timeout=60).stdout
        check("/usr/lib/x86_64-linux-gnu/libxenstore.so.4" in loaded, "not Debian's library:", loaded)
        same(reference(), transcript(daemon, dict(OURS, env=libraries)))


def on_terminal(daemon, kit, columns, command):
    """A program's output on a terminal of that width."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        program = os.path.join(kit["programs"], "xenstore-" + command[0])
        os.execve(program, [program] + command[1:], dict(daemon.env, **kit["env"]))
    out = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    os.close(fd)
    os.waitpid(pid, 0)
    return out


@test
def ls_fits_the_terminal_as_debians_does():
    with Daemon() as daemon:
        c = daemon.connect()
        for n in range(1, 100, 7):
            c.write("/some/where/down/n%d" % n, "v" * n)
        for columns in (40, 61, 80, 132):
            for command in (["ls"], ["ls", "-p"], ["ls", "-f"], ["ls", "-fp"]):
                theirs, ours = (on_terminal(daemon, kit, columns, command) for kit in (THEIRS, OURS))
                check(theirs == ours, columns, "columns,", command, theirs, ours)


@test
def every_function_of_the_library_does_the_same():
    """A program that uses them all, on both libraries and both daemons."""
    outputs = []
    for debian in (True, False):
        for folder in ("/usr/lib/x86_64-linux-gnu", TOOLS):
            with Daemon(debian=debian) as daemon:
                done = subprocess.run([os.path.join(TOOLS, "test/library_check")], stdout=subprocess.PIPE,
                                      env=dict(daemon.env, LD_LIBRARY_PATH=folder), timeout=300, check=False)
                check(done.returncode == 0, "it ends with status", done.returncode)
                outputs.append(done.stdout.decode().splitlines())
    check(len(outputs[0]) > 60, "it says too little:", outputs[0])
    for other in outputs[1:]:
        same(outputs[0], other)


@test
def library_has_the_same_symbols_versions_and_name():
    def facts(path):
        text = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=True, timeout=60).stdout
        soname = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True,
                                timeout=60).stdout
        return (sorted(re.findall(r"\.text\s+\S+\s+(\S+)\s+(xs_\S+)", text)),
                re.search(r"SONAME\s+(\S+)", soname)[1])
    check(facts("/usr/lib/x86_64-linux-gnu/libxenstore.so.4") == facts(os.path.join(TOOLS, "libxenstore.so.4")),
          "symbols differ")


@test
def header_declares_every_function_with_the_same_type():
    def prototypes(header, *options):
        with tempfile.NamedTemporaryFile() as info:
            subprocess.run(["gcc", "-std=gnu11", "-x", "c", "-fsyntax-only", "-aux-info", info.name, *options, "-"],
                           input="#include <stdbool.h>\n#include \"%s\"\n" % header, text=True, check=True, timeout=60)
            text = info.read().decode()
        return sorted(set(re.findall(r"extern ([^;]*\bxs_\w+ \([^;]*\));", text)))
    theirs = prototypes("/usr/include/xenstore.h")
    check(len(theirs) > 30, "only", len(theirs), "functions found")
    same(theirs, prototypes(os.path.join(TOP, "include/xenstore.h"), "-I" + os.path.join(TOP, "include")))


@test
def debians_stress_program_runs_on_ours():
    program = os.path.join(DEBIAN, "usr/lib/xen-4.17/bin/test-xenstore")
    with Daemon() as daemon:
        done = subprocess.run([program, "-i", "20"], env=daemon.env, capture_output=True, text=True, check=False,
                              timeout=600)
        check(done.returncode == 0, done.stdout[-300:], done.stderr[-300:])


if __name__ == "__main__":
    run()
