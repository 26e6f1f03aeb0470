"""Each rule of the doctor, on records of a training written by hand, at both sides of its limit."""

import dataclasses
import re

import numpy as np
import pytest

from tinynn.doctor.record import Chart
from tinynn.doctor.rules import JUDGEMENTS, Finding
from tinynn.doctor.statistics import Look
from tinynn.doctor.watch import judged
from tinynn.training.guessing import Guess

LAYERS = ["4.Dense", "2.Dense", "0.Dense"]  # from the loss back, as they are measured
STEPS = (1, 2, 4, 8, 16, 32, 64, 100, 200, 282)
LN10 = float(np.log(10))


def look(step, loss):
    return Look(
        step, loss, largest=1.0, size=0.35, mean=0.3,
        spread=dict.fromkeys(LAYERS, 1.0), slope=dict.fromkeys(LAYERS, 0.3),
        closed={"1.ReLU": 0.5, "3.ReLU": 0.5},
        labels=[4, 4, 3, 3, 3, 3, 3, 3, 3, 3], predicted=[4, 4, 3, 3, 3, 3, 3, 3, 3, 3],
        update={"0.Dense.W": 5e-3, "2.Dense.W": 5e-3},
    )  # fmt: skip


def healthy():
    """Three epochs on ten classes that go well: loss from 2.5 to 0.4, 80 % right."""
    chart = Chart([look(step, 2.5 - 0.2 * i) for i, step in enumerate(STEPS)], classes=10)
    chart.shares = [0.1] * 10
    chart.guess = Guess(LN10, np.full(10, 0.1), 10)
    chart.epochs = [
        {"epoch": i + 1, "loss": loss, "accuracy": right, "val_loss": loss, "val_accuracy": right}
        for i, (loss, right) in enumerate([(1.0, 0.6), (0.7, 0.7), (0.5, 0.8)])
    ]
    chart.never_open = {"1.ReLU": (10, 100), "3.ReLU": (20, 100)}
    chart.asked = [100] * 10, [100] * 10
    chart.held_out = [50] * 10, [50] * 10
    chart.held_out_size, chart.rate, chart.steps_per_epoch = 0.35, 0.01, 94
    return chart


def numbers():
    """The same of one number to be predicted, of mean 0 and standard deviation 1."""
    chart = healthy()
    chart.classes, chart.shares, chart.asked, chart.held_out = None, [], None, None
    chart.guess = chart.held_out_guess = Guess(1.0, np.zeros(1), 0, np.ones(1))
    for one in chart.looks:
        one.labels, one.predicted = [], []
    for row, loss in zip(chart.epochs, (0.8, 0.4, 0.2), strict=True):
        row.update(loss=loss, val_loss=loss)
        del row["accuracy"], row["val_accuracy"]
    return chart


def causes(report):
    return [(finding.level, finding.name) for finding in [*report.problems, *report.notes]]


def said(chart, name):
    """Return the one finding of a name, wherever it stands."""
    report = judged(chart)
    findings = [f for top in report.findings for f in (top, *top.follows)]
    return next(finding for finding in findings if finding.name == name)


def looks(**values):
    """Return a change of a chart: the same in each look."""

    def change(chart):
        chart.looks = [dataclasses.replace(one, **values) for one in chart.looks]

    return change


def first(**values):
    def change(chart):
        chart.looks[0] = dataclasses.replace(chart.looks[0], **values)

    return change


def last_row(**values):
    return lambda chart: chart.epochs[-1].update(values)


def chart_of(**values):
    def change(chart):
        for name, value in values.items():
            setattr(chart, name, value)

    return change


def both(*changes):
    def change(chart):
        for one in changes:
            one(chart)

    return change


def losses(*values):
    def change(chart):
        for one, loss in zip(chart.looks, values, strict=True):
            one.loss = loss

    return change


def by_depth(*values):
    return dict(zip(LAYERS, values, strict=True))


def classes_in_a_batch(count):
    return looks(labels=[3] * count + [0] * (10 - count - 1) + [32 - 3 * count])


def guessed(share=1.0, right=0.1):
    """All is as it would be if nothing were learnt."""
    rows = {"loss": share * LN10, "accuracy": right, "val_loss": LN10, "val_accuracy": right}
    return both(last_row(**rows), losses(*[LN10] * 10))


def later(factor):
    """The gradient at the lowest layer, from step 16 on, as a share of that at the loss."""

    def change(chart):
        for one in chart.looks:
            if one.step >= 16:
                one.slope = by_depth(0.3, 0.3, 0.3 * factor)

    return change


def predicted(*counts):
    return chart_of(held_out=([50] * 10, list(counts)))


def never(count):
    """Class 9 has so many validation samples, and is never predicted."""
    return chart_of(held_out=([50] * 9 + [count], [55] * 9 + [0]))


def rare(share, loss=1.0, said=0):
    """Two classes, of which the second is rare, and predicted so many times of 1,000."""
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    ones = round(1000 * share)
    return both(
        looks(labels=[], predicted=[]),
        chart_of(
            classes=2, shares=[1 - share, share], held_out=None,
            guess=Guess(entropy, np.array([1 - share, share]), 2),
            asked=([1000 - ones, ones], [1000 - said, said]),
        ),
        last_row(loss=loss * entropy, accuracy=1 - share, val_loss=entropy, val_accuracy=1 - share),
    )  # fmt: skip


def overfits(*val_losses):
    return chart_of(
        epochs=[
            {"epoch": i, "loss": 1 / (i + 2), "val_loss": v, "accuracy": 0.8, "val_accuracy": 0.7}
            for i, v in enumerate(val_losses)
        ]
    )


