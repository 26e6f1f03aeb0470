"""The page of a step: all numbers if they fit on a screen, otherwise a line for each array."""

from collections.abc import Iterable

import numpy as np

from tinynn.explain.record import Row, StepRecord
from tinynn.parameters import Array

LINES, COLUMNS = 40, 170  # that fit on a screen
NAME, EQUATION, SHAPE, NUMBER, IN_TEXT = 14, 31, 11, 9, 16  # widths
D_MEANS = "(d... = the gradient of L with respect to ...)"


def page(step: StepRecord) -> str:
    """Return the title, then forward, loss, backward and update, and last the loss after it."""
    arrays = [row.array for row in step.forward] + [update.before for update in step.updates]
    full = LINES * COLUMNS / NUMBER  # how many numbers fill a screen
    lines = _in_numbers(step) if sum(array.size for array in arrays) < full else []
    if not lines or len(lines) > LINES - 2 or max(map(len, lines)) > COLUMNS:
        lines = _in_summary(step)
    return "\n".join((step.title, *lines, _last_line(step)))


def _last_line(step: StepRecord) -> str:
    """Return the loss before and after the step, and the decrease that the gradient predicts."""
    change = step.loss - step.loss_after
    values = (step.loss, step.loss_after, abs(change), step.predicted_decrease)
    before, after, by, predicted = (_number(value, IN_TEXT) for value in values)
    direction = "down" if change >= 0 else "up"
    return (
        f"AGAIN  {step.again}: loss {before} -> {after}, {direction} {by}. "
        f"The gradient predicts a decrease of {step.formula}{predicted}."
    )


def _in_numbers(step: StepRecord) -> list[str]:
    """Return the page of a small network, number by number."""
    name, equation, shape = _widths(step)
    name = max(name, NAME)
    width = max(_samples(row).shape[1] for row in step.forward) * NUMBER + 2

    def line(row: Row) -> str:
        head = f"  {row.name}".ljust(name) + row.equation.ljust(equation)
        samples = (_numbers(sample).ljust(width) for sample in _samples(row))
        return f"{head}{_shape(row.array).ljust(shape)}{''.join(samples)}{row.note}"

    heads = "".join(f"   sample {i}".ljust(width) for i in range(1, len(step.sample_losses) + 1))
    losses = "".join(_numbers([value]).ljust(width) for value in step.sample_losses)
    total = _number(step.loss).ljust(shape)
    lines = ["FORWARD".ljust(name + equation) + "shape".ljust(shape) + heads]
    lines += map(line, step.forward)
    lines += _windows(step, 0)
    lines.append("LOSS".ljust(name) + step.loss_equation.ljust(equation) + total + losses)
    lines.append("BACKWARD".ljust(name) + D_MEANS)
    lines += map(line, step.backward)
    width = max(_rows(update.before).shape[1] for update in step.updates) * NUMBER + 3
    titles = (f"   {head}".ljust(width) for head in ("before", "gradient", "after"))
    lines += ["UPDATE".ljust(name) + step.rule, " " * name + "".join(titles)]
    for update in step.updates:
        tables = map(_rows, (update.before, update.gradient, update.after))
        for i, rows in enumerate(zip(*tables, strict=True)):
            head = f"  {update.name}" if i == 0 else ""
            lines.append(head.ljust(name) + "".join(_numbers(row).ljust(width) for row in rows))
    return [line.rstrip() for line in lines]


def _in_summary(step: StepRecord) -> list[str]:
    """Return the page of a large network, a line for each array."""
    name, equation, shape = _widths(step)
    three = 3 * NUMBER  # the width of three numbers

    def head(of: str, middle: str, lead: str = "") -> str:
        return lead.ljust(shape) + f" {of}".ljust(name) + middle.ljust(equation)

    def statistics(table: Array) -> str:
        extent = _numbers([table.min(), table.mean(dtype=float), table.max()])
        return f"{_numbers(table[0, :3]).ljust(three)}{extent}{np.mean(table == 0):6.0%}"

    def line(row: Row) -> str:
        start = head(row.name, row.equation, _shape(row.array))
        return f"{start}{statistics(_samples(row))}  {row.note}"

    names = "".join(title.rjust(NUMBER) for title in ("min", "mean", "max")) + "  zero"
    sizes = "mean |W|".rjust(NUMBER + 3) + "mean |step|".rjust(NUMBER + 3)
    losses = [_number(f(step.sample_losses), IN_TEXT) for f in (min, max)]
    lines = [
        head("FORWARD", "", "shape") + "   sample 1: first 3".ljust(three) + names,
        *map(line, step.forward),
        *_windows(step, shape + 1),
        head("LOSS", step.loss_equation)
        + f"{_number(step.loss, IN_TEXT)}; of single samples {' to '.join(losses)}",
        head("BACKWARD", D_MEANS),
        *map(line, step.backward),
        head("UPDATE", step.rule),
        head("", "   W, row 1: first 3") + "   dW, row 1: first 3".ljust(three) + names + sizes,
    ]
    for update in step.updates:
        W, change = _rows(update.before), update.after - update.before
        sizes = _numbers((np.abs(W).mean(), np.abs(change).mean()), NUMBER + 3)
        start = head(update.name, _numbers(W[0, :3]), _shape(update.before))
        lines.append(start + statistics(_rows(update.gradient)) + sizes)
    return [line.rstrip() for line in lines]


def _windows(step: StepRecord, indent: int) -> list[str]:
    """Return a line for each convolution: one number of its output, as a sum."""
    rows = [row for row in step.forward if row.window]
    heads = ["AT ONE WINDOW", *([""] * len(rows))]
    return [
        f"{'':<{indent}}{head:<14}{row.name} {row.window}"
        for head, row in zip(heads, rows, strict=False)
    ]


def _widths(step: StepRecord) -> tuple[int, int, int]:
    """Return the widths of names, equations and shapes, so that long ones keep columns in line."""
    named = [(row.name, row.array) for row in step.forward]
    named += [(update.name, update.before) for update in step.updates]
    shape = max(len(_shape(array)) for _, array in named) + 1
    equations = [step.loss_equation, *(row.equation for row in (*step.forward, *step.backward))]
    equation = max(*map(len, equations), EQUATION - 1) + 1
    return max(len(name) for name, _ in named) + 3, equation, max(shape, SHAPE)


def _samples(row: Row) -> Array:
    """Return an array (B, ...) as a table (B, N), one sample a row."""
    return row.array.reshape(len(row.array), -1)


def _rows(parameter: Array) -> Array:
    """Return an array of parameters, of any number of axes, as a table."""
    table = np.atleast_2d(parameter)
    return table.reshape(-1, table.shape[-1])


def _shape(array: Array) -> str:
    return str(array.shape).replace(" ", "")


def _numbers(values: Iterable[float], width: int = NUMBER) -> str:
    """Return numbers in columns; a 0 stands where other numbers have the digit before the point."""
    texts = map(_number, values)
    return "".join((f"{text:6}" if text == "0" else text).rjust(width) for text in texts)


def _number(value: float, width: int = NUMBER) -> str:
    """Return a number with up to four decimals; a very small or large one as 1.2e+05.

    >>> [_number(v) for v in (0.0, 0.25, -123.456789, -3.0e-07, 123456.0)]
    ['0', '0.2500', '-123.457', '-3.0e-07', '1.2e+05']
    """
    texts = [f"{value:.{decimals}f}" for decimals in (4, 3, 2)]
    fitting = [text for text in texts if len(text) < width and abs(value) >= 5e-5]
    return "0" if value == 0 else [*fitting, f"{value:.1e}"][0]
