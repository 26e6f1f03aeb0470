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


def right_moments(dw: Array, m: Any, v: Any, beta1: float, beta2: float) -> Any:
    """The right moving averages."""
    return beta1 * m + (1 - beta1) * dw, beta2 * v + (1 - beta2) * dw**2


def right_step(w: Any, dw: Any, m: Any, v: Any, t: int, *rules: float) -> Any:
    """The right step. rules: learning_rate, beta1, beta2, epsilon."""
    learning_rate, beta1, beta2, epsilon = rules
    m, v = right_moments(dw, m, v, beta1, beta2)
    size = np.sqrt(v / (1 - beta2**t)) + epsilon
    return m, v, w - learning_rate * m / (1 - beta1**t) / size


def descent(
    *values: Any,
    times: Any = lambda t: (t, t),
    shared: str = "",
    kept: bool = True,
    anew: bool = False,
    turned: str = "",
) -> Any:
    """The right loop; values: train's arguments. Others than the defaults are usual mistakes.

    times: which t are those of w and of b. shared: "m", "v" or both, if w and b have one. kept:
    whether m and v are. anew: db is that of the new w. turned: "w", "b" or both, if what adam_step
    returns is taken in the order w, m, v.
    """
    x, y, w, b, learning_rate, steps = values
    (mw, vw), (mb, vb) = np.zeros((2, *np.shape(w))), (0.0, 0.0)
    for step in range(1, steps + 1):
        t, t_of_b = times(step)
        dw, db = gradients(x, y, w, b)
        first = right_step(w, dw, mw, vw, t, learning_rate, *USUAL)
        w, mw, vw = first if "w" in turned else (first[2], *first[:2])
        db = gradients(x, y, w, b)[1] if anew else db
        mb, vb = mw if "m" in shared else mb, vw if "v" in shared else vb
        second = right_step(b, db, mb, vb, t_of_b, learning_rate, *USUAL)
        b, mb, vb = second if "b" in turned else (second[2], *second[:2])
        mw, vw = mb if "m" in shared else mw, vb if "v" in shared else vw
        mw, vw, mb, vb = (each if kept else 0.0 for each in (mw, vw, mb, vb))
    return w, b


def gradients(x: Array, y: Array, w: Any, b: Any) -> Any:
    """dw and db."""
    error = x @ w + b - y
    return 2 * x.T @ error / len(x), 2 * error.mean()


def moments(work: Work) -> None:
    """Two numbers by hand, of averages with different factors; then a matrix, and one number."""
    m, v, dw = np.array([1.0, -4.0]), np.array([1.0, 0.5]), np.array([2.0, -0.5])
    right = ([1.2, -3.3], [2.2, 0.4])
    work.by_hand((dw, m, v, 0.8, 0.6), right, wrong_m(m, v, dw, right) | wrong_v(m, v, dw, right),
                 items="m, v")  # fmt: skip
    rng = np.random.default_rng(0)
    dw, m, v = rng.normal(size=(3, 4, 2))
    work.like(right_moments, (dw, m, v**2, 0.9, 0.999), items="m, v")
    one = (-2.0, 1.0, 4.0, 0.5, 0.75)
    work.by_hand(one, (-0.5, 4.0), items="m, v", where="a dw that is one number")


