#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists all that include/xen states, for test_abi_layout.c.

Prints one ABI_CONST, ABI_SIZE or ABI_FIELD line for every constant, type and field found in the headers, so that
nothing new escapes the comparison with the stock headers. Usage: abi_list.py include/xen > list.h
"""

import os
import re
import sys

# Ours alone: the stock headers have no such name.
OWN_CONSTANTS = {"XEN_EINTR", "XEN_ERESTART", "XEN_ABI_SIZE", "XEN_ABI_OFFSET", "XEN_RING_READ", "XEN_RING_WRITE",
                 "XEN_EMULATE_PREFIX", "XEN_CPUID", "xenpf_settime", "BLKIF_SEGMENTS_PER_INDIRECT_PAGE",
                 "BLKIF_UNIT_BYTES", "BLKIF_SLOT_BYTES"}
OWN_TYPES = {"xen_e820_entry", "xen_ring_end"}
# Laid out by a macro in the stock headers; the test builds one for comparison, whose size is another's matter.
NO_SIZE = {"xen_ring_head"}
NO_FIELD = {("xen_ring_head", "pad")}

TOKEN = re.compile(r"[A-Za-z_]\w*|\d\w*|\S")
NAME = re.compile(r"[A-Za-z_]")


def constants(text):
    """Names of object-like macros with a value that is no string, and of enumerators."""
    for match in re.finditer(r"^#\s*define\s+(\w+)[ \t]+(\S.*)$", text, re.M):
        if '"' not in match.group(2) and not match.group(2).startswith("wc_"):
            yield match.group(1)
    for match in re.finditer(r"enum(?: \w+)? \{(.*?)\}", text, re.S):
        yield from re.findall(r"^\s*(\w+)", match.group(1), re.M)


def declarators(part):
    """The names that one simple member declaration declares; none for a bit field."""
    flat = re.sub(r"\[[^\]]*\]", "", " ".join(part))
    if ":" in flat:
        return []
    return [piece.split()[-1] for piece in flat.split(",")]


def members(tokens, at):
    """Fields of the body whose first token is tokens[at]. Returns them with the index behind the closing brace."""
    fields = []
    while tokens[at] != "}":
        inner = []
        if tokens[at] in ("struct", "union"):
            brace = at + 1 if tokens[at + 1] == "{" else at + 2
            if tokens[brace] == "{":
                inner, at = members(tokens, brace + 1)
                inner = inner or [""]
        end = at
        while tokens[end] != ";":
            end += 1
        for name in declarators(tokens[at:end]):
            fields.append(name)
            fields += [name + "." + field for field in inner if field]
        at = end + 1
    return fields, at + 1


def types(text):
    """Each tagged structure or union at file level, with its fields."""
    tokens = TOKEN.findall(re.sub(r"^#.*$", "", text, flags=re.M))
    at = 0
    while at + 2 < len(tokens):
        if tokens[at] in ("struct", "union") and tokens[at + 2] == "{":
            kind, tag = tokens[at], tokens[at + 1]
            fields, at = members(tokens, at + 3)
            yield kind, tag, fields
        else:
            at += 1


def main(folder):
    seen = set()
    for base, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            with open(os.path.join(base, name), encoding="ascii") as header:
                text = header.read()
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            text = re.sub(r"\\\n", " ", text)
            for constant in constants(text):
                if constant not in seen and constant not in OWN_CONSTANTS:
                    seen.add(constant)
                    print(f"ABI_CONST({constant})")
            for kind, tag, fields in types(text):
                if tag in OWN_TYPES:
                    continue
                if tag not in NO_SIZE:
                    print(f"ABI_SIZE({kind} {tag})")
                for field in fields:
                    if (tag, field) not in NO_FIELD:
                        print(f"ABI_FIELD({kind} {tag}, {field})")
            for alias in re.findall(r"^typedef (?!struct|union|enum)[\w ]+?(\w+)(?:\[\d+\])?;\s*$", text, re.M):
                print(f"ABI_SIZE({alias})")


main(sys.argv[1])
