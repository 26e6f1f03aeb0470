"""Exercise 10, Conv2D: what students hand in."""

A, F, G = "frame", "conv_forward", "conv_backward"
ZEROS = "x_framed = np.zeros((B, R + 2 * padding, S + 2 * padding, C))"
PUT = "x_framed[:, padding : padding + R, padding : padding + S] = x"
FRAMED = "    framed = frame(x, padding)\n    kh, kw, _, F = W.shape\n"
PQ = "P, Q = framed.shape[1] - kh + 1, framed.shape[2] - kw + 1"
WINDOWS = "windows = framed[:, p : p + kh, q : q + kw]"
OUT = "out[:, p, q] = np.tensordot(windows, W, axes=3) + b"
RETURN = "    return out\n"
BACK = "    framed = frame(x, padding)\n    kh, kw, _, _ = W.shape\n"
HERE, SEEN = "here = dout[:, p, q]  # (B, F)", "seen = framed[:, p : p + kh, q : q + kw]"
ADD_W = "dW += np.tensordot(seen, here, axes=(0, 0))"
ADD_X = "dx_framed[:, p : p + kh, q : q + kw] += np.tensordot(here, W, axes=(1, 3))"
CUT = "dx = dx_framed[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]"
DB, GRADIENTS = "db = dout.sum(axis=(0, 1, 2))", "return dx, dW, db"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("np.pad of all axes", A, ZEROS, "return np.pad(x, padding)", "all four axes"),
    ("the first two axes", A, ZEROS,
     "p = (padding, padding)\n    return np.pad(x, (p, p, (0, 0), (0, 0)))",
     "axes of images and rows"),
    ("the last two axes", A, ZEROS,
     "p = (padding, padding)\n    return np.pad(x, ((0, 0), (0, 0), p, p))", "holds the channels"),
    ("edges", A, ZEROS, 'p = (padding, padding)\n'
     '    return np.pad(x, ((0, 0), p, p, (0, 0)), mode="edge")', "copies of the pixels"),
    ("ones", A, ZEROS, "x_framed = np.ones((B, R + 2 * padding, S + 2 * padding, C))",
     "holds ones"),
    ("one side", A, ZEROS, "x_framed = np.zeros((B, R + padding, S + padding, C))",
     "at the top and at the left"),
    ("upper left", A, PUT, "x_framed[:, :R, :S] = x", "upper left corner"),
    ("minus padding", A, PUT, "x_framed[:, padding:-padding, padding:-padding] = x",
     "With padding 0: It raises ValueError"),
    ("never put in", A, PUT, "\n", "All numbers are 0"),
    ("returns x", A, PUT, "x_framed = x", "Its shape is (1, 1, 2, 1)"),
    ("always 1", A, ZEROS, "padding = 1\n    x_framed = np.zeros((B, R + 2, S + 2, C))",
     "With padding 0: Its shape"),
    ("channels lost", A, "return x_framed", "return x_framed[..., 0]", "is lost"),
    ("no bias", F, OUT, "out[:, p, q] = np.tensordot(windows, W, axes=3)", "bias is missing"),
    ("a convolution", F, OUT, "out[:, p, q] = np.tensordot(windows, W[::-1, ::-1], axes=3) + b",
     "turned by 180 degrees"),
    ("rows and columns", F, OUT,
     "out[:, p, q] = np.tensordot(windows.swapaxes(1, 2), W, axes=3) + b", "i belongs to rows"),
    ("a mean", F, OUT, "out[:, p, q] = np.tensordot(windows, W, axes=3) / (kh * kw) + b",
     "The equation has a sum"),
    ("b for each weight", F, OUT,
     "out[:, p, q] = np.tensordot(windows, W, axes=3) + kh * kw * b", "once for each weight"),
    ("the window does not move", F, WINDOWS, "windows = framed[:, :kh, :kw]", "move with q"),
    ("overwritten", F, OUT, "out[:] = np.tensordot(windows, W, axes=3)[:, None, None] + b",
     "those of the last window"),
    ("matrix product", F, OUT,
     "out[:, p, q, 0] = (windows[..., 0] @ W[:, :, 0, 0]).sum(axis=(1, 2)) + b[0]",
     "Multiply number by number"),
    ("one window less", F, PQ, "P, Q = framed.shape[1] - kh, framed.shape[2] - kw",
     "A row and a column of windows are missing"),
    ("one column less", F, PQ, "P, Q = framed.shape[1] - kh + 1, framed.shape[2] - kw",
     "how many are there"),
    ("one window more", F, PQ, "P, Q = framed.shape[1] - kh + 2, framed.shape[2] - kw + 2",
     "Two shapes do not fit"),
    ("a square kernel", F, WINDOWS, "windows = framed[:, p : p + kh, q : q + kh]",
     "Two shapes do not fit"),
    ("a sum over the channels of one", F, OUT,
     "out[:, p, q] = np.tensordot(windows[..., 0], W[:, :, 0], axes=2) + b", "first channel"),
    ("the first image", F, OUT, "out[:, p, q] = np.tensordot(windows[:1], W, axes=3) + b",
     "Only the first image"),
    ("the first kernel", F, OUT,
     "out[:, p, q] = np.tensordot(windows, W[..., :1], axes=3) + b", "first kernel"),
    ("all images", F, OUT,
     "out[:, p, q] = np.tensordot(windows.sum(axis=0), W, axes=3) + b", "All images are added up"),
    ("one sum", F, OUT, "out[:, p, q] = np.sum(windows * W[..., 0]) + b",
     "All images are added up, by the first kernel"),
    ("all kernels", F, OUT,
     "out[:, p, q] = np.tensordot(windows, W.sum(axis=3), axes=3)[:, None] + b",
     "results of all kernels are added up"),
    ("window times W", F, OUT,
     "for n in range(len(x)):\n                out[n, p, q] = np.sum(windows[n] * W) + b",
     "A window has the axes i, j and c"),
    ("= for +=", F, OUT,
     "for n, i, j, c, f in np.ndindex(len(x), *W.shape):\n"
     "                out[n, p, q, f] = windows[n, i, j, c] * W[i, j, c, f] + b[f]",
     "Each product overwrites the one before"),
    ("= for +=, after the bias", F, OUT,
     "for n, i, j, c, f in np.ndindex(len(x), *W.shape):\n"
     "                out[n, p, q, f] = windows[n, i, j, c] * W[i, j, c, f]",
     "overwrites the one before, and the bias, too"),
    ("the largest product", F, OUT,
     "out[:, p, q] = (windows[..., None] * W).max(axis=(1, 2, 3)) + b",
     "the largest product of the window"),
    ("no frame", F, FRAMED, "    framed = x\n    kh, kw, _, F = W.shape\n", "is padding used"),
    ("a frame of 1", F, FRAMED, "    framed = frame(x, 1)\n    kh, kw, _, F = W.shape\n",
     "but padding is 0"),
    ("return in the loop", F, OUT, OUT + "\n            return out", "Only the first window"),
    ("no return", F, RETURN, "\n", "returns None"),
    ("the kernel turned", G, ADD_X,
     "dx_framed[:, p : p + kh, q : q + kw] += np.tensordot(here, W[::-1, ::-1], axes=(1, 3))",
     "dx is wrong. It is right with the kernel turned"),
    ("dW turned", G, ADD_W, "dW += np.tensordot(seen, here, axes=(0, 0))[::-1, ::-1]",
     "dW is wrong. It is right with the kernel turned"),
    ("dx =", G, ADD_X,
     "dx_framed[:, p : p + kh, q : q + kw] = np.tensordot(here, W, axes=(1, 3))",
     "dx is wrong. Each window overwrites"),
    ("dW =", G, ADD_W, "dW = np.tensordot(seen, here, axes=(0, 0))",
     "dW is wrong. Each window overwrites"),
    ("dx without dout", G, ADD_X, "dx_framed[:, p : p + kh, q : q + kw] += W.sum(axis=3)",
     "dout is not in it"),
    ("dW without dout", G, ADD_W,
     "dW += seen.sum(axis=0)[..., None]", "dW is wrong. dout is not in it"),
    ("all of dout", G, HERE, "here = dout.sum(axis=(1, 2))", "All of dout is added up"),
    ("dW a mean", G, ADD_W,
     "dW += np.tensordot(seen, here, axes=(0, 0)) / dout[0, ..., 0].size",
     "dW is wrong. It is a mean over the places"),
    ("dW a mean over the images", G, ADD_W,
     "dW += np.tensordot(seen, here, axes=(0, 0)) / len(x)", "dW is wrong. It is a mean over the "
     "images. The 1 / B of a mean loss is in dout already. For dout = [1, 10], x = [[1, 2], [3, "
     "4]], W = [5, 6], padding = 0 it returns"),
    ("dW and db a mean over the images", G, GRADIENTS, "return dx, dW / len(x), db / len(x)",
     "dW is wrong. It is a mean over the images"),
    ("all a mean over the images", G, GRADIENTS, "return dx / len(x), dW / len(x), db / len(x)",
     "dx is wrong. It is a mean over the images"),
    ("dW of the first image", G, ADD_W, "dW += np.tensordot(seen[:1], here[:1], axes=(0, 0))",
     "dW is wrong. It is what the first image adds"),
    ("dx with its frame", G, CUT, "dx = dx_framed", "It has shape (2, 4, 5, 2)"),
    ("dx cut wrongly", G, CUT, "dx = dx_framed[:, : x.shape[1], : x.shape[2]]",
     "has the gradient of the padding in it"),
    ("minus padding", G, CUT, "dx = dx_framed[:, padding:-padding, padding:-padding]",
     "where does a slice end"),
    ("no frame", G, BACK, "    framed = x\n    kh, kw, _, _ = W.shape\n",
     "Do the windows lie in x with its frame"),
    ("db a mean", G, DB, "db = dout.mean(axis=(0, 1, 2))", "db is wrong. It is a mean"),
    ("db a mean over the places", G, DB, "db = dout.mean(axis=(1, 2)).sum(axis=0)",
     "db is wrong. It is a mean"),
    ("db a sum over the images", G, DB, "db = dout.sum(axis=0)", "db is wrong"),
    ("db of the first image", G, DB, "db = dout[0].sum(axis=(0, 1))",
     "db is wrong. It is what the first image adds"),
    ("db not summed", G, DB, "db = dout", "b has one number for each kernel"),
    ("db one number", G, DB, "db = dout.sum()", "sum of all"),
    ("db one number: brackets", G, DB, "db = dout.sum()", "31]], [11])."),
    ("db of the last place", G, DB, "db = here.sum(axis=0)", "the last window adds, alone"),
    ("the order", G, GRADIENTS, "return dW, db, dx", "dx comes first"),
    ("both parameters' a mean", G, GRADIENTS, "return dx, dW / len(x), db / len(x)",
     "It is a mean over the images"),
    ("two gradients", G, GRADIENTS, "return dW, db", "2 values, expected 3"),
    ("no return", G, GRADIENTS, "pass", "returns None"),
    ("dout in place", G, HERE, "here = dout[:, p, q]\n            here *= 2",
     "argument dout in place"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("np.pad", ZEROS, "return np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])"),
    ("concatenate", ZEROS, "row, column = np.zeros((B, padding, S, C)), "
     "np.zeros((B, R + 2 * padding, padding, C))\n"
     "    x_framed = np.concatenate([column, np.concatenate([row, x, row], axis=1), column], "
     "axis=2)"),
    ("float32", "return x_framed", "return x_framed.astype(np.float32)"),
    ("einsum", OUT, 'out[:, p, q] = np.einsum("nijc,ijcf->nf", windows, W) + b'),
    ("rows", OUT, "out[:, p, q] = windows.reshape(len(x), -1) @ W.reshape(-1, F) + b"),
    ("six loops", OUT,
     "for n, f in np.ndindex(len(x), F):\n"
     "                out[n, p, q, f] = np.sum(windows[n] * W[..., f]) + b[f]"),
    ("a weight at a time", PQ, "P, Q = framed.shape[1] - kh + 1, framed.shape[2] - kw + 1\n"
     "    return b + sum(framed[:, i : i + P, j : j + Q] @ W[i, j]\n"
     "                   for i, j in np.ndindex(kh, kw))"),
    ("sliding windows", PQ, "P, Q = 1, 1\n"
     "    views = np.lib.stride_tricks.sliding_window_view(framed, (kh, kw), axis=(1, 2))\n"
     '    return np.einsum("npqcij,ijcf->npqf", views, W) + b'),
    ("einsum", ADD_W, 'dW += np.einsum("nijc,nf->ijcf", seen, here)'),
    ("image by image", ADD_X,
     "for n, f in np.ndindex(here.shape):\n"
     "                dx_framed[n, p : p + kh, q : q + kw] += here[n, f] * W[..., f]"),
    ("a convolution with the turned kernel", CUT,
     "far = np.pad(dout, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))\n"
     "    turned = W[::-1, ::-1].swapaxes(2, 3)\n"
     "    dx = conv_forward(far, turned, np.zeros(W.shape[2]), 0)\n"
     "    dx = dx[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]"),
    ("if padding", CUT, "dx = dx_framed\n    if padding:\n"
     "        dx = dx_framed[:, padding:-padding, padding:-padding]"),
    ("one axis after the other", DB, "db = dout.sum(axis=0).sum(axis=0).sum(axis=0)"),
    ("rows", DB, "db = dout.reshape(-1, dout.shape[3]).sum(axis=0)"),
    ("float32", GRADIENTS, "return tuple(a.astype(np.float32) for a in (dx, dW, db))"),
]  # fmt: skip
