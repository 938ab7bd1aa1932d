#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the seeds of the fuzz target fuzz_kernel: make_corpus.py FOLDER.

Small kernels in all the forms that a guest's kernel file may have: a Linux-like one (p2m and initrd where Linux wants
them), one at address 0 as pvgrub is, one without alignment between file and memory. The first two bytes of each are the
guest's and the initrd's size for the target.
"""
import gzip
import lzma
import os
import struct
import subprocess
import sys

VIRT_BASE = 0xffffffff80000000


def note(kind, value):
    """An ELF note of owner Xen; a number is 8 bytes."""
    data = value + b"\0" if isinstance(value, bytes) else struct.pack("<Q", value)
    return struct.pack("<III", 4, len(data), kind) + b"Xen\0" + data + b"\0" * (-len(data) % 4)


def elf(notes, segments, entry):
    """An ELF file of segments (offset, paddr, data, memsz) and a segment of notes."""
    count = len(segments) + 1
    raw = b"".join(notes)
    head = struct.pack("<4sBBBBQHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, 62, 1, entry, 64, 0, 0, 64, 56, count, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 4, 64 + 56 * count, 0, 0, len(raw), len(raw), 4)
    for offset, paddr, data, memsz in segments:
        head += struct.pack("<IIQQQQQQ", 1, 7, offset, paddr, paddr, len(data), memsz, 4096)
    image = bytearray(head + raw)
    for offset, _, data, _ in segments:
        image.extend(b"\0" * (offset + len(data) - len(image)))
        image[offset:offset + len(data)] = data
    return bytes(image)


def text(pages):
    """Data that packs well, no two pages the same."""
    return b"".join(struct.pack("<I", i) * 1024 for i in range(pages))


def tool(*command):
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def bzimage(payload, length):
    """The kernel's image around a packed payload."""
    payload += length
    setup = bytearray(1024)
    setup[0x1f1] = 1
    setup[0x1fe:0x200] = b"\x55\xaa"
    setup[0x202:0x206] = b"HdrS"
    setup[0x206:0x208] = b"\x0f\x02"
    setup[0x248:0x250] = struct.pack("<II", 0, len(payload))
    return bytes(setup) + payload


COMMON = [note(5, b"xen-3.0"), note(8, b"generic")]
LINUX = elf(COMMON + [note(1, VIRT_BASE + 0x100010), note(3, VIRT_BASE), note(15, 0x8000000000), note(16, 1)],
            [(0x1000, 0x100000, text(20), 20 << 12), (0x15000, 0x114000, text(18) + b"tail", 25 << 12)],
            VIRT_BASE + 0x100010)
GRUB = elf(COMMON + [note(1, 0x1000), note(3, 0), note(2, 0x2000)], [(0x1000, 0x1000, text(17), 40 << 12)], 0x1000)
CROOKED = elf(COMMON + [note(1, VIRT_BASE + 0x1010), note(3, VIRT_BASE), note(4, 0x100000), note(15, 0xffffffff40000000)],
              [(0x1234, 0x101000, text(17), 18 << 12), (0x13000, 0x113800, b"x" * 100, 5000)], VIRT_BASE + 0x1010)

KERNELS = {"linux": (b"\x80\x10", LINUX), "grub": (b"\xff\x00", GRUB), "crooked": (b"\xf0\x01", CROOKED)}
PACKERS = {"elf": bytes, "gz": lambda data: gzip.compress(data, 9, mtime=0),
           "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
           "zst": tool("zstd", "-19", "-q", "-c"), "lz4": tool("lz4", "-l", "-9", "-q", "-c")}


def main():
    folder = sys.argv[1]
    for name, (sizes, image) in KERNELS.items():
        for kind, pack in PACKERS.items():
            if kind == "elf" and name != "crooked":
                continue    # large, and the packed ones come to the same
            with open(os.path.join(folder, name + "." + kind), "wb") as file:
                file.write(sizes + pack(image))
    length = struct.pack("<I", len(LINUX))
    for kind in ("gz", "xz", "zst", "lz4"):
        packed = PACKERS[kind](LINUX)
        with open(os.path.join(folder, "bzimage." + kind), "wb") as file:
            file.write(b"\x80\x10" + bzimage(packed, b"" if kind == "gz" else length))


main()
