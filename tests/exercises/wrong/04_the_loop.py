"""Exercise 4, the training loop: what students hand in."""

UPDATE = "return w - learning_rate * dw"
BEGIN, KEEP = "losses = []\n", "losses.append(loss)\n"
W, B = "w = update(w, dw, learning_rate)\n", "b = update(b, db, learning_rate)\n"
END, STEPS = "return w, b, losses\n", "for _ in range(steps):\n"
COUNT, BELOW, STEP = "for step in range(1000):\n", "if loss < limit:\n", "return step\n"
BOTH = "w, b = update(w, dw, learning_rate), update(b, db, learning_rate)\n"
LOSS = "        loss, dw, db = loss_and_gradients(x, y, w, b)\n"
WRONG = [  # what the student did, function, the solution's line, his lines, what the answer says
    ("plus", "update", UPDATE, "return w + learning_rate * dw", "It goes up"),
    ("no rate", "update", UPDATE, "return w - dw", "learning rate is missing"),
    ("the step alone", "update", UPDATE, "return -learning_rate * dw", "with its sign"),
    ("brackets", "update", UPDATE, "return learning_rate * (w - dw)", "as a whole"),
    ("divided", "update", UPDATE, "return w - dw / learning_rate", "divided"),
    ("the sign", "update", UPDATE, "return w - learning_rate * np.sign(dw)", "Only the sign"),
    ("in place", "update", UPDATE, "w -= learning_rate * dw\n    return w", "argument w in place"),
    ("no return", "update", UPDATE, "w = w - learning_rate * dw", "returns None"),
    ("arrays alone", "update", UPDATE, "return w - learning_rate * dw[:]", "no array here"),
    ("a loop over w", "update", UPDATE,
     "return np.array([w[i] - learning_rate * dw[i] for i in range(len(w))])", "TypeError"),
    ("losses anew in each step", "train", STEPS, STEPS + "        losses = []\n",
     "losses is wrong. It is the last loss alone"),
    ("a number", "train", KEEP, "losses = loss\n", "the last loss alone, and no list"),
    ("one step less", "train", STEPS, "for _ in range(1, steps):\n", "one step too few"),
    ("one step more", "train", STEPS, "for _ in range(steps + 1):\n", "one step too many"),
    ("b forgotten", "train", B, "\n", "as if b stayed"),
    ("w forgotten", "train", W, "\n", "as if w stayed"),
    ("other names", "train", W, "new_w = update(w, dw, learning_rate)\n", "as if w stayed"),
    ("another gradient for b", "train", W,
     W + "        db = loss_and_gradients(x, y, w, b)[2]\n", "after w has moved"),
    ("loss after the step", "train", KEEP,
     "loss = loss_and_gradients(x, y, w - learning_rate * dw, b - learning_rate * db)[0]\n"
     "        losses.append(loss)\n", "those after the steps"),
    ("the last loss, too", "train", END,
     "losses.append(loss_and_gradients(x, y, w, b)[0])\n    return w, b, losses\n",
     "loss after the last step"),
    ("gradients of the start", "train", STEPS + LOSS, LOSS.strip() + "\n    " + STEPS,
     "those of the start at each step"),
    ("returns in the loop", "train", B, B + "        return w, b, losses\n",
     "return stand within the loop"),
    ("dw for db", "train", B, "b = update(b, dw, learning_rate)\n",
     "b is wrong. dw stands where db should"),
    ("db for dw", "train", W, "w = update(w, db, learning_rate)\n", "db stands where dw should"),
    ("db, dw", "train", STEPS + LOSS, STEPS + LOSS.replace("dw, db", "db, dw"),
     "have changed places"),
    ("losses alone", "train", END, "return losses\n", "the losses alone"),
    ("two of three", "train", END, "return w, losses\n", "2 values, expected 3"),
    ("prints it", "train", END, "print(w, b, losses)\n", "returns None"),
    ("the other order", "train", END, "return w, b, losses[::-1]\n", "wrong order"),
    ("no list", "train", BEGIN, "\n", "NameError"),
    ("w in place", "train", W, "w -= learning_rate * dw\n", "argument w in place"),
    ("the wrong function's name", "train", B, "b = upd(b, db, learning_rate)\n", "NameError"),
    ("or equal", "steps_until", BELOW, "if loss <= limit:\n", "not below it"),
    ("one too many", "steps_until", STEP, "return step + 1\n", "One too many"),
    ("returns the loss", "steps_until", STEP, "return loss\n", "It is the loss"),
    ("the other way round", "steps_until", BELOW, "if loss > limit:\n", "expected 2"),
    ("to 1001", "steps_until", "return 1000", "return 1001", "after 1000 steps"),
    ("no return at the end", "steps_until", "return 1000", "", "returns None"),
    ("no steps", "steps_until", BOTH, "\n", "always 1000"),
    ("1 to 1000", "steps_until", COUNT, "for step in range(1, 1001):\n", "One too many"),
]  # fmt: skip
RIGHT = [  # another way to write it, the solution's line, the other lines
    ("a list of steps", UPDATE, "return -(learning_rate * dw - w)"),
    ("float32", UPDATE, "return np.float32(w - learning_rate * dw)"),
    ("while", STEPS, "while len(losses) < steps:\n"),
    ("a copy in place", W, "w = w.copy()\n        w -= learning_rate * dw\n"),
    ("an array of losses", END, "return w, b, np.array(losses)\n"),
    ("a list", END, "return [w, b, losses]\n"),
    ("plain numbers", KEEP, "losses += [float(loss)]\n"),
    ("1 to 1000", COUNT, "for step in np.arange(1000):\n"),
]  # fmt: skip
