# SPDX-License-Identifier: MIT
"""The shell of a dom0, typed into by a test: what a command printed, and its status."""
import re

from machine import Failure

PROMPT = r"dom0 \S+ # "


class Dom0:
    """The shell on the serial line; `setup` is lines to type first."""

    def __init__(self, machine, setup):
        self.machine = machine
        machine.expect(PROMPT)
        for line in setup.splitlines():
            machine.send(line + "\n")
        self.sh("true")

    def sh(self, command, status=0):
        """Run `command`; return what came on the serial line meanwhile."""
        self.machine.send("echo begin=$((40 + 2)); %s; echo end=$?:$((40 + 2))\n" % command)
        self.machine.expect(r"^begin=42$")
        start = self.machine.position
        match = self.machine.expect(r"^end=(\d+):42$")
        text = self.machine.text[start:match.start()]
        if status is not None and int(match[1]) != status:
            raise Failure("%s ended with status %s, not %d:\n%s" % (command, match[1], status, text))
        return text

    def shows(self, command, *patterns, status=0):
        """What `command` prints has a line for each of `patterns`."""
        text = self.sh(command, status)
        for pattern in patterns:
            if not re.search("^" + pattern + "$", text, re.MULTILINE):
                raise Failure("%s shows no line like %s:\n%s" % (command, pattern, text))
        return text
