"""Exercise 11: minibatches.

There are many right results, so none is compared: we look at which sample stands where. Sample i
has x = i, i + 0.5 and y = 10 i, so each number tells whose it is.
"""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.words import kind_of, shown
from tinynn.exercises.work import Work
from tinynn.parameters import Array

SEVERAL = tuple, list
RUNS = 120  # with three samples: that one of six orders never comes has the probability 2e-9
Y = np.array([30, 10, 10, 30, 20, 10, 30, 20, 10, 20])  # classes of four, three, three samples


def samples(n: int) -> tuple[Array, Array]:
    """Return n samples of which each number says to which sample it belongs."""
    i = np.arange(n)
    return np.stack([i, i + 0.5], axis=1), 10 * i


def rng(seed: int) -> np.random.Generator:
    """Return a random generator."""
    return np.random.default_rng(seed)


def array_of(work: Work, name: str, found: Any) -> Array:
    """Return a result as an array; raise what is wrong if it is none."""
    try:
        return np.asarray(found)
    except ValueError as error:
        raise work.wrong(f"{name} is {shown(found)}.", name) from error


def order_of(work: Work, x: Array, y: Array, found_x: Any, found_y: Any) -> list[int]:
    """Return which samples stand in arrays that came back; raise what is wrong with them."""
    order = []
    for name, array, found in (("x", x, found_x), ("y", y, found_y)):
        found = array_of(work, name, found)
        if found.ndim == 0 or found.shape[1:] != array.shape[1:]:
            raise work.wrong(f"{name} comes back with the shape {found.shape}, but each of its "
                             f"samples had the shape {array.shape[1:]}.", name)  # fmt: skip
        fits = [[i for i, old in enumerate(array) if np.array_equal(old, new)] for new in found]
        if not all(fits):
            new = found[fits.index([])]
            raise work.wrong(f"{shown(new)} is no sample of {name}: all numbers of a sample must "
                             "stay together, as they are.", name)  # fmt: skip
        order.append([fit[0] for fit in fits])
    if order[0] != order[1]:
        raise work.wrong(f"The samples of x come in the order {order[0]}, and those of y in the "
                         f"order {order[1]}: x[i] and y[i] belong together.")  # fmt: skip
    return order[0]


def once(work: Work, order: list[int], n: int) -> None:
    """Each of n samples must come once."""
    count = Counter(order)
    twice = [i for i in count if count[i] > 1]
    never = [i for i in range(n) if i not in count]
    if twice:
        raise work.wrong(f"Sample {twice[0]} comes {count[twice[0]]} times in an epoch"
                         + (f", and sample {never[0]} never" if never else "")
                         + f". The order is {order}: each sample must come once.")  # fmt: skip
    if never:
        raise work.wrong(f"Sample {never[0]} does not come. Of {n} samples the order is {order}.")


def by_rng(work: Work, run: Callable[[int], list[int]], plain: list[int], what: str) -> None:
    """The result must depend on rng, and on nothing else that is random. run: a seed's result."""
    results = [run(seed) for seed in range(4)]
    for seed, before in enumerate(results):  # four, for chance alone makes few sets of ten equal
        if (again := run(seed)) != before:
            raise work.wrong(f"Two calls with rngs of the same seed differ: the {what} is {before} "
                             f"and {again}. Let rng decide all that is random.")  # fmt: skip
    if all(result == plain for result in results):
        raise work.wrong(f"Nothing is random: for each rng the {what} is {plain}.")
    if all(result == results[0] for result in results):
        raise work.wrong(f"For each rng the {what} is the same, {results[0]}. Is rng used, or is a "
                         "random generator made here, with the same seed each time?")  # fmt: skip


def all_orders(work: Work, run: Callable[[int], list[int]]) -> None:
    """Each order of three samples must be possible."""
    orders: set[tuple[int, ...]] = set()
    for seed in range(RUNS):
        orders.add(tuple(run(seed)))
        if len(orders) == 6:
            return
    raise work.wrong(f"Of 3 samples only these orders have come in {RUNS} epochs: "
                     f"{', '.join(map(str, sorted(orders)))}. There are 6, and each must be "
                     "possible.")  # fmt: skip


