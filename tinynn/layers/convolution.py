"""Conv2D: the same small weighted sum at each place of an image, so what it learns holds anywhere.

A kernel of 3 x 3 on an image of 4 x 4 pixels with padding 1, a frame of zeros. Each output looks
at one window of 3 x 3 pixels; here the windows of out[0, 0] and of out[2, 1]:

    [0  0  0] 0  0  0          0  0  0  0  0  0
    [0  x  x] x  x  0          0  x  x  x  x  0          out[0, 0]   .      .   .
    [0  x  x] x  x  0          0 [x  x  x] x  0              .       .      .   .
     0  x  x  x  x  0          0 [x  x  x] x  0              .   out[2, 1]  .   .
     0  x  x  x  x  0          0 [x  x  x] x  0              .       .      .   .
     0  0  0  0  0  0          0  0  0  0  0  0

How it is computed: each window becomes a row of numbers, and one matrix product gives all outputs.
The rows are copies, k k times as many numbers as the image, so they are made for some samples at a
time, and again for backward: this takes no longer than to keep them, and a ninth of the memory.
"""

from collections.abc import Callable

import numpy as np

from tinynn import checks
from tinynn.initializers import Initializer, he_normal
from tinynn.layers.basic import Layer
from tinynn.layers.channels import as_rows, channel_sums, repeated
from tinynn.layers.windows import (
    Size,
    frame_of,
    framed,
    opposite,
    pair,
    places,
    taps,
    unchanging,
    unframed,
    windows,
)
from tinynn.parameters import Array, Generator, Shape
from tinynn.products import fits_in_strips, product_of_rows, sum_of_products
from tinynn.threads import in_halves

BLOCK = 2**19  # numbers in the rows that are made at a time: 2 MB, which stay in the cache


