"""The plot: ratios as points with their 95 % intervals on logarithmic axes, a line at 1. One light card, so that
it is read on a dark page too."""

import math
from xml.sax.saxutils import escape

from containers import MODES
from notify import LATENCY, SHAPES

BLUE, GREY, INK, FAINT, GREEN = "#2563eb", "#6b7280", "#111827", "#d1d5db", "#15803d"
TICKS = (0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200)
ROW, LABEL, AXIS, NOTE = 21, 158, 205, 110
WIDTH = LABEL + AXIS + NOTE
STYLE = ("text{font:12px system-ui,sans-serif;fill:%s}.t{font-weight:600;font-size:14px}.s{fill:%s;font-size:11px}"
         ".r{text-anchor:end}.m{text-anchor:middle}" % (INK, GREY))


def words(name):
    for a, b in (("deny_docker", "deny, Docker's profile"), ("deny_distinct", "deny, each call distinct"),
                 ("_one_cpu", ", one CPU"), ("_two_cpus", ", two CPUs")):
        name = name.replace(a, b)
    return name


def digits(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def text(x, y, words, kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'


def line(x1, y1, x2, y2, colour, width=1.0, dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


class Axis:
    def __init__(self, left, values):
        low, high = min([0.9, *values]), max([1.1, *values])
        self.left, self.low = left, math.log(low) - 0.03
        self.scale = AXIS / (math.log(high) + 0.03 - self.low)
        self.ticks = self.spread(t for t in TICKS if low * 0.97 <= t <= high * 1.03)

    def at(self, ratio):
        return self.left + (math.log(ratio) - self.low) * self.scale

    def spread(self, ticks):
        """Those whose labels do not touch; 1 in any case."""
        kept = [1]
        for tick in ticks:
            if all(abs(self.at(tick) - self.at(k)) > 26 for k in kept):
                kept.append(tick)
        return kept


def panel(x, y, title, says, rows, limit=None):
    """rows: (label, ratio, low, high, note), None: a gap. limit: what is promised. Returns elements, height."""
    points = [r for r in rows if r]
    axis = Axis(x + LABEL, [v for r in points for v in r[1:4]] + ([limit] if limit else []))
    top, bottom = y + 40, y + 44 + ROW * len(rows)
    parts = [text(x, y + 12, title, "t"), text(x, y + 29, says, "s")]
    for tick in axis.ticks:
        parts.append(line(axis.at(tick), top, axis.at(tick), bottom, INK if tick == 1 else FAINT,
                          1.4 if tick == 1 else 1))
        parts.append(text(axis.at(tick), bottom + 14, f"{tick:g}", "s m"))
    if limit:
        parts.append(line(axis.at(limit), top, axis.at(limit), bottom, GREEN, 1.4, "4 3"))
    for i, row in enumerate(rows):
        if not row:
            continue
        label, ratio, low, high, note = row
        middle = top + 14 + ROW * i
        parts += [text(x + LABEL - 10, middle + 4, label, "r"),
                  line(axis.at(low), middle, axis.at(high), middle, BLUE, 2),
                  f'<circle cx="{axis.at(ratio):.1f}" cy="{middle}" r="4" fill="{BLUE}"/>',
                  text(x + LABEL + AXIS + 12, middle + 4, digits(ratio)),
                  text(x + LABEL + AXIS + 46, middle + 4, note, "s")]
    return parts, bottom + 24 - y


def ratio(out, key):
    return out[key], out[key + "_lo"], out[key + "_hi"]


def latency_rows(out):
    return [(words(k + p), *ratio(out, f"{k}{p}_floor_ratio"), digits(out[k + p + '_us']) + " us") for k, p in LATENCY]


def throughput_rows(out):
    return [(f"{s:,} x {c}", *ratio(out, f"{s}x{c}_floor_ratio"), f"{out[f'{s}x{c}_calls_per_s'] / 1000:,.0f} k/s")
            for s, c in SHAPES if f"{s}x{c}_floor_ratio" in out]


def workload_rows(out):
    rows = []
    for work, unit in (("files", "ms"), ("spawn", "ms"), ("redis", "us_per_request")):
        rows += [None] if rows else []
        rows += [(f"{work}, {mode}", *ratio(out, f"{work}_{mode}_ratio"),
                  f"{out[f'{work}_{mode}_{unit}']:,.0f} {unit.split('_')[0]}") for mode in MODES[1:]]
    return rows


def draw(out):
    right = WIDTH + 48
    a, height = panel(20, 18, "Latency of a notified call, against the floor", "less is better; dashed: 1.10",
                      latency_rows(out), 1.1)
    b, more = panel(20, 18 + height + 18, "Calls a second, against the better floor",
                    "containers x callers; more is better; dashed: 0.90", throughput_rows(out), 0.9)
    c, other = panel(right, 18, "Whole workloads in a container, against native",
                     "times as slow as without seccomp; less is better", workload_rows(out))
    tall = max(height + 18 + more, other + 40) + 24
    many = (f"1 of {out['sessions_alive']:,} sessions alive: {out['rss_kib_per_session']:.1f} KiB of memory, "
            f"{out['active_among_many_ratio']:.2f} x the latency of one alone")
    rest = (f"hook: {out['hook_ms']:.1f} ms of `runc run`; "
            f"killed worker: next answer after {out['worker_restart_ms']:.1f} ms")
    where = f"{out['date']}, Linux {out['kernel']}, {out['cpus']} CPUs, {out['machine']}"
    notes = [text(right, 18 + other + 30 + 19 * i, words, "s" if i == 2 else "")
             for i, words in enumerate((many, rest, where))]
    size = f"{right + WIDTH + 20} {max(tall, 18 + other + 90):.0f}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"><style>{STYLE}</style>'
            f'<rect width="100%" height="100%" rx="8" fill="#ffffff"/>\n' + "\n".join(a + b + c + notes) + "\n</svg>\n")
