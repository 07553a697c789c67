"""Charts of what was measured, as SVG: one for light pages and one for dark ones."""

import math
import os
from html import escape

from . import servers
from .figures import UNITS, ratio, spread
from .tables import TITLES, in_order

# Name: (text, faint lines, peers, models).
THEMES = {"": ("#1d1d1f", "#c7c7cc", "#8e8e93", "#0066cc"),
          "~dark": ("#f5f5f7", "#48484a", "#8e8e93", "#4da3ff")}
# Distinguishable without red and green (Okabe and Ito).
LINES = ["#8e8e93", "#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#0072b2", "#b8a200"]
WIDTH, ROW, NAMES, MARGIN = 720, 22, 150, 20
GROWTH_HEIGHT = 300


class Drawing:
    """The elements of a picture."""

    def __init__(self, height, title, theme):
        self.ink, self.faint, self.peer, self.model = THEMES[theme]
        self.elements = []
        self.head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                     f'width="{WIDTH}" height="{height}" role="img" font-size="12" '
                     'font-family="system-ui, sans-serif">'
                     f"<title>{escape(title)}</title>")
        self.text(MARGIN, 18, title, weight="600")

    def text(self, x, y, text, anchor="start", color=None, weight="400"):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                             f'font-weight="{weight}" fill="{color or self.ink}">'
                             f"{escape(text)}</text>")

    def line(self, x1, y1, x2, y2, color, width=1.0, dashes="none"):
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                             f'stroke="{color}" stroke-width="{width}" '
                             f'stroke-dasharray="{dashes}"/>')

    def bar(self, x, y, width, height, color):
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                             f'height="{height}" fill="{color}"/>')

    def path(self, points, color):
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(f'<polyline points="{steps}" fill="none" stroke="{color}" '
                             'stroke-width="2"/>')

    def svg(self):
        return "\n".join([self.head, *self.elements, "</svg>"]) + "\n"


def bars(results, workload, theme):
    """Processor time relative to the floor's: the medians, and the quartiles as whiskers."""
    names = in_order(results.servers(workload))
    shown = [(name, ratio(results, workload, name, servers.FLOOR, "cpu")) for name in names]
    shown = [(name, measured) for name, measured in shown if measured]
    title = f"{TITLES[workload]}: CPU per echo, {servers.FLOOR} = 1; less is better"
    drawing = Drawing(40 + ROW * len(shown), title, theme)
    longest = max(measured.high for _, measured in shown)
    scale = (WIDTH - NAMES - 3 * MARGIN - 30) / longest
    for index, (name, measured) in enumerate(shown):
        y = 32 + ROW * index
        middle = y + ROW / 2 - 2
        drawing.text(NAMES, middle + 4, name, anchor="end")
        color = drawing.model if name in servers.MODELS else drawing.peer
        drawing.bar(NAMES + 10, y, measured.median * scale, ROW - 6, color)
        drawing.line(NAMES + 10 + measured.low * scale, middle,
                     NAMES + 10 + measured.high * scale, middle, drawing.ink)
        drawing.text(NAMES + 16 + measured.high * scale, middle + 4, f"{measured.median:.2f}")
    one = NAMES + 10 + scale
    drawing.line(one, 26, one, 32 + ROW * len(shown), drawing.ink, dashes="3 3")
    return drawing.svg()


def growth(results, theme):
    """CPU per echo by connections, on a logarithmic axis: a line for each server."""
    steps = [name for name in results.workloads() if name.startswith("growth-")]
    counts = [int(step.split("-")[1]) for step in steps]
    names = in_order(results.servers(steps[0]))
    _, factor, _ = UNITS["cpu"]
    lines = {}
    for name in names:
        measured = [(count, spread(results, step, name, "cpu"))
                    for count, step in zip(counts, steps)]
        lines[name] = [(count, each.median * factor) for count, each in measured if each]
    top = max(value for line in lines.values() for _, value in line)
    title = "CPU per echo, µs, by connections; less is better"
    drawing = Drawing(GROWTH_HEIGHT + 60, title, theme)
    left, right, bottom = 50, WIDTH - 190, GROWTH_HEIGHT + 20
    span = math.log(counts[-1] / counts[0])

    def place(count, value):
        x = left + (right - left) * math.log(count / counts[0]) / span
        return x, bottom - (bottom - 40) * value / top

    step = 10 ** math.floor(math.log10(top))
    step = step if top / step >= 4 else step / 2
    for index in range(int(top / step) + 1):
        _, y = place(counts[0], index * step)
        drawing.line(left, y, right, y, drawing.faint)
        drawing.text(left - 6, y + 4, f"{index * step:g}", anchor="end")
    for count in counts:
        x, _ = place(count, 0)
        drawing.text(x, bottom + 18, f"{count:,}", anchor="middle")
    for index, (name, line) in enumerate(lines.items()):
        color = LINES[index % len(LINES)]
        drawing.path([place(*point) for point in line], color)
        y = 50 + ROW * index
        drawing.line(right + 20, y - 4, right + 44, y - 4, color, width=3)
        drawing.text(right + 52, y, name)
    return drawing.svg()


def write(results, folder):
    """Writes the charts of the workloads that were measured."""
    for theme in THEMES:
        charts = {f"performance-{workload}": bars(results, workload, theme)
                  for workload in ("50", "500")
                  if ratio(results, workload, servers.FLOOR, servers.FLOOR, "cpu")}
        if any(name.startswith("growth-") for name in results.workloads()):
            charts["performance-growth"] = growth(results, theme)
        for name, svg in charts.items():
            with open(os.path.join(folder, f"{name}{theme}.svg"), "w", encoding="utf-8") as file:
                file.write(svg)
