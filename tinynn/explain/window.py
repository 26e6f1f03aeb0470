"""A convolution at one window: how one number of its output comes from the numbers below it."""

import numpy as np

from tinynn.layers import Conv2D, Layer
from tinynn.layers.windows import frame_of, framed, pair, windows
from tinynn.parameters import Array

PRODUCTS = 3  # that are written out: the largest


def at_one_window(layer: Layer, x: Array, out: Array) -> str:
    """Return the largest output of sample 1 as the sum that it is; "" if that is not known.

    It is known for a Conv2D, also for one of the user's own with Conv2D's forward. The indices are
    those of the arrays. A window at the edge has padding in it, of which all products are 0.

    >>> from tinynn import Sequential
    >>> conv = Conv2D(1, size=2, padding=0)
    >>> model = Sequential([conv], input_shape=(2, 3, 1))
    >>> conv.W[:, :, 0, 0] = [[1, 0], [0, -2]]
    >>> x = np.array([[1, 2, 3], [4, 5, 9]], np.float32).reshape(1, 2, 3, 1)
    >>> print(at_one_window(conv, x, conv.forward(x)))
    out[0,0,1,0] = sum(x[0,0:2,1:3] W[...,0]): 9 * -2 + 2 * 1 + b 0 = -16
    """
    if not isinstance(layer, Conv2D) or type(layer).forward is not Conv2D.forward:
        return ""
    p, q, f = map(int, np.unravel_index(np.abs(out[0]).argmax(), out.shape[1:]))
    frame = frame_of(layer.padding, x.shape[1:], layer.size, layer.stride)
    window = windows(framed(x[:1], frame), layer.size, layer.stride)[0, p, q]  # (kh, kw, C)
    begins = [at * step - before for at, step, (before, _)
              in zip((p, q), pair(layer.stride), frame, strict=True)]  # fmt: skip
    ends = [min(i + k, n) for i, k, n in zip(begins, window.shape, x.shape[1:], strict=False)]
    rows, columns = (f"{max(i, 0)}:{end}" for i, end in zip(begins, ends, strict=True))
    inside = [end - i for i, end in zip(begins, ends, strict=True)] == [*window.shape[:2]]
    padding = "" if inside and min(begins) >= 0 else " and padding"
    numbers, weights = window.ravel(), layer.W[..., f].ravel()
    largest = np.argsort(-np.abs(numbers * weights), kind="stable")
    shown = [k for k in largest[:PRODUCTS] if numbers[k] * weights[k]]
    terms = [f"{numbers[k]:.4g} * {weights[k]:.4g}" for k in shown]
    left = np.count_nonzero(numbers * weights) - len(shown)
    rest = float((numbers * weights).sum() - sum(numbers[k] * weights[k] for k in shown))
    terms += [f"{rest:.4g} ({left} more)"] if left else []
    terms += [f"b {layer.b[f]:.4g}"] if layer.bias else []
    return (
        f"out[0,{p},{q},{f}] = sum(x[0,{rows},{columns}]{padding} W[...,{f}]): "
        f"{' + '.join(terms or ['0'])} = {out[0, p, q, f]:.4g}"
    )
