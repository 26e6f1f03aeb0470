"""The optimizers: each gets two flat vectors (P,), params and grads, and changes params in place.

An optimizer knows nothing of layers. What it keeps from step to step (a velocity, moments) are
vectors of the same length, made at the first step. t counts the steps, from 1.

In the code w and g are parts of params and grads, and rate is the learning rate at step t.
`in_two_threads` (threads.py) calls the inner function `step` for two parts of all vectors at once;
scratch is an array for intermediate results, so that no operation needs a new one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from tinynn import checks
from tinynn.optimizers.slots import Slots
from tinynn.parameters import Array
from tinynn.threads import flush_subnormals, in_two_threads

Rate: TypeAlias = float | Callable[[int], float]


class Optimizer(Slots, ABC):
    """The contract: `update(params, grads, rate)`, and `state_names`, the vectors that it keeps.

    learning_rate: a positive number, or a schedule: one of schedules.py, such as CosineDecay(1e-3),
    or a function of the step count t that returns a number of 0 or more. Raises InputError for
    anything else. Hyper-parameters may be set at any time, a learning rate then also to 0, and are
    checked each time. An optimizer belongs to the first model that it steps: its vectors, t and its
    schedule would be wrong for another model.

    >>> def halve_every_1000(t):
    ...     return 0.1 * 0.5 ** (t // 1000)
    >>> SGD(learning_rate=halve_every_1000).rate(t=2000)
    0.025
    """

    # Each hyper-parameter's check, which returns it as a Python number: a number of NumPy's would
    # change the precision of a step.
    hyperparameters: Mapping[str, Callable[[str, Any], Any]] = {"learning_rate": checks.rate}
    _asked: tuple[Any, int, float] = (None, 0, 0.0)  # a schedule, its last t, and its answer

    def __init__(self, learning_rate: Rate) -> None:
        super().__init__()
        self.learning_rate: Rate = checks.initial_rate(learning_rate)

    def __setattr__(self, name: str, value: Any) -> None:
        """Check a hyper-parameter whenever it is set."""
        if name in self.hyperparameters:
            value = self.hyperparameters[name](name, value)
        super().__setattr__(name, checks.python_number(value))

    def rate(self, t: int) -> float:
        """Return the learning rate of step t. A schedule is asked once for each step."""
        if not callable(self.learning_rate):
            return self.learning_rate
        schedule, asked, _ = self._asked
        if schedule is not self.learning_rate or asked != t:
            self._asked = self.learning_rate, t, checks.scheduled_rate(self.learning_rate, t)
        return self._asked[2]

    def step(self, params: Array, grads: Array) -> None:
        """Change `params` in place by one step. Both are flat vectors (P,) of one dtype.

        The parameters of frozen layers stay as they are, and so does what is kept for them.
        Raises InputError if the vectors differ in length from each other or from those of earlier
        steps, or belong to another model.
        """
        checks.same_length(params, grads, self.slots, type(self).__name__)
        self.refuse_another_model(params)
        rate = self.rate(self.t + 1)  # before anything changes: a schedule may raise
        self.belong_to(params)
        self.t += 1
        flush_subnormals(self.slots.values(), self.t)  # tiny numbers are slow: see threads.py
        self.update(params, grads, rate)

    @abstractmethod
    def update(self, params: Array, grads: Array, rate: float) -> None:
        """Change `params` in place by the equation of one step."""

    def equations(self, rate: float) -> tuple[str, ...]:
        """Return what explain_step prints: a short name, and the equation of `update`.

        A third text, if there is a formula for it: the decrease of the loss that the gradient
        predicts (to first order).
        """
        return ()


class SGD(Optimizer):
    """Stochastic gradient descent: step against the gradient; momentum keeps part of the last step.

        velocity <- momentum velocity - rate g
        w        <- w + velocity

    and with nesterov=True, which steps on along the new velocity before it asks for a gradient:

        w        <- w + momentum velocity - rate g

    w: params, g: grads, rate: the learning rate at t.

    learning_rate: default 0.01, or a function of t. momentum: 0 or more, below 1; default 0 (none).
    nesterov: default False; True needs a momentum above 0. Raises InputError outside of these.
    (Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep
    learning, 2013, equations 1 and 2; with nesterov 3 and 4, where w is the point at which g is
    taken, their theta + momentum velocity. Keras has the same form. PyTorch has it too, but its
    velocity is without the rate: the steps differ if the rate changes.)

    >>> params = np.array([1.0, 2.0])
    >>> SGD(learning_rate=0.1).step(params, grads=np.array([10.0, 0.0]))
    >>> params
    array([0., 2.])
    """

    state_names = ("velocity",)
    hyperparameters = checks.hyperparameters("learning_rate", "momentum", "nesterov")

    @checks.short_traceback
    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        super().__init__(learning_rate)
        self.momentum, self.nesterov = momentum, nesterov
        checks.nesterov_has_momentum(self.nesterov, self.momentum)

    def update(self, params: Array, grads: Array, rate: float) -> None:
        def step(w: Array, g: Array, velocity: Array, scratch: Array) -> None:
            velocity *= self.momentum
            velocity -= np.multiply(g, rate, out=scratch)
            if self.nesterov:
                w -= scratch
                velocity = np.multiply(velocity, self.momentum, out=scratch)
            w += velocity

        in_two_threads(step, params, grads, *self.slots.values())

    def equations(self, rate: float) -> tuple[str, ...]:
        if not self.momentum:
            return f"SGD {rate:g}", f"W <- W - {rate:g} dW", f"{rate:g} |grad|^2"
        name = f"SGD {rate:g}, {'Nesterov ' * self.nesterov}momentum {self.momentum:g}"
        next_velocity = f"{self.momentum:g} velocity - {rate:g} dW"
        change = next_velocity if self.nesterov else "velocity"
        return name, f"velocity <- {next_velocity},  W <- W + {change}"


class Adam(Optimizer):
    """Every parameter steps by about learning_rate, less where the signs of its gradients vary.

        M <- beta1 M + g                      the decaying sum of the gradients,
        V <- beta2 V + g^2                    and that of their squares
        m = M (1 - beta1) / (1 - beta1^t)     means: the weights in M, 1 + beta1 + beta1^2 + ... +
        v = V (1 - beta2) / (1 - beta2^t)     beta1^(t-1), add up to (1 - beta1^t) / (1 - beta1)
        w <- w - rate m / (sqrt(v) + epsilon)

    w: params, g: grads, rate: the learning rate at t. m is the first moment, a mean of the latest
    gradients; v is the second moment, a mean of their squares.

    learning_rate: default 1e-3, or a function of t. beta1: default 0.9, beta2: default 0.999; each
    at least 0, below 1. epsilon: default 1e-8, positive. Raises InputError outside of these.
    (Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1, whose moments are
    M (1 - beta1) and V (1 - beta2): kept as sums, they need two passes fewer over all parameters.)

    >>> params = np.array([1.0, 2.0])
    >>> Adam(learning_rate=0.1).step(params, grads=np.array([10.0, -0.001]))
    >>> params.round(4)
    array([0.9, 2.1])
    """

    state_names = ("M", "V")
    hyperparameters = checks.hyperparameters("learning_rate", "beta1", "beta2", "epsilon")

    @checks.short_traceback
    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def update(self, params: Array, grads: Array, rate: float) -> None:
        m_scale = (1 - self.beta1) / (1 - self.beta1**self.t)
        v_scale = (1 - self.beta2) / (1 - self.beta2**self.t)
        # m = m_scale M and v = v_scale V; numerator and denominator are divided by sqrt(v_scale),
        # so that neither M nor sqrt(V) needs a pass of its own:
        epsilon = self.epsilon / v_scale**0.5
        rate *= m_scale / v_scale**0.5

        def step(w: Array, g: Array, M: Array, V: Array, scratch: Array) -> None:
            M *= self.beta1
            M += g
            V *= self.beta2
            V += np.square(g, out=scratch)
            np.sqrt(V, out=scratch)
            scratch += epsilon
            np.divide(M, scratch, out=scratch)
            w -= np.multiply(scratch, rate, out=scratch)

        in_two_threads(step, params, grads, *self.slots.values())

    def equations(self, rate: float) -> tuple[str, ...]:
        update = f"W <- W - {rate:g} m / (sqrt(v) + {self.epsilon:g})"
        return f"Adam {rate:g}", f"{update},  m and v: first and second moment of dW"
