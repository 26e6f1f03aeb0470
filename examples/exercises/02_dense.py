"""Exercise 2: Dense, a layer of weighted sums. (Lesson 2; 10 points.)

B samples stand in the rows of x, each with D numbers. Each of the U units has a weight for each of
these numbers, a column of W, and one bias, a number of b:

    out_nu = sum over d of x_nd W_du  + b_u

    x    (B, D)      W   (D, U)      b   (U,)       out   (B, U)
    dx   (B, D)      dW  (D, U)      db  (U,)       dout  (B, U)

L is the loss, and dout is dL/dout. (If L is a mean over the samples, its 1/B is already in dout.)
A gradient has the shape of its array. To find it, ask: which numbers of out does one number of W
change, and by how much? Add up over them. The same for b, and for x.

Write the lines of both functions in NumPy, in place of the placeholder, without a loop over
samples if you can. Return new arrays, and leave those that you are given as they were. Then, in the
folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def dense_forward(x, W, b):
    """Return out."""
    raise NotImplementedError("your lines")


def dense_backward(dout, x, W):
    """Return dx, dW, db, in this order."""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x, W, b = np.array([[1.0, 2.0]]), np.array([[3.0, 0.0, 1.0], [1.0, 5.0, 1.0]]), np.ones(3)
    print(dense_forward(x, W, b))
    for gradient in dense_backward(np.ones((1, 3)), x, W):
        print(gradient)
