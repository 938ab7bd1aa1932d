# SPDX-License-Identifier: MIT
"""Tables and curves of rings and drivers, for bench.py: from {hv: measure.rings()} and {column: measure.drivers()}."""
import curves
import measure

SHOWN = (1, 4, 32, 256)         # batches in the table; the curves have all
DRIVER_ROWS = ("read_64k_depth_32", "random_read_4k_depth_32", "random_read_4k_depth_1", "write_64k_depth_32", "tcp_byte",
               "tcp_back_byte", "udp_packet", "udp_round_trip", "guests_tcp_byte", "guests_udp_packet",
               "guests_udp_round_trip")


def case_name(way, size):
    """"map, 4 KiB" and so on."""
    return "empty" if way == "empty" else "%s, %d KiB" % (way, size // 1024)


def kinds_of_cases(rings):
    """Return [(way, size)] in the order in which they were run."""
    return list(dict.fromkeys(case[:2] for case in next(iter(rings.values()))))


def cell(rings, case, value):
    """Return "Xenolith / Xen" of what `value` takes from a case's figures."""
    return " / ".join("{:,.{}f}".format(value(rings[hv][case]), 0 if value(rings[hv][case]) >= 100 else 1)
                      for hv in ("xenolith", "xen") if hv in rings)


def rings_table(rings):
    """Return the lines of the tables of rings: instructions per request, then what they hide."""
    lines = ["", "two guests, a ring between them: instructions per request (Xenolith / Xen 4.17)",
             "%-28s" % "batch" + "".join("%19d" % batch for batch in SHOWN)]
    for told in ("held", "told"):
        for way, size in kinds_of_cases(rings):
            name = case_name(way, size) + (", each told" if told == "told" else "")
            lines.append("%-28s" % name + "".join(
                "%19s" % cell(rings, (way, size, batch, told), lambda figures, b=batch: figures["round"] / b)
                for batch in SHOWN))
    lines += ["", "the same, per request at batch 1 and at batch 32 (Xenolith / Xen 4.17)",
              "%-28s" % "" + "".join("%19s" % kind for kind in measure.KINDS)]
    for batch in (1, 32):
        for told in ("held", "told"):
            for way, size in kinds_of_cases(rings):
                name = "%s, %d%s" % (case_name(way, size), batch, ", each told" if told == "told" else "")
                lines.append("%-28s" % name + "".join(
                    "%19s" % cell(rings, (way, size, batch, told), lambda figures, k=kind: figures[k])
                    for kind in measure.KINDS))
    return lines


def panels(rings, value):
    """Return {panel: {(hv, told): {batch: value(batch, figures)}}} for curves.svg()."""
    result = {}
    for hv, cases in rings.items():
        for (way, size, batch, told), figures in cases.items():
            lines = result.setdefault(case_name(way, size), {})
            lines.setdefault((hv, told), {})[batch] = value(batch, figures)
    return result


def rings_curves(rings):
    """Return {file name: picture}."""
    return {
        "rings-throughput.svg": curves.svg(
            "Requests in a million instructions of the whole machine, over the batch",
            panels(rings, lambda batch, figures: batch * 1e6 / figures["round"])),
        "rings-latency.svg": curves.svg(
            "Instructions from a request's being put to its being answered (mean), over the depth",
            panels(rings, lambda batch, figures: figures["latency"])),
    }


def floor(figures, name):
    """The raw device in dom0 and the same device in the guest; for networks, dom0's loopback; None for neither."""
    raw, guest, loopback = figures.get("raw_" + name), figures.get("guest_null_" + name), figures.get("loopback_" + name)
    return raw + guest if raw and guest else loopback


def drivers_table(drivers, floors):
    """`drivers` is {column: figures}; `floors` the figures of a run with raw=True."""
    lines = ["", "Linux guests and their drivers: instructions for each I/O, packet, trip or byte, of the whole machine",
             "%-28s" % "" + "".join("%24s" % column for column in drivers) + "%24s" % "floor"]
    for name in DRIVER_ROWS:
        values = [figures.get(name) for figures in drivers.values()] + [floor(floors, name)]
        lines.append("%-28s" % name + "".join(
            "%24s" % ("" if value is None else "{:,.0f}".format(value) if value >= 100 else "%.3f" % value)
            for value in values))
    return lines


def walls_table(walls):
    """The seconds that each run took on the host, boot included: the only figures here that another host has otherwise."""
    return ["", "wall time of each run under QEMU (s)"] + ["%-28s%19.1f" % item for item in walls.items()]


def rings_json(rings):
    """The same as lists, since JSON has no tuples for keys."""
    return {hv: [{"way": way, "bytes": size, "batch": batch, "notifications": told, **figures}
                 for (way, size, batch, told), figures in cases.items()] for hv, cases in rings.items()}
