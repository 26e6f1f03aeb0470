"""Tables as markup: rows with a head, which tables.js lets a reader sort by any column."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from tinynn.page.part import text

Cell = tuple[float, str]  # what it is sorted by, if its column has numbers; what it shows


@dataclass(frozen=True)
class Column:
    """One column. numbers: whether its cells are sorted as numbers, and stand on the right."""

    title: str
    numbers: bool = False


def figure_text(value: float | None, form: str) -> Cell:
    """Return the cell of a number; an empty one for None, which is sorted last, as NaN is.

    >>> figure_text(0.91234, ".4f")
    (0.91234, '0.9123')
    """
    return (float("-inf"), "") if value is None else (value, format(value, form))


def table(
    caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], sortable: bool = False
) -> str:
    """Return a table within a box that scrolls on its own; the first cell of a row is its head."""
    heads = "".join(
        f'<th scope="col"{_side(column)}>{text(column.title)}</th>' for column in columns
    )
    body = "\n".join(_row(columns, row) for row in rows)
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="scrolls" role="region" tabindex="0" aria-label="{text(caption)}">'
        f"<table{kind}><caption>{text(caption)}</caption><thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def details(markup: str, title: str = "The numbers as a table") -> str:
    """Return markup that a reader opens."""
    return f"<details><summary>{text(title)}</summary>\n{markup}\n</details>"


def _row(columns: Sequence[Column], row: Sequence[Cell]) -> str:
    cells = []
    for i, (column, (value, shown)) in enumerate(zip(columns, row, strict=True)):
        kind = 'th scope="row"' if i == 0 else "td"
        by = f' data-value="{value:.12g}"' if column.numbers and isfinite(value) else ""
        cells.append(f"<{kind}{_side(column)}{by}>{text(shown)}</{kind[:2]}>")
    return f"<tr>{''.join(cells)}</tr>"


def _side(column: Column) -> str:
    return ' class="number"' if column.numbers else ""