def shuffled(work: Work) -> None:
    """Seven samples; images with one-hot labels; each order of three."""

    def order(seed: int, arrays: tuple[Array, Array] = samples(7)) -> list[int]:
        found = work.call(*arrays, rng(seed))
        work.check_count(found, "x, y")
        result = order_of(work, *arrays, *found)
        once(work, result, len(arrays[0]))
        return result

    by_rng(work, order, [*range(7)], "order")
    order(0, (np.arange(20.0).reshape(5, 2, 2), np.eye(5)))
    all_orders(work, lambda seed: order(seed, samples(3)))


def minibatches(work: Work) -> None:
    """Sizes first; then the same as of shuffled; then what is shuffled, samples or batches."""

    def epoch(seed: int, n: int = 7, size: int = 3) -> list[list[int]]:
        arrays = samples(n)
        found = work.call(*arrays, size, rng(seed))
        sizes = [min(size, n - first) for first in range(0, n, size)]
        pairs = _pairs(work, found, sizes, f"For {n} samples and batch_size {size}")
        orders = [order_of(work, *arrays, *pair) for pair in pairs]
        once(work, [*chain(*orders)], n)
        return orders

    for n, size in ((7, 2), (7, 3), (6, 3), (4, 9), (3, 1)):
        epoch(0, n, size)
    by_rng(work, lambda seed: [*chain(*epoch(seed))], [*range(7)], "order")
    runs = [epoch(seed, 9) for seed in range(4)]
    if all(batch == [*range(batch[0], batch[0] + 3)] for run in runs for batch in run):
        raise work.wrong("Only the order of the batches is random: in each batch samples stand "
                         "that were neighbours before. Shuffle the samples.")  # fmt: skip
    if all(sorted(batch) == [3 * k, 3 * k + 1, 3 * k + 2]
           for run in runs for k, batch in enumerate(run)):  # fmt: skip
        raise work.wrong("The samples are shuffled only within a batch: batch 0 always holds the "
                         "samples 0, 1 and 2. Any samples must be able to meet.")  # fmt: skip
    all_orders(work, lambda seed: [*chain(*epoch(seed, 3, 2))])


def _pairs(work: Work, found: Any, sizes: list[int], begin: str) -> list[Any]:
    """Return the pairs (x, y) of a list of batches; raise what is wrong with the list."""
    if not isinstance(found, SEVERAL):
        raise work.wrong(f"It returns {kind_of(found)}, expected a list of pairs, one for each "
                         "batch.")  # fmt: skip
    if found and isinstance(found, tuple) and all(isinstance(part, np.ndarray) for part in found):
        raise work.wrong("It returns one batch alone. Does return stand within the loop?")
    long = [len(part) for part in found if isinstance(part, SEVERAL)]
    if len(sizes) != 2 and long == [len(sizes)] * 2:
        raise work.wrong("It returns two lists, the batches of x and those of y. Return one list, "
                         "with a pair (x, y) for each batch.")  # fmt: skip
    for batch in found:
        if not isinstance(batch, SEVERAL) or len(batch) != 2:
            what = f"{len(batch)} values" if isinstance(batch, SEVERAL) else kind_of(batch)
            raise work.wrong(f"A batch is {what}, expected a pair: x, y.")
    arrays = [(array_of(work, "x", x), array_of(work, "y", y)) for x, y in found]
    lengths = [(len(np.atleast_1d(x)), len(np.atleast_1d(y))) for x, y in arrays]
    unequal = next((pair for pair in lengths if pair[0] != pair[1]), None)
    if unequal:
        raise work.wrong(f"In a batch x has the length {unequal[0]}, and y {unequal[1]}.")
    got = [pair[0] for pair in lengths]
    if got == sizes:
        return arrays
    told = {
        "The last, smaller batch is missing: its samples would never be seen in this epoch.":
            sizes[:-1],
        "An empty batch stands at the end: the mean loss of no samples is NaN.": [*sizes, 0],
        "The last batch is filled up to batch_size, with samples that have come already.":
            [sizes[0]] * len(sizes),
        "What is left over is in the last batch, which gets too large.":
            [*sizes[:-2], sum(sizes[-2:])],
        "It is one batch with all samples. Where is batch_size used?": [sum(sizes)],
        "They overlap: each batch begins one sample after the one before.":
            [min(sizes[0], sum(sizes) - first) for first in range(sum(sizes))],
        "Each batch has one sample. Where is batch_size used?": [1] * sum(sizes),
    }  # fmt: skip
    why = next((sentence for sentence, those in told.items() if got == those), "")
    if sum(got) == sum(sizes) and max(got) - min(got) <= 1:
        if len(got) == len(sizes):
            why = "The batches are made about equally large. Only the last one may be smaller."
        elif len(got) == sizes[0]:
            why = "batch_size is taken for the number of batches. It is that of samples in each."
    if sorted(got) == sorted(sizes):
        why = "The batches are shuffled, and not the samples: the smaller one is not the last."
    raise work.wrong(f"{why} {begin} the batches have the sizes {got}, expected {sizes}.".strip())


