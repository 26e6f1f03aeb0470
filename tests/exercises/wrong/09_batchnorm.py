"""Exercise 9, batch normalisation: what students hand in."""

F, G, U, P = "batchnorm_forward", "batchnorm_backward", "update_running", "batchnorm_predict"
MEAN, VAR = "mean = x.mean(axis=0)  # (D,)", "var = x.var(axis=0)  # (D,)"
NORM = "normalised = (x - mean) / np.sqrt(var + epsilon)"
OUT, RETURN = "out = gamma * normalised + beta", "return out\n"
STD = "std = np.sqrt(np.var(x, axis=0) + epsilon)"
NORMED = "normed = (x - np.mean(x, axis=0)) / std"
DGAMMA, DBETA = "dgamma = np.sum(dout * normed, axis=0)", "dbeta = np.sum(dout, axis=0)"
DX = "dx = gamma / std * (dout - dbeta / len(x) - normed * dgamma / len(x))"
GRADIENTS = "return dx, dgamma, dbeta"
NEW_MEAN = "new_mean = momentum * running_mean + (1 - momentum) * x.mean(axis=0)"
NEW_VAR = "new_var = momentum * running_var + (1 - momentum) * x.var(axis=0, ddof=1)"
BOTH = "return new_mean, new_var"
CENTRED = "centred = x - running_mean"
RESULT = "result = gamma * centred / np.sqrt(running_var + epsilon) + beta"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("epsilon outside", F, NORM, "normalised = (x - mean) / (np.sqrt(var) + epsilon)",
     "outside the root"),
    ("no epsilon", F, NORM, "normalised = (x - mean) / x.std(axis=0)", "epsilon is missing"),
    ("1e-8", F, NORM, "normalised = (x - mean) / np.sqrt(var + 1e-8)", "another one than"),
    ("no root", F, NORM, "normalised = (x - mean) / (var + epsilon)", "The root is missing"),
    ("mean not subtracted", F, NORM, "normalised = x / np.sqrt(var + epsilon)",
     "mean is not subtracted"),
    ("mean - x", F, NORM, "normalised = (mean - x) / np.sqrt(var + epsilon)", "sign of x - mean"),
    ("axis 1", F, MEAN + "\n    " + VAR,
     "mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)", "LayerNorm"),
    ("mean of all", F, MEAN, "mean = x.mean()", "The mean is that of all"),
    ("both of all", F, MEAN + "\n    " + VAR, "mean, var = x.mean(), x.var()",
     "The mean and the variance are those of all"),
    ("ddof=1", F, VAR, "var = x.var(axis=0, ddof=1)", "B - 1"),
    ("no gamma and beta", F, OUT, "out = normalised", "Are gamma and beta used"),
    ("no beta", F, OUT, "out = gamma * normalised", "beta is missing"),
    ("brackets", F, OUT, "out = gamma * (normalised + beta)", "multiplied by gamma, too"),
    ("exchanged", F, OUT, "out = beta * normalised + gamma", "exchanged"),
    ("matrix product", F, OUT, "out = normalised @ gamma + beta", "do not fit"),
    ("in place", F, NORM, "x -= mean\n    normalised = x / np.sqrt(var + epsilon)",
     "argument x in place"),
    ("no return", F, RETURN, "\n", "returns None"),
    ("precedence", F, NORM, "normalised = x - mean / np.sqrt(var + epsilon)",
     "pair of brackets"),
    ("mean and var constant", G, DX, "dx = dout * gamma / std",
     "as if mean and var were constant"),
    ("without the mean's path", G, DX, "dx = gamma / std * (dout - normed * dgamma / len(x))",
     "as if mean were constant"),
    ("without the variance's path", G, DX, "dx = gamma / std * (dout - dbeta / len(x))",
     "as if var were constant"),
    ("without gamma", G, DX, "dx = (dout - dbeta / len(x) - normed * dgamma / len(x)) / std",
     "gamma is missing"),
    ("sums for means", G, DX, "dx = gamma / std * (dout - dbeta - normed * dgamma)",
     "Sums stand where means should"),
    ("without epsilon", G, STD, "std = np.std(x, axis=0)", "epsilon is missing"),
    ("epsilon outside", G, STD, "std = np.std(x, axis=0) + epsilon", "outside the root"),
    ("the variance for std", G, STD, "std = np.var(x, axis=0) + epsilon",
     "the root is missing"),
    ("ddof=1", G, STD, "std = np.sqrt(np.var(x, axis=0, ddof=1) + epsilon)",
     "divided by B - 1"),
    ("plus", G, DX, "dx = gamma / std * (dout + dbeta / len(x) + normed * dgamma / len(x))",
     "The sign of the terms"),
    ("dgamma with x", G, DGAMMA, "dgamma = np.sum(dout * x, axis=0)",
     "x itself stands in it"),
    ("dgamma a mean", G, DGAMMA, "dgamma = np.mean(dout * normed, axis=0)",
     "dgamma is wrong, and it depends on it"),
    ("dbeta a mean", G, DBETA, "dbeta = np.mean(dout, axis=0)",
     "dbeta is wrong, and it depends on it"),
    ("dbeta not summed", G, DBETA, "dbeta = dout", "not summed over the samples"),
    ("dbeta over the wrong axis", G, DBETA, "dbeta = np.sum(dout, axis=1)", "do not fit"),
    ("dbeta of all", G, GRADIENTS, "return dx, dgamma, dbeta.sum()", "dbeta"),
    ("the order", G, GRADIENTS, "return dgamma, dbeta, dx", "dx comes first"),
    ("dx alone", G, GRADIENTS, "return dx", "expected 3 values: dx, dgamma, dbeta"),
    ("biased", U, NEW_VAR,
     "new_var = momentum * running_var + (1 - momentum) * x.var(axis=0)", "It is divided by B"),
    ("(B - 1) / B", U, NEW_VAR,
     "n = len(x)\n    new_var = momentum * running_var + (1 - momentum) * x.var(axis=0)"
     " * (n - 1) / n", "It is too small already"),
    ("std", U, NEW_VAR, "new_var = momentum * running_var + (1 - momentum) * x.std(axis=0)",
     "A standard deviation is averaged"),
    ("momentum for the batch", U, NEW_MEAN,
     "new_mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)",
     "weight of the new batch"),
    ("the batch alone", U, NEW_MEAN, "new_mean = x.mean(axis=0)", "batch alone"),
    ("a sum", U, NEW_MEAN, "new_mean = running_mean + x.mean(axis=0)", "Each needs its weight"),
    ("axis 1", U, NEW_MEAN, "new_mean = momentum * running_mean + (1 - momentum) * x.mean(axis=1)",
     "do not fit"),
    ("in place", U, NEW_MEAN,
     "running_mean *= momentum\n    running_mean += (1 - momentum) * x.mean(axis=0)\n"
     "    new_mean = running_mean", "running_mean in place"),
    ("no axis", U, NEW_MEAN, "new_mean = momentum * running_mean + (1 - momentum) * x.mean()",
     "All numbers are averaged"),
    ("the mean alone", U, BOTH, "return new_mean", "expected 2 values"),
    ("the old ones", U, BOTH, "return running_mean, running_var", "It is the old one"),
    ("its own batch", P, RESULT, "result = batchnorm_forward(x, gamma, beta, epsilon)",
     "It is beta alone"),
    ("its own mean", P, CENTRED, "centred = x - x.mean(axis=0)", "It is beta alone"),
    ("no root", P, RESULT, "result = gamma * centred / running_var + beta", "as if it were std"),
    ("no epsilon", P, RESULT, "result = gamma * centred / np.sqrt(running_var) + beta",
     "epsilon is missing"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("a sum", MEAN, "mean = x.sum(axis=0) / x.shape[0]"),
    ("the mean of squares", VAR, "var = (x**2).mean(axis=0) - mean**2"),
    ("by hand", VAR, "var = np.mean((x - mean) ** 2, axis=0)"),
    ("keepdims", VAR, "var = x.var(axis=0, keepdims=True)"),
    ("a power", NORM, "normalised = (x - mean) * (var + epsilon) ** -0.5"),
    ("float32", OUT, "out = (gamma * normalised + beta).astype(np.float32)"),
    ("units one by one", OUT,
     "out = np.stack([gamma[d] * normalised[:, d] + beta[d] for d in range(len(beta))], axis=1)"),
    ("the paper's steps", DX,
     "centred, B = x - np.mean(x, axis=0), len(x)\n    dnormed = dout * gamma\n"
     "    dvar = np.sum(dnormed * centred, axis=0) * -0.5 * std**-3\n"
     "    dmean = -np.sum(dnormed, axis=0) / std + dvar * np.mean(-2 * centred, axis=0)\n"
     "    dx = dnormed / std + dvar * 2 * centred / B + dmean / B"),
    ("one fraction", DX,
     "B = len(x)\n    g = dout * gamma\n"
     "    dx = (B * g - g.sum(axis=0) - normed * (g * normed).sum(axis=0)) / (B * std)"),
    ("einsum", DGAMMA, 'dgamma = np.einsum("nd,nd->d", dout, normed)'),
    ("a list", GRADIENTS, "return [dx, dgamma, dbeta]"),
    ("float32", GRADIENTS, "return tuple(a.astype(np.float32) for a in (dx, dgamma, dbeta))"),
    ("a difference", NEW_MEAN,
     "new_mean = running_mean - (1 - momentum) * (running_mean - x.mean(axis=0))"),
    ("B / (B - 1)", NEW_VAR, "B = len(x)\n    new_var = momentum * running_var\n"
     "    new_var = new_var + (1 - momentum) * x.var(axis=0) * B / (B - 1)"),
    ("one line for all", RESULT,
     "scale = gamma / np.sqrt(running_var + epsilon)\n"
     "    result = scale * x + (beta - scale * running_mean)"),
]  # fmt: skip
