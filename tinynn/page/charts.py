"""Charts as markup: SVG for the lines, texts beside it, so that they keep their size on a phone.

    +-- figcaption: title, legend -----+
    | y ticks |  lines (SVG, stretched) |      the first and the last tick are the ends of an axis,
    |         +-- x ticks -------------+      and ticks have equal distances: style sheets can
    +----------------------------------+      then place them, and the page needs no style attribute

charts.js shows values under the pointer, and by keyboard. All values are in a table as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from tinynn.page.part import text

SIZE = 1000  # units of the drawing in each direction: it is stretched to its place
COLOURS = 7  # series-0 to series-6 of page.css; then they come again, with another stroke
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_DECADES = 6  # ticks of a logarithmic axis
LARGEST = 1e300  # number that is drawn: distances of larger ones are infinite


@dataclass(frozen=True)
class Line:
    """One line: points (x, y), left to right; a NaN interrupts it. run: its number, for hiding.

    dashed: for a second line of the same colour. xs and ys have one length.
    """

    name: str
    colour: int
    xs: Sequence[float]
    ys: Sequence[float]
    dashed: bool = False
    run: int = 0


@dataclass(frozen=True)
class Axis:
    """An axis: numbers at equal distances, the first and last of which are its ends.

    log: the ticks are exponents of 10.
    """

    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a number lies: 0 at the first tick, 1 at the last."""
        at = log10(value) if self.log else value
        return (at - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])

    def shows(self, value: float) -> bool:
        """Whether the number can be drawn."""
        return abs(value) <= LARGEST and (value > 0 or not self.log)

    def labels(self) -> list[str]:
        """Return the ticks as texts."""
        if self.log:
            return [f"{10**tick:g}" if -5 < tick < 6 else f"1e{tick:g}" for tick in self.ticks]
        step = self.ticks[1] - self.ticks[0]
        if not 1e-4 <= step < 1e6:
            return [f"{tick:.3g}" for tick in self.ticks]
        decimals = max(0, -floor(log10(step) + 1e-9))
        decimals += round(step, decimals) != round(step, decimals + 1)  # 2.5, 0.25
        return [f"{tick:,.{decimals}f}" for tick in self.ticks]


def linear_axis(values: Sequence[float], most: int = 6, whole: bool = False) -> Axis:
    """Return an axis on which all numbers up to 1e300 lie. most: ticks. whole: of counts, from 0.

    >>> linear_axis([0.113, 0.48]).ticks
    (0.1, 0.2, 0.3, 0.4, 0.5)
    """
    known = [value for value in values if abs(value) <= LARGEST] or [0.0, 1.0]
    low, high = min(known), max(known)
    low = min(low, 0.0) if whole else low
    if low == high:  # of a constant, the distance from 0: ticks beside it would have one text
        low, high = (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)
    spread = max(high - low, 1e-9 * max(abs(high), abs(low)), 1.0 if whole else 1e-12)
    power = floor(log10(spread / most))
    steps = [nice * 10.0**exponent for exponent in range(power, power + 3) for nice in NICE]
    for step in (step for step in steps if not whole or step % 1 == 0):
        first, last = floor(low / step + 1e-6), ceil(high / step - 1e-6)
        last = max(last, first + 1)
        if last - first < most:
            break
    return Axis(tuple(float(f"{i * step:.12g}") for i in range(first, last + 1)))


