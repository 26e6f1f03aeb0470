"""What can go wrong on the way: the steps, what they do to the units, and what comes of it."""

import numpy as np

from tinynn.chart import Chart, farthest
from tinynn.judgements.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding

ENOUGH = 64  # steps, to be judged by what was learnt


def large_steps(chart: Chart) -> Finding:
    """No step should throw the loss far above where it began."""
    first, later = chart.looks[0], chart.looks[1:]
    tenth = f" ({chart.rate:g} -> {chart.rate / 10:g})" if chart.rate else ""
    remedy = (
        f"A tenth of the learning rate{tenth}, and again until the loss falls from the first steps "
        "on. If it never does, check_gradients looks for a slope that is wrong."
    )
    if chart.broke_off:
        return Finding(
            "large_steps",
            PROBLEM,
            "The steps are too large: training broke off.",
            seen=f"the loss began at {first.loss:.3g}; at step {chart.broke_off} it, or a weight, "
            "was NaN or infinite",
            cause="The learning rate is too high: each step lands farther beyond the valley, until "
            "the numbers overflow. Inputs or targets that are not scaled do the same.",
            remedy=remedy,
        )
    if not later:
        return Finding("large_steps", UNKNOWN, "steps: none was taken")
    worst, last = max(later, key=lambda look: look.loss), np.mean([k.loss for k in later[-3:]])
    if chart.classes:
        usual = max(first.loss, chart.guessing)
        thrown_back = worst.loss > 2 * usual and not last < 0.7 * usual
    else:
        thrown_back = worst.loss > 10 * first.loss and not last < 3 * first.loss
    if not thrown_back:
        return Finding("large_steps", FINE, "no step threw the loss back")
    before = [look for look in chart.looks if look.step < worst.step]
    moved = max(max(look.update.values(), default=0.0) for look in before)
    return Finding(
        "large_steps",
        PROBLEM,
        "The steps are too large.",
        seen=f"the loss went from {first.loss:.3g} to {worst.loss:.3g} at step {worst.step}; a "
        f"step before had moved weights by {moved:.2g} times their size",
        cause="The learning rate is too high: a step lands beyond the valley, higher up than it "
        "began.",
        remedy=remedy,
    )


def small_steps(chart: Chart) -> Finding:
    """All steps together should be able to change the weights, say by a tenth of their size."""
    looks = [look for look in chart.looks if look.update]
    if not looks or looks[-1].step < 16:
        return Finding("small_steps", UNKNOWN, "the size of steps: there were fewer than 16")
    moved = [max(look.update.values()) for look in looks]
    largest, usual = max(moved), float(np.median(moved))
    if largest == 0:
        return Finding("small_steps", UNKNOWN, "the size of steps: nothing moves")
    fell = 1 - float(np.mean([look.loss for look in looks[-3:]])) / looks[0].loss
    learnt = looks[0].loss < 0.5 * chart.guessing < np.inf  # before: there is little left to do
    slow = chart.loss_at_guessing and looks[-1].step >= ENOUGH
    far = chart.travelled > 0.1 if slow else largest >= 2e-5
    if far or learnt or fell > 0.2:
        return Finding("small_steps", FINE, f"a step moves weights by {usual:.1e} of their size")
    tenfold = f" ({chart.rate:g} -> {10 * chart.rate:g})" if chart.rate else ""
    return Finding(
        "small_steps",
        PROBLEM,
        "The steps are too small.",
        seen=f"a step moves weights by {usual:.1e} of their size, 1e-4 to 1e-2 is usual; all "
        f"{looks[-1].step:,} together by {chart.travelled:.1e} at most; the loss is "
        f"{looks[-1].loss:.3g}, at first it was {looks[0].loss:.3g}",
        cause="The learning rate is too low, or there were too few steps.",
        remedy=f"Ten times the learning rate{tenfold}, and again until the loss falls.",
    )


