"""What has come of a training: more than guessing, for all classes, and for data held out too?"""

import numpy as np

from tinynn.doctor.record import FEW, Chart
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding


def imbalance(chart: Chart) -> Finding:
    """Where one class is nearly all there is, always saying it is the easiest thing to learn."""
    if not chart.epochs or chart.asked is None:
        return Finding("imbalance", UNKNOWN, "imbalance: no epoch with classes has ended")
    major, share, predicted = int(np.argmax(chart.shares)), chart.commonest, chart.asked[1]
    if share == 1:
        return Finding("imbalance", UNKNOWN, "imbalance: all samples are of one class")
    seen = f"class {major} has {share:.1%} of the samples"
    if share < 0.8:
        return Finding("imbalance", FINE, f"{seen}, no class has more")
    if chart.guessing == np.inf:
        return Finding("imbalance", UNKNOWN, f"{seen}; what guessing scores is not known")
    if not chart.at_guessing:
        return Finding("imbalance", FINE, f"{seen}, and more than that is learnt")
    if not chart.enough:
        return Finding("imbalance", UNKNOWN, f"after so few steps it is too early to tell: {seen}")
    row, times = chart.epochs[-1], round(share / (1 - share))
    others = sum(predicted) - predicted[major]
    if others > (1 - share) * sum(predicted) or row["accuracy"] < share - (1 - share) / 4:
        return Finding("imbalance", UNKNOWN, f"{seen}, which is not what it always says")
    return Finding(
        "imbalance",
        PROBLEM,
        "The classes are imbalanced, and "
        + ("nothing else is learnt." if others else f"only class {major} is predicted."),
        seen=f"{seen}; of {sum(predicted):,} training samples {predicted[major]:,} are taken for "
        f"it; accuracy {row['accuracy']:.1%}; the loss is {row['loss']:.4g}, guessing by the "
        f"classes' shares gives {chart.guessing:.4g}",
        cause=f"Always to say class {major} is right nearly every time, and the few samples of "
        "others hardly count in the loss. Such an accuracy is that class's share, and no more.",
        remedy="Judge by per_class_report(p, y, names), not by accuracy. Show what is rare more "
        f"often (y: classes): more = np.repeat(np.flatnonzero(y != {major}), {times}), then train "
        f"on np.append(np.flatnonzero(y == {major}), more) as indices of x and y. More epochs, or "
        "a larger learning rate. If it still predicts no other class, x may say little about y.",
    )