def hold_out(work: Work) -> None:
    """Ten samples of three classes, k = 1 to 3."""

    def held(seed: int, k: int = 2) -> list[int]:
        found = work.call(Y, k, rng(seed))
        work.check_count(found, "rest, held")
        rest, held = (_indices(work, name, part) for name, part in
                      zip(("rest", "held"), found, strict=True))  # fmt: skip
        _split(work, rest, held, k)
        return sorted(held)

    for k in (2, 1, 3):
        held(0, k)
    first = [0, 1, 2, 3, 4, 7]  # the first two of each class
    by_rng(work, held, first, "set held out")
    ever = {i for seed in range(RUNS // 2) for i in held(seed)}
    if len(ever) < len(Y):
        never = min({*range(len(Y))} - ever)
        raise work.wrong(f"In {RUNS // 2} runs index {never} of y = {shown(Y)} was never held out "
                         "(k = 2). Each sample of a class must be possible.", "held")  # fmt: skip


def _indices(work: Work, name: str, found: Any) -> list[int]:
    """Return indices as a list; raise what is wrong with them as indices."""
    array = array_of(work, name, found)
    if array.dtype.kind == "b":
        raise work.wrong(f"{name} is a mask of True and False. Return indices.", name)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise work.wrong(f"{name} is {shown(found)}, expected indices, whole numbers in one "
                         "row.", name)  # fmt: skip
    outside = [int(i) for i in array if not 0 <= i < len(Y)]
    if outside:
        classes = " It is a class: return indices." if outside[0] in Y else ""
        raise work.wrong(f"{name} holds {outside[0]}, and the indices of {len(Y)} samples are 0 to "
                         f"{len(Y) - 1}.{classes}", name)  # fmt: skip
    return [int(i) for i in array]


def _split(work: Work, rest: list[int], held: list[int], k: int) -> None:
    """Both together must be all, and held k of each class."""
    text = f"For y = {shown(Y)} and k = {k} it returns rest = {rest}, held = {held}."
    numbers = [int(number) for number in np.unique(Y)]
    classes = {number: sum(Y[i] == number for i in held) for number in numbers}
    others = {number: sum(Y[i] == number for i in rest) for number in numbers}
    twice = [i for i in held if held.count(i) > 1]
    both = {*rest} & {*held}
    never = {*range(len(Y))} - {*rest} - {*held}
    equal = ", ".join(f"{count} of class {number}" for number, count in classes.items())
    if len(held) == k * len(numbers) and max(held) < 4:  # one class has no sample there
        raise work.wrong("held has only indices below 4: are they places among the samples of a "
                         f"class, and not in y? {text}", "held")  # fmt: skip
    if twice:
        raise work.wrong(f"Index {twice[0]} is held out twice: what is drawn must not be drawn "
                         f"again. {text}", "held")  # fmt: skip
    if both:
        raise work.wrong(f"Index {min(both)} is in both: what is validated with is trained with. "
                         f"{text}", "rest")  # fmt: skip
    if set(classes.values()) != {k} and set(others.values()) == {k}:
        raise work.wrong(f"rest and held stand in the wrong order. {text}")
    if set(classes.values()) != {k}:
        whole = " k is the number for each class, and not for all." if len(held) == k else ""
        raise work.wrong(f"held has {equal}, expected {k} of each.{whole} {text}", "held")
    if never:
        raise work.wrong(f"Index {min(never)} is in neither. {text}", "rest")
    if len({*rest}) < len(rest):
        raise work.wrong(f"An index comes twice in rest. {text}", "rest")


MINIBATCHES = Exercise(
    "11_minibatches",
    "Minibatches",
    (
        Part("shuffled", "x, y, rng", 3, shuffled),
        Part("minibatches", "x, y, batch_size, rng", 4, minibatches),
        Part("hold_out", "y, k, rng", 3, hold_out),
    ),
)
