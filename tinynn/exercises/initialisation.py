"""Exercise 7: the first weights.

Of 6,000 random numbers the standard deviation is known to about 0.9 %: what we ask of them holds
within five standard errors, and the usual mistakes are further apart. The seeds are fixed.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from tinynn.exercises.drawing import check_generator
from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.words import same, unlike
from tinynn.exercises.work import Work
from tinynn.parameters import Array

FANS = ((50, 300), (200, 30))
NORMAL, UNIFORM = 3.0, 1.8  # the mean of the fourth powers / the variance squared


def he(fan_in: int, fan_out: int) -> float:
    """The right standard deviation after He."""
    return sqrt(2 / fan_in)


def glorot(fan_in: int, fan_out: int) -> float:
    """The right standard deviation after Glorot."""
    return sqrt(2 / (fan_in + fan_out))


def near(numbers: Array, std: float, fourth: float) -> bool:
    """Whether a standard deviation is measured within five standard errors."""
    return bool(abs(numbers.std() / std - 1) < 5 * sqrt((fourth - 1) / 4 / numbers.size))


def check_weights(work: Work, W: Any, shape: tuple[int, int], name: str = "") -> Array:
    """Check all but the size of the weights; return their numbers."""
    begin = f"{name} is wrong. " if name else ""
    trouble = unlike(W, np.zeros(shape))
    if trouble:
        raise work.wrong(begin + trouble, "W")
    numbers = np.asarray(W, dtype=float).ravel()
    std = float(numbers.std())
    if numbers.min() == numbers.max():
        raise work.wrong(f"{begin}All weights are equal. So all units of the layer compute the "
                         "same, and go on to do so at each step.", "W")  # fmt: skip
    if np.unique(numbers).size < 0.9 * numbers.size:
        raise work.wrong(begin + "Some weights are copies of others: draw each one by itself.", "W")
    mean = float(numbers.mean())
    if abs(mean) > 5 * std / sqrt(numbers.size):
        sign = "No weight is negative. " if numbers.min() >= 0 else ""
        text = f"{begin}{sign}The mean of the weights is {mean:.3g}, expected about 0."
        raise work.wrong(text, "W")
    return numbers


def check_size(
    work: Work,
    numbers: Array,
    right: float,
    fourth: float,
    mistakes: Mapping[str, float],
    where: str,
) -> None:
    """Check the standard deviation of weights; mistakes: sentence -> what it is then."""
    if near(numbers, right, fourth):
        return
    told = next((each for each, wrong in mistakes.items() if near(numbers, wrong, NORMAL)), "")
    text = f"{where} the standard deviation of W is {numbers.std():.3g}, expected {right:.3g}."
    raise work.wrong(f"{told} {text}".strip(), "W")


def check_rule(
    work: Work, rule: Callable[[int, int], float], fourth: float, mistakes: Mapping[str, Any]
) -> list[Array]:
    """Check the weights of two layers; return them. mistakes: sentence -> the mistake's rule."""
    found: list[Array] = []
    for fans in FANS:
        W = work.call(*fans, np.random.default_rng(1))
        numbers = check_weights(work, W, fans)
        if not found:
            check_generator(work, W, fans, "W")
        wrong = {sentence: float(other(*fans)) for sentence, other in mistakes.items()}
        where = f"For fan_in = {fans[0]} and fan_out = {fans[1]}"
        check_size(work, numbers, rule(*fans), fourth, wrong, where)
        found.append(numbers)
    return found


