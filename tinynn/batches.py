"""From a data set to minibatches: hold a part out, shuffle the rest, cut it into batches.

N samples in the data set, B in a batch.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array, Generator


def stratified_split(labels: npt.ArrayLike, size: int, rng: Generator) -> tuple[Array, Array]:
    """Draw `size` samples, from each class its share; return two index arrays, rest and drawn.

    labels: classes (N,). size: 1 to N - 1. Each class gives size / N of its samples, rounded down;
    the samples that are still missing come from the classes with the largest remainders, one from
    each. Both results are in ascending order, have no index in common, and together are all N.
    Raises InputError if size is out of range, if labels are not (N,), or if rng is no Generator.

    >>> rest, drawn = stratified_split([0, 0, 0, 0, 1, 1], size=3, rng=np.random.default_rng(0))
    >>> rest, drawn
    (array([0, 1, 5]), array([2, 3, 4]))
    """
    labels = checks.vector(labels, "stratified_split expects classes")
    checks.generator(rng)
    checks.check_integer("size", size, most=len(labels) - 1)
    classes, counts = np.unique(labels, return_counts=True)
    shares, remainders = np.divmod(counts * size, len(labels))
    largest = np.argsort(-remainders, kind="stable")[: size - shares.sum()]  # if equal, the first
    shares[largest] += 1
    drawn = np.zeros(len(labels), bool)  # (N,)
    for label, share in zip(classes, shares, strict=True):
        drawn[rng.choice(np.flatnonzero(labels == label), share, replace=False)] = True
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)


def minibatches(
    x: Array, y: Array, batch_size: int, rng: Generator, start: int = 0,
    sample_weight: npt.ArrayLike | None = None, *, part: Callable[[Array], Array] = np.asarray,
) -> Iterator[tuple[Array, ...]]:  # fmt: skip
    """Yield (x, y) in shuffled batches until every sample has come once: one epoch.

    x: (N, ...), y: (N, ...). batch_size: 1 or more; the last batch may be smaller. rng: decides the
    order, with one draw. start: the batch to begin with, default 0; an epoch that was interrupted
    goes on there, given an equal rng. Only batches are copied, never the data set. sample_weight:
    None, or (N,); then each batch is (x, y, weights). part: a function that is given the numbers of
    a batch's samples and returns those to yield, when the batch is asked for; default: all of them.
    Raises InputError if the lengths differ, if batch_size is less than 1, or if rng is no
    Generator.

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
    # No `yield` here: with it the checks above would not run until the first batch is asked for.
    parts = (part(order[first : first + batch_size]) for first in firsts)
    return (tuple(array[part] for array in arrays) for part in parts)