def closed_by_training(chart: Chart) -> Finding:
    """Some units are closed for all images in any healthy run; nearly all should not be."""
    if not chart.never_open:
        return Finding("closed_by_training", UNKNOWN, "units closed by training: nobody asked")
    shares = {name: closed / count for name, (closed, count) in chart.never_open.items()}
    name = max(shares, key=lambda name: shares[name])
    closed, count = chart.never_open[name]
    seen = f"{closed} of {count} units of {name} are open for none of up to 1,000 samples"
    if shares[name] < 0.8:
        return Finding("closed_by_training", FINE, seen)
    return Finding(
        "closed_by_training",
        PROBLEM,
        "Most units of a layer never open.",
        seen=seen,
        cause="Large steps have pushed their biases far below zero; a unit that is closed for "
        "every sample gets no gradient any more.",
        remedy="A smaller learning rate, from fresh weights on.",
    )


def fading(chart: Chart) -> Finding:
    """What got through at the start should get through later, too: the median of five looks."""
    looks = [look for look in chart.looks if look.step >= 16][-5:]
    if len(looks) < 3 or len(looks[0].slope) < 2:
        return Finding("fading", UNKNOWN, "gradients by depth, later: not enough looks")
    down = farthest(
        {name: float(np.median([look.slope[name] for look in looks])) for name in looks[0].slope}
    )
    if down is None:
        return Finding("fading", UNKNOWN, "gradients by depth, later: the loss has no slope")
    if down.distance < np.log(1e3):
        return Finding("fading", FINE, f"at the last looks the slope of the loss goes {down}")
    vanishes = down.factor < 1
    return Finding(
        "fading",
        PROBLEM,
        f"The gradient has begun to {'vanish' if vanishes else 'explode'}.",
        seen=f"at steps {looks[0].step:,} to {looks[-1].step:,} the slope of the loss goes {down}",
        cause="Large steps have pushed units to where they are flat: ReLU is below 0, tanh and "
        "sigmoid far from it."
        if vanishes
        else "Large steps have made the weights large.",
        remedy="A smaller learning rate, from fresh weights on.",
    )


def stuck(chart: Chart) -> Finding:
    """An epoch should be enough to beat guessing."""
    if not chart.classes or not chart.epochs:
        return Finding("stuck", UNKNOWN, "loss against guessing: no epoch with classes has ended")
    if chart.commonest == 1:
        return Finding("stuck", UNKNOWN, "loss against guessing: all samples are of one class")
    loss = chart.epochs[-1]["loss"]
    seen = f"the loss is {loss:.4g}, guessing by the classes' shares gives {chart.guessing:.4g}"
    if loss > chart.guessing:  # though more are right: it is sure of what is wrong
        seen += f"; right are {chart.epochs[-1]['accuracy']:.1%}"
    if not chart.at_guessing:
        return Finding("stuck", FINE, seen)
    if chart.looks[-1].step < ENOUGH:
        return Finding("stuck", UNKNOWN, f"after so few steps it is too early to tell: {seen}")
    return Finding(
        "stuck",
        PROBLEM,
        "Nothing is learnt.",
        seen=f"after {len(chart.epochs)} epochs {seen}",
        cause="With nothing else wrong, most often the labels do not belong to the inputs: one of "
        "both was shuffled or sorted without the other. Or x says little about y, it is early, or "
        "a layer of your own has a wrong gradient.",
        remedy="Look at some images with their labels (plots.prediction_grid), and load, shuffle "
        "and split x and y by the same indices. If they are right: more epochs, a larger learning "
        "rate, check_gradients.",
    )


def absent(chart: Chart) -> Finding:
    """What is to be told apart should be there in training."""
    if not chart.held_out or not chart.shares:
        return Finding("absent", UNKNOWN, "classes that training lacks: no validation data")
    counts = chart.held_out[0]
    missing = [c for c, count in enumerate(counts) if count and not chart.shares[c]]
    if not missing:
        return Finding("absent", FINE, "training has all classes of the validation data")
    return Finding(
        "absent",
        PROBLEM,
        f"Training has no samples of {_classes(missing)}.",
        seen=f"of {sum(counts):,} validation samples, {sum(counts[c] for c in missing)} are of "
        f"{_classes(missing)}, of the training samples none",
        cause="Sorted data, of which the first part was taken for training and the rest for "
        "validation.",
        remedy="Split with stratified_split, which gives every class its share.",
    )