def stuck(chart: Chart) -> Finding:
    """An epoch should be enough to beat guessing."""
    if not chart.epochs or chart.guessing == np.inf:
        why = "what that scores is not known" if chart.epochs else "no epoch has ended"
        if chart.commonest == 1 or (chart.guess.stds.size and not chart.guess.stds.any()):
            why = "all answers are the same"
        return Finding("stuck", UNKNOWN, f"loss against guessing: {why}")
    loss = chart.epochs[-1]["loss"]
    guess = "guessing by the classes' shares" if chart.classes else "the mean of y"
    seen = f"the loss is {loss:.4g}, {guess} gives {chart.guessing:.4g}"
    if chart.classes and loss > chart.guessing:  # more may be right: it is sure of what is wrong
        seen += f"; right are {chart.epochs[-1]['accuracy']:.1%}"
    if not chart.at_guessing:
        return Finding("stuck", FINE, seen)
    if not chart.enough:
        return Finding("stuck", UNKNOWN, f"after so few steps it is too early to tell: {seen}")
    before = chart.epochs[-2]["loss"] if len(chart.epochs) > 1 else 0.0
    if not chart.classes and loss < 0.95 * before:
        return Finding("stuck", UNKNOWN, f"it is too early to tell, the loss still falls: {seen}")
    seen = f"after {len(chart.epochs)} epochs {seen}"
    large = chart.largest_step > 0.05
    slow = chart.falls and not large and chart.against_guessing > 1.05
    if chart.commonest >= 0.8 and slow:  # or else the labels may be mixed
        tenfold = f" ({chart.rate:g} -> {10 * chart.rate:g})" if chart.rate else ""
        return Finding(
            "stuck",
            NOTE,
            "It learns slowly, and is not yet better than guessing.",
            seen=f"{seen}; it was {before:.4g} an epoch earlier",
            cause="It is early, or the learning rate is low: the loss still falls in each epoch.",
            remedy=f"More epochs. Ten times the learning rate{tenfold}, while the loss falls.",
        )
    first = (
        f"One step moved weights by {chart.largest_step:.2g} times their size, 1e-4 to 1e-2 is "
        "usual: the learning rate may be too high. Or "
        if large
        else "With nothing else wrong, most often "
    )
    rate = "a smaller learning rate from fresh weights on" if large else "a larger learning rate"
    if chart.classes:
        return Finding(
            "stuck",
            PROBLEM,
            "Nothing is learnt.",
            seen=seen,
            cause=f"{first}the labels do not belong to the inputs: one of both was shuffled or "
            "sorted without the other. Or x says little about y, it is early, or a layer of your "
            "own has a wrong gradient.",
            remedy="Look at some images with their labels (plots.prediction_grid), and load, "
            "shuffle and split x and y by the same indices. If they are right: more epochs, "
            f"{rate}, check_gradients.",
        )
    worse = chart.against_guessing > 2
    return Finding(
        "stuck",
        PROBLEM if worse else NOTE,
        f"The network predicts {'worse than' if worse else 'hardly better than'} the mean of y.",
        seen=seen,
        cause=f"{first}it is early; or x says little about y, which is no fault of the network; or "
        "the targets do not belong to the inputs: one of both was shuffled without the other.",
        remedy=f"More epochs, {rate}. Plot y against each column of x: is there anything to learn? "
        "Load, shuffle and split x and y by the same indices.",
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
        cause="Usually sorted data, of which the first part was taken for training and the rest "
        "for validation.",
        remedy="Split with stratified_split, which gives every class its share.",
    )


def _classes(numbers: list[int]) -> str:
    return f"{'class' if len(numbers) == 1 else 'classes'} {', '.join(map(str, numbers))}"


def validation(chart: Chart) -> Finding:
    """What training learns should be worth something on data held out."""
    if not chart.epochs or "val_loss" not in chart.epochs[-1]:
        return Finding("validation", UNKNOWN, "validation: none was given")
    row = chart.epochs[-1]
    seen = f"training loss {row['loss']:.3g}, validation loss {row['val_loss']:.3g}"
    other = _scaled_otherwise(chart)
    if other:
        return Finding(
            "validation",
            PROBLEM,
            f"Validation {other[0]} are scaled otherwise.",
            seen=f"{other[1]}; {seen}",
            cause="One of both was scaled and the other not.",
            remedy="Do to validation data what was done to training data: with the same function, "
            "and the mean and standard deviation of the training data.",
        )
    if chart.classes:
        labels = chart.held_out[0] if chart.held_out else [1]
        by_guessing, right = max(labels) / sum(labels), row["val_accuracy"]
        learnt = row["accuracy"] - chart.commonest
        fails = learnt > 0.2 and right < by_guessing + 0.15 * learnt
        beats = right > by_guessing
        seen += f"; accuracy {row['accuracy']:.1%} in training, {right:.1%} in validation"
        against = f"the commonest class {by_guessing:.1%}"
    else:
        guess = chart.held_out_guess.loss
        beats = row["val_loss"] < guess < np.inf
        fails = chart.against_guessing < 0.25 and guess < np.inf and not beats
        against = f"the mean of y {guess:.3g}"
    known = chart.held_out is not None if chart.classes else chart.held_out_guess.loss < np.inf
    if not known:
        return Finding("validation", UNKNOWN, "validation: what guessing scores there is not known")
    if chart.at_guessing:
        return Finding("validation", UNKNOWN, "validation: training itself is at guessing")
    if fails:
        return Finding(
            "validation",
            PROBLEM,
            "Validation is no better than guessing.",
            seen=f"{seen}; guessing {against}",
            cause="Training and validation data were prepared in two ways; or the answers of one "
            "of them are in another order than its inputs, or say little about them, and were "
            "learnt by heart.",
            remedy="Prepare validation data as x is prepared, and take the inputs and answers of "
            "each by the same indices.",
        )
    if not beats:
        return Finding("validation", UNKNOWN, f"validation does not beat guessing yet ({seen})")
    return Finding("validation", FINE, f"validation beats guessing ({seen}; {against})")


