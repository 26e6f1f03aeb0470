"""Exercise 10: Conv2D, a kernel that moves over images. (Lesson 14; 10 points.)

B images stand in x, each with R rows and S columns of pixels, and C numbers, its channels, at each
pixel. There are F kernels, each a table of kh rows, kw columns and C channels, with one bias each.
The image gets a frame of zeros, `padding` pixels wide. Each kernel is laid over each window of kh
times kw pixels, from the upper left corner on, one pixel further each time. With x in its frame:

    out[n, p, q, f] = sum over i, j, c of  x[n, p + i, q + j, c] W[i, j, c, f]   + b[f]

    x   (B, R, S, C)     W   (kh, kw, C, F)     b   (F,)     P = R + 2 padding - kh + 1
    out (B, P, Q, F)     kh and kw may differ                Q = S + 2 padding - kw + 1

(Goodfellow, Bengio and Courville, Deep Learning, 2016, sections 9.1 and 9.5. In mathematics this is
a correlation.)

1. frame: put zeros around each image, and nothing before the first image or the first channel.
2. conv_forward: loops over p and q are fine, or over all indices. Only its speed suffers.
3. conv_backward. dout is dL/dout, and has the shape of out. A weight W[i, j, c, f] is used for each
   number of out of its kernel; a pixel lies in many windows. The chain rule adds up over all of
   these. So go through the windows as in forward, and ask at each: what does dout[n, p, q, f] add
   to dW, to db, and to dx at each pixel of this window? dx has the shape of x, without the frame.

Write the lines in NumPy, in place of the placeholders. Return new arrays, and leave those that you
are given as they were. Then, in the folder of this file:

    python -m tinynn.exercises .

The grader shows images and kernels without axes of length 1: an image with one channel is a
table.
"""

import numpy as np


def frame(x, padding):
    """Return x in its frame: (B, R + 2 padding, S + 2 padding, C). (2 points.)

    padding: a whole number, 0 or more.
    """
    raise NotImplementedError("your lines")


def conv_forward(x, W, b, padding):
    """Return out. (3 points.)"""
    raise NotImplementedError("your lines")


def conv_backward(dout, x, W, padding):
    """Return dx, dW, db, in this order. (5 points.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]]).reshape(1, 2, 3, 1)
    W = np.array([[-1.0, 1.0]]).reshape(1, 2, 1, 1)  # a pixel minus its left neighbour
    print(frame(x, 1)[0, :, :, 0])
    print(conv_forward(x, W, np.zeros(1), 0)[0, :, :, 0])
    for gradient in conv_backward(np.ones((1, 2, 2, 1)), x, W, 0):
        print(gradient)
