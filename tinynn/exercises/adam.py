"""Exercise 6: Adam.

adam_step by hand, with t = 2, the learning rate 0.3, beta1 = 0.75, beta2 = 0.5 and epsilon = 1:

    m     dw   new m   m_hat, m / (7/16)   v     new v   v_hat, v / (3/4)   step
    -3     2   -1.75   -4                  2     3       4                  -0.3 (-4) / (2 + 1)
    1.5   -1   0.875    2                  0.5   0.75    1                  -0.3   2  / (1 + 1)
"""

from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array

W, DW = np.array([1.0, 2.0]), np.array([2.0, -1.0])
M, V = np.array([-3.0, 1.5]), np.array([2.0, 0.5])
T, RATE, BETA1, BETA2, EPSILON = 2, 0.3, 0.75, 0.5, 1.0
NEW_M, NEW_V, NEW_W = np.array([-1.75, 0.875]), np.array([3.0, 0.75]), np.array([1.4, 1.7])
M_HAT, V_HAT, ROOT = np.array([-4.0, 2.0]), np.array([4.0, 1.0]), np.array([2.0, 1.0])
USUAL = 0.9, 0.999, 1e-8


def right_moments(dw: Array, m: Array, v: Array, beta1: float, beta2: float) -> Any:
    """The right moving averages."""
    return beta1 * m + (1 - beta1) * dw, beta2 * v + (1 - beta2) * dw**2