def stands(loss):
    """The loss of the last two epochs, by that of the mean of y."""

    def change(chart):
        for row in chart.epochs[-2:]:
            row.update(loss=loss, val_loss=loss)

    return change


def targets_of(std, mean=0.0, loss=0.2):
    """Targets of another size, in training and validation, and the loss by that of guessing."""
    guess = Guess(std**2, np.full(1, mean), 0, np.full(1, std))
    rows = last_row(loss=loss * std**2, val_loss=loss * std**2)
    return both(chart_of(guess=guess, held_out_guess=guess), rows)


LIMITS = {  # what is changed: which judgement, its level, how: just within the limit, just beyond
    "the size of the inputs": ("inputs", "problem", looks(size=9.9), looks(size=10.1)),
    "small inputs": ("inputs", "problem", looks(largest=0.051), looks(largest=0.049)),
    "the mean of the inputs": ("inputs", "note", looks(mean=3.4), looks(mean=3.6)),
    "the mean of the inputs, where nothing is learnt": (
        "inputs", "problem",
        looks(mean=-3.4), both(looks(mean=-3.6), losses(*[2.5] * 10), last_row(loss=2.0)),
    ),
    "the mean of inputs that are all nearly equal": (
        "inputs", "note",
        both(looks(mean=0.9, size=0.01), chart_of(held_out_size=0.01)),
        both(looks(mean=1.1, size=0.01), chart_of(held_out_size=0.01)),
    ),
    "classes in a batch": ("shuffling", "problem", classes_in_a_batch(5), classes_in_a_batch(4)),
    "units alike": ("alike", "problem", first(alike=[]), first(alike=["0.Dense.W"])),
    "units closed at first": (
        "closed_from_the_start", "problem",
        first(closed={"1.ReLU": 0.94}), first(closed={"1.ReLU": 0.96}),
    ),
    "a gradient that vanishes": (
        "signal", "problem",
        first(slope=by_depth(1, 1, 1 / 990)), first(slope=by_depth(1, 1, 1 / 1010)),
    ),
    "a gradient that explodes": (
        "signal", "problem", first(slope=by_depth(1, 1, 990)), first(slope=by_depth(1, 1, 1010)),
    ),
    "differences between samples that vanish": (
        "signal", "problem",
        first(spread=by_depth(1 / 990, 1, 1)), first(spread=by_depth(1 / 1010, 1, 1)),
    ),
    "a gradient that vanishes, where nothing is learnt": (
        "signal", "problem",
        first(slope=by_depth(1, 1, 1 / 101)),  # which is no cause where something is
        both(guessed(), first(slope=by_depth(1, 1, 1 / 101))),
    ),
    "no gradient": (
        "signal", "problem", first(slope=by_depth(1, 0.1, 0.01)), first(slope=by_depth(1, 0.1, 0)),
    ),
    "scores at first": (
        "signal", "problem",
        first(spread=by_depth(9.9, 1, 1)), first(spread=by_depth(10.1, 1, 1)),
    ),
    "a loss thrown back": (
        "large_steps", "problem",
        both(losses(2.5, 4.9, *[2.0] * 8), last_row(loss=2.0)),
        both(losses(2.5, 5.1, *[2.0] * 8), last_row(loss=2.0)),
    ),
    "a loss thrown back that stays there": (
        "large_steps", "problem",
        both(losses(2.5, 9, *[1.7] * 8), last_row(loss=9.0)),
        both(losses(2.5, 9, *[1.8] * 8), last_row(loss=9.0)),
    ),
    "a loss thrown back in a few small batches": (
        "large_steps", "problem",
        both(losses(2.5, 9, *[4.0] * 8), last_row(loss=1.7)),
        both(losses(2.5, 9, *[4.0] * 8), last_row(loss=1.8)),
    ),
    "training that breaks off": (
        "large_steps", "problem", chart_of(broke_off=0), chart_of(broke_off=9)
    ),
    "steps that are tiny": (
        "small_steps", "problem",
        both(looks(update={"W": 2.1e-5}), losses(*[2.5] * 10)),
        both(looks(update={"W": 1.9e-5}), losses(*[2.5] * 10)),
    ),
    "tiny steps by which the loss falls": (
        "small_steps", "problem",
        both(looks(update={"W": 1e-5}), losses(*[2.5] * 7, *[1.99] * 3)),
        both(looks(update={"W": 1e-5}), losses(*[2.5] * 7, *[2.01] * 3)),
    ),
    "all steps together, where nothing is learnt": (
        "small_steps", "problem",
        both(looks(update={"W": 1e-5}), losses(*[1.1] * 10)),  # there is little left to do
        both(looks(update={"W": 0.099 / 282}), guessed()),
    ),
    "units that never open": (
        "closed_by_training", "problem",
        chart_of(never_open={"1.ReLU": (79, 100)}), chart_of(never_open={"1.ReLU": (80, 100)}),
    ),
    "a gradient that vanishes later": ("fading", "problem", later(1 / 990), later(1 / 1010)),
    "a gradient that explodes later": ("fading", "problem", later(990), later(1010)),
    "a gradient that vanishes later, and a class that is never predicted": (
        "fading", "problem", later(1 / 101), both(later(1 / 101), never(10)),
    ),
    "a gradient that vanishes later, where nothing is learnt": (
        "fading", "problem", later(1 / 101), both(later(1 / 101), guessed()),
    ),
    "a rare class": ("imbalance", "problem", rare(0.01, 0.92), rare(0.01, 0.94)),
    "a rare class that is found, where the loss is that of guessing": (
        "imbalance", "problem",
        both(rare(0.01, 0.99, said=9), last_row(accuracy=0.9911)),
        both(rare(0.01, 0.99, said=5), last_row(accuracy=0.9909)),
    ),
    "a share of four in five": ("imbalance", "problem", rare(0.201), rare(0.199)),
    "the loss of guessing": ("stuck", "problem", guessed(0.92), guessed(0.94)),
    "no more right than by guessing": ("stuck", "problem", guessed(right=0.2), guessed(right=0.18)),
    "a class that training lacks": (
        "absent", "problem",
        chart_of(held_out=([50] * 9 + [0], [50] * 9 + [0])),
        both(chart_of(shares=[1 / 9] * 9 + [0])),
    ),
    "the size of validation data": (
        "validation", "problem", chart_of(held_out_size=3.4), chart_of(held_out_size=3.6),
    ),
    "the size of validation data, smaller": (
        "validation", "problem", chart_of(held_out_size=0.036), chart_of(held_out_size=0.034),
    ),
    "validation at guessing": (
        "validation", "problem", last_row(val_accuracy=0.21), last_row(val_accuracy=0.2),
    ),
    "a class that is never predicted": ("never_predicted", "note", never(9), never(10)),
    "validation loss that rises": (
        "overfitting", "note", overfits(0.8, 0.7, 0.8, 0.734), overfits(0.8, 0.7, 0.8, 0.736),
    ),
    "validation loss that is higher once": (
        "overfitting", "note", overfits(0.812, 0.735, 0.802), overfits(0.8, 0.7, 0.9, 0.9),
    ),
}  # fmt: skip

