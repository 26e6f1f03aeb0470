"""Exercise 11, minibatches: what students hand in."""

S, M, H = "shuffled", "minibatches", "hold_out"
ORDER, BOTH = "order = rng.permutation(len(x))", "return x[order], y[order]"
MIXED, FIRSTS = "x, y = shuffled(x, y, rng)", "for first in range(0, len(x), batch_size):"
LAST, ADD = "last = first + batch_size", "batches.append((x[first:last], y[first:last]))"
BATCHES = "return batches"
WHOLE = f"{MIXED}\n    batches = []\n    {FIRSTS}\n        {LAST}\n        {ADD}\n"
LABELS, CLASS = "for label in np.unique(y):", "of_class = np.flatnonzero(y == label)"
DRAW = "held.extend(rng.choice(of_class, k, replace=False))"
REST, PAIR = "rest = np.setdiff1d(np.arange(len(y)), held)", "return rest, np.array(held)"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("two orders", S, BOTH, "return x[order], y[rng.permutation(len(y))]", "belong together"),
    ("two shuffles", S, ORDER, "return rng.permutation(x), rng.permutation(y)", "belong together"),
    ("x alone", S, BOTH, "return x[order], y", "belong together"),
    ("nothing", S, BOTH, "return x, y", "Nothing is random"),
    ("in place", S, ORDER, "rng.shuffle(x)\n    order = np.arange(len(x))", "argument x in place"),
    ("with repetitions", S, ORDER, "order = rng.integers(0, len(x), len(x))",
     "each sample must come once"),
    ("choice", S, ORDER, "order = rng.choice(len(x), len(x))", "each sample must come once"),
    ("the last one is missing", S, ORDER, "order = rng.permutation(len(x) - 1)",
     "does not come"),
    ("a global generator", S, ORDER, "order = np.random.permutation(len(x))",
     "Let rng decide all that is random"),
    ("its own seed", S, ORDER, "order = np.random.default_rng(0).permutation(len(x))",
     "For each rng the order is the same"),
    ("reversed", S, ORDER, "order = np.arange(len(x))[::-1]", "For each rng the order is the same"),
    ("a rotation", S, ORDER, "order = np.roll(np.arange(len(x)), rng.integers(len(x)))",
     "There are 6"),
    ("the columns, too", S, ORDER,
     "x = rng.permuted(x, axis=1)\n    order = rng.permutation(len(x))", "stay together"),
    ("flat", S, BOTH, "return x.ravel()[order], y[order]", "comes back with the shape (7,)"),
    ("rows of different lengths", S, BOTH, "return [[1, 2], [3]], y", "different lengths"),
    ("one array", S, BOTH, "return x[order]", "expected 2 values: x, y"),
    ("no return", S, BOTH, "x[order], y[order]", "returns None"),
    ("shuffle returns None", S, ORDER, "order = rng.shuffle(np.arange(len(x)))",
     "comes back with the shape (1, 7, 2)"),
    ("the last batch left out", M, FIRSTS,
     "for first in range(0, len(x) - batch_size + 1, batch_size):",
     "The last, smaller batch is missing"),
    ("//", M, FIRSTS, "for first in batch_size * np.arange(len(x) // batch_size):",
     "The last, smaller batch is missing"),
    ("an empty batch", M, FIRSTS, "for first in range(0, len(x) + 1, batch_size):",
     "An empty batch"),
    ("one sample at a time", M, FIRSTS, "for first in range(len(x)):",
     "each batch begins one sample after the one before"),
    ("filled up", M, LAST, "last = min(first + batch_size, len(x))\n"
     "        first = max(0, last - batch_size)", "have come already"),
    ("one too few in each", M, LAST, "last = first + batch_size - 1", "the sizes [1, 1, 1, 1]"),
    ("equal batches", M, WHOLE,
     "order = rng.permutation(len(x))\n"
     "    parts = np.array_split(order, -(-len(x) // batch_size))\n"
     "    batches = [(x[part], y[part]) for part in parts]\n", "about equally large"),
    ("so many batches", M, WHOLE,
     "order = rng.permutation(len(x))\n"
     "    parts = np.array_split(order, batch_size)\n"
     "    batches = [(x[part], y[part]) for part in parts]\n", "taken for the number of batches"),
    ("the bounds of y", M, ADD, "batches.append((x[first:last], y[:batch_size]))",
     "x has the length"),
    ("not shuffled", M, MIXED, "\n", "Nothing is random"),
    ("only the order of the batches", M, WHOLE,
     "starts = range(0, len(x), batch_size)\n"
     "    batches = [(x[s : s + batch_size], y[s : s + batch_size]) for s in starts]\n"
     "    rng.shuffle(batches)\n", "and not the samples"),
    ("the full batches change places", M, MIXED,
     "B, n = batch_size, len(x) // batch_size\n"
     "    i = np.arange(n * B).reshape(n, B)[rng.permutation(n)].ravel()\n"
     "    i = np.concatenate([i, np.arange(n * B, len(x))])\n    x, y = x[i], y[i]",
     "Only the order of the batches"),
    ("within a batch", M, WHOLE,
     "starts = range(0, len(x), batch_size)\n"
     "    parts = [slice(s, s + batch_size) for s in starts]\n"
     "    batches = [shuffled(x[part], y[part], rng) for part in parts]\n",
     "shuffled only within a batch"),
    ("an array of objects", M, BATCHES, "return np.array(batches, dtype=object)",
     "an object of class ndarray"),
    ("return in the loop", M, ADD, "return x[first:last], y[first:last]",
     "Does return stand within the loop"),
    ("two lists", M, BATCHES, "return [b[0] for b in batches], [b[1] for b in batches]",
     "It returns two lists"),
    ("x alone", M, ADD, "batches.append(x[first:last])", "expected a pair"),
    ("y of another order", M, ADD, "batches.append((x[first:last], y[::-1][first:last]))",
     "belong together"),
    ("drawn for each batch", M, LAST,
     "last = first + batch_size\n        x, y = shuffled(x, y, rng)", "each sample must come once"),
    ("in place", M, MIXED, "order = rng.permutation(len(x))\n    x[:], y[:] = x[order], y[order]",
     "argument x in place"),
    ("a global generator", M, MIXED, "x, y = shuffled(x, y, np.random.default_rng())",
     "Let rng decide"),
    ("no return", M, BATCHES, "pass", "returns None"),
    ("the number of batches", M, BATCHES, "return len(batches)", "expected a list of pairs"),
    ("k in all", H, LABELS,
     "held = list(rng.choice(len(y), k, replace=False))\n    for label in []:", "and not for all"),
    ("not by class", H, LABELS,
     "held = list(rng.choice(len(y), k * len(np.unique(y)), replace=False))\n    for label in []:",
     "of each"),
    ("with repetitions", H, DRAW, "held.extend(rng.choice(of_class, k))", "twice"),
    ("the first ones", H, DRAW, "held.extend(of_class[:k])", "Nothing is random"),
    ("all but one", H, DRAW, "held.extend(rng.permutation(of_class[: k + 1])[:k])",
     "was never held out"),
    ("places within the class", H, DRAW,
     "held.extend(rng.choice(len(of_class), k, replace=False))", "places among the samples"),
    ("classes", H, DRAW, "held.extend([label] * k)", "It is a class"),
    ("a mask", H, PAIR, "mask = np.isin(np.arange(len(y)), held)\n    return ~mask, mask",
     "Return indices"),
    ("the classes of the samples", H, PAIR, "return y[rest], y[held]", "It is a class"),
    ("the wrong order", H, PAIR, "return np.array(held), rest", "in the wrong order"),
    ("rest is all", H, REST, "rest = np.arange(len(y))", "is in both"),
    ("rest forgets", H, REST, "rest = np.setdiff1d(np.arange(len(y) - 1), held)", "in neither"),
    ("classes 0, 1, 2", H, LABELS, "for label in range(3):", "drawn from nothing"),
    ("a global generator", H, DRAW, "held.extend(np.random.choice(of_class, k, replace=False))",
     "Let rng decide"),
    ("its own seed", H, DRAW,
     "held.extend(np.random.default_rng(1).choice(of_class, k, replace=False))",
     "For each rng the set held out is the same"),
    ("held alone", H, PAIR, "return held", "expected 2 values: rest, held"),
    ("a row for each class", H, DRAW, "held.append(rng.choice(of_class, k, replace=False))",
     "whole numbers in one row"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("argsort of random numbers", ORDER, "order = np.argsort(rng.random(len(x)))"),
    ("a list of indices", ORDER, "order = list(range(len(x)))\n    rng.shuffle(order)"),
    ("choice", ORDER, "order = rng.choice(len(x), len(x), replace=False)"),
    ("lists", BOTH, "return [x[i] for i in order], [y[i] for i in order]"),
    ("float32", BOTH, "return x[order].astype(np.float32), y[order]"),
    ("array_split", MIXED, "order = rng.permutation(len(x))\n"
     "    parts = np.split(order, range(batch_size, len(x), batch_size))\n"
     "    return [(x[part], y[part]) for part in parts]"),
    ("a generator", BATCHES, "return ((xb, yb) for xb, yb in batches)"),
    ("lists", ADD, "batches.append([x[first:last], y[first:last]])"),
    ("a tuple", BATCHES, "return tuple(batches)"),
    ("while", FIRSTS, "for k in range(-(-len(x) // batch_size)):\n        first = k * batch_size"),
    ("min", LAST, "last = min(first + batch_size, len(x))"),
    ("permutation", DRAW, "held.extend(rng.permutation(of_class)[:k])"),
    ("set", LABELS, "for label in sorted(set(y)):"),
    ("a mask", REST, "rest = np.flatnonzero(~np.isin(np.arange(len(y)), held))"),
    ("lists", PAIR, "return rest.tolist(), held"),
    ("any order", PAIR, "return rest[::-1], np.sort(held)"),
    ("one order for all classes", CLASS,
     "order = rng.permutation(len(y)) if not held else order\n"
     "        held.extend(order[y[order] == label][:k])\n        continue"),
]  # fmt: skip
