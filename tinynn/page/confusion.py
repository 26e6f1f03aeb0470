"""Which classes are mixed up, with the images behind each number, and the most confident mistakes.

Each number of the matrix is a link to its images below, which a style sheet shows while they are
the target of the page's address: so they are there without scripts, too.
"""

from collections.abc import Iterator

import numpy as np

from tinynn import metrics
from tinynn.page.part import text
from tinynn.page.pictures import picture
from tinynn.page.scored import TestData
from tinynn.parameters import Array

MOST_CLASSES = 30  # of a matrix that can be read
SHADES = 5  # of the cells of mistakes, shade-1 to shade-5 in page.css
MOST_BYTES = 700_000  # of all images of a page
RIGHT = 12  # images of a cell on the diagonal
WORST = 24  # mistakes


def confusion(test: TestData) -> str:
    """Return the confusion matrix; of many classes, the pairs that are mixed up most often."""
    matrix = metrics.confusion_matrix(test.p, test.labels, len(test.names))
    if len(test.names) > MOST_CLASSES:
        pairs = metrics.most_confused(matrix, test.names, 20)
        items = "".join(f"<li>{text(pair)}</li>" for pair in pairs)
        return f"<h3>What is mixed up</h3><ul class='plain'>{items}</ul>"
    shown = _chosen(test)
    heads = "".join(f'<th scope="col"><span>{text(name)}</span></th>' for name in test.names)
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>{"".join(_cells(matrix, i, test, shown))}</tr>'
        for i, name in enumerate(test.names)
    )
    groups = "\n".join(_group(test, i, j, shown[i, j], matrix[i, j]) for i, j in sorted(shown))
    hint = "<p>A row is the class of an image, a column what it was taken for."
    hint += " Choose a number to see the images behind it.</p>" if groups else "</p>"
    return f"""<h3>What is mixed up</h3>
{hint}
<div class="confusion">
<div class="scrolls" role="region" tabindex="0" aria-label="Confusion matrix">
<table class="matrix"><caption class="unseen">Confusion matrix: rows are true classes, columns
what they were taken for</caption>
<thead><tr><td></td>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
<div class="cell-images" id="cell-images">
{groups}
</div></div>"""


def mistakes(test: TestData) -> str:
    """Return the mistakes of which the network was most sure, as images with probabilities."""
    if test.images is None:
        return ""
    predicted = test.p.argmax(axis=1)
    wrong = np.flatnonzero(predicted != test.labels)
    worst = wrong[np.argsort(-test.p[wrong].max(axis=1), kind="stable")][:WORST]
    title = "<h3>Most sure, and wrong</h3>"
    if not len(worst):
        return f"{title}<p>Not one test image is wrong.</p>"
    if test.images[0].size * len(worst) > MOST_BYTES:
        return f"{title}<p>The images are too large for a page.</p>"
    items = "\n".join(
        f"<li><figure>{_image(test, int(n))}<figcaption>"
        f"<b>{text(test.names[test.labels[n]])}</b> taken for <b>{text(test.names[predicted[n]])}"
        f'</b> <span class="beside">{text(_share(test, int(n)))} sure</span></figcaption></figure>'
        "</li>"
        for n in worst
    )
    return f'{title}\n<ul class="images worst">\n{items}\n</ul>'


def _cells(
    matrix: Array, i: int, test: TestData, shown: dict[tuple[int, int], list[str]]
) -> Iterator[str]:
    """Yield the cells of a row: shaded by the share of the class, and linked to their images."""
    for j, count in enumerate(matrix[i]):
        share = count / max(matrix[i].sum(), 1)
        shade = "right" if i == j else f"shade-{min(SHADES, int(np.ceil(share * 20)))}"
        said = f"{test.names[i]} taken for {test.names[j]}: {count:,}"
        inside = (
            f'<a href="#cell-{i}-{j}" aria-label="{text(said)}">{count:,}</a>'
            if shown.get((i, j))
            else f'<span class="{"none" if not count else "count"}">{count:,}</span>'
        )
        yield f'<td class="{shade}">{inside}</td>'


def _chosen(test: TestData) -> dict[tuple[int, int], list[str]]:
    """Return the images of each cell as markup, the surest first: as many as the page has room for.

    One of each cell first, then a second of each, until the bytes are used up.
    """
    cells: dict[tuple[int, int], list[str]] = {}
    if test.images is None:
        return cells
    predicted, sure = test.p.argmax(axis=1), test.p.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    places: dict[tuple[int, int], int] = {}
    ranked = []
    for n in order.tolist():
        cell = int(test.labels[n]), int(predicted[n])
        places[cell] = rank = places.get(cell, -1) + 1
        if cell[0] != cell[1] or rank < RIGHT:
            ranked.append((rank, cell, n))
    left = MOST_BYTES
    for _, cell, n in sorted(ranked):
        image = f"<li>{_image(test, n)}</li>"
        left -= len(image)
        if left < 0:
            break
        cells.setdefault(cell, []).append(image)
    return cells


def _group(test: TestData, i: int, j: int, images: list[str], count: int) -> str:
    """Return the images behind one number."""
    names = text(test.names[i]), text(test.names[j])
    what = f"{names[0]} taken for {names[1]}" if i != j else f"{names[0]}, recognised"
    some = f"{len(images)} of {count:,}, the surest first" if len(images) < count else f"{count:,}"
    return (
        f'<section class="cell" id="cell-{i}-{j}" tabindex="-1" aria-label="{what}">'
        f'<h4>{what} <span class="beside">{some}</span></h4>'
        f'<ul class="images">{"".join(images)}</ul></section>'
    )


def _image(test: TestData, n: int) -> str:
    assert test.images is not None
    taken = test.names[test.p[n].argmax()]
    said = f"test image {n}: {test.names[test.labels[n]]}, taken for {taken}, {_share(test, n)}"
    return picture(test.images[n], text(said))


def _share(test: TestData, n: int) -> str:
    """Return the probability of the prediction: never 100 %, to which float32 rounds."""
    highest = test.p[n].max()
    return "> 99.9%" if highest > 0.999 else f"{highest:.1%}"