OF_NUMBERS = {
    "the size of targets": (
        "targets", "problem", targets_of(9.9, loss=0.94), targets_of(10.1, loss=0.94),
    ),
    "the size of targets that are learnt slowly": (
        "targets", "note", targets_of(20, loss=0.49), targets_of(20, loss=0.51),
    ),
    "the size of targets that are not learnt": (
        "targets", "problem", targets_of(20, loss=0.4), targets_of(20, loss=0.94),
    ),
    "targets far from 0": (
        "targets", "problem", targets_of(1, -9.9, loss=0.94), targets_of(1, -10.1, loss=0.94),
    ),
    "targets that are all nearly equal": (
        "targets", "problem", targets_of(0.01, 0.9, loss=0.94), targets_of(0.01, 1.1, loss=0.94),
    ),
    "tiny targets": ("targets", "problem", targets_of(0.26, loss=3), targets_of(0.24, loss=3)),
    "tiny targets that are learnt": (
        "targets", "problem", targets_of(1e-6, loss=1.9), targets_of(1e-6, loss=2.1),
    ),
    "targets that spread little, and validation is worse than the mean": (
        "targets", "problem",
        both(targets_of(0.2, 0.5, loss=0.04), last_row(val_loss=0.041)),  # learnt by heart
        both(targets_of(0.2, 0.5, loss=0.06), last_row(val_loss=0.041)),
    ),
    "targets that spread little, and validation is better than the mean": (
        "targets", "problem",
        both(targets_of(0.2, 0.5, loss=0.4), last_row(val_loss=0.039)),
        both(targets_of(0.2, 0.5, loss=0.4), last_row(val_loss=0.041)),
    ),
    "columns of different sizes": (
        "targets", "note",
        chart_of(guess=Guess(1.0, np.zeros(2), 0, np.array([1.0, 0.034]))),
        chart_of(guess=Guess(1.0, np.zeros(2), 0, np.array([1.0, 0.033]))),
    ),
    "the mean of y, as good": (
        "stuck", "note", stands(0.92), stands(0.94),
    ),
    "the mean of y, twice as good": (
        "stuck", "problem", stands(1.99), stands(2.01),
    ),
    "the mean of y, better in validation": (
        "stuck", "note",
        both(stands(1.0), last_row(val_loss=0.92)), both(stands(1.0), last_row(val_loss=0.94)),
    ),
    "a loss above that of the mean of y, which falls": (
        "stuck", "problem",
        both(stands(3.0), last_row(loss=2.8)), both(stands(3.0), last_row(loss=2.9)),
    ),
    "validation targets of another size": (
        "validation", "problem",
        chart_of(held_out_guess=Guess(81.0, np.zeros(1), 0, np.full(1, 9.0))),
        chart_of(held_out_guess=Guess(121.0, np.zeros(1), 0, np.full(1, 11.0))),
    ),
    "validation targets elsewhere": (
        "validation", "problem",
        chart_of(held_out_guess=Guess(1.0, np.full(1, 9.9), 0, np.ones(1))),
        chart_of(held_out_guess=Guess(1.0, np.full(1, 10.1), 0, np.ones(1))),
    ),
    "validation no better than the mean of y": (
        "validation", "problem", last_row(val_loss=0.99), last_row(val_loss=1.01),
    ),
    "validation no better than the mean of y, where little is learnt": (
        "validation", "problem",
        last_row(loss=0.26, val_loss=1.01), last_row(loss=0.24, val_loss=1.01),
    ),
    "a loss thrown back": (
        "large_steps", "problem",
        both(losses(2.5, 30, *[7.4] * 8), last_row(loss=9.0, val_loss=9.0)),
        both(losses(2.5, 30, *[7.6] * 8), last_row(loss=9.0, val_loss=9.0)),
    ),
    "a gradient that vanishes later, where the mean of y is as good": (
        "fading", "problem", later(1 / 990),
        both(later(1 / 101), last_row(loss=1.0, val_loss=1.0)),
    ),
    "a gradient that vanishes later, where numbers are learnt": (
        "fading", "problem", later(1e-6), both(later(1e-6), last_row(loss=0.51)),
    ),
}  # fmt: skip
CASES = [(healthy, name) for name in LIMITS] + [(numbers, name) for name in OF_NUMBERS]


