# SPDX-License-Identifier: MIT
"""Programs run in dom0 from build/initramfs-user; what each printed, and its status.

A machine runs a list of programs (tests/user/initramfs/test/programs), and each
becomes a test of its own: the machine boots when the first of them is asked for.
`steps` names what runs before them, each with a + behind it, `runner` the script
that runs them.
"""
import os
import re

from machine import BUILD, HV, Failure, LIMIT, boot, close_all

INITRD = os.path.join(BUILD, "initramfs-user")


class Batch:
    """The programs `names` of the folder `folder`, run in one machine when first needed."""

    def __init__(self, log, folder, names, argument="", hv=HV, limit=LIMIT, each=120,
                 steps="", runner="programs", **options):
        self.log = log
        self.names = names
        self.hv = hv
        self.limit = limit
        # A kernel's own messages would come in between what the programs say.
        words = "xltest=%s%s+poweroff xlin=%s xlrun=%s xlarg=%s xllimit=%d loglevel=3" % (
            steps, runner, folder, "+".join(names), argument, each)
        options["dom0_options"] = (options.get("dom0_options", "") + " " + words).strip()
        self.options = options
        self.results = None
        self.problem = None

    def run(self):
        """Boot, run them all, keep {name: (status, text)}."""
        self.results = {}
        this = boot(self.log, hv=self.hv, limit=self.limit, initrd=INITRD, **self.options)
        try:
            this.expect_poweroff()
        except Failure as failure:
            self.problem = str(failure)
        for match in re.finditer(r"^PROGRAM (\S+)\n(.*?)^PROGRAM \1 status (\d+) at", this.text,
                                 re.MULTILINE | re.DOTALL):
            self.results[match[1]] = (int(match[3]), match[2])
        close_all(show=bool(self.problem))

    def result(self, name):
        """Return (status, text) of one program; Failure where it did not come to its end."""
        if self.results is None:
            self.run()
        if name not in self.results:
            raise Failure("%s did not end: %s" % (name, self.problem or "it was not run"))
        return self.results[name]


def tap_passes(batch, name):
    """One program that prints TAP: its plan must be there and no line may say "not ok"."""
    status, text = batch.result(name)
    bad = re.findall(r"^not ok.*$", text, re.MULTILINE)
    if bad:
        raise Failure("\n".join(bad))
    plan = re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)
    if status or not plan or int(plan[1]) != len(re.findall(r"^ok ", text, re.MULTILINE)):
        raise Failure("%s ended with status %d; its last words:\n%s" % (
            name, status, "\n".join(text.splitlines()[-8:])))