def he_normal(work: Work) -> None:
    """The standard deviation, then whether they are normal."""
    found = check_rule(work, he, NORMAL, {
        "The variance stands where the standard deviation should. Which of the two does the "
        "function of rng take?": lambda i, o: 2 / i,
        "fan_out stands in it. How many products does a unit add up?": lambda i, o: sqrt(2 / o),
        "ReLU's half is not made up for: the weights are too small.": lambda i, o: sqrt(1 / i),
        "It is Glorot's rule.": glorot,
        "The root is over the 2 alone.": lambda i, o: sqrt(2) / i,
        "The root is over fan_in alone.": lambda i, o: 2 / sqrt(i),
        "ReLU's half is not made up for, and the root is missing.": lambda i, o: 1 / i,
        "The standard deviation is 1 for each layer. It must depend on fan_in.": lambda i, o: 1,
        "The standard deviation is 0.1 for each layer. It must depend on fan_in.":
            lambda i, o: 0.1,
        "The standard deviation is 0.01 for each layer. It must depend on fan_in.":
            lambda i, o: 0.01,
        "The fraction is upside down: more inputs need smaller weights.": lambda i, o: sqrt(i / 2),
        "All weights are counted. How many products does one unit add up?":
            lambda i, o: sqrt(2 / i / o),
        "It is the limit of uniform numbers, and here the standard deviation of normal ones.":
            lambda i, o: sqrt(6 / i),
        "They are uniform, and the standard deviation is taken for their limit.":
            lambda i, o: sqrt(2 / 3 / i),
    })  # fmt: skip
    for numbers in found:
        fourth = float(np.mean(numbers**4) / np.mean(numbers**2) ** 2)
        if abs(fourth - NORMAL) > 5 * sqrt(24 / numbers.size):
            many = "many" if fourth > NORMAL else "few"
            raise work.wrong("Their standard deviation is right, but the weights are not normal: "
                             f"too {many} of them are far from 0.", "W")  # fmt: skip


def glorot_uniform(work: Work) -> None:
    """The standard deviation, then whether they end at the limit."""
    limit = sqrt(3)  # in standard deviations
    found = check_rule(work, glorot, UNIFORM, {
        "The standard deviation is taken for the limit a. What is the variance of numbers from -a "
        "to a?": lambda i, o: glorot(i, o) / limit,
        "The limit a is taken for the standard deviation.": lambda i, o: glorot(i, o) * limit,
        "The root is missing: that is the square of the limit.": lambda i, o: 6 / (i + o) / limit,
        "The variance is taken for the limit.": lambda i, o: 2 / (i + o) / limit,
        "The variance is taken for the standard deviation.": lambda i, o: 2 / (i + o),
        "The root is over the numerator alone.": lambda i, o: sqrt(6) / (i + o) / limit,
        "It is He's rule: fan_out is missing.": he,
        "It depends on fan_in alone.": lambda i, o: sqrt(1 / i),
        "It depends on fan_out alone.": lambda i, o: sqrt(2 / o),
        "fan_in and fan_out are multiplied, and not added.": lambda i, o: sqrt(2 / i / o),
        "a^2 is twice as large as it should be.": lambda i, o: sqrt(4 / (i + o)),
        "a^2 is half as large as it should be.": lambda i, o: sqrt(1 / (i + o)),
        "It is a third of what it should be: the 3 of the variance stands on the wrong side.":
            lambda i, o: glorot(i, o) / 3,
        "All weights are between -1 and 1, whatever fan_in and fan_out are.":
            lambda i, o: 1 / limit,
    })  # fmt: skip
    for numbers, fans in zip(found, FANS, strict=True):
        if np.abs(numbers).max() > glorot(*fans) * limit * (1 + 1e-6):
            raise work.wrong("Their standard deviation is right, but the weights are not uniform: "
                             "some are larger than a.", "W")  # fmt: skip