@pytest.mark.parametrize("start", [healthy, numbers])
def test_a_healthy_record_has_no_problem_and_no_note(start):
    report = judged(start())
    assert causes(report) == []
    assert str(report).startswith("HEALTHY   No problem was found.\nFINE      inputs spread by 0.3")


@pytest.mark.parametrize(("start", "name"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_rule_speaks_beyond_its_limit_and_is_silent_within(start, name):
    judgement, level, within, beyond = (LIMITS if start is healthy else OF_NUMBERS)[name]
    chart = start()
    within(chart)
    assert (level, judgement) not in causes(judged(chart)), judged(chart)
    chart = start()
    beyond(chart)
    assert causes(judged(chart))[0] == (level, judgement), judged(chart)
    assert len(judged(chart).problems) == (level == "problem"), judged(chart)


def test_every_judgement_has_its_limits():
    table = [*LIMITS.values(), *OF_NUMBERS.values()]
    assert {judgement.__name__ for judgement in JUDGEMENTS} == {name for name, *_ in table}


# Causes come before what follows from them

GUESSING = {  # how each cause is seen where nothing is learnt; what follows is in the numbers too
    "inputs": looks(size=50.0),
    "shuffling": classes_in_a_batch(1),
    "alike": first(alike=["0.Dense.W"]),
    "closed_from_the_start": first(closed={"1.ReLU": 1.0}),
    "signal": first(slope=by_depth(1, 1, 1e-5)),
    "large_steps": losses(2.5, 60.0, *[LN10] * 8),
    "small_steps": looks(update={"W": 1e-6}),
    "closed_by_training": chart_of(never_open={"1.ReLU": (100, 100)}),
    "fading": later(1e-5),
}


@pytest.mark.parametrize("cause", GUESSING)
def test_a_cause_comes_first_and_what_follows_from_it_beneath(cause):
    chart = healthy()
    both(guessed(), predicted(500, *[0] * 9), chart_of(held_out_size=0.35), GUESSING[cause])(chart)
    report = judged(chart)
    assert report.problems[0].name == cause, report
    assert {"stuck", "never_predicted"} <= {f.name for f in report.problems[0].follows}, report
    assert [note.name for note in report.notes] == []


@pytest.mark.parametrize(
    ("earlier", "later_one"),
    [
        ("inputs", "signal"), ("inputs", "large_steps"), ("inputs", "fading"),
        ("inputs", "closed_by_training"), ("shuffling", "large_steps"), ("alike", "signal"),
        ("alike", "closed_from_the_start"), ("closed_from_the_start", "signal"),
        ("closed_from_the_start", "closed_by_training"), ("signal", "large_steps"),
        ("signal", "small_steps"), ("signal", "fading"), ("large_steps", "closed_by_training"),
        ("large_steps", "fading"), ("closed_by_training", "fading"),
    ],
)  # fmt: skip
def test_of_two_causes_the_earlier_one_explains_the_later(earlier, later_one):
    chart = healthy()
    both(guessed(), GUESSING[later_one], GUESSING[earlier])(chart)
    (problem, *others) = judged(chart).problems
    assert problem.name == earlier, judged(chart)
    assert later_one in [finding.name for finding in problem.follows]
    assert others == [] or earlier == "inputs"  # validation data of another size, for instance


@pytest.mark.parametrize(
    ("gradients", "epoch", "counts"),
    [  # as three trainings of one deep network of tanh went, whose starts differed by a millionth
        ((3e-3, 2e-2, 5e-4, 3e-5, 1e-5), (1.913, 0.2, 0.136), [0] * 6 + [430, 0, 0, 70]),
        ((3e-2, 5e-2, 1e-2, 2e-6, 1e-7), (2.425, 0.1, 0.102), [0] * 6 + [500, 0, 0, 0]),
        ((1e-3, 1e-4, 1e-6, 1e-7, 1e-8), (2.424, 0.1, 0.102), [0] * 6 + [500, 0, 0, 0]),
    ],
)
def test_a_class_never_predicted_is_no_cause_where_gradients_have_vanished(
    gradients, epoch, counts
):
    chart = healthy()
    loss, right, val_right = epoch
    both(last_row(loss=loss, accuracy=right, val_accuracy=val_right), predicted(*counts))(chart)
    chart.looks = chart.looks[:-1]
    for one, gradient in zip(chart.looks[-5:], gradients, strict=True):
        one.slope = by_depth(0.3, 0.03, gradient)
    (cause,) = judged(chart).problems
    assert cause.name == "fading"
    assert "never_predicted" in [finding.name for finding in cause.follows]
    assert judged(chart).notes == []


def test_a_note_explains_no_problem(monkeypatch):
    judgements = (
        lambda chart: Finding("inputs", "note", "The inputs lie far from 0."),
        lambda chart: Finding("stuck", "problem", "Nothing is learnt."),
    )
    monkeypatch.setattr("tinynn.doctor.report.JUDGEMENTS", judgements)
    report = judged(Chart())
    assert [problem.name for problem in report.problems] == ["stuck"]
    assert [note.name for note in report.notes] == ["inputs"]


# What is said is what the numbers show


def test_labels_are_not_blamed_before_steps_that_are_large():
    chart = healthy()
    guessed()(chart)
    usual = said(chart, "stuck")
    assert usual.cause.startswith("With nothing else wrong, most often the labels do not belong")
    assert "a larger learning rate, check_gradients" in usual.remedy
    chart.looks[0].update["0.Dense.W"] = 0.21
    large = said(chart, "stuck")
    assert large.cause.startswith("One step moved weights by 0.21 times their size")
    assert "a smaller learning rate from fresh weights on" in large.remedy
    assert "larger learning rate" not in large.remedy
    chart.looks[0].update["0.Dense.W"] = 1e29  # the first step of weights that begin at 0
    assert said(chart, "stuck") == usual


def test_a_rare_class_is_no_matter_of_shuffled_labels():
    chart = healthy()
    rare(0.01)(chart)
    (problem,) = judged(chart).problems
    assert problem.title == "The classes are imbalanced, and only class 0 is predicted."
    assert problem.seen == (
        "class 0 has 99.0% of the samples; of 1,000 training samples 1,000 are taken for it; "
        "accuracy 99.0%; the loss is 0.056, guessing by the classes' shares gives 0.056"
    )
    assert {"stuck", "never_predicted"} <= {finding.name for finding in problem.follows}
    assert "np.repeat(np.flatnonzero(y != 0), 99)" in problem.remedy
    page = str(judged(chart)).split("  follows")[0]
    assert "shuffled" not in page
    assert "per_class_report" in page
    rare(0.01, said=6)(chart)
    (problem,) = judged(chart).problems
    assert problem.title == "The classes are imbalanced, and nothing else is learnt."


@pytest.mark.parametrize(("loss", "level"), [(0.872, "fine"), (0.8951, "problem")])
def test_soft_targets_are_judged_by_what_is_above_their_own_entropy(loss, level):
    """The least loss of 0.8 + 0.02 and nine times 0.02 is 0.8669; guessing, of 99 to 1, 0.8951."""
    chart = healthy()
    rare(0.01)(chart)
    chart.guess = dataclasses.replace(chart.guess, loss=0.8951, floor=0.8669)
    last_row(loss=loss, accuracy=0.99)(chart)
    assert chart.against_guessing == pytest.approx((loss - 0.8669) / (0.8951 - 0.8669))
    assert said(chart, "imbalance").level == said(chart, "stuck").level == level


def slowly(*losses_of_epochs):
    """The loss of epochs, of which the last four tell whether it falls."""

    def change(chart):
        row = chart.epochs[-1]
        chart.epochs = [dict(row, epoch=i + 1, loss=v) for i, v in enumerate(losses_of_epochs)]

    return change


@pytest.mark.parametrize(
    ("right", "others", "level"),
    [
        (0.813, 130, "problem"),
        (0.812, 130, "unknown"),
        (0.85, 160, "unknown"),
        (0.71, 120, "unknown"),
    ],
)
def test_imbalance_is_told_only_where_the_common_class_is_what_is_said(right, others, level):
    chart = healthy()
    both(rare(0.15, 1.2, said=others), last_row(accuracy=right))(chart)
    assert said(chart, "imbalance").level == level


def test_a_loss_above_guessing_that_falls_in_each_epoch_is_slow_and_no_matter_of_labels():
    chart = healthy()
    both(rare(0.2, said=250), last_row(accuracy=0.71), slowly(0.9, 0.8, 0.75, 0.7, 0.66))(chart)
    (note,) = judged(chart).notes
    assert judged(chart).problems == []
    assert (note.name, note.title) == (
        "stuck",
        "It learns slowly, and is not yet better than guessing.",
    )
    assert "labels" not in note.cause
    assert "Ten times the learning rate (0.01 -> 0.1)" in note.remedy
    assert not judged(chart).healthy
    chart.shares = [0.79, 0.21]  # or else the labels may be mixed
    assert said(chart, "stuck").title == "Nothing is learnt."
    chart.shares = [0.8, 0.2]
    slowly(0.9, 0.8, 0.7, 0.72, 0.66)(chart)
    assert said(chart, "stuck").title == "Nothing is learnt."
    both(slowly(0.9, 0.8, 0.7, 0.66), first(update={"W": 0.06}))(chart)
    assert said(chart, "stuck").title == "Nothing is learnt."  # steps that large are not slow


@pytest.mark.parametrize(
    ("moved", "falls", "level"),
    [(5e-3, False, "problem"), (9e-4, False, "fine"), (1.1e-3, False, "problem"),
     (0.049, True, "fine"), (0.051, True, "problem")],
)  # fmt: skip
def test_batches_that_vary_are_no_steps_too_large(moved, falls, level):
    chart = numbers()
    both(losses(0.5, 2, 8, *[4.0] * 7), looks(update={"W": moved}))(chart)
    slowly(4.3, 4.2, 4.1, 4.0 if falls else 4.15)(chart)
    assert said(chart, "large_steps").level == level
    if level == "fine":
        assert "batches differ" in said(chart, "large_steps").title


def test_a_common_class_of_seven_in_ten_is_no_imbalance():
    chart = healthy()
    rare(0.3)(chart)
    assert [problem.name for problem in judged(chart).problems] == ["stuck"]


@pytest.mark.parametrize(
    ("labels", "predicted", "level", "title"),
    [
        ([594, 6], [600, 0], "unknown", "class 1 never predicted, but it is too early, or there "
         "are too few samples to tell (class 1 has 6 of 600 validation samples)"),
        ([590, 10], [600, 0], "note", "No sample is taken for class 1."),
        ([594, 6], [599, 1], "fine", "every class of the validation data is predicted"),
        ([600, 0], [600, 0], "fine", "every class of the validation data is predicted"),
    ],
)  # fmt: skip
def test_that_every_class_is_predicted_is_said_only_where_it_is_true(
    labels, predicted, level, title
):
    chart = healthy()
    rare(0.01, said=1, loss=0.5)(chart)
    chart.held_out = labels, predicted
    finding = said(chart, "never_predicted")
    assert (finding.level, finding.title) == (level, title)


def test_without_validation_data_the_training_samples_are_asked():
    chart = healthy()
    both(rare(0.02, loss=0.5), chart_of(held_out=None))(chart)
    finding = said(chart, "never_predicted")
    assert (finding.level, finding.seen) == ("note", "class 1 has 20 of 1,000 training samples")
    assert finding.cause.startswith("Class 1 has few samples in training, 2.0% of all")
    chart.asked = None
    assert said(chart, "never_predicted").title == "classes never predicted: nobody asked"


@pytest.mark.parametrize(
    ("val_accuracy", "level"), [(0.47, "fine"), (0.3, "fine"), (0.15, "problem")]
)
def test_few_images_learnt_by_heart_are_still_better_than_guessing(val_accuracy, level):
    chart = healthy()
    last_row(loss=0.001, accuracy=1.0, val_loss=3.0, val_accuracy=val_accuracy)(chart)
    assert said(chart, "validation").level == level


def test_validation_is_said_to_beat_guessing_only_where_it_does():
    chart = healthy()
    both(rare(0.01, said=1, loss=0.9), chart_of(held_out=([99, 1], [100, 0])))(chart)
    assert said(chart, "validation").title.startswith("validation does not beat guessing yet")
    chart = numbers()
    assert (
        "beats guessing (training loss 0.2, validation loss 0.2; the mean of y 1)"
        in said(chart, "validation").title
    )
    unknown = "validation: what guessing scores there is not known"
    chart.held_out_guess = Guess()
    assert said(chart, "validation").title == unknown
    chart = healthy()
    chart.held_out = None  # training broke off, so that nobody asked
    assert said(chart, "validation").title == unknown


def test_a_validation_loss_that_rises_with_the_training_loss_is_not_said_to_stay():
    chart = healthy()
    overfits(0.8, 0.7, 0.9, 0.9)(chart)
    chart.epochs[-1]["loss"] = 0.6
    assert said(chart, "overfitting").level == "unknown"
    assert "training loss does too" in said(chart, "overfitting").title


def test_where_all_are_of_one_class_nobody_is_at_guessing():
    chart = healthy()
    guess = Guess(np.inf, np.array([1.0, 0.0]), 2)
    chart_of(classes=2, shares=[1.0, 0.0], guess=guess, held_out=([9, 0], [9, 0]))(chart)
    assert not chart.at_guessing
    assert said(chart, "stuck").title == "loss against guessing: all answers are the same"
    assert said(chart, "imbalance").level == "unknown"


def test_targets_that_are_all_equal_are_no_matter_of_guessing():
    chart = numbers()
    chart.guess = Guess(np.inf, np.full(1, 3.0), 0, np.zeros(1))
    last_row(loss=7.0)(chart)
    assert said(chart, "stuck").title == "loss against guessing: all answers are the same"
    assert judged(chart).problems == []
    chart.guess = Guess()  # a loss of the user's own
    assert said(chart, "stuck").title == "loss against guessing: what that scores is not known"
    assert judged(chart).problems == []


@pytest.mark.parametrize(
    ("mean", "loss", "level"),
    [
        (9.9, 98.0, "unknown"),
        (10.1, 98.0, "problem"),
        (1e6, 0.9e12, "problem"),
        (-1e6, 3.0, "unknown"),
    ],
)
def test_targets_that_are_all_equal_and_far_from_0_are_named_until_they_are_learnt(
    mean, loss, level
):
    chart = numbers()
    chart.guess = Guess(np.inf, np.full(1, mean), 0, np.zeros(1))
    both(losses(*[mean**2] * 10), last_row(loss=loss))(chart)
    finding = said(chart, "targets")
    assert finding.level == level
    if level == "problem":
        assert finding.title == "The targets are all equal, and not scaled."
        assert not judged(chart).healthy


def test_the_advised_line_survives_a_column_that_is_constant():
    x = y = np.array([[1.0, 7.0], [3.0, 7.0]])
    chart = numbers()
    both(looks(size=50.0), chart_of(constant_columns=True))(chart)
    chart.guess = Guess(1e6, np.array([1e5, 7.0]), 0, np.array([1e3, 0.0]))
    line = re.search(r"std = x.*1\)", said(chart, "inputs").remedy)[0]
    names = {"x": x, "y": y, "np": np}
    exec(line + "\n" + chart.guess.scaling, names)
    for scaled in (names["x"], names["y"]):
        assert scaled.tolist() == [[-1, 0], [1, 0]]
    both(stands(0.99e6))(chart)
    assert "std = np.where(std, std, 1)" in said(chart, "targets").remedy
    chart.constant_columns, chart.guess = False, Guess(1e6, np.zeros(1), 0, np.full(1, 1e3))
    assert "where" not in said(chart, "inputs").remedy + said(chart, "targets").remedy
    assert chart.guess.scaling == "(y - y.mean(axis=0)) / y.std(axis=0)"


def test_after_few_steps_it_is_too_early_to_tell():
    chart = healthy()
    guessed()(chart)
    chart.looks = chart.looks[:6]  # the last at step 32
    assert judged(chart).problems == []
    assert "too early to tell" in said(chart, "stuck").title
    rare(0.01)(chart)
    assert judged(chart).problems == []
    assert "too early to tell" in said(chart, "imbalance").title


def test_a_network_as_good_as_the_mean_is_not_called_healthy_nor_a_problem():
    """As where x tells a twentieth of y and the rest is noise."""
    chart = numbers()
    stands(0.96)(chart)
    report = judged(chart)
    assert report.problems == []
    assert not report.healthy
    assert str(report).startswith(
        "NOTE      The network predicts hardly better than the mean of y.\n"
        "  seen    after 3 epochs the loss is 0.96, the mean of y gives 1\n"
    )
    assert "which is no fault of the network" in report.notes[0].cause


def test_a_small_spread_of_targets_is_the_cause_and_validation_follows():
    chart = numbers()
    both(targets_of(0.1, 0.5), last_row(loss=0.002, val_loss=0.025))(chart)
    (problem,) = judged(chart).problems
    assert problem.title == "The targets spread little."
    assert problem.seen.startswith("y has standard deviation 0.1 and mean 0.5; the loss is 0.002")
    assert "validation loss 0.025" in problem.seen
    assert "validation" in [finding.name for finding in problem.follows]
    assert "prepared in two ways" not in str(judged(chart))
    chart.guess = dataclasses.replace(chart.guess, stds=np.full(11, 0.1))
    assert said(chart, "targets").level == "fine"  # as of images
    targets_of(1e-3, loss=3)(chart)
    assert said(chart, "targets").title == "The targets are very small."


def test_columns_of_an_image_may_differ_in_size():
    chart = numbers()
    chart.guess = Guess(0.1, np.zeros(11), 0, np.array([*[0.3] * 10, 1e-4]))
    assert said(chart, "targets").level == "fine"


def test_the_rate_in_a_remedy_is_the_next_to_try():
    chart = healthy()
    both(guessed(), GUESSING["large_steps"])(chart)
    assert (
        judged(chart).problems[0].remedy.startswith("A tenth of the learning rate (0.01 -> 0.001)")
    )
    chart = healthy()
    both(guessed(), GUESSING["small_steps"])(chart)
    assert judged(chart).problems[0].remedy.startswith("Ten times the learning rate (0.01 -> 0.1)")


REMEDIES = {
    "inputs": "scale_pixels(x) for bytes, (x - x.mean()) / x.std() for other numbers",
    "targets": "With mean, std = y.mean(axis=0), y.std(axis=0) of the training data: train on "
    "(y - mean) / std, and undo it on predictions, p * std + mean.",
    "shuffling": "minibatches(x, y, batch_size, rng)",
    "alike": "Draw weights at random: Dense(units) does, by he_normal.",
    "closed_from_the_start": "Start as Dense(units) does: biases at 0, weights by he_normal.",
    "signal": "ReLU after Dense(units, initializer=he_normal), or tanh after glorot_uniform.",
    "large_steps": "A tenth of the learning rate",
    "small_steps": "Ten times the learning rate",
    "closed_by_training": "A smaller learning rate, from fresh weights on.",
    "fading": "A smaller learning rate, from fresh weights on.",
    "imbalance": "Judge by per_class_report(p, y, names), not by accuracy.",
    "stuck": "Look at some images with their labels (plots.prediction_grid)",
    "absent": "Split with stratified_split, which gives every class its share.",
    "validation": "Do to validation data what was done to training data",
    "never_predicted": "More epochs. If that does not help, end with Dense(classes) and one Soft",
    "overfitting": "EarlyStopping() keeps the weights of the best epoch.",
}


@pytest.mark.parametrize("judgement", REMEDIES)
def test_the_remedy_is_printed_under_what_it_is_for(judgement):
    start, table = (numbers, OF_NUMBERS) if judgement == "targets" else (healthy, LIMITS)
    _, _, _, beyond = next(row for row in table.values() if row[0] == judgement)
    chart = start()
    beyond(chart)
    finding = judged(chart).findings[0]
    assert REMEDIES[judgement] in finding.remedy
    assert f"  try     {finding.remedy[:30]}" in str(judged(chart))


def test_every_remedy_is_looked_at():
    assert REMEDIES.keys() == {judgement.__name__ for judgement in JUDGEMENTS}


def test_the_page_of_a_cause_with_what_follows():
    chart = healthy()
    both(guessed(), predicted(500, *[0] * 9), GUESSING["large_steps"])(chart)
    page = str(judged(chart))
    assert page.splitlines()[0] == "PROBLEM   The steps are too large."
    assert re.search(r"\n  follows Nothing is learnt\. \(after 3 epochs", page)
    assert re.search(r"\n          No sample is taken for classes 1, 2", page)
    assert "\nFINE      inputs spread by 0.35, 1 at most; targets are 10 classes;" in page


# The worst of the looks and of the layers is what counts, and what is told


def test_one_look_at_large_inputs_is_enough_and_one_of_usual_size_too():
    chart = healthy()
    chart.looks[3].size = 50.0
    assert said(chart, "inputs").title == "The inputs are not scaled."
    chart = healthy()
    looks(largest=0.0)(chart)
    assert said(chart, "inputs").title == "The inputs are all 0."
    chart.looks[3].largest = 1.0
    assert said(chart, "inputs").level == "fine"


def test_the_layer_with_the_most_closed_units_is_named():
    chart = healthy()
    chart.never_open = {"1.ReLU": (3, 4), "3.ReLU": (60, 64), "5.ReLU": (1, 2)}
    assert said(chart, "closed_by_training").seen.startswith("60 of 64 units of 3.ReLU are open")
    first(closed={"1.ReLU": 0.3, "3.ReLU": 0.97, "5.ReLU": 0.5})(chart)
    assert said(chart, "closed_from_the_start").seen.startswith("at the first step 97% of 3.ReLU")
    chart.watched = False
    assert said(chart, "closed_from_the_start").seen == "97% of 3.ReLU let nothing pass"


def test_initial_weights_are_not_judged_where_their_first_step_was_not_seen():
    chart = healthy()
    bad = first(alike=["0.Dense.W"], closed={"1.ReLU": 1.0}, slope=by_depth(1, 1, 1e-9))
    bad(chart)
    assert len(judged(chart).problems[0].follows) == 2
    chart.looks[0].step = 2
    assert judged(chart).problems == []
    for name in ("alike", "closed_from_the_start", "signal"):
        assert said(chart, name).level == "unknown"


@pytest.mark.parametrize(
    ("change", "title", "seen"),
    [
        (first(slope=by_depth(1, 0.1, 0)), "No gradient gets through.", "is 0.1 at 2.Dense and 0 "),
        (first(slope=by_depth(1, 1e-25, 0)), "The gradient vanishes.", "to 0 (0.Dense)"),
        (first(slope=by_depth(1, 1, 1e-5)), "The gradient vanishes.", "to 1e-05 (0.Dense)"),
        (first(slope=by_depth(1, 1e5, 1e5)), "The gradient explodes.", "to 1e+05 (2.Dense)"),
        (first(spread=by_depth(1e-5, 1, 1)), "The gradient vanishes.", "to 1e-05 (4.Dense)"),
        (first(spread=by_depth(50, 1, 1)), "The scores start out too large.", "; guessing gives"),
        (later(1e-5), "The gradient has begun to vanish.", "at steps 100 to 282 the slope"),
        (later(1e5), "The gradient has begun to explode.", "to 3e+04 (0.Dense)"),
    ],
)
def test_what_is_told_of_gradients(change, title, seen):
    chart = healthy()
    change(chart)
    (problem,) = judged(chart).problems
    assert problem.title == title
    assert seen in problem.seen


def test_a_last_layer_that_starts_at_zero_is_no_fault():
    chart = healthy()
    first(slope=by_depth(0.3, 0, 0), spread=by_depth(0, 1, 1))(chart)
    assert judged(chart).problems == []
    assert said(chart, "signal").level == "unknown"


def test_where_guessing_is_not_known_the_rest_is_judged_all_the_same():
    chart = healthy()
    chart.guess = Guess(np.inf, None, 10)
    both(first(spread=by_depth(50, 1, 1)), losses(2.5, 60.0, *[2.5] * 8), last_row(loss=2.5))(chart)
    (problem,) = judged(chart).problems
    assert problem.name == "signal"
    assert "guessing" not in problem.seen
    assert "large_steps" in [finding.name for finding in problem.follows]
    assert said(chart, "imbalance").level == "fine"


def test_the_step_before_the_loss_was_thrown_back_is_told_by_what_moved_most():
    chart = healthy()
    both(guessed(), losses(2.5, 3.0, 60.0, *[LN10] * 7))(chart)
    chart.looks[1].update = {"0.Dense.W": 0.1, "2.Dense.W": 18.0}
    chart.looks[5].update = {"0.Dense.W": 900.0}
    assert said(chart, "large_steps").seen == (
        "the loss went from 2.5 to 60 at step 4; a step before had moved weights by 18 times "
        "their size"
    )


def test_steps_are_small_only_if_those_of_all_layers_are_and_at_all_times():
    chart = healthy()
    both(guessed(), looks(update={"0.Dense.W": 1e-9, "2.Dense.W": 2e-3}))(chart)
    assert said(chart, "small_steps").level == "fine"
    looks(update={"W": 1e-6})(chart)
    chart.looks[4].update = {"W": 0.05}  # for the 16 steps until the next look
    assert said(chart, "small_steps").level == "fine"
    chart.looks = chart.looks[:4]
    assert said(chart, "small_steps").level == "unknown"


@pytest.mark.parametrize(("all_together", "level"), [(0.099, "problem"), (0.101, "fine")])
def test_all_steps_together_should_move_weights_by_a_tenth_where_nothing_is_learnt(
    all_together, level
):
    chart = healthy()
    both(guessed(), looks(update={"W": all_together / 282}))(chart)
    assert said(chart, "small_steps").level == level


@pytest.mark.parametrize(("share", "level"), [(0.49, "fine"), (0.51, "problem")])
def test_a_network_that_is_trained_already_is_not_said_to_step_too_little(share, level):
    chart = healthy()
    both(looks(update={"W": 1e-6}), losses(*[share * LN10] * 10))(chart)
    assert said(chart, "small_steps").level == level


def test_who_is_right_in_validation_is_not_at_guessing():
    chart = healthy()
    both(guessed(), last_row(val_accuracy=0.25))(chart)
    assert not chart.at_guessing
    assert said(chart, "stuck").level == "fine"


def test_three_looks_are_enough_for_gradients_later_and_two_are_not():
    chart = healthy()
    later(1e-5)(chart)
    chart.looks = chart.looks[:7]
    assert said(chart, "fading").level == "problem"
    chart.looks = chart.looks[:6]
    assert said(chart, "fading").level == "unknown"


def test_a_loss_above_guessing_is_told_with_what_is_right_all_the_same():
    chart = healthy()
    last_row(loss=5.0, accuracy=0.724)(chart)
    assert said(chart, "stuck").title == (
        "the loss is 5, guessing by the classes' shares gives 2.303; right are 72.4%"
    )
    last_row(loss=2.0)(chart)
    assert "right are" not in said(chart, "stuck").title


@pytest.mark.parametrize(("step", "blamed"), [(0.049, False), (0.051, True)])
def test_a_step_is_large_from_a_twentieth_of_the_weights_on(step, blamed):
    chart = healthy()
    guessed()(chart)
    chart.looks[0].update["0.Dense.W"] = step
    assert ("learning rate may be too high" in said(chart, "stuck").cause) == blamed


@pytest.mark.parametrize(("right", "level"), [(0.29, "unknown"), (0.31, "problem")])
def test_validation_is_held_against_training_that_has_learnt_a_fifth_more_than_guessing(
    right, level
):
    chart = healthy()
    last_row(loss=1.0, accuracy=right, val_accuracy=0.1)(chart)
    assert said(chart, "validation").level == level
