"""One array of a model: the gradient that backward computes of it, against finite differences.

A row of the report shows the array's worst entry, or its worst direction.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinynn.gradcheck.finite_differences import Measurement, Probe, derivatives, loss_from, side
from tinynn.gradcheck.walk import Walk, gradients_alone, input_replaced
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

# With so many parameters, or entries in all, directions are checked: each entry costs two forward
# passes. A small convolution has few parameters, but each image becomes many numbers on its way.
LARGE, MANY = 10_000, 20_000


@dataclass(frozen=True)
class GradientRow:
    """One array: its worst relative error, and the two numbers that were compared there.

    name: the array that the gradient is of: "2.Dense.W"; "2.Dense.x", the input of 2.Dense, whose
    gradient is dx; or "loss.p". shape: of that array. error: |a - n| / max(|a|, |n|, 1e-3 of the
    array's largest), for the gradient a and the difference n; an error that the rounding of the
    loss explains is reported as one below the tolerance. at: where the worst error is, "entry
    (0, 1)" or "direction (3,)". backward and differences: a and n there. checked and skipped: how
    many entries, or directions. If none could be compared, error and differences are nan. follows:
    wrong, but computed from a wrong array above.
    """

    name: str
    shape: Shape
    ok: bool
    error: float
    at: str
    backward: float
    differences: float
    checked: int
    skipped: int
    follows: bool = False

    @property
    def verdict(self) -> str:
        """What the table says: ok, WRONG, follows, or none, if nothing could be compared."""
        if self.ok:
            return "ok"
        return "none" if not self.checked else "follows" if self.follows else "WRONG"


@dataclass(frozen=True)
class Comparison:
    """One array's gradient, the finite differences, and the row of the two.

    gradient: what backward computed. probes: the entries or directions that were compared. truth:
    the differences there, nan where none could be taken.
    """

    row: GradientRow
    gradient: Array
    probes: list[Probe]
    truth: Array


@dataclass(frozen=True)
class Case:
    """A model, the two steps that it took, each with another batch, and the tolerance.

    restore: sets the model back to its step and buffers. walk: the step to be checked. before: the
    step before it, with another batch. untouched: a copy of the model from before both steps.
    """

    model: Sequential
    loss: Loss
    restore: Callable[[], None]
    walk: Walk
    before: Walk
    untouched: Sequential
    tolerance: float

    @property
    def small(self) -> bool:
        """Whether every entry is checked, and not only some directions."""
        entries = sum(gradient.size for gradient in self.walk.gradients.values())
        return self.model.params.size < LARGE and entries < MANY

    @cached_property
    def noise(self) -> float:
        """By how much a gradient and a difference may differ by the rounding of the loss."""
        size = max(abs(self.loss.forward(self.walk.p.copy(), *self.walk.y)), 1.0)
        return 10 * float(np.finfo(np.float64).eps) * size / (1e-5 if self.small else 1e-4)

    @cached_property
    def alone(self) -> dict[str, Array]:
        """The gradients that the layers compute one by one, each on copies of all arrays."""
        model = copy.deepcopy(self.untouched)
        gradients_alone(model, self.loss, self.before.x, *self.before.y)
        return gradients_alone(model, self.loss, self.walk.x, *self.walk.y)

    def owner(self, name: str) -> Layer | Loss:
        """Return the layer, or the loss, that a row's gradient comes from."""
        i = self.walk.layers[name]
        return self.model.layers[i] if i < len(self.model.layers) else self.loss

    def input_of(self, name: str) -> Array:
        """Return the input of a row's layer, or of the loss."""
        return self.walk.x if self.walk.layers[name] == 0 else self.walk.input_of(name)

    def dropped_below(self, name: str) -> Array:
        """Return where a row's array is 0, and the input of the layer below, without W, is not.

        Only for the input of a layer with a kink; elsewhere nowhere.
        """
        i, given = self.walk.layers[name], self.array(name)
        if name in self.model.named_parameters() or not 0 < i < len(self.model.layers):
            return np.zeros(given.shape, bool)
        below = self.model.layers[i - 1]
        x = self.walk.recording.inputs.get(i - 1, given)
        if below.parameters() or x.shape != given.shape or not side(self.model.layers[i], given):
            return np.zeros(given.shape, bool)
        return (given == 0) & (x != 0)

    def array(self, name: str) -> Array:
        """Return the array whose gradient a row checks."""
        return self.model.named_parameters().get(name, self.input_of(name))

    @contextmanager
    def measured(self, name: str) -> Iterator[Measurement]:
        """Yield a function that returns the loss for the numbers that this row's array has then.

        It runs the layers from the row's layer on; if the model's class overrides forward, it runs
        that method. Only the first layer gets a copy of its input: no layer may change the data.
        """
        model, i, given = self.model, self.walk.layers[name], self.input_of(name)
        if name == "loss.p" or getattr(model.forward, "__func__", None) is Sequential.forward:
            yield loss_from(model, self.loss, given, self.walk.y, i)
            return
        between = name not in model.named_parameters() and i > 0
        sides: list[bytes] = []

        def noted(layer: Layer) -> Callable[[Array], Array]:
            def note(x: Array) -> Array:
                sides.append(side(layer, x))
                return x

            return note

        def measure() -> tuple[float, bytes]:
            sides.clear()
            return self.loss.forward(model.forward(self.walk.x), *self.walk.y), b"".join(sides)

        with ExitStack() as stack:
            for layer in model.layers:
                stack.enter_context(input_replaced(layer, noted(layer)))
            stack.enter_context(input_replaced(model.layers[0], np.copy))
            if between:
                stack.enter_context(input_replaced(model.layers[i], lambda _: given.copy()))
            yield measure

    def right_alone(self, found: Comparison) -> bool:
        """Whether a layer computed the right gradient for the dout that it got, right or wrong.

        A layer that was not called did nothing wrong.
        """
        name = found.row.name
        i, recording = self.walk.layers[name], self.walk.recording
        if i == len(self.model.layers):
            return False
        if i not in recording.inputs or i not in self.walk.douts:
            return True
        layer, given, dout = self.model.layers[i], self.input_of(name), self.walk.douts[i]

        def measure() -> tuple[float, bytes]:
            at = side(layer, given)
            return float(np.vdot(layer.forward(given.copy()), dout)), at

        of_x = name not in self.model.named_parameters()
        gradient = self.walk.dxs[i] if of_x else found.gradient
        return self.compare(name, found.probes, gradient, measure).row.ok

    def compare(
        self, name: str, probes: list[Probe], gradient: Array, instead: Measurement | None = None
    ) -> Comparison:
        """Compare an array's gradient with finite differences of the loss, or of `instead`."""
        array = self.array(name)
        analytic = np.array([probe.derivative(gradient) for probe in probes])
        with self.measured(name) as loss_there:
            measure = instead or loss_there

            def restored() -> tuple[float, bytes]:
                self.restore()
                return measure()

            truth = derivatives(array, probes, analytic, self.tolerance, self.noise, restored)
        shape = self.array(name).shape
        row = row_of(name, shape, probes, analytic, truth, self.noise, self.tolerance)
        return Comparison(row, gradient, probes, truth)


def row_of(
    name: str,
    shape: Shape,
    probes: list[Probe],
    analytic: Array,
    truth: Array,
    noise: float,
    tolerance: float,
) -> GradientRow:
    """Return the row of one array, with its worst probe.

    analytic and truth: what backward computed at the probes, and the differences there. noise: by
    how much the two may differ by the rounding of the loss.
    """
    compared = ~np.isnan(truth)
    numeric = np.where(compared, truth, analytic)
    # with this floor, a difference of the size of the noise passes
    errors = _relative_errors(analytic, numeric, noise / tolerance)
    at = _first_of_largest(errors)
    error, checked = float(errors[at]), int(compared.sum())
    if error > tolerance:
        error = float(_relative_errors(analytic, numeric)[at])
    return GradientRow(
        name=name,
        shape=shape,
        ok=error <= tolerance and checked > 0,
        error=error if checked else np.nan,
        at=probes[at].name,
        backward=float(analytic[at]),
        differences=float(numeric[at]) if checked else np.nan,
        checked=checked,
        skipped=compared.size - checked,
    )


def _first_of_largest(errors: Array) -> int:
    """Return where the largest error is; of some that differ by rounding alone, the first.

    Wrong by the same factor, all entries have the same error: no processor shall name another one.

    >>> _first_of_largest(np.array([0.1, 0.8, 0.8 + 1e-12]))
    1
    """
    return int((errors >= (1 - 1e-6) * errors.max()).argmax())


def _relative_errors(a: Array, n: Array, floor: float = 0.0) -> Array:
    """Return |a - n| / max(|a|, |n|, 1e-3 of the largest, floor); inf where a is not finite.

    >>> _relative_errors(np.array([2.0, 0.0, np.nan]), np.array([1.0, 0.001, 0.0]))
    array([0.5, 0.5, inf])
    """
    finite = np.isfinite(a)
    size = np.where(finite, np.maximum(abs(a), abs(n)), 0)
    scale = np.maximum(size, max(1e-3 * size.max(), floor, 1e-300))
    errors = np.full(a.shape, np.inf)
    np.divide(abs(a - n), scale, out=errors, where=finite)
    return errors
