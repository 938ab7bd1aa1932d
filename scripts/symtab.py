#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the symbol table that the hypervisor prints back traces from.

Usage: nm -n IMAGE | symtab.py > symtab.S

The layout is described in hypervisor/x86/panic.c. Only code symbols are kept.
The table lies behind all code in the image, so it does not move what it names.
"""
import sys

base = None
symbols = []
for line in sys.stdin:
    fields = line.split()
    if len(fields) != 3:
        continue
    address, kind, name = int(fields[0], 16), fields[1], fields[2]
    if name == "image_start":
        base = address
    if kind in "tT":
        symbols.append((address, name))
if base is None:
    sys.exit("symtab.py: no symbol image_start in the input")

seen = {}
for address, name in symbols:
    if address >= base:
        seen.setdefault(address, name)
entries = sorted(seen.items())
names, offsets = bytearray(), []
header = 4 + 8 * len(entries)
for _, name in entries:
    offsets.append(header + len(names))
    names += name.encode() + b"\0"

print('\t.section .symtab_hv, "a", @progbits\n\t.balign 8\n\t.globl hv_symbols\nhv_symbols:')
print(f"\t.long {len(entries)}")
for (address, _), offset in zip(entries, offsets):
    print(f"\t.long {address - base:#x}, {offset:#x}")
for _, name in entries:
    print(f'\t.asciz "{name}"')
print('\t.section .note.GNU-stack, "", @progbits')
