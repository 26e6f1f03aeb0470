"""From a data set to minibatches: hold a part out, shuffle the rest, cut it up.

N samples in the data set, B in a batch.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array, Generator


def stratified_split(labels: npt.ArrayLike, size: int, rng: Generator) -> tuple[Array, Array]:
    """Draw `size` samples in which every class has its share; return the indices of rest and drawn.

    labels: classes (N,). size: 1 to N - 1. Each class gives size / N of its samples, rounded down;
    what is missing then comes from the classes with the largest remainders, one each. Both results
    are in ascending order, share nothing, and make up all N. Raises InputError for a size out of
    range, labels that are not flat, or an rng that is no Generator.

    >>> rest, drawn = stratified_split([0, 0, 0, 0, 1, 1], size=3, rng=np.random.default_rng(0))
    >>> rest, drawn
    (array([0, 1, 5]), array([2, 3, 4]))
    """
    labels = checks.vector(labels, "stratified_split expects classes")
    checks.generator(rng)
    checks.check_integer("size", size, most=len(labels) - 1)
    classes, counts = np.unique(labels, return_counts=True)
    shares, remainders = np.divmod(counts * size, len(labels))
    largest = np.argsort(-remainders, kind="stable")[: size - shares.sum()]  # of equals the first
    shares[largest] += 1
    drawn = np.zeros(len(labels), bool)  # (N,)
    for label, share in zip(classes, shares, strict=True):
        drawn[rng.choice(np.flatnonzero(labels == label), share, replace=False)] = True
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)


def minibatches(
    x: Array, y: Array, batch_size: int, rng: Generator, start: int = 0,
    sample_weight: npt.ArrayLike | None = None,
) -> Iterator[tuple[Array, ...]]:  # fmt: skip
    """Yield (x, y) in shuffled batches until every sample has come once: one epoch.

    x: (N, ...), y: (N, ...). batch_size: 1 or more; the last batch may be smaller. rng decides the
    order, by one draw, so that `start` > 0 goes on with the batch at which an epoch was left. Only
    batches are copied, never the data set. sample_weight: None, or (N,); then each batch is
    (x, y, weights). Raises InputError for lengths that differ, a batch
    size under 1, or an rng that is no Generator.

    >>> x = np.arange(5)
    >>> [xb.tolist() for xb, yb in minibatches(x, x % 2, 2, np.random.default_rng(0))]
    [[2, 4], [3, 0], [1]]
    >>> [xb.tolist() for xb, yb in minibatches(x, x % 2, 2, np.random.default_rng(0), start=1)]
    [[3, 0], [1]]
    """
    arrays = checks.paired(x, y, sample_weight)
    checks.check_integer("batch_size", batch_size)
    checks.check_integer("start", start, least=0)
    order = checks.generator(rng).permutation(len(x))  # (N,)
    firsts = range(start * batch_size, len(x), batch_size)
    # No `yield` here: it would put the checks above off until somebody asks for the first batch.
    parts = (order[first : first + batch_size] for first in firsts)
    return (tuple(array[part] for array in arrays) for part in parts)
