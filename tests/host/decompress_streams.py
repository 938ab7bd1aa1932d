#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes decompress_streams.h: small packed streams for test_decompress.c.

Not part of the build: the header is kept in the tree, so that the tests do not
depend on what today's packers make. Needs xz and zstd. The plain data is made
here and in test_decompress.c by the same little generators.
"""
import lzma
import struct
import subprocess
import sys
import zlib

MASK = (1 << 64) - 1


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return self.state >> 33


def plain_random(n):
    g = Lcg(1)
    return bytes(g.next() & 0xff for _ in range(n))


def plain_text(n):
    words = [b"grant ", b"event ", b"channel ", b"page ", b"type\n", b"domain ", b"ring, ", b"0x80 "]
    g, out = Lcg(2), bytearray()
    while len(out) < n:
        out += words[g.next() & 7]
    return bytes(out[:n])


def plain_runs(n):
    """Repeats of every small period, which is where overlapping copies go wrong."""
    g, out = Lcg(3), bytearray()
    while len(out) < n:
        period, length = 1 + g.next() % 20, 1 + g.next() % 400
        piece = bytes(g.next() & 0xff for _ in range(period))
        out += (piece * (length // period + 1))[:length]
    return bytes(out[:n])


def plain_zeros(n):
    return bytes(n)


def plain_code(n):
    """Bytes with many calls and jumps, some of them inside one another's targets."""
    g, out = Lcg(4), bytearray()
    while len(out) < n:
        kind = g.next() % 8
        if kind < 3:
            out += bytes([0xe8 + (g.next() & 1)]) + struct.pack("<i", (g.next() % 4096) * 16 - 32768)
        elif kind == 3:
            out += bytes([0xe8 + (g.next() & 1)])
        elif kind == 4:
            out += b"\xe8\xe9\xff"
        elif kind == 5:
            out += b"\xe8\x12\xe8\x00\x00\x00\xff\xe9"
        else:
            out += bytes([0x48, 0x89, g.next() & 0xff])
    return bytes(out[:n])


def run(args, data):
    return subprocess.run(args, input=data, stdout=subprocess.PIPE, check=True).stdout


def deflate(data, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    c = zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)
    return c.compress(data) + c.flush()


def gzip_all_fields(data):
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = raw.compress(data) + raw.flush()
    head = b"\x1f\x8b\x08" + bytes([2 | 4 | 8 | 16]) + bytes(6) + struct.pack("<H", 3) + b"abc" + b"name\0comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xffff)
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def xz(data, check=lzma.CHECK_CRC32, x86=None, **lz):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, **lz}]
    if x86 is not None:
        filters.insert(0, {"id": lzma.FILTER_X86, "start_offset": x86})
    return lzma.compress(data, lzma.FORMAT_XZ, check, filters=filters)


def zstd(data, *options):
    return run(["zstd", "-q", "-c", *options], data)


def skippable(data):
    return struct.pack("<II", 0x184d2a53, len(data)) + data


STREAMS = [
    # decoder, name, generator, length, packed by
    ("gunzip", "gzip_empty", "zeros", 0, deflate),
    ("gunzip", "gzip_one_byte", "text", 1, deflate),
    ("gunzip", "gzip_stored", "random", 200, lambda d: deflate(d, 0)),
    ("gunzip", "gzip_fixed_codes", "text", 300, lambda d: deflate(d, 9, zlib.Z_FIXED)),
    ("gunzip", "gzip_huffman_only", "text", 800, lambda d: deflate(d, 9, zlib.Z_HUFFMAN_ONLY)),
    ("gunzip", "gzip_level_1", "code", 1500, lambda d: deflate(d, 1)),
    ("gunzip", "gzip_level_9", "runs", 6000, deflate),
    ("gunzip", "gzip_long_zeros", "zeros", 300000, deflate),
    ("gunzip", "gzip_all_header_fields", "text", 100, gzip_all_fields),
    ("gunzip", "gzip_two_members", "runs", 2000, lambda d: deflate(d[:700]) + deflate(d[700:], 1)),
    ("unxz", "xz_empty", "zeros", 0, xz),
    ("unxz", "xz_one_byte", "text", 1, xz),
    ("unxz", "xz_incompressible", "random", 200, xz),
    ("unxz", "xz_text_crc64", "text", 1000, lambda d: xz(d, lzma.CHECK_CRC64)),
    ("unxz", "xz_runs_lp_pb", "runs", 4000, lambda d: xz(d, lc=1, lp=3, pb=4)),
    ("unxz", "xz_no_check", "text", 500, lambda d: xz(d, lzma.CHECK_NONE)),
    ("unxz", "xz_x86_filter", "code", 2500, lambda d: xz(d, x86=0)),
    ("unxz", "xz_x86_filter_offset", "code", 700, lambda d: xz(d, x86=0x123456)),
    ("unxz", "xz_x86_filter_short_block", "code", 4, lambda d: xz(d, x86=0)),
    ("unxz", "xz_many_blocks", "code", 1200,
     lambda d: run(["xz", "-C", "crc32", "--x86", "--lzma2=dict=4KiB", "--block-size=500", "-c"], d)),
    ("unxz", "xz_block_sizes_in_headers", "text", 600,
     lambda d: run(["xz", "-C", "crc32", "-T2", "--block-size=256", "-c"], d)),
    ("unxz", "xz_many_chunks", "zeros", 5000000, xz),
    ("unzstd", "zstd_empty", "zeros", 0, lambda d: zstd(d)),
    ("unzstd", "zstd_one_byte", "text", 1, lambda d: zstd(d)),
    ("unzstd", "zstd_raw_block", "random", 200, lambda d: zstd(d)),
    ("unzstd", "zstd_one_huffman_stream", "text", 250, lambda d: zstd(d, "-3")),
    ("unzstd", "zstd_four_huffman_streams", "code", 2500, lambda d: zstd(d, "-1")),
    ("unzstd", "zstd_level_19", "runs", 6000, lambda d: zstd(d, "-19")),
    ("unzstd", "zstd_no_checksum", "text", 700, lambda d: zstd(d, "--no-check")),
    ("unzstd", "zstd_repeated_byte_blocks", "zeros", 400000, lambda d: zstd(d)),
    ("unzstd", "zstd_many_small_blocks", "text", 4000, lambda d: zstd(d, "-19", "--zstd=wlog=10")),
    ("unzstd", "zstd_frames_and_skipped", "runs", 3000,
     lambda d: skippable(b"skip me") + zstd(d[:1000], "-5") + skippable(b"") + zstd(d[1000:], "-12")),
]


def main():
    out = ["/* SPDX-License-Identifier: MIT */",
           "/* Made by decompress_streams.py, which says how each was packed; not to be edited. */", ""]
    table = []
    for decoder, name, plain, length, pack in STREAMS:
        data = globals()["plain_" + plain](length)
        packed = pack(data)
        checked = int("no_check" not in name)
        out.append(f"static const u8 {name}[] = {{")
        for i in range(0, len(packed), 24):
            out.append("\t" + "".join(f"{b}," for b in packed[i:i + 24]))
        out += ["};", ""]
        table.append(f'\t{{ "{name}", {decoder}, {name}, sizeof({name}), plain_{plain}, {length}, {checked} }},')
        if len(sys.argv) > 2 and len(packed) < 800:
            end = {"gunzip": "gz", "unxz": "xz", "unzstd": "zst"}[decoder]
            open(f"{sys.argv[2]}/{name}.{end}", "wb").write(packed)
    out += ["static const struct stream streams[] = {", *table, "};"]
    open(sys.argv[1], "w").write("\n".join(out) + "\n")


main()
