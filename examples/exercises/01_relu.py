"""Exercise 1: ReLU. (Lesson 2; 10 points.)

ReLU is applied to each number of an array by itself:

    out = x    where x > 0             L is the loss. dout is dL/dout, and has the shape of out.
    out = 0    where not               dx is dL/dx, and has the shape of x: use the chain rule.

Write the lines of both functions in NumPy, in place of the placeholder. Both return a new array,
and leave the arrays that they are given as they were. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def relu_forward(x):
    """Return out. x: an array of any shape, such as (B, U), B samples in rows."""
    raise NotImplementedError("your lines")


def relu_backward(dout, x):
    """Return dx. dout: the gradient of the loss with respect to out. x: as relu_forward got it.

    ReLU has no derivative at x = 0. Take 0 there.
    """
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x = np.array([[-2.0, 0.5], [3.0, 0.0]])
    print(relu_forward(x))
    print(relu_backward(np.ones((2, 2)), x))
