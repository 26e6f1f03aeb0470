"""The record of one training step: all arrays, the update, and the loss before and after it."""

from dataclasses import dataclass
from typing import NamedTuple

from tinynn.parameters import Array


class Row(NamedTuple):
    """One array of forward or backward: its layer's name, its equation, and the array.

    window: of a convolution, how one number of the array comes about.
    """

    name: str
    equation: str
    array: Array  # (B, ...)
    note: str = ""
    window: str = ""


class Update(NamedTuple):
    """An array of parameters: before the step, its gradient, and after."""

    name: str
    before: Array
    gradient: Array
    after: Array


@dataclass(frozen=True)
class StepRecord:
    """All numbers and equations of one training step."""

    title: str
    rule: str  # the equations of the parameters' gradients, and of the update
    formula: str  # of `predicted_decrease`, with "= " at its end; or empty
    forward: tuple[Row, ...]  # x, then what each layer returned
    loss: float  # of the batch
    loss_equation: str
    sample_losses: tuple[float, ...]
    backward: tuple[Row, ...]  # dp, then dx of each layer, the last layer first
    updates: tuple[Update, ...]
    loss_after: float  # of the same batch, after the step
    predicted_decrease: float  # of the loss, to first order: minus the gradient times the step
    again: str = "same batch"  # and whether random layers drew other numbers