def right_step(
    w: Any,
    dw: Any,
    m: Array,
    v: Array,
    t: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Any:
    """The right step."""
    m, v = right_moments(dw, m, v, beta1, beta2)
    size = np.sqrt(v / (1 - beta2**t)) + epsilon
    return m, v, w - learning_rate * m / (1 - beta1**t) / size


def descent(
    x: Array,
    y: Array,
    w: Any,
    b: Any,
    learning_rate: float,
    steps: int,
    times: Any = lambda t: (t, t),
    shared: bool = False,
    kept: bool = True,
) -> Any:
    """The right loop. times: which t are those of w and of b. shared, kept: one m and v, or none.

    Others than the defaults are usual mistakes.
    """
    state = [(np.zeros_like(w), np.zeros_like(w)), (np.zeros(()), np.zeros(()))]
    if shared:
        state[1] = state[0]
    for step in range(1, steps + 1):
        error = x @ w + b - y
        dw, db = 2 * x.T @ error / len(x), 2 * error.mean()
        t, t_of_b = times(step)
        *new, w = right_step(w, dw, *state[0], t, learning_rate, *USUAL)
        state = [new, new if shared else state[1]] if kept else state
        *new, b = right_step(b, db, *state[1], t_of_b, learning_rate, *USUAL)
        state = [new if shared else state[0], new] if kept else state
    return w, b


def moments(work: Work) -> None:
    """Two numbers by hand, of averages with different factors; then a matrix, and one number."""
    m, v, dw = np.array([1.0, -4.0]), np.array([1.0, 0.5]), np.array([2.0, -0.5])
    right = ([1.2, -3.3], [1.3, 0.475])
    work.by_hand((dw, m, v, 0.8, 0.9), right, {
        "beta1 is the factor of the gradient, and 1 - beta1 that of the old m. Which of the two "
        "counts for more?": (0.2 * m + 0.8 * dw, right[1]),
        "Both factors have changed places: which counts for more, the old average or the new "
        "number?": (0.2 * m + 0.8 * dw, 0.1 * v + 0.9 * dw**2),
        "The gradient comes in whole. The two factors must add up to 1.":
            (0.8 * m + dw, right[1]),
        "The gradients come in whole. In each average the two factors must add up to 1.":
            (0.8 * m + dw, 0.9 * v + dw**2),
        "The old m comes in whole. The two factors must add up to 1.":
            (m + 0.2 * dw, right[1]),
        "beta2 stands where beta1 should: each average has its own.":
            (0.9 * m + 0.1 * dw, 0.8 * v + 0.2 * dw**2),
        "The gradient is subtracted. It is an average of gradients.":
            (0.8 * m - 0.2 * dw, right[1]),
        "It is the old m.": (m, right[1]),
        "m and v stand in the wrong order.": right[::-1],
        "The square is missing.": (right[0], 0.9 * v + 0.1 * dw),
        "It is the size of the gradient, and not its square.":
            (right[0], 0.9 * v + 0.1 * np.abs(dw)),
        "The factor is squared, too.": (right[0], 0.9 * v + (0.1 * dw)**2),
        "It is the square of the new m. It is an average of squared gradients.":
            (right[0], 0.9 * v + 0.1 * np.array(right[0])**2),
        "beta1 stands in it, too. v has its own factor.": (right[0], 0.8 * v + 0.2 * dw**2),
        "beta2 is the factor of the squared gradient. Which of the two counts for more?":
            (right[0], 0.1 * v + 0.9 * dw**2),
        "The squared gradient comes in whole. The two factors must add up to 1.":
            (right[0], 0.9 * v + dw**2),
        "The old v comes in whole. The two factors must add up to 1.":
            (right[0], v + 0.1 * dw**2),
        "It is a sum of squares. In an average the two factors add up to 1.":
            (right[0], v + dw**2),
        "It is the old v.": (right[0], v),
        "All squares are added up. Each number has a v of its own.":
            (right[0], 0.9 * v + 0.1 * np.sum(dw**2)),
        "They are averaged over the numbers of dw. Each number has a v of its own.":
            (right[0], 0.9 * v + 0.1 * np.mean(dw**2)),
    }, items="m, v")  # fmt: skip
    rng = np.random.default_rng(0)
    dw, m, v = rng.normal(size=(3, 4, 2))
    work.like(right_moments, (dw, m, v**2, 0.9, 0.999), items="m, v")
    work.by_hand((-2.0, 1.0, 4.0, 0.5, 0.75), (-0.5, 4.0), items="m, v")


def adam_step(work: Work) -> None:
    """One step by hand, in the table above; then the first, a late one, and a gradient of 0."""
    work.by_hand(
        (W, DW, M, V, T, RATE, BETA1, BETA2, EPSILON),
        ([-1.75, 0.875], [3.0, 0.75], [1.4, 1.7]),
        wrong_averages() | wrong_steps(),
        items="m, v, w",
    )
    rng = np.random.default_rng(0)
    w, dw, m, v = rng.normal(size=(4, 3, 2))
    zero = np.zeros((3, 2))
    first = (w, dw, zero, zero, 1, 0.001, *USUAL)
    work.like(right_step, first, where="the first step, t = 1,", items="m, v, w")
    work.like(right_step, (w, dw, m, v**2, 1000, 0.1, *USUAL), where="t = 1000", items="m, v, w")
    work.like(right_step, (w, zero, zero, zero, 3, 0.1, *USUAL), {
        "0 divided by 0 is NaN. What prevents this in the equation?": lambda w, dw, m, v, *rest:
            (m, v, np.full((3, 2), np.nan)),
    }, where="parameters whose gradient was always 0", items="m, v, w")  # fmt: skip
    work.by_hand((1.0, 2.0, 0.0, 0.0, 1, 0.5, 0.5, 0.5, 0.0), (1.0, 2.0, 0.5), items="m, v, w")


def wrong_averages() -> dict[str, Any]:
    """What usual mistakes return for the step by hand: in m and v."""
    return {
        "It is m_hat. What the next step needs is m, not corrected: else it is corrected again "
        "and again.": (M_HAT, V_HAT, NEW_W),
        "It is the old m. The next step goes on from the new one.": (M, V, NEW_W),
        "They stand in the wrong order.": (NEW_W, NEW_M, NEW_V),
        "dw comes into it twice.": (*right_moments(DW, NEW_M, NEW_V, BETA1, BETA2), NEW_W),
        "beta1 is always 0.9, whatever the argument says.": (0.9 * M + 0.1 * DW, NEW_V, NEW_W),
        "The old m and the gradient have each other's factor.":
            (0.25 * M + 0.75 * DW, NEW_V, NEW_W),
        "The gradient comes in whole: in an average the two factors add up to 1.":
            (0.75 * M + DW, NEW_V, NEW_W),
        "It is v_hat. What the next step needs is v, not corrected.": (NEW_M, V_HAT, NEW_W),
        "It is the old v. The next step goes on from the new one.": (NEW_M, V, NEW_W),
        "beta1 stands in it, too. v has its own factor.":
            (NEW_M, 0.75 * V + 0.25 * DW**2, NEW_W),
        "The square is missing.": (NEW_M, 0.5 * V + 0.5 * DW, NEW_W),
    }  # fmt: skip


def wrong_steps() -> dict[str, Any]:
    """What usual mistakes return for the step by hand: in w."""
    m, v = NEW_M, NEW_V
    steps = {
        "It goes up: the loss grows.": -M_HAT / (ROOT + 1),
        "Neither m nor v is corrected.": m / (np.sqrt(v) + 1),
        "m is not corrected.": m / (ROOT + 1),
        "v is not corrected.": M_HAT / (np.sqrt(v) + 1),
        "epsilon stands within the root. Where does its bracket end?": M_HAT / np.sqrt(V_HAT + 1),
        "epsilon is missing, or it is not the argument.": M_HAT / ROOT,
        "The root is missing.": M_HAT / (V_HAT + 1),
        "v is corrected after the root is taken. The root belongs around the corrected v.":
            M_HAT / (np.sqrt(v) / 0.75 + 1),
        "The corrections are those of the first step. This one has t = 2.":
            m / 0.25 / (np.sqrt(v / 0.5) + 1),
        "t is one too large. It is counted by the caller.":
            m / (1 - BETA1**3) / (np.sqrt(v / (1 - BETA2**3)) + 1),
        "The corrections have changed places: each average has its own beta.":
            m / 0.75 / (np.sqrt(v / 0.4375) + 1),
        "Both corrections have beta1.": M_HAT / (np.sqrt(v / 0.4375) + 1),
        "Both corrections have beta2.": m / 0.75 / (ROOT + 1),
        "m is multiplied by its correction. It is too small, and must become larger.":
            m * 0.4375 / (ROOT + 1),
        "The averages are multiplied by their corrections. They are too small, and must become "
        "larger.": m * 0.4375 / (np.sqrt(v * 0.75) + 1),
        "Both corrections stand together before the quotient, as in the paper's shorter form. "
        "There epsilon means another number.": m / 0.4375 * sqrt(0.75) / (np.sqrt(v) + 1),
        "The gradient itself is divided by the root. Where is m?": DW / (ROOT + 1),
        "The step is computed from the old averages.": M / 0.4375 / (np.sqrt(V / 0.75) + 1),
        "The averages have changed places.": V_HAT / (np.sqrt(np.abs(M_HAT)) + 1),
    }  # fmt: skip
    moved = {
        "epsilon is added to w. Where does the denominator end?": W - RATE * M_HAT / ROOT + 1,
        "The learning rate is missing.": W - M_HAT / (ROOT + 1),
        "It is the step alone. The new w begins at the old one.": NEW_W - W,
        "It is the step alone, with the wrong sign. The new w begins at the old one.": W - NEW_W,
        "It is the old w. Is the new one returned? If it is, the step is 0: is there a power in "
        "the corrections?": W,
        **{sentence: W - RATE * step for sentence, step in steps.items()},
    }  # fmt: skip
    return {sentence: (m, v, w) for sentence, w in moved.items()}


def train(work: Work) -> None:
    """While gradients stay the same, each step is as long as the learning rate; then real ones.

    An error of 1e9 hardly changes in three steps.
    """
    values = np.array([[2.0]]), np.array([1e9]), np.array([0.0]), 0.0, 0.1, 3

    def both(distance: float) -> tuple[list[float], float]:
        return [distance], distance

    slow = "While gradients stay the same, each step must be as long as the learning rate. "
    work.by_hand(values, ([0.3], 0.3), {
        "At the first step it divides by 0. Which t has the first step?": both(np.nan),
        slow + "Is t the same at each step?": descent(*values, times=lambda t: (1, 1)),
        slow + "Is t always the number of steps?": descent(*values, times=lambda t: (3, 3)),
        slow + "Which t has the first step?": descent(*values, times=lambda t: (t + 1, t + 1)),
        slow + "t grows for w and for b. They make the same step.":
            descent(*values, times=lambda t: (2 * t - 1, 2 * t)),
        slow + "Are m and v kept from step to step?": descent(*values, kept=False),
        slow + "Where are m and v corrected?": descent(*values, times=lambda t: (10**6, 10**6)),
        "w and b share m and v. Each needs its own.": descent(*values, shared=True),
        "w and b share m and v, and t grows for each of them.":
            descent(*values, times=lambda t: (2 * t - 1, 2 * t), shared=True),
        "It is one step too few.": both(0.2),
        "It is one step too many.": both(0.4),
        "It is what one step gives.": both(0.1),
        "It goes up: the loss grows.": both(-0.3),
        "It is what w and b are at the start. Are the new ones kept?": both(0.0),
        "It is as if b stayed where it was.": ([0.3], 0.0),
        "It is as if w stayed where it was.": ([0.0], 0.3),
        "b is one number, and its m and v are arrays.": ([0.3], [0.3]),
    }, items="w, b")  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    work.like(descent, (x, y, rng.normal(size=3), 0.5, 0.05, 30), {
        "m and v are 0 at the begin of each step. Where in the code are they made?":
            partial(descent, times=lambda t: (1, 1), kept=False),
    }, items="w, b")  # fmt: skip
    work.by_hand((*values[:-1], 0), ([0.0], 0.0), items="w, b")


ADAM = Exercise(
    "06_adam",
    "Adam",
    (
        Part("moments", "dw, m, v, beta1, beta2", 3, moments),
        Part("adam_step", "w, dw, m, v, t, learning_rate, beta1, beta2, epsilon", 4, adam_step),
        Part("train", "x, y, w, b, learning_rate, steps", 3, train),
    ),
)