def wrong_m(m: Array, v: Array, dw: Array, right: Any) -> dict[str, Any]:
    """What usual mistakes return for the averages by hand: in m, or in both."""
    return {
        "beta1 is the factor of the gradient, and 1 - beta1 that of the old m. Which of the two "
        "counts for more?": (0.2 * m + 0.8 * dw, right[1]),
        "Both factors have changed places: which counts for more, the old average or the new "
        "number?": (0.2 * m + 0.8 * dw, 0.4 * v + 0.6 * dw**2),
        "The gradient comes in whole. The two factors must add up to 1.":
            (0.8 * m + dw, right[1]),
        "The gradients come in whole. In each average the two factors must add up to 1.":
            (0.8 * m + dw, 0.6 * v + dw**2),
        "The old m comes in whole. The two factors must add up to 1.":
            (m + 0.2 * dw, right[1]),
        "beta2 stands where beta1 should: each average has its own.":
            (0.6 * m + 0.4 * dw, 0.8 * v + 0.2 * dw**2),
        "beta1 is always 0.9, and beta2 0.999, whatever the arguments say.":
            (0.9 * m + 0.1 * dw, 0.999 * v + 0.001 * dw**2),
        "beta1 is always 0.9, whatever the argument says.": (0.9 * m + 0.1 * dw, right[1]),
        "1 - beta1 is one factor, and stands without its brackets.":
            (0.8 * m + 1 - 0.8 * dw, right[1]),
        "1 - beta1 and 1 - beta2 are factors, and stand without their brackets.":
            (0.8 * m + 1 - 0.8 * dw, 0.6 * v + 1 - 0.6 * dw**2),
        "The gradient is subtracted. It is an average of gradients.":
            (0.8 * m - 0.2 * dw, right[1]),
        "It is the old m.": (m, right[1]),
    }  # fmt: skip


def wrong_v(m: Array, v: Array, dw: Array, right: Any) -> dict[str, Any]:
    """What usual mistakes return for the averages by hand: in v."""
    return {
        "m and v stand in the wrong order.": right[::-1],
        "beta2 is always 0.999, whatever the argument says.":
            (right[0], 0.999 * v + 0.001 * dw**2),
        "1 - beta2 is one factor, and stands without its brackets.":
            (right[0], 0.6 * v + 1 - 0.6 * dw**2),
        "The square is missing.": (right[0], 0.6 * v + 0.4 * dw),
        "It is the size of the gradient, and not its square.":
            (right[0], 0.6 * v + 0.4 * np.abs(dw)),
        "The factor is squared, too.": (right[0], 0.6 * v + (0.4 * dw)**2),
        "It is the square of the new m. It is an average of squared gradients.":
            (right[0], 0.6 * v + 0.4 * np.array(right[0])**2),
        "beta1 stands in it, too. v has its own factor.": (right[0], 0.8 * v + 0.2 * dw**2),
        "beta2 is the factor of the squared gradient. Which of the two counts for more?":
            (right[0], 0.4 * v + 0.6 * dw**2),
        "The squared gradient comes in whole. The two factors must add up to 1.":
            (right[0], 0.6 * v + dw**2),
        "The old v comes in whole. The two factors must add up to 1.":
            (right[0], v + 0.4 * dw**2),
        "It is a sum of squares. In an average the two factors add up to 1.":
            (right[0], v + dw**2),
        "It is the old v.": (right[0], v),
        "All squares are added up. Each number has a v of its own.":
            (right[0], 0.6 * v + 0.4 * np.sum(dw**2)),
        "They are averaged over the numbers of dw. Each number has a v of its own.":
            (right[0], 0.6 * v + 0.4 * np.mean(dw**2)),
    }  # fmt: skip


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
    one = (1.0, 2.0, 0.0, 0.0, 1, 0.5, 0.5, 0.5, 0.0)
    work.by_hand(one, (1.0, 2.0, 0.5), items="m, v, w", where="a w that is one number")


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
        "learning_rate is always 0.001, whatever the argument says.":
            W - 0.001 * M_HAT / (ROOT + 1),
        "It is the step alone. The new w begins at the old one.": NEW_W - W,
        "It is the step alone, with the wrong sign. The new w begins at the old one.": W - NEW_W,
        "It is the old w. Is the new one returned? If it is, the step is 0: is there a power in "
        "the corrections?": W,
        **{sentence: W - RATE * step for sentence, step in steps.items()},
    }  # fmt: skip
    return {sentence: (m, v, w) for sentence, w in moved.items()}


