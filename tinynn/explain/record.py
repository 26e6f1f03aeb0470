"""What one training step is told by: the arrays that pass, the update, and the losses around it."""

from dataclasses import dataclass
from typing import NamedTuple

from tinynn.parameters import Array


class Row(NamedTuple):
    """An array on its way: whose it is, by which equation it came, and the array."""

    name: str
    equation: str
    array: Array  # (B, ...)
    note: str = ""


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
    rule: str  # how parameters get their gradients, and how the optimizer changes them by these
    formula: str  # of `promised`, with its "="; or nothing
    forward: tuple[Row, ...]  # x, then what each layer returned
    loss: float  # of the batch
    loss_equation: str
    sample_losses: tuple[float, ...]
    backward: tuple[Row, ...]  # dp, then dx of each layer, the last layer first
    updates: tuple[Update, ...]
    loss_after: float  # of the same batch, after the step
    promised: float  # by how much a loss that is a plane would have fallen
    again: str = "same batch"  # or that random layers drew anew
