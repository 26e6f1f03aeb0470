"""How the loss changes with an array, asked of the loss itself: finite differences.

    (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction

The difference is wrong by about h^2 times the third derivative, and by rounding, about 1e-16 / h:
in float64 with h = 1e-5 some ten digits remain. Where it does not agree with backward, other steps
are tried before anybody is blamed: a shorter one is less wrong where the loss is curved, and may
stop short of a kink; a longer one rounds less. A wrong backward agrees with none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinynn import checks
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Generator

Measurement: TypeAlias = Callable[[], tuple[float, bytes]]


def loss_from(
    model: Sequential, loss: Loss, given: Array, y: tuple[Array, ...], first: int
) -> Measurement:
    """Return what measures the loss, going on from what the layer `first` is given, as it is then.

    The way is that of `Sequential.forward`: without copies between the layers. y: the answers, and
    weights of samples if there are any.
    """

    def measure() -> tuple[float, bytes]:
        p, sides = given.copy(), []
        for layer in model.layers[first:]:
            sides.append(side(layer, p))
            p = layer.forward(p)
        return loss.forward(p, *y), b"".join(sides)

    return measure


def side(layer: Layer, x: Array) -> bytes:
    """Return on which side of its kink each number that a layer gets lies; nothing without a kink.

    >>> from tinynn import Dense, ReLU
    >>> side(ReLU(), np.array([[-1.0, 2.0]])), side(Dense(2), np.array([[-1.0, 2.0]]))
    (b'\\x00\\x01', b'')
    """
    mask = checks.kink_mask(layer.kink_mask(x), len(x), layer)
    return b"" if mask is None else mask.tobytes()


@dataclass(frozen=True)
class Probe:
    """One place at which to ask: an entry `at` of the array, or all of it along a direction.

    h: how far to go. unit: what is added per step of 1, shaped like array[at].
    """

    name: str
    at: Any
    unit: Array
    h: float

    def derivative(self, gradient: Array) -> float:
        """Return what a gradient says of this place: its entry, or its projection."""
        return float(gradient[self.at] if self.unit.ndim == 0 else np.vdot(gradient, self.unit))


def entries(scale: Array, most: int | None = None, rng: Any = None) -> list[Probe]:
    """Return a probe for each entry; of a larger array for some rows and columns, the ends too.

    scale: how long a step suits each entry, 1 for most. most: about how many entries; all if None.

    >>> [probe.at for probe in entries(np.ones((2, 2)))]
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    along = []
    for size in scale.shape:
        few = size if most is None else min(size, max(3, round(most ** (1 / scale.ndim))))
        inner = rng.choice(size - 2, few - 2, replace=False) + 1 if few < size else range(size)
        along.append(sorted({*map(int, inner), 0, size - 1}))
    probes = []
    for place in np.ndindex(*map(len, along)):
        at = tuple(positions[i] for positions, i in zip(along, place, strict=True))
        probes.append(Probe(f"entry {at}", at, np.ones(()), 1e-5 * float(scale[at])))
    return probes


def directions(scale: Array, count: int, rng: Generator) -> list[Probe]:
    """Return random directions of norm 1: a wrong entry anywhere shows in every one of them."""
    probes = []
    for k in range(count):
        unit = rng.normal(size=scale.shape)
        probes.append(Probe(f"direction ({k},)", ..., unit * (scale / np.linalg.norm(unit)), 1e-4))
    return probes


def finite_difference(
    array: Array, probe: Probe, h: float, here: float, measure: Measurement
) -> tuple[float, float]:
    """Return the central difference, and by how much the derivatives above and below differ.

    measure: returns the loss now, and on which sides of their kinks the layers' inputs lie; here:
    the loss in between. Both are nan if the step crosses a kink.

    >>> w = np.array([3.0])
    >>> probe = Probe("entry (0,)", 0, np.ones(()), 1e-5)
    >>> derivative, bend = finite_difference(w, probe, 1e-5, 9.0, lambda: (float(w[0]) ** 2, b""))
    >>> round(derivative, 6), round(bend, 6), w  # the bend of w^2 is 2h
    (6.0, 2e-05, array([3.]))
    """
    kept = array[probe.at].copy()
    array[probe.at] = kept + h * probe.unit
    above, sides_above = measure()
    array[probe.at] = kept - h * probe.unit
    below, sides_below = measure()
    array[probe.at] = kept
    if sides_above != sides_below:
        return np.nan, np.nan
    return (above - below) / (2 * h), abs((above - here) - (here - below)) / h


def derivatives(
    array: Array,
    probes: list[Probe],
    claimed: Array,
    tolerance: float,
    noise: float,
    measure: Measurement,
) -> Array:
    """Return the difference at each probe; nan where a kink allows none.

    claimed: what backward says there. noise: how far rounding alone can set the two apart.
    """
    here = measure()[0]
    first = [finite_difference(array, probe, probe.h, here, measure) for probe in probes]
    found = np.array([derivative for derivative, _ in first])
    size = np.abs(claimed)
    allowed = np.maximum(tolerance * np.maximum(size, 1e-3 * size.max()), noise)
    for k in np.flatnonzero(~(np.abs(found - claimed) <= allowed)):
        looks = [
            finite_difference(array, probes[k], factor * probes[k].h, here, measure)
            for factor in (0.1, 0.01, 10)
        ]
        agreeing = [
            derivative for derivative, _ in looks if abs(derivative - claimed[k]) <= allowed[k]
        ]
        (_, bend), (tenth, bend_of_tenth) = first[k], looks[0]
        if agreeing:
            found[k] = agreeing[0]
        elif bend_of_tenth > max(bend / 2, 100 * noise):
            found[k] = np.nan  # a kink of which no layer tells: a curve bends a tenth as much
        elif np.isnan(found[k]):
            found[k] = tenth
    return found
