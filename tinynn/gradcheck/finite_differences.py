"""Finite differences: the derivatives of the loss, computed from the loss alone.

    (L(w + h) - L(w - h)) / 2h        for one number w, or along one direction

The error of this difference is about h^2 times the third derivative, plus about 1e-16 / h from
rounding: in float64 with h = 1e-5 about ten digits are right. Where backward does not agree with
it, other steps h are tried before backward is called wrong. A shorter step has a smaller error
where the loss is curved, and may end before a kink; a longer step has less rounding. A wrong
backward agrees with none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    """Return a function that runs the layers from `first` on, with the input `given`, and the loss.

    As in `Sequential.forward`, arrays are not copied between the layers. y: the answers, and the
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
    """Return on which side of its kink each number of a layer's x lies; b"" without a kink.

    >>> from tinynn import Dense, ReLU
    >>> side(ReLU(), np.array([[-1.0, 2.0]])), side(Dense(2), np.array([[-1.0, 2.0]]))
    (b'\\x00\\x01', b'')
    """
    mask = checks.kink_mask(layer.kink_mask(x), len(x), layer)
    return b"" if mask is None else mask.tobytes()


@dataclass(frozen=True)
class Probe:
    """A place to take a difference: an entry `at` of an array, several, or all along a direction.

    h: the length of the step. unit: what a step of 1 adds, in the shape of array[at].
    """

    name: str
    at: Any
    unit: Array
    h: float

    def derivative(self, gradient: Array) -> float:
        """Return the derivative here according to a gradient: its entry, or its projection."""
        return float(np.vdot(gradient[self.at], self.unit))


def entries(scale: Array, most: int | None = None, rng: Any = None) -> list[Probe]:
    """Return a probe for each entry; or for some rows and columns, with the first and the last.

    scale: of the step at each entry, usually 1. most: about how many entries; all if None.

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


def some_entries(scale: Array, count: int, rng: Generator) -> list[Probe]:
    """Return probes for a few random entries, with the step of directions."""
    picked = rng.choice(scale.size, min(count, scale.size), replace=False)
    places = [tuple(map(int, np.unravel_index(k, scale.shape))) for k in picked]
    return [Probe(f"entry {at}", at, np.ones(()), 1e-4 * float(scale[at])) for at in places]


def directions(scale: Array, count: int, rng: Generator) -> list[Probe]:
    """Return random directions of norm 1: a wrong entry changes the derivative along each one."""
    probes = []
    for k in range(count):
        unit = rng.normal(size=scale.shape)
        probes.append(Probe(f"direction ({k},)", ..., unit * (scale / np.linalg.norm(unit)), 1e-4))
    return probes


def together(probes: list[Probe]) -> list[Probe]:
    """Return for each sample one probe that moves all entries of these probes at once.

    If several numbers of a window are the largest, a step of one of them crosses a kink of
    MaxPool2D, but a step of all of them does not.

    >>> [[*map(int, probe.at[1])] for probe in together(entries(np.ones((1, 3))))]
    [[0, 1, 2]]
    """
    groups: dict[int, list[Probe]] = {}
    for probe in probes:
        groups.setdefault(probe.at[0], []).append(probe)
    return [
        Probe(
            f"ties of ({sample},)",
            tuple(np.transpose([probe.at for probe in group])),
            np.array([float(probe.unit) for probe in group]),
            min(probe.h for probe in group),
        )
        for sample, group in groups.items()
    ]


def channel_directions(scale: Array, count: int, rng: Generator) -> list[Probe]:
    """Return random directions of norm 1 that move all numbers of a sample's channel alike.

    scale: (B, ..., C). These cross no kink of MaxPool2D, also if numbers of a window are equal.
    """
    probes = []
    for probe in directions(np.ones((len(scale), scale.shape[-1])), count, rng):
        between = (1,) * (scale.ndim - 2)
        unit = scale * probe.unit.reshape(len(scale), *between, scale.shape[-1])
        probes.append(replace(probe, unit=unit / np.linalg.norm(unit)))
    return probes


def finite_difference(
    array: Array, probe: Probe, h: float, here: float, measure: Measurement
) -> tuple[float, float]:
    """Return the central difference, and how far the forward and backward difference are apart.

    measure: returns the loss, and on which side of its kink each layer's input lies. here: the loss
    without a step. Both results are nan if the step crosses a kink.

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
    analytic: Array,
    tolerance: float,
    noise: float,
    measure: Measurement,
) -> Array:
    """Return the difference at each probe; nan where a kink prevents it.

    analytic: backward's derivatives there. noise: by how much the two may differ from rounding.
    """
    here = measure()[0]
    first = [finite_difference(array, probe, probe.h, here, measure) for probe in probes]
    found = np.array([derivative for derivative, _ in first])
    size = np.abs(analytic)
    allowed = np.maximum(tolerance * np.maximum(size, 1e-3 * size.max()), noise)
    for k in np.flatnonzero(~(np.abs(found - analytic) <= allowed)):
        others = [
            finite_difference(array, probes[k], factor * probes[k].h, here, measure)
            for factor in (0.1, 0.01, 10)
        ]
        agreeing = [
            derivative for derivative, _ in others if abs(derivative - analytic[k]) <= allowed[k]
        ]
        (_, bend), (tenth, bend_of_tenth) = first[k], others[0]
        if agreeing:
            found[k] = agreeing[0]
        elif bend_of_tenth > max(bend / 2, 100 * noise):
            found[k] = np.nan  # a kink without a kink_mask: a curve would bend a tenth as much
        elif np.isnan(found[k]):
            found[k] = tenth
    return found
