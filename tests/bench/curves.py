# SPDX-License-Identifier: MIT
"""Curves as SVG: what two guests with a ring between them reach, over the batch.

A panel for each way to the payload and each size; both axes are logarithmic.
"""
import math
from xml.sax.saxutils import escape

COLOURS = {"xenolith": "#2f6f9f", "xen": "#909090"}
NAMES = {"xenolith": "Xenolith", "xen": "Xen 4.17"}
DASHES = {"held": "", "told": "5 3"}
PANEL, HEIGHT, GAP, LEFT, TOP = 260, 170, 60, 70, 70
COLUMNS = 3


def text(x, y, words, more=""):
    """One piece of text."""
    return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, more, escape(words))


def decades(low, high):
    """Return the powers of ten that hold both."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return first, max(last, first + 1)


def panel(x, y, title, lines):
    """Return the parts of one panel: `lines` is {(hv, told): {batch: value}}."""
    values = [value for line in lines.values() for value in line.values()]
    first, last = decades(min(values), max(values))
    batches = sorted({batch for line in lines.values() for batch in line})
    widest = math.log2(max(batches[-1], 2))

    def place(batch, value):
        return (x + PANEL * math.log2(batch) / widest,
                y + HEIGHT * (last - math.log10(value)) / (last - first))

    parts = [text(x, y - 8, title, 'class="title"'),
             '<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#888"/>' % (x, y, PANEL, HEIGHT)]
    for power in range(first, last + 1):
        height = y + HEIGHT * (last - power) / (last - first)
        parts.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>' % (x, x + PANEL, height, height))
        parts.append(text(x - 5, height + 4, "{:,}".format(10 ** power) if power >= 0 else "%g" % 10 ** power,
                          'text-anchor="end"'))
    for batch in batches:
        parts.append(text(place(batch, 10 ** first)[0], y + HEIGHT + 14, str(batch), 'text-anchor="middle"'))
    for (hv, told), line in lines.items():
        points = " ".join("%.1f,%.1f" % place(batch, value) for batch, value in sorted(line.items()))
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/>'
                     % (points, COLOURS[hv], DASHES[told]))
    return parts


def svg(title, panels):
    """Return the picture: `panels` is {name: {(hv, "held" or "told"): {batch: value}}}."""
    parts = []
    for number, (name, lines) in enumerate(panels.items()):
        parts += panel(LEFT + number % COLUMNS * (PANEL + GAP + 20), TOP + number // COLUMNS * (HEIGHT + GAP), name, lines)
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    width, height = LEFT + COLUMNS * (PANEL + GAP + 20), TOP + rows * (HEIGHT + GAP)
    legend = []
    for number, (hv, told) in enumerate((hv, told) for hv in COLOURS for told in DASHES):
        x = LEFT + number * 230
        legend.append('<line x1="%d" x2="%d" y1="36" y2="36" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/>'
                      % (x, x + 26, COLOURS[hv], DASHES[told]))
        legend.append(text(x + 32, 40, "%s, notifications %s" % (
            NAMES[hv], "held off" if told == "held" else "for each")))
    head = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (width, height),
            "<style>text{font:11px sans-serif}.title{font-weight:bold}</style>",
            '<rect width="100%" height="100%" fill="white"/>', text(12, 20, title, 'class="title"')]
    return "\n".join(head + legend + parts + ["</svg>", ""])