class Conv2D(Layer):
    """out[p, q] = sum of W * (the window of x at p, q) + b: a weighted sum of each window.

    x (B, H, W, C), images with the channels last; W (kh, kw, C, F), one kernel (kh, kw, C) for each
    filter; b (F,); out (B, P, Q, F). Number by number, with stride s and x in its frame of zeros
    (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 9.5, equations 9.7 to 9.13):

        out[n, p, q, f] = sum_ijc x[n, s p + i, s q + j, c] W[i, j, c, f] + b[f]

    W[i, j, c, f] acts on each output of its filter, of every sample, and a pixel on each window
    that it lies in. So their gradients are sums over these:

        dW[i, j, c, f] = sum_npq x[n, s p + i, s q + j, c] dout[n, p, q, f]
        db[f]          = sum_npq dout[n, p, q, f]
        dx[n, s p + i, s q + j, c] += sum_f dout[n, p, q, f] W[i, j, c, f]     for all p, q, i, j

    The gradients of the frame's zeros are left out. (In mathematics this sum is a correlation. A
    convolution has the kernel turned by 180 degrees; the weights are learned, so both are as good.)

    filters: how many kernels F, 1 or more. size: of a kernel, a whole number or a pair (kh, kw).
    stride: by how many pixels a window is moved to the next, default 1; a number or a pair.
    padding: the width of the frame of zeros, below the size; or "same", the default: with stride 1,
    out has the height and width of x. initializer: of W, he_normal by default; its fan_in is
    kh kw C. bias: True by default; without b, for a BatchNorm that follows, bias=False. b starts at
    zero. Raises InputError for arguments out of range, and, when the model is built, for samples
    that are not images (H, W, C), and for a kernel larger than the image.

    >>> from tinynn import Sequential
    >>> layer = Conv2D(1, size=2, padding=0)
    >>> model = Sequential([layer], input_shape=(2, 3, 1))
    >>> layer.W[:, :, 0, 0] = [[1, 0], [0, -1]]  # a pixel minus its neighbour at the lower right
    >>> model.forward(np.array([[1, 2, 3], [4, 5, 9]]).reshape(1, 2, 3, 1)).ravel()  # 1 - 5, 2 - 9
    array([-4., -7.], dtype=float32)
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self,
        filters: int,
        size: Size,
        stride: Size = 1,
        padding: int | str = "same",
        initializer: Initializer = he_normal,
        bias: bool = True,
    ) -> None:
        checks.convolution(filters, size, stride, padding, initializer, bias)
        self.filters = filters
        self.size: Size = unchanging(size)
        self.stride: Size = unchanging(stride)
        self.padding = padding
        self.initializer = initializer
        self.bias = bias

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        b, db = (" + b", ", db = sum(dout)") if self.bias else ("", "")
        return (
            f"out = sum(window W){b}",
            "dx += dout W.T, at each window",
            f"dW = sum(window dout){db}",
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.images_for_windows(input_shape, pair(self.size), self.padding, self.name)
        sides = zip(input_shape[:2], self._frame(input_shape), pair(self.size), pair(self.stride),
                    strict=True)  # fmt: skip
        P, Q = (places(length + sum(frame), k, s) for length, frame, k, s in sides)
        return P, Q, int(self.filters)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        b = {"b": (int(self.filters),)} if self.bias else {}
        return {"W": (*pair(self.size), input_shape[-1], int(self.filters)), **b}

    def multiplications(self, output_shape: Shape) -> int:
        """Return how many products of a weight and a number a sample needs: P Q kh kw C F."""
        return self.W.size * output_shape[0] * output_shape[1]

    def initialize(self, rng: Generator) -> None:
        W = self.initializer(self.W.shape, rng)
        self.W = checks.check_initial_values(W, self.W.shape, self.name)

    def forward(self, x: Array, training: bool = True) -> Array:
        x_framed = framed(x, self._frame(x.shape[1:]))
        out = correlate(x_framed, self.W, self.stride)  # (B, P, Q, F)
        if self.bias:
            rows = as_rows(out)  # (B, P Q F), a view
            rows += repeated(self.b, rows)
        if training:
            self.x_framed, self.x_shape = x_framed, x.shape
        return out

    def parameter_gradients(self, dout: Array) -> None:
        seen = windows(self.x_framed, self.size, self.stride)
        dW = {0: np.zeros((self.W[..., 0].size, dout.shape[-1]), dout.dtype)}  # for each block

        def multiply(part: slice) -> None:
            flat = dout[part].reshape(-1, dout.shape[-1])  # (samples P Q, F)
            dW[part.start] = sum_of_products(window_rows(seen[part]), flat, groups=len(self.W))

        by_blocks(multiply, seen, shared(dout, self.W))
        self.dW = np.sum([dW[first] for first in sorted(dW)], axis=0).reshape(self.W.shape)
        if self.bias:
            self.db = channel_sums(as_rows(dout), None, len(self.b))  # (F,)

    def input_gradient(self, dout: Array) -> Array:
        frame = self._frame(self.x_shape[1:])
        if turning_is_faster(self.W, self.stride):  # the same numbers, up to rounding
            return correlate(framed(dout, opposite(frame, self.size)), turned(self.W), 1)
        dx = np.zeros(self.x_framed.shape, dout.dtype)
        kernels = self.W.reshape(-1, *self.W.shape[2:])  # (C, F) for each tap

        def multiply(samples: slice) -> None:
            flat = dout[samples].reshape(-1, dout.shape[-1])  # (samples P Q, F)
            each = taps(dx[samples], self.size, self.stride)
            for tap, kernel in zip(each, kernels, strict=True):
                tap += product_of_rows(flat, kernel.T).reshape(tap.shape)  # (samples, P, Q, C)

        in_halves(multiply, len(dout), shared(dout, kernels[0]))
        return unframed(dx, frame)

    def _frame(self, input_shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        return frame_of(self.padding, input_shape, self.size, self.stride)


def turning_is_faster(W: Array, stride: Size) -> bool:
    """Return whether dx takes less time by turned kernels than as a sum over the taps.

    About 0.7 of the time with stride 1, where there are no more than two filters for each channel:
    the rows of windows of dout have kh kw F numbers for each pixel, the taps' products kh kw C.
    """
    _, _, C, F = W.shape
    return pair(stride) == (1, 1) and F <= 2 * C and fits_in_strips(W.size)


def turned(W: Array) -> Array:
    """Return the kernels (kh, kw, F, C) by which dout gives dx if the stride is 1.

    Pixel h gets dout[h - i] W[i] from each tap i: a weighted sum of the outputs that saw it, in
    which the taps come in the opposite order, so the kernels are turned by 180 degrees, and padding
    p becomes k - 1 - p. (Dumoulin and Visin, A guide to convolution arithmetic for deep learning,
    2016, chapter 4.)
    """
    return np.ascontiguousarray(W[::-1, ::-1].transpose(0, 1, 3, 2))


def correlate(x: Array, W: Array, stride: Size) -> Array:
    """Return sum_ijc x[n, s p + i, s q + j, c] W[i, j, c, f]: x (B, H, W, C), out (B, P, Q, F)."""
    seen = windows(x, W.shape[:2], stride)  # (B, P, Q, kh, kw, C)
    flat = W.reshape(-1, W.shape[-1])  # (kh kw C, F)
    out = np.empty((*seen.shape[:3], W.shape[-1]), x.dtype)

    def multiply(part: slice) -> None:
        product_of_rows(window_rows(seen[part]), flat, out[part].reshape(-1, W.shape[-1]))

    by_blocks(multiply, seen, shared(out, W))
    return out


def window_rows(seen: Array) -> Array:
    """Return each window as a row: (B P Q, kh kw C), a copy of the view (B, P, Q, kh, kw, C)."""
    B, P, Q, kh, kw, C = seen.shape
    if C < 4:  # NumPy copies along the last axis: laid down by columns, it has Q numbers, not kw C
        return seen.transpose(3, 4, 5, 0, 1, 2).reshape(kh * kw * C, B * P * Q).T
    return seen.reshape(B * P * Q, kh * kw * C)


def shared(out: Array, W: Array) -> int:
    """Return the numbers of out that two threads share: 0 if OpenBLAS' threads share products."""
    return out.size if fits_in_strips(W.size) else 0


def by_blocks(work: Callable[[slice], None], seen: Array, numbers: int) -> None:
    """Call `work(part)` for each block of samples; numbers: how many two threads share."""
    parts = blocks(seen)

    def work_on(some: slice) -> None:
        for part in parts[some]:
            work(part)

    in_halves(work_on, len(parts), numbers)


def blocks(seen: Array) -> list[slice]:
    """Return slices of samples whose windows have about BLOCK numbers, or of one sample.

    Their number is even if there are several samples, so that two threads have as many each.

    >>> blocks(np.zeros((5, 100, 100, 1, 1, 26)))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    if len(seen) == 0:
        return []
    samples = max(1, BLOCK // seen[0].size)
    pairs = -(-len(seen) // (2 * samples))  # rounded up
    samples = -(-len(seen) // (2 * pairs))
    return [slice(first, first + samples) for first in range(0, len(seen), samples)]
