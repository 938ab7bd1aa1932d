# SPDX-License-Identifier: MIT
"""The command line of QEMU for one machine: used by run-qemu, tests and bench.

What boots is named by `hv`: "xenolith" (build/xenolith), "xen" (Debian's Xen
4.17) or "bare" (the kernel alone); the rest of the description is the same
for the three, so that one test or benchmark runs on each.

QEMU's -kernel takes a multiboot image: -append is its command line, and
-initrd names the modules, "FILE OPTIONS,FILE OPTIONS"; a comma inside the
options is doubled.  A bare kernel takes its own options by -append.
"""
import os
import shlex
import struct
import subprocess
import sys
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
HVS = ("xenolith", "xen", "bare")
KERNELS = {"vmlinux": os.path.join(BUILD, "kernel/vmlinux"),
           "vmlinuz": os.path.join(BUILD, "kernel/vmlinuz")}
LOADERS = ("kernel", "multiboot1", "multiboot2", "efi", "pvh")
# UEFI firmware of Debian's package ovmf; it keeps no settings.
OVMF = "/usr/share/ovmf/OVMF.fd"

MULTIBOOT_MAGIC = 0x1badb002

# One executed instruction is one virtual nanosecond and one tick of the TSC;
# two runs of the same images are the same to the byte.
EXACT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
         "-rtc", "base=2024-01-01T00:00:00,clock=vm", "-seed", "1"]
# A translation buffer of 256 MiB is enough for a kernel's boot, and two
# machines at once then stay well inside the memory of a small host.
FREE = ["-accel", "tcg,tb-size=256"]
# Several CPUs in turn on one thread: with a thread for each, QEMU before 8.1 may lose a CPU's
# write to its local APIC while another CPU changes the memory map (a PCI BAR, say), and with
# it a timer.  Whoever looks for races, and moves no BARs, sets `threads`.
IN_TURN = ["-accel", "tcg,thread=single,tb-size=256"]


@dataclass
class Config:
    """One machine: what it is made of and what it boots."""
    hv: str = "xenolith"
    machine: str = "q35"
    cpu: str = "qemu64,+rdrand"
    memory: str = "1G"
    smp: int = 1                        # CPUs of the machine
    kernel: str = "vmlinux"             # a key of KERNELS, or a file
    initrd: str = os.path.join(BUILD, "initramfs")
    loader: str = "kernel"              # how the hypervisor is loaded: one of LOADERS
    hv_image: str = ""                  # a file instead of hv's own
    hv_options: str = ""
    dom0_options: str = ""
    devices: list = field(default_factory=list)     # further QEMU arguments
    exact: bool = False                 # count instructions
    threads: bool = False               # a thread of the host for each CPU: see IN_TURN
    no_reboot: bool = False             # a reset ends QEMU

    def image(self):
        """The file that is the hypervisor."""
        return self.hv_image or os.path.join(BUILD, self.hv)

    def kernel_file(self):
        """The file that is the dom0 kernel."""
        return KERNELS.get(self.kernel, self.kernel)

    def hv_line(self):
        """The hypervisor's options, with a serial console first."""
        first = "console=com1 com1=115200,8n1"
        if self.hv == "xen":
            # Under TCG a return to user space page-faults with SMAP on.
            first += " smap=off"
        return " ".join((first, self.hv_options)).strip()

    def dom0_line(self):
        """The kernel's options, with its console first."""
        if self.hv == "bare":
            first = "console=ttyS0,115200"
        else:
            first = "console=hvc0 earlyprintk=xen"
        if self.exact:
            first += " nokaslr"
        return " ".join((first, self.dom0_options)).strip()

    def needs(self):
        """The files without which this machine can't start."""
        files = [self.kernel_file(), self.initrd]
        return [name for name in files if name] + ([self.image()] if self.hv != "bare" else [])


def double_commas(text):
    """Quote what goes into -initrd."""
    return text.replace(",", ",,")


def without_multiboot(image, output):
    """Copy `image` to `output` without its multiboot header.

    QEMU tries multiboot first; without the magic it takes the PVH entry.  The
    header is in the first 8192 bytes, 4-aligned, and its three first words add
    up to 0 (Multiboot Specification 0.6.96, 3.1.1).
    """
    with open(image, "rb") as file:
        data = bytearray(file.read())
    for offset in range(0, min(8192, len(data) - 12), 4):
        words = struct.unpack_from("<III", data, offset)
        if words[0] == MULTIBOOT_MAGIC and sum(words) & 0xffffffff == 0:
            struct.pack_into("<I", data, offset, 0)
    with open(output, "wb") as file:
        file.write(data)


def boot_arguments(config, scratch):
    """How QEMU gets hypervisor, kernel and initramfs.

    Files that must be made for it have the name `scratch` and a suffix.
    """
    if config.hv == "bare":
        # A vmlinux starts by its PVH entry, a bzImage by Linux's boot protocol.
        return ["-kernel", config.kernel_file(), "-append", config.dom0_line(),
                "-initrd", config.initrd]
    if config.loader == "pvh":
        # QEMU gives a PVH kernel one module, and no command line to that.
        without_multiboot(config.image(), scratch + ".pvh")
        return ["-kernel", scratch + ".pvh", "-append", config.hv_line(),
                "-initrd", config.kernel_file()]
    if config.loader != "kernel":
        make_iso(config, scratch + ".iso")
        firmware = ["-bios", OVMF] if config.loader == "efi" else []
        return firmware + ["-cdrom", scratch + ".iso", "-boot", "d"]
    first = config.kernel_file() + " " + config.dom0_line()
    modules = double_commas(first.strip())
    if config.initrd:
        modules += "," + double_commas(config.initrd)
    return ["-kernel", config.image(), "-append", config.hv_line(), "-initrd", modules]


def make_iso(config, iso):
    """A GRUB image that loads by multiboot or multiboot2, on BIOS or UEFI."""
    files = [config.image(), config.kernel_file()] + ([config.initrd] if config.initrd else [])
    options = [config.hv_line(), config.dom0_line(), ""]
    command = [os.path.join(TOP, "scripts/mkiso"), config.loader, iso]
    for name, line in zip(files, options):
        command.append((name + " " + line).strip())
    subprocess.run(command, check=True)


def command(config, scratch):
    """Return the arguments that start `config`; console and monitor are the caller's.

    `scratch` is a path to which suffixes are put for the files it takes.
    """
    return (["qemu-system-x86_64", "-nodefaults", "-no-user-config",
             "-machine", config.machine, "-cpu", config.cpu,
             "-m", config.memory, "-smp", str(config.smp)]
            + (EXACT if config.exact else FREE if config.smp == 1 or config.threads else IN_TURN)
            + (["-no-reboot"] if config.no_reboot else [])
            + boot_arguments(config, scratch) + config.devices)


def shell_words(arguments):
    """The same as one line for a person to paste."""
    return " ".join(shlex.quote(word) for word in arguments)


def missing(config):
    """Return a sentence on the first file that is not there, or None."""
    for name in config.needs():
        if not os.path.exists(name):
            return "%s is missing; \"make\" builds it, \"make fetch\" fetches kernel and Xen" % (
                os.path.relpath(name))
    return None


if __name__ == "__main__":
    sys.exit("qemu.py is a module; scripts/run-qemu is the program")
