"""Pooling: one number for each window of an image, its largest or its mean.

    1 3 | 2 0                3 | 2                         2.0  | 1.0
    2 2 | 1 1    maximum     --+--          mean           -----+-----
    ----+----   -------->    5 | 8       --------->        2.25 | 4.25
    5 0 | 8 7
    4 0 | 2 0

Each channel is pooled by itself. The image becomes smaller, so the layers after it cost less and
see more of it, and a shift by a pixel changes less.
Dimensions: B samples, H x W pixels, C channels; P x Q windows of kh x kw pixels.
"""

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.layers.windows import Size, pair, places, taps, unchanging
from tinynn.parameters import Array, Shape
from tinynn.threads import in_halves


class Pool2D(Layer):
    """What MaxPool2D and AveragePool2D share: the size of a window, its stride, the shapes."""

    def __init__(self, size: Size, stride: Size | None = None) -> None:
        checks.pooling(type(self).__name__, size, stride)
        self.size: Size = unchanging(size)
        self.stride: Size | None = unchanging(stride)

    @property
    def strides(self) -> tuple[int, int]:
        """By how many pixels a window is moved down, and to the right."""
        return pair(self.size if self.stride is None else self.stride)

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.images_for_windows(input_shape, pair(self.size), 0, self.name)
        sides = zip(input_shape[:2], pair(self.size), self.strides, strict=True)
        P, Q = (places(length, k, s) for length, k, s in sides)
        return P, Q, input_shape[2]


class MaxPool2D(Pool2D):
    """out = the largest number of each window, in each channel.

        dx = dout at the largest number of each window, else 0; the sum if windows overlap

    x (B, H, W, C), out (B, P, Q, C). If several numbers of a window are the largest, there is no
    derivative; the first one, row by row, gets all of dout. (Given to all of them, dout would
    count twice.) In real images equal neighbours are frequent.
    (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 9.3.)

    size: of a window, a whole number or a pair (kh, kw). stride: by how many pixels a window is
    moved to the next, a number or a pair; default None: the size, so that windows do not overlap.
    Rows and columns that are left at the end are in no window, and dx is 0 there. Raises InputError
    for another size or stride, and, when the model is built, for samples that are not images
    (H, W, C), and for a window larger than the image.

    >>> pool = MaxPool2D(2)
    >>> x = np.array([[1, 3, 2, 0], [2, 2, 1, 1]], float).reshape(1, 2, 4, 1)
    >>> pool.forward(x).ravel()
    array([3., 2.])
    >>> pool.backward(np.array([5.0, 7.0]).reshape(1, 1, 2, 1))[0, :, :, 0]
    array([[0., 5., 7., 0.],
           [0., 0., 0., 0.]])
    """

    equations = "out = max(window)", "dx = dout at the max of each window"

    def forward(self, x: Array, training: bool = True) -> Array:
        each = [*taps(x, self.size, self.strides)]
        out = np.empty(each[0].shape, x.dtype)  # (B, P, Q, C)
        number = np.min_scalar_type(len(each)).type  # mostly one byte
        winner = np.zeros(out.shape, number)  # which tap is the largest so far

        def compare(samples: slice) -> None:
            best, of = out[samples], winner[samples]
            best[:] = each[0][samples]
            for k, tap in enumerate(each[1:], start=1):
                other = tap[samples].copy()  # read twice, in less time from a contiguous array
                if training:
                    larger = (other > best).view(np.uint8)  # 0 or 1
                    np.maximum(of, larger * number(k), out=of)  # k is above any number there
                np.maximum(best, other, out=best)

        in_halves(compare, len(x), x.size)
        if training:
            self.winner, self.x_shape = winner, x.shape
        return out

    def input_gradient(self, dout: Array) -> Array:
        dx = np.zeros(self.x_shape, dout.dtype)
        overlap = any(s < k for s, k in zip(self.strides, pair(self.size), strict=True))

        def give(samples: slice) -> None:
            for k, tap in enumerate(taps(dx[samples], self.size, self.strides)):
                share = dout[samples] * (self.winner[samples] == k)
                if overlap:
                    tap += share
                else:
                    tap[:] = share  # a third less time

        in_halves(give, len(dout), dx.size)
        return dx

    def kink_mask(self, x: Array) -> Array:
        """Return which numbers of each window are the largest, but for rounding."""
        each = np.stack([*taps(x, self.size, self.strides)], axis=-1)  # (B, P, Q, C, kh kw)
        largest = each.max(axis=-1, keepdims=True)
        rounding = 64 * np.finfo(np.result_type(x, np.float32)).eps * np.abs(largest)
        return np.asarray(each >= largest - rounding)


class AveragePool2D(Pool2D):
    """out = the mean of each window, in each channel.

        dx = dout / (kh kw), summed over the windows that a pixel lies in

    x (B, H, W, C), out (B, P, Q, C). size, stride and errors are as in MaxPool2D. Rows and columns
    that are left at the end are in no window, and dx is 0 there.
    (LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
    1998, section II.B: "sub-sampling".)

    >>> x = np.array([[1, 3, 2, 0], [2, 2, 1, 1]], float).reshape(1, 2, 4, 1)
    >>> AveragePool2D(2).forward(x).ravel()
    array([2., 1.])
    """

    equations = "out = mean(window)", "dx = dout / size of a window"

    def forward(self, x: Array, training: bool = True) -> Array:
        each = taps(x, self.size, self.strides)
        out = next(each).astype(np.result_type(x, np.float32), order="C")  # (B, P, Q, C)
        for tap in each:
            out += tap
        if training:
            self.x_shape = x.shape
        out /= float(np.prod(pair(self.size)))
        return out

    def input_gradient(self, dout: Array) -> Array:
        dx = np.zeros(self.x_shape, dout.dtype)
        share = dout / float(np.prod(pair(self.size)))
        for tap in taps(dx, self.size, self.strides):
            tap += share
        return dx


class GlobalAveragePool2D(Layer):
    """out = the mean of each channel over all pixels: (B, H, W, C) becomes (B, C).

        dx = dout / (H W), the same for all pixels of a channel

    In place of Flatten before the last Dense it leaves few weights, and takes images of any size.
    Raises InputError for samples that are not images (H, W, C), when the model is built.
    (Lin, Chen and Yan, Network In Network, 2014, section 3.2.)

    >>> x = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> GlobalAveragePool2D().forward(x)  # (0 + 2 + 4 + 6) / 4, (1 + 3 + 5 + 7) / 4
    array([[3., 4.]])
    """

    equations = "out = mean(x) of each channel", "dx = dout / (H W)"

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.images_for_windows(input_shape, (1, 1), 0, self.name)
        return (input_shape[2],)

    def forward(self, x: Array, training: bool = True) -> Array:
        B, H, W, C = x.shape
        if training:
            self.x_shape = x.shape
        dtype = np.result_type(x, np.float32)  # x may be whole numbers if it is in no model
        weights = np.full((1, H * W), 1 / (H * W), dtype)  # x.mean(axis=(1, 2)) takes ten times
        return (weights @ x.reshape(B, H * W, C)).reshape(B, C)

    def input_gradient(self, dout: Array) -> Array:
        _, H, W, _ = self.x_shape
        dx = np.empty(self.x_shape, dout.dtype)
        dx[:] = (dout / float(H * W))[:, None, None]
        return dx