def train(work: Work) -> None:
    """While gradients stay the same, each step is as long as the learning rate; then real ones.

    An error of 1e9 hardly changes in three steps. dw is positive and db negative.
    """
    values = np.array([[-2.0]]), np.array([1e9]), np.array([0.0]), 0.0, 0.1, 3
    work.by_hand(values, ([-0.3], 0.3), wrong_moves() | wrong_states(values), items="w, b")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    work.like(descent, (x, y, rng.normal(size=3), 0.5, 0.05, 30), {
        "m and v are 0 at the begin of each step. Where in the code are they made?":
            partial(descent, times=lambda t: (1, 1), kept=False),
        "db is computed after w has moved. Both gradients belong to the same w and b.":
            partial(descent, anew=True),
    }, items="w, b")  # fmt: skip
    work.by_hand((*values[:-1], 0), ([0.0], 0.0), items="w, b", where="0 steps")


def wrong_moves() -> dict[str, Any]:
    """What usual mistakes of the loop return for the three steps by hand."""

    def both(distance: float) -> tuple[list[float], float]:
        return [-distance], distance

    return {
        "At the first step it divides by 0. Which t has the first step?": both(np.nan),
        "It is one step too few.": both(0.2),
        "It is one step too many.": both(0.4),
        "It is what one step gives. Does return stand within the loop?": both(0.1),
        "It goes up: the loss grows.": both(-0.3),
        "It is what w and b are at the start. Are the new ones kept?": both(0.0),
        "It is as if b stayed where it was.": ([-0.3], 0.0),
        "It is as if w stayed where it was.": ([0.0], 0.3),
        "learning_rate is always 0.001, whatever the argument says.": both(0.003),
        "learning_rate is always 0.01, whatever the argument says.": both(0.03),
        "dw stands where db should: it moves by the gradient of w.": ([-0.3], [-0.3]),
        "db stands where dw should: it moves by the gradient of b.": ([0.3], 0.3),
        "dw and db have changed places: in which order does loss_and_gradients return them?":
            ([0.3], [-0.3]),
        "b is one number, and its m and v are arrays.": ([-0.3], [0.3]),
    }  # fmt: skip


def wrong_states(values: Any) -> dict[str, Any]:
    """What usual mistakes with m, v and t return for the three steps by hand."""
    slow = "While gradients stay the same, each step must be as long as the learning rate. "
    order = "In which order does adam_step return the three?"
    return {
        slow + "Is t the same at each step?": descent(*values, times=lambda t: (1, 1)),
        slow + "Is t always the number of steps?": descent(*values, times=lambda t: (3, 3)),
        slow + "Which t has the first step?": descent(*values, times=lambda t: (t + 1, t + 1)),
        slow + "t grows for w and for b. They make the same step.":
            descent(*values, times=lambda t: (2 * t - 1, 2 * t)),
        slow + "Are m and v kept from step to step?": descent(*values, kept=False),
        slow + "Where are m and v corrected?": descent(*values, times=lambda t: (10**6, 10**6)),
        "w and b share m and v. Each needs its own.": descent(*values, shared="mv"),
        "w and b share m. Each needs its own.": descent(*values, shared="m"),
        "w and b share v. Each needs its own.": descent(*values, shared="v"),
        "w and b share m and v, and t grows for each of them.":
            descent(*values, times=lambda t: (2 * t - 1, 2 * t), shared="mv"),
        "It is plain gradient descent: where do m and v come in?":
            ([-4e8], 2e8),  # where the error is 0
        order: descent(*values, turned="w"),
        order + " The same for b.": descent(*values, turned="wb"),
    }  # fmt: skip


ADAM = Exercise(
    "06_adam",
    "Adam",
    (
        Part("moments", "dw, m, v, beta1, beta2", 3, moments),
        Part("adam_step", "w, dw, m, v, t, learning_rate, beta1, beta2, epsilon", 4, adam_step),
        Part("train", "x, y, w, b, learning_rate, steps", 3, train),
    ),
)
