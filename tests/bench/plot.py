# SPDX-License-Identifier: MIT
"""A plot of the benchmark's results as SVG: bars of cost, relative to Xen's.

Operations differ a thousandfold, so each row is drawn on its own scale: the
line in the middle is Debian's Xen, and a bar that ends left of it costs less.
"""
from xml.sax.saxutils import escape

COLOURS = {"xenolith": "#2f6f9f", "xen": "#b0b0b0", "bare": "#7fb069"}
NAMES = {"xenolith": "Xenolith", "xen": "Xen 4.17", "bare": "bare kernel"}
WIDTH, LEFT, SCALE, LONGEST = 900, 260, 240, 2.2
BAR, GAP = 9, 10


def text(x, y, words, more=""):
    """One piece of text; `more` are further attributes."""
    return '<text x="%d" y="%d" %s>%s</text>' % (x, y, more, escape(words))


def row(y, name, values):
    """The bars of one operation; returns the parts and the y below them."""
    reference = values.get("xen") or max(values.values())
    parts = [text(LEFT - 8, y + BAR * len(values) // 2 + 4, name, 'text-anchor="end"')]
    for hv in COLOURS:
        if hv not in values:
            continue
        share = values[hv] / reference if reference else 0
        length = min(share, LONGEST) * SCALE
        parts.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>'
                     % (LEFT, y, length, BAR - 1, COLOURS[hv]))
        label = "{:,}".format(values[hv]) + (" (cut)" if share > LONGEST else "")
        parts.append(text(LEFT + length + 4, y + BAR - 2, label, 'class="figure"'))
        y += BAR
    return parts, y + GAP


def svg(results, titles):
    """Return the picture of {section: {operation: {hv: figure}}} as a string."""
    parts, y = [], 50
    for section, operations in results.items():
        if not operations:
            continue
        y += 14
        parts.append(text(12, y, titles[section], 'class="title"'))
        y += 12
        top = y
        for name, values in operations.items():
            more, y = row(y, name, values)
            parts += more
        parts.append('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke="#888" '
                     'stroke-dasharray="3 3"/>'.format(LEFT + SCALE, top, y - GAP))
    legend = []
    for number, hv in enumerate(COLOURS):
        x = LEFT + number * 130
        legend.append('<rect x="%d" y="30" width="12" height="12" fill="%s"/>' % (x, COLOURS[hv]))
        legend.append(text(x + 18, 40, NAMES[hv]))
    head = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (WIDTH, y + 10),
            "<style>text{font:12px sans-serif}.title{font-weight:bold}.figure{font-size:9px}"
            "</style>",
            '<rect width="100%" height="100%" fill="white"/>',
            text(12, 20, "Instructions per operation, each row to its own scale; "
                 "the broken line is Debian's Xen", 'class="title"')]
    return "\n".join(head + legend + parts + ["</svg>", ""])