def log_axis(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis on which all finite numbers above 0 lie.

    >>> log_axis([0.002, 3]).labels()
    ['0.001', '0.01', '0.1', '1', '10']
    """
    known = [log10(value) for value in values if isfinite(value) and value > 0] or [0.0]
    low, high = floor(min(known)), ceil(max(known))
    step = -(-max(high - low, 1) // MOST_DECADES)
    count = -(-max(high - low, 1) // step)
    return Axis(tuple(float(low + i * step) for i in range(count + 1)), log=True)


def chart(
    id: str, title: str, lines: Sequence[Line], x_title: str, *,
    x_axis: Axis | None = None, y_axis: Axis | None = None, log: bool = False, form: str = ".4g",
) -> tuple[str, dict[str, object]]:  # fmt: skip
    """Return a figure as markup, and its data for charts.js.

    id: of the figure, which has its data under this name. form: of a value, as in format().
    """
    x_axis = x_axis or linear_axis([x for line in lines for x in line.xs], whole=True)
    values = [y for line in lines for y in line.ys]
    y_axis = y_axis or (log_axis(values) if log else linear_axis(values))
    paths = "\n".join(_path(line, x_axis, y_axis) for line in lines)
    grid = "".join(
        f"M0 {at:g}H{SIZE}" for at in (SIZE * (1 - i / (n - 1)) for n in [len(y_axis.ticks)]
        for i in range(n))
    )  # fmt: skip
    said = text(f"{title} by {x_title}. {'; '.join(map(_said, lines))}.")
    markup = f"""<figure class="chart" id="{id}">
<figcaption><span class="chart-title">{text(title)}</span>{_legend(lines)}</figcaption>
<div class="plot">
<div class="y-axis" aria-hidden="true">{_ticks(y_axis.labels()[::-1])}</div>
<div class="canvas">
<svg role="img" aria-label="{said}" viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none">
<path class="grid" d="{grid}"/>
{paths}
</svg>
</div>
<div class="x-axis" aria-hidden="true">{_ticks(x_axis.labels())}</div>
<div class="x-title" aria-hidden="true">{text(x_title)}</div>
</div>
</figure>"""
    return markup, {
        "x": [*_ends(x_axis)],
        "y": [*_ends(y_axis)],
        "log": y_axis.log,
        "xTitle": x_title,
        "lines": [_numbers(line, form) for line in lines],
    }


def colour_class(line: Line) -> str:
    """Return the class of a line's colour and stroke."""
    stroke = " dashed" if line.dashed else ""
    return f"series s{line.colour % COLOURS} k{line.colour // COLOURS % 3}{stroke}"


def _path(line: Line, x_axis: Axis, y_axis: Axis) -> str:
    """Return a path from point to point."""
    steps, pen = [], "M"
    for x, y in zip(line.xs, line.ys, strict=True):
        if not y_axis.shows(y):
            pen = "M"
            continue
        at = f"{SIZE * x_axis.place(x):.1f} {SIZE * (1 - y_axis.place(y)):.1f}"
        steps.append(f"{pen}{at}")
        pen = "L"
    if len(steps) == 1:
        steps.append("h0")  # one point alone is a line of length 0, whose round ends are a dot
    kind = colour_class(line) + (" single" if len(steps) == 2 and steps[1] == "h0" else "")
    return f'<path class="{kind}" data-run="{line.run}" d="{"".join(steps)}"/>'


def _legend(lines: Sequence[Line]) -> str:
    """Return the names beside a stroke of their colour; of a single line the title says enough."""
    named = [line for line in lines if line.name]
    if len(named) < 2:
        return ""
    entries = "".join(
        f'<li data-run="{line.run}"><svg class="stroke" viewBox="0 0 24 8" aria-hidden="true">'
        f'<path class="{colour_class(line)}" d="M2 4H22"/>'
        f"</svg>{text(line.name)}</li>"
        for line in named
    )
    return f'<ul class="legend">{entries}</ul>'


def _ticks(labels: Sequence[str]) -> str:
    return "".join(f"<span><b>{label}</b></span>" for label in labels)


def _ends(axis: Axis) -> tuple[float, float]:
    return axis.ticks[0], axis.ticks[-1]


def _numbers(line: Line, form: str) -> dict[str, object]:
    """Return a line for the script: numbers, and the texts that it shows of them."""
    return {
        "name": line.name,
        "kind": colour_class(line),
        "run": line.run,
        "xs": list(line.xs),
        "ys": [y if isfinite(y) else None for y in line.ys],
        "texts": [format(y, form) if isfinite(y) else "not a number" for y in line.ys],
    }


def _said(line: Line) -> str:
    """Return a line in words: where it begins and ends, and how far it went."""
    known = [y for y in line.ys if isfinite(y)]
    name = f"{line.name}: " if line.name else ""
    if not known:
        return f"{name}no values"
    return (
        f"{name}from {known[0]:.4g} to {known[-1]:.4g}, between {min(known):.4g} and "
        f"{max(known):.4g}"
    )