def standard_deviation(work: Work) -> None:
    """ReLU; a slope of 3/4, with 1 + slope^2 = 25/16; a slope of 1, which halves nothing."""
    work.by_hand((8, 0.0), 0.5, {
        "It is the variance.": 0.25,
        "ReLU's half is not made up for: it is too small.": sqrt(1 / 8),
        "The fraction is upside down: more inputs need smaller weights.": 2.0,
        "The root is over the 2 alone.": sqrt(2) / 8,
    })  # fmt: skip
    work.by_hand((8, 0.75), 0.4, {
        "The slope is missing: it is right for ReLU alone.": 0.5,
        "It is the variance.": 0.16,
        "The slope comes in by itself. What becomes of a square if the number is multiplied by the "
        "slope?": sqrt(2 / 8 / 1.75),
        "The slope makes the weights larger. With it more is left of z, and they must be smaller.":
            sqrt(2 / 8 * 1.5625),
        "The square is around too much. Only the negative z are multiplied by the slope.":
            0.5 / 1.75,
        "The share of the negative half is taken away. It is added to that of the other half.":
            sqrt(2 / 8 / 0.4375),
        "The half of the positive z is missing.": sqrt(2 / 8 / 0.5625),
        "It is not made up for that only half of the z are positive, and half negative.":
            sqrt(1 / 8 / 1.5625),
        "The part of the negative z is not halved. Only half of the z are negative.":
            sqrt(1 / 8 / (0.5 + 0.5625)),
        "The part of the slope stands outside of the root. It changes the mean square.":
            0.5 / 1.5625,
    })  # fmt: skip
    work.by_hand((25, 1.0), 0.2)


def network(work: Work) -> None:
    """Four layers, two of one shape; then a network of one layer."""
    for sizes in ([30, 60, 60, 60, 120], [50, 300]):
        layers = len(sizes) - 1
        result = work.call(sizes, np.random.default_rng(1))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise work.wrong("It does not return two lists, W and b.")
        for name, found in zip(("W", "b"), result, strict=True):
            if not isinstance(found, (list, tuple)):
                raise work.wrong(f"{name} is no list. It has an array for each layer.", name)
            if len(found) != layers:
                raise work.wrong(
                    f"For sizes = {sizes}, the length of {name} is {len(found)}, "
                    f"expected {layers}. How many layers stand between the sizes?",
                    name,
                )
        _check_layers(work, sizes, *result)
        check_generator(work, result, (sizes,), "W")


def _check_layers(work: Work, sizes: list[int], Ws: Any, bs: Any) -> None:
    last = len(sizes) - 2
    for k, (W, b) in enumerate(zip(Ws, bs, strict=True)):
        fans, where = (sizes[k], sizes[k + 1]), f"For sizes = {sizes}, in layer {k} of 0 to {last},"
        name = f"For sizes = {sizes}, layer {k} of 0 to {last}: W"
        numbers = check_weights(work, W, fans, name)
        if any(np.shape(W) == np.shape(other) and same(W, other) for other in Ws[:k]):
            raise work.wrong(f"{where} W has the numbers of an earlier layer. Each layer goes on "
                             "with the same rng.", "W")  # fmt: skip
        wrong = {
            "The last layer has no ReLU after it: another rule.": he(*fans),
            "It has fan_out for fan_in.": he(*fans[::-1]),
        } if k == last else {
            "A ReLU follows this layer: another rule.": glorot(*fans),
            "It has fan_out for fan_in.": he(*fans[::-1]),
        }  # fmt: skip
        right, fourth = (glorot(*fans), UNIFORM) if k == last else (he(*fans), NORMAL)
        check_size(work, numbers, right, fourth, wrong, where)
        trouble = unlike(b, np.zeros(fans[1]))
        if trouble:
            raise work.wrong(f"{where} b is wrong. {trouble}", "b")
        if not same(b, np.zeros(fans[1])):
            raise work.wrong(f"{where} b is not 0.", "b")


INITIALISATION = Exercise(
    "07_initialisation",
    "The first weights",
    (
        Part("he_normal", "fan_in, fan_out, rng", 3, he_normal),
        Part("glorot_uniform", "fan_in, fan_out, rng", 3, glorot_uniform),
        Part("standard_deviation", "fan_in, slope", 2, standard_deviation),
        Part("network", "sizes, rng", 2, network),
    ),
)
