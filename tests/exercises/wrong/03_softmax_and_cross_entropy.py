"""Exercise 3, softmax and cross-entropy: what students hand in."""

E, P = "e = np.exp(z - z.max(axis=1, keepdims=True))", "p = e / e.sum(axis=1, keepdims=True)"
RIGHT_P, LOSS = "right = p[y == 1]", "loss = -np.mean(np.log(right))"
DZ = "dz = (softmax(z) - y) / len(z)"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("not stable", "softmax", E, "e = np.exp(z)", "exp becomes infinite"),
    ("the largest of all", "softmax", E, "e = np.exp(z - z.max())", "a largest logit of its own"),
    ("no sum", "softmax", P, "p = np.exp(z)", "not divided by their sum"),
    ("the sum of all", "softmax", P, "p = e / e.sum()", "sum of its own"),
    ("axis 0", "softmax", P, "p = e / e.sum(axis=0)", "over the samples"),
    ("no keepdims", "softmax", P, "p = e / e.sum(axis=1)", "Two shapes do not fit"),
    ("divided by the largest", "softmax", P, "p = e", "not divided by their sum"),
    ("the sign", "softmax", E, "e = np.exp(z.min(axis=1, keepdims=True) - z)", "sign of z"),
    ("sigmoid", "softmax", P, "p = 1 / (1 + np.exp(-z))", "sigmoid"),
    ("the class", "softmax", P, "p = e.argmax(axis=1)", "the class with the largest"),
    ("one-hot", "softmax", P, "p = (e == 1) * 1.0", "expected [[0.5"),
    ("a row at a time, in place", "softmax", E,
     "z -= z.max(axis=1, keepdims=True)\n    e = np.exp(z)", "argument z in place"),
    ("the sign", "cross_entropy", LOSS, "loss = np.mean(np.log(right))", "Only the sign"),
    ("a sum", "cross_entropy", LOSS, "loss = -np.sum(np.log(right))", "sum over the samples"),
    ("the mean of all", "cross_entropy", LOSS, "loss = -np.mean(y * np.log(p))", "B x C"),
    ("log2", "cross_entropy", LOSS, "loss = -np.mean(np.log2(right))", "base 2"),
    ("log10", "cross_entropy", LOSS, "loss = -np.mean(np.log10(right))", "base 10"),
    ("no log", "cross_entropy", LOSS, "loss = -np.mean(right)", "logarithm is missing"),
    ("log of the mean", "cross_entropy", LOSS, "loss = -np.log(np.mean(right))", "of the mean"),
    ("one for each sample", "cross_entropy", LOSS, "loss = -np.log(right)", "L is one number"),
    ("0 log 0", "cross_entropy", LOSS, "loss = -np.sum(y * np.log(p)) / len(p)", "log 0"),
    ("y as indices", "cross_entropy", RIGHT_P, "right = p[np.arange(len(p)), y]", "IndexError"),
    ("the largest p", "cross_entropy", RIGHT_P, "right = p.max(axis=1)", "largest p"),
    ("the binary loss", "cross_entropy", LOSS,
     "loss = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(p)", "another loss"),
    ("squared error", "cross_entropy", LOSS, "loss = np.mean((p - y) ** 2)", "squared error"),
    ("all classes", "cross_entropy", LOSS, "loss = -np.log(p).mean()", "All classes"),
    ("no 1/B", "logits_gradient", DZ, "dz = softmax(z) - y", "a factor is missing"),
    ("labels not subtracted", "logits_gradient", DZ, "dz = softmax(z) / len(z)",
     "does not depend on y"),
    ("y - p", "logits_gradient", DZ, "dz = (y - softmax(z)) / len(z)", "sign"),
    ("1/C", "logits_gradient", DZ, "dz = (softmax(z) - y) / z.shape[1]", "number of classes"),
    ("z - y", "logits_gradient", DZ, "dz = (z - y) / len(z)", "uses the logits"),
    ("of the loss in p", "logits_gradient", DZ, "dz = -y / softmax(z) / len(z)",
     "goes on, through"),
    ("p (1 - p)", "logits_gradient", DZ,
     "p = softmax(z)\n    dz = (p - y) * p * (1 - p) / len(z)", "it cancels"),
    ("mean over the samples", "logits_gradient", DZ,
     "dz = (softmax(z) - y).mean(axis=0)", "shape"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("log-sum-exp", P, "p = np.exp(z - z.max(axis=1, keepdims=True)\n"
     "               - np.log(e.sum(axis=1, keepdims=True)))"),
    ("transposed", P, "p = (e.T / e.T.sum(axis=0)).T"),
    ("a row at a time", P, "p = np.stack([row / sum(row) for row in e])"),
    ("float32", E, "e = np.exp((z - z.max(axis=1, keepdims=True)).astype(np.float32))"),
    ("a list", P, "p = [list(row / row.sum()) for row in e]"),
    ("a floor", LOSS, "loss = -np.sum(y * np.log(np.maximum(p, 1e-30))) / len(p)"),
    ("an epsilon", LOSS, "loss = -np.mean(np.sum(y * np.log(p + 1e-12), axis=1))"),
    ("argmax", RIGHT_P, "right = p[np.arange(len(p)), y.argmax(axis=1)]"),
    ("a loop", LOSS, "loss = sum(-np.log(r) for r in right) / len(right)"),
    ("the mean apart", DZ, "dz = softmax(z)\n    dz[y == 1] -= 1\n    dz /= z.shape[0]"),
    ("float32", DZ, "dz = ((softmax(z) - y) / len(z)).astype(np.float32)"),
    ("by the Jacobian", DZ, "p = softmax(z)\n    J = -p[:, :, None] * p[:, None, :]\n"
     "    J += p[:, :, None] * np.eye(p.shape[1])\n    dp = -y / np.maximum(p, 1e-30) / len(p)\n"
     "    dz = np.einsum('nij,nj->ni', J, dp)"),
]  # fmt: skip