def _scaled_otherwise(chart: Chart) -> tuple[str, str] | None:
    """Return which validation data are of another size than in training, and how one sees it."""
    size = float(np.median([look.size for look in chart.looks]))
    if size and chart.held_out_size is not None and not 0.1 < chart.held_out_size / size < 10:
        held_out = chart.held_out_size
        return "data", f"they spread by {held_out:.2g}, the training data by {size:.2g}"
    here, there = chart.guess, chart.held_out_guess
    apart = abs(there.mean - here.mean) > 10 * max(here.std, there.std)
    if here.std > 0 < there.std and (apart or not 0.1 < there.std / here.std < 10):
        return "targets", (
            f"their standard deviation is {there.std:.3g} and their mean {there.mean:.3g}, in "
            f"training {here.std:.3g} and {here.mean:.3g}"
        )
    return None


def never_predicted(chart: Chart) -> Finding:
    """Every class that occurs should be predicted now and then."""
    counted = chart.held_out or chart.asked
    if counted is None or not chart.epochs:
        return Finding("never_predicted", UNKNOWN, "classes never predicted: nobody asked")
    labels, data = counted[0], "validation" if chart.held_out else "training"
    if not chart.unpredicted:
        return Finding("never_predicted", FINE, f"every class of the {data} data is predicted")
    seen = "; ".join(
        f"class {c} has {labels[c]:,} of {sum(labels):,} {data} samples"
        for c in chart.unpredicted[:10]
    )
    missing = [c for c in chart.unpredicted if labels[c] >= FEW]
    if not missing or not chart.enough:
        return Finding(
            "never_predicted",
            UNKNOWN,
            f"{_classes(chart.unpredicted)} never predicted, but it is too early, or there are too "
            f"few samples to tell ({seen})",
        )
    rare = [c for c in missing if chart.shares and chart.shares[c] < 0.3 / len(labels)]
    return Finding(
        "never_predicted",
        NOTE,
        f"No sample is taken for {_classes(missing)}.",
        seen=seen,
        cause=f"{_classes(rare).capitalize()} has few samples in training, "
        f"{', '.join(f'{chart.shares[c]:.1%}' for c in rare)} of all: the loss hardly counts them."
        if rare
        else "It is early, or something above keeps the network from learning more, or the last "
        "layers cannot say it: a ReLU right before Softmax, Softmax twice.",
        remedy="More epochs. Show the rare class more often, by repeating its indices; and "
        "judge by per_class_report, not by accuracy."
        if rare
        else "More epochs. If that does not help, end with Dense(classes) and one Softmax.",
    )


def overfitting(chart: Chart) -> Finding:
    """Validation loss that rises while training loss falls: it is learning by heart."""
    losses = [row["val_loss"] for row in chart.epochs if "val_loss" in row]
    if len(losses) < 3:
        return Finding("overfitting", UNKNOWN, "overfitting: fewer than 3 epochs with validation")
    best = int(np.argmin(losses))
    if min(losses[-2:]) < 1.05 * losses[best]:  # one epoch alone may be chance
        seen = "one of the last two validation losses is within 5% of the best"
        return Finding("overfitting", FINE, seen)
    if chart.epochs[-1]["loss"] >= chart.epochs[best]["loss"]:
        return Finding(
            "overfitting", UNKNOWN, "overfitting: validation loss rises, but training loss does too"
        )
    return Finding(
        "overfitting",
        NOTE,
        f"It overfits from about epoch {best + 1}.",
        seen=f"since then validation loss rose from {losses[best]:.3g} to {losses[-1]:.3g}, while "
        f"training loss fell from {chart.epochs[best]['loss']:.3g} to "
        f"{chart.epochs[-1]['loss']:.3g}",
        cause="It begins to learn single samples by heart. That is usual, and no fault.",
        remedy="EarlyStopping() keeps the weights of the best epoch. More samples help more.",
    )