def _classes(numbers: list[int]) -> str:
    return f"{'class' if len(numbers) == 1 else 'classes'} {', '.join(map(str, numbers))}"


def validation(chart: Chart) -> Finding:
    """What training learns should be worth something on data held out."""
    if not chart.epochs or "val_loss" not in chart.epochs[-1]:
        return Finding("validation", UNKNOWN, "validation: none was given")
    row, size = chart.epochs[-1], float(np.median([look.size for look in chart.looks]))
    seen = f"training loss {row['loss']:.3g}, validation loss {row['val_loss']:.3g}"
    if size and chart.held_out_size is not None and not 0.1 < chart.held_out_size / size < 10:
        return Finding(
            "validation",
            PROBLEM,
            "Validation data are scaled otherwise.",
            seen=f"they spread by {chart.held_out_size:.2g}, the training data by {size:.2g}; "
            f"{seen}",
            cause="One of both was scaled and the other not.",
            remedy="Scale validation data as x is scaled: with the same function, and the mean and "
            "spread of x.",
        )
    if not chart.classes:
        return Finding("validation", UNKNOWN, "validation against guessing: there are no classes")
    labels = chart.held_out[0] if chart.held_out else [1]
    by_guessing = max(labels) / sum(labels)
    learnt = row["accuracy"] - chart.commonest
    if learnt > 0.2 and row["val_accuracy"] < by_guessing + 0.15 * learnt:
        return Finding(
            "validation",
            PROBLEM,
            "Validation is no better than guessing.",
            seen=f"{seen}; accuracy {row['accuracy']:.1%} in training, {row['val_accuracy']:.1%} "
            "in validation",
            cause="Training and validation data were prepared in two ways; or the labels of one of "
            "them are in another order than its inputs, and were learnt by heart.",
            remedy="Prepare validation data as x is prepared, and take the inputs and labels of "
            "each by the same indices.",
        )
    if chart.at_guessing:
        return Finding("validation", UNKNOWN, "validation: training itself is at guessing")
    return Finding("validation", FINE, f"validation beats guessing ({seen})")


def never_predicted(chart: Chart) -> Finding:
    """Every class that occurs should be predicted now and then."""
    if not chart.held_out or not chart.epochs:
        return Finding("never_predicted", UNKNOWN, "classes never predicted: no validation data")
    labels, predicted = chart.held_out
    missing = [c for c, count in enumerate(labels) if count >= 10 and not predicted[c]]
    if not missing:
        return Finding("never_predicted", FINE, "every class is predicted")
    return Finding(
        "never_predicted",
        NOTE,
        f"No sample is taken for {_classes(missing)}.",
        seen=f"of {sum(labels):,} validation samples, {sum(labels[c] for c in missing)} are of "
        f"{_classes(missing)}",
        cause="It is early, or the class is rare, or the last layers cannot say it: a ReLU right "
        "before Softmax, Softmax twice.",
        remedy="More epochs. If that does not help, end with Dense(classes) and one Softmax.",
    )


def overfitting(chart: Chart) -> Finding:
    """Validation loss that rises while training loss falls: it is learning by heart."""
    losses = [row["val_loss"] for row in chart.epochs if "val_loss" in row]
    if len(losses) < 3:
        return Finding("overfitting", UNKNOWN, "overfitting: fewer than 3 epochs with validation")
    best = int(np.argmin(losses))
    falls = chart.epochs[-1]["loss"] < chart.epochs[best]["loss"]
    if not falls or min(losses[-2:]) < 1.05 * losses[best]:  # one epoch alone may be chance
        return Finding("overfitting", FINE, "validation loss does not rise")
    return Finding(
        "overfitting",
        NOTE,
        f"It overfits from about epoch {best + 1}.",
        seen=f"since then validation loss rose from {losses[best]:.3g} to {losses[-1]:.3g}, while "
        f"training loss fell from {chart.epochs[best]['loss']:.3g} to "
        f"{chart.epochs[-1]['loss']:.3g}",
        cause="It begins to learn single images by heart. That is usual, and no fault.",
        remedy="EarlyStopping() keeps the weights of the best epoch. More images help more.",
    )
