"""Each rule of the doctor, on training records written by hand, on both sides of its limit."""

import dataclasses
import re

import numpy as np
import pytest

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.report import apply_rules
from tinynn.doctor.rules import RULES, Finding
from tinynn.doctor.statistics import StepStatistics
from tinynn.training.baseline import Baseline

LAYERS = ["4.Dense", "2.Dense", "0.Dense"]  # from the loss back, as they are measured
STEPS = (1, 2, 4, 8, 16, 32, 64, 100, 200, 282)
LN10 = float(np.log(10))


def step_statistics(step, loss):
    return StepStatistics(
        step, loss, input_max=1.0, input_std=0.35, input_mean=0.3,
        output_std=dict.fromkeys(LAYERS, 1.0), gradient=dict.fromkeys(LAYERS, 0.3),
        inactive={"1.ReLU": 0.5, "3.ReLU": 0.5},
        labels=[4, 4, 3, 3, 3, 3, 3, 3, 3, 3], predicted=[4, 4, 3, 3, 3, 3, 3, 3, 3, 3],
        update_ratio={"0.Dense.W": 5e-3, "2.Dense.W": 5e-3},
    )  # fmt: skip


def healthy():
    """Three epochs on ten classes that go well: loss from 2.5 to 0.4, 80 % right."""
    record = TrainingRecord(
        [step_statistics(step, 2.5 - 0.2 * i) for i, step in enumerate(STEPS)], classes=10
    )
    record.class_shares = [0.1] * 10
    record.baseline = Baseline(LN10, np.full(10, 0.1), 10)
    record.epochs = [
        {"epoch": i + 1, "loss": loss, "accuracy": right, "val_loss": loss, "val_accuracy": right}
        for i, (loss, right) in enumerate([(1.0, 0.6), (0.7, 0.7), (0.5, 0.8)])
    ]
    record.dead = {"1.ReLU": (10, 100), "3.ReLU": (20, 100)}
    record.training_counts = [100] * 10, [100] * 10
    record.validation_counts = [50] * 10, [50] * 10
    record.validation_input_std, record.learning_rate, record.steps_per_epoch = 0.35, 0.01, 94
    return record


def numbers():
    """The same for a target that is one number, of mean 0 and standard deviation 1."""
    record = healthy()
    record.classes, record.class_shares, record.training_counts, record.validation_counts = (
        None,
        [],
        None,
        None,
    )
    record.baseline = record.validation_baseline = Baseline(1.0, np.zeros(1), 0, np.ones(1))
    for one in record.steps:
        one.labels, one.predicted = [], []
    for row, loss in zip(record.epochs, (0.8, 0.4, 0.2), strict=True):
        row.update(loss=loss, val_loss=loss)
        del row["accuracy"], row["val_accuracy"]
    return record


def causes(report):
    return [(finding.level, finding.name) for finding in [*report.problems, *report.notes]]


def finding_of(record, name):
    """Return the one finding of a name, wherever it stands."""
    report = apply_rules(record)
    findings = [f for top in report.findings for f in (top, *top.follows)]
    return next(finding for finding in findings if finding.name == name)


def every_step(**values):
    """Return a change of a record: the same in every step."""

    def change(record):
        record.steps = [dataclasses.replace(one, **values) for one in record.steps]

    return change


def first(**values):
    def change(record):
        record.steps[0] = dataclasses.replace(record.steps[0], **values)

    return change


def last_row(**values):
    return lambda record: record.epochs[-1].update(values)


def record_of(**values):
    def change(record):
        for name, value in values.items():
            setattr(record, name, value)

    return change


def both(*changes):
    def change(record):
        for one in changes:
            one(record)

    return change


def losses(*values):
    def change(record):
        for one, loss in zip(record.steps, values, strict=True):
            one.loss = loss

    return change


def by_depth(*values):
    return dict(zip(LAYERS, values, strict=True))


def classes_in_a_batch(count):
    return every_step(labels=[3] * count + [0] * (10 - count - 1) + [32 - 3 * count])


def guessed(share=1.0, right=0.1):
    """Return a change of a record: the network has learnt nothing."""
    rows = {"loss": share * LN10, "accuracy": right, "val_loss": LN10, "val_accuracy": right}
    return both(last_row(**rows), losses(*[LN10] * 10))


def later(factor):
    """The gradient at the first layer, from step 16 on, as a share of that at the loss."""

    def change(record):
        for one in record.steps:
            if one.number >= 16:
                one.gradient = by_depth(0.3, 0.3, 0.3 * factor)

    return change


def predicted(*counts):
    return record_of(validation_counts=([50] * 10, list(counts)))


def never(count):
    """Class 9 has so many validation samples, and is never predicted."""
    return record_of(validation_counts=([50] * 9 + [count], [55] * 9 + [0]))


def rare(share, loss=1.0, times=0):
    """Two classes, of which the second is rare, and predicted so many times of 1,000."""
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    ones = round(1000 * share)
    return both(
        every_step(labels=[], predicted=[]),
        record_of(
            classes=2, class_shares=[1 - share, share], validation_counts=None,
            baseline=Baseline(entropy, np.array([1 - share, share]), 2),
            training_counts=([1000 - ones, ones], [1000 - times, times]),
        ),
        last_row(loss=loss * entropy, accuracy=1 - share, val_loss=entropy, val_accuracy=1 - share),
    )  # fmt: skip


def overfits(*val_losses):
    return record_of(
        epochs=[
            {"epoch": i, "loss": 1 / (i + 2), "val_loss": v, "accuracy": 0.8, "val_accuracy": 0.7}
            for i, v in enumerate(val_losses)
        ]
    )


def stands(loss):
    """The loss of the last two epochs, by that of the mean of y."""

    def change(record):
        for row in record.epochs[-2:]:
            row.update(loss=loss, val_loss=loss)

    return change


def targets_of(std, mean=0.0, loss=0.2):
    """Targets of another size, in training and validation, and the loss by that of guessing."""
    guess = Baseline(std**2, np.full(1, mean), 0, np.full(1, std))
    rows = last_row(loss=loss * std**2, val_loss=loss * std**2)
    return both(record_of(baseline=guess, validation_baseline=guess), rows)


def dropping(rate, share=0.8):
    """Return a change of a record: a rate of dropout, and the last loss as a share of guessing."""
    return both(record_of(dropout={"2.Dropout": rate}), last_row(loss=share * LN10, accuracy=0.4))


def by_mode(training, prediction, in_validation=0.5):
    """Return a change of a record: the losses by mode, training loss 0.8."""
    return both(
        record_of(random_layers=["2.Dropout"], losses_by_mode=(training, prediction)),
        last_row(loss=0.8, val_loss=in_validation),
    )


def normalising(numbers, share):
    """Return a change of a record: numbers that BatchNorm gets, the loss as a share of guessing."""
    row = last_row(loss=share * LN10, accuracy=0.4)
    return both(record_of(numbers_normalised=numbers), row)


def by_statistics(batch, running, share=0.0):
    """Return a change of a record: the losses by the batch's and by the running statistics."""
    return record_of(
        batch_norm={"1.BatchNorm": share / 2, "4.BatchNorm": share},
        losses_by_statistics=(batch, running),
    )


LIMITS = {  # what is changed: which rule, its level, how: just within the limit, just beyond
    "the rate of dropout": ("dropout_rate", "problem", dropping(0.69), dropping(0.71)),
    "the loss with a high rate of dropout": (
        "dropout_rate", "problem", dropping(0.9, 0.69), dropping(0.9, 0.71),
    ),
    "what random layers add to the loss": (
        "training_mode", "note", by_mode(0.8, 0.66), by_mode(0.8, 0.64),
    ),
    "how far training loss is above validation loss": (
        "training_mode", "note", by_mode(0.8, 0.5, 0.77), by_mode(0.8, 0.5, 0.75),
    ),
    "how few numbers BatchNorm gets": (
        "small_batches", "problem", normalising(4, 0.8), normalising(3, 0.8),
    ),
    "the loss with few numbers for BatchNorm": (
        "small_batches", "problem", normalising(2, 0.59), normalising(2, 0.61),
    ),
    "what running statistics add to the loss": (
        "running_statistics", "problem", by_statistics(0.5, 0.77), by_statistics(0.5, 0.78),
    ),
    "running statistics that have not converged": (
        "running_statistics", "note", by_statistics(0.5, 0.9, 0.009), by_statistics(0.5, 0.9, 0.02),
    ),
    "the size of the inputs": (
        "inputs", "problem", every_step(input_std=9.9), every_step(input_std=10.1),
    ),
    "small inputs": ("inputs", "problem", every_step(input_max=0.051), every_step(input_max=0.049)),
    "the mean of the inputs": (
        "inputs", "note", every_step(input_mean=3.4), every_step(input_mean=3.6),
    ),
    "the mean of the inputs, where nothing is learnt": (
        "inputs", "problem",
        every_step(input_mean=-3.4),
        both(every_step(input_mean=-3.6), losses(*[2.5] * 10), last_row(loss=2.0)),
    ),
    "the mean of inputs that are all nearly equal": (
        "inputs", "note",
        both(every_step(input_mean=0.9, input_std=0.01), record_of(validation_input_std=0.01)),
        both(every_step(input_mean=1.1, input_std=0.01), record_of(validation_input_std=0.01)),
    ),
    "classes in a batch": ("shuffling", "problem", classes_in_a_batch(5), classes_in_a_batch(4)),
    "symmetric units": (
        "symmetric_units", "problem",
        first(symmetric_units=[]), first(symmetric_units=["0.Dense.W"]),
    ),
    "units inactive at first": (
        "inactive_at_start", "problem",
        first(inactive={"1.ReLU": 0.94}), first(inactive={"1.ReLU": 0.96}),
    ),
    "a gradient that vanishes": (
        "signal_propagation", "problem",
        first(gradient=by_depth(1, 1, 1 / 990)), first(gradient=by_depth(1, 1, 1 / 1010)),
    ),
    "a gradient that explodes": (
        "signal_propagation", "problem",
        first(gradient=by_depth(1, 1, 990)), first(gradient=by_depth(1, 1, 1010)),
    ),
    "outputs whose standard deviation vanishes": (
        "signal_propagation", "problem",
        first(output_std=by_depth(1 / 990, 1, 1)), first(output_std=by_depth(1 / 1010, 1, 1)),
    ),
    "a gradient that vanishes, where nothing is learnt": (
        "signal_propagation", "problem",
        first(gradient=by_depth(1, 1, 1 / 101)),  # which is no cause where something is
        both(guessed(), first(gradient=by_depth(1, 1, 1 / 101))),
    ),
    "no gradient": (
        "signal_propagation", "problem",
        first(gradient=by_depth(1, 0.1, 0.01)), first(gradient=by_depth(1, 0.1, 0)),
    ),
    "scores at first": (
        "signal_propagation", "problem",
        first(output_std=by_depth(9.9, 1, 1)), first(output_std=by_depth(10.1, 1, 1)),
    ),
    "a loss that jumps": (
        "large_steps", "problem",
        both(losses(2.5, 4.9, *[2.0] * 8), last_row(loss=2.0)),
        both(losses(2.5, 5.1, *[2.0] * 8), last_row(loss=2.0)),
    ),
    "a loss that jumps and stays there": (
        "large_steps", "problem",
        both(losses(2.5, 9, *[1.7] * 8), last_row(loss=9.0)),
        both(losses(2.5, 9, *[1.8] * 8), last_row(loss=9.0)),
    ),
    "a loss that jumps in a few small batches": (
        "large_steps", "problem",
        both(losses(2.5, 9, *[4.0] * 8), last_row(loss=1.7)),
        both(losses(2.5, 9, *[4.0] * 8), last_row(loss=1.8)),
    ),
    "a training that diverges": (
        "large_steps", "problem", record_of(diverged_at=0), record_of(diverged_at=9)
    ),
    "steps that are tiny": (
        "small_steps", "problem",
        both(every_step(update_ratio={"W": 2.1e-5}), losses(*[2.5] * 10)),
        both(every_step(update_ratio={"W": 1.9e-5}), losses(*[2.5] * 10)),
    ),
    "tiny steps by which the loss falls": (
        "small_steps", "problem",
        both(every_step(update_ratio={"W": 1e-5}), losses(*[2.5] * 7, *[1.99] * 3)),
        both(every_step(update_ratio={"W": 1e-5}), losses(*[2.5] * 7, *[2.01] * 3)),
    ),
    "all steps together, where nothing is learnt": (
        "small_steps", "problem",
        both(every_step(update_ratio={"W": 1e-5}), losses(*[1.1] * 10)),  # little is left to do
        both(every_step(update_ratio={"W": 0.099 / 282}), guessed()),
    ),
    "dead units": (
        "dead_units", "problem",
        record_of(dead={"1.ReLU": (79, 100)}), record_of(dead={"1.ReLU": (80, 100)}),
    ),
    "a gradient that vanishes later": (
        "vanishing_gradients", "problem", later(1 / 990), later(1 / 1010),
    ),
    "a gradient that explodes later": ("vanishing_gradients", "problem", later(990), later(1010)),
    "a gradient that vanishes later, and a class that is never predicted": (
        "vanishing_gradients", "problem", later(1 / 101), both(later(1 / 101), never(10)),
    ),
    "a gradient that vanishes later, where nothing is learnt": (
        "vanishing_gradients", "problem", later(1 / 101), both(later(1 / 101), guessed()),
    ),
    "a rare class": ("imbalance", "problem", rare(0.01, 0.92), rare(0.01, 0.94)),
    "a rare class that is found, where the loss is that of guessing": (
        "imbalance", "problem",
        both(rare(0.01, 0.99, times=9), last_row(accuracy=0.9911)),
        both(rare(0.01, 0.99, times=5), last_row(accuracy=0.9909)),
    ),
    "a share of four in five": ("imbalance", "problem", rare(0.201), rare(0.199)),
    "the loss of guessing": ("at_chance", "problem", guessed(0.92), guessed(0.94)),
    "no more right than by guessing": (
        "at_chance", "problem", guessed(right=0.2), guessed(right=0.18),
    ),
    "a missing class": (
        "missing_classes", "problem",
        record_of(validation_counts=([50] * 9 + [0], [50] * 9 + [0])),
        both(record_of(class_shares=[1 / 9] * 9 + [0])),
    ),
    "the size of validation data": (
        "validation", "problem",
        record_of(validation_input_std=3.4), record_of(validation_input_std=3.6),
    ),
    "the size of validation data, smaller": (
        "validation", "problem",
        record_of(validation_input_std=0.036), record_of(validation_input_std=0.034),
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
    "targets of a small standard deviation, and validation is worse than the mean": (
        "targets", "problem",
        both(targets_of(0.2, 0.5, loss=0.04), last_row(val_loss=0.041)),  # learnt by heart
        both(targets_of(0.2, 0.5, loss=0.06), last_row(val_loss=0.041)),
    ),
    "targets of a small standard deviation, and validation is better than the mean": (
        "targets", "problem",
        both(targets_of(0.2, 0.5, loss=0.4), last_row(val_loss=0.039)),
        both(targets_of(0.2, 0.5, loss=0.4), last_row(val_loss=0.041)),
    ),
    "columns of different sizes": (
        "targets", "note",
        record_of(baseline=Baseline(1.0, np.zeros(2), 0, np.array([1.0, 0.034]))),
        record_of(baseline=Baseline(1.0, np.zeros(2), 0, np.array([1.0, 0.033]))),
    ),
    "the mean of y, as good": (
        "at_chance", "note", stands(0.92), stands(0.94),
    ),
    "the mean of y, twice as good": (
        "at_chance", "problem", stands(1.99), stands(2.01),
    ),
    "the mean of y, better in validation": (
        "at_chance", "note",
        both(stands(1.0), last_row(val_loss=0.92)), both(stands(1.0), last_row(val_loss=0.94)),
    ),
    "a loss above that of the mean of y, which falls": (
        "at_chance", "problem",
        both(stands(3.0), last_row(loss=2.8)), both(stands(3.0), last_row(loss=2.9)),
    ),
    "validation targets of another size": (
        "validation", "problem",
        record_of(validation_baseline=Baseline(81.0, np.zeros(1), 0, np.full(1, 9.0))),
        record_of(validation_baseline=Baseline(121.0, np.zeros(1), 0, np.full(1, 11.0))),
    ),
    "validation targets elsewhere": (
        "validation", "problem",
        record_of(validation_baseline=Baseline(1.0, np.full(1, 9.9), 0, np.ones(1))),
        record_of(validation_baseline=Baseline(1.0, np.full(1, 10.1), 0, np.ones(1))),
    ),
    "validation no better than the mean of y": (
        "validation", "problem", last_row(val_loss=0.99), last_row(val_loss=1.01),
    ),
    "validation no better than the mean of y, where little is learnt": (
        "validation", "problem",
        last_row(loss=0.26, val_loss=1.01), last_row(loss=0.24, val_loss=1.01),
    ),
    "a loss that jumps": (
        "large_steps", "problem",
        both(losses(2.5, 30, *[7.4] * 8), last_row(loss=9.0, val_loss=9.0)),
        both(losses(2.5, 30, *[7.6] * 8), last_row(loss=9.0, val_loss=9.0)),
    ),
    "a gradient that vanishes later, where the mean of y is as good": (
        "vanishing_gradients", "problem", later(1 / 990),
        both(later(1 / 101), last_row(loss=1.0, val_loss=1.0)),
    ),
    "a gradient that vanishes later, where numbers are learnt": (
        "vanishing_gradients", "problem", later(1e-6), both(later(1e-6), last_row(loss=0.51)),
    ),
}  # fmt: skip
CASES = [(healthy, name) for name in LIMITS] + [(numbers, name) for name in OF_NUMBERS]


@pytest.mark.parametrize("start", [healthy, numbers])
def test_a_healthy_record_has_no_problem_and_no_note(start):
    report = apply_rules(start())
    assert causes(report) == []
    assert str(report).startswith(
        "HEALTHY   No problem was found.\nFINE      inputs have standard "
    )


@pytest.mark.parametrize(("start", "name"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_rule_speaks_beyond_its_limit_and_is_silent_within(start, name):
    rule, level, within, beyond = (LIMITS if start is healthy else OF_NUMBERS)[name]
    record = start()
    within(record)
    assert (level, rule) not in causes(apply_rules(record)), apply_rules(record)
    record = start()
    beyond(record)
    assert causes(apply_rules(record))[0] == (level, rule), apply_rules(record)
    assert len(apply_rules(record).problems) == (level == "problem"), apply_rules(record)


def test_every_rule_has_its_limits():
    table = [*LIMITS.values(), *OF_NUMBERS.values()]
    assert {rule.__name__ for rule in RULES} == {name for name, *_ in table}


# Causes come before what follows from them

GUESSING = {  # how each cause shows where nothing is learnt; what follows is in the numbers too
    "inputs": every_step(input_std=50.0),
    "shuffling": classes_in_a_batch(1),
    "symmetric_units": first(symmetric_units=["0.Dense.W"]),
    "inactive_at_start": first(inactive={"1.ReLU": 1.0}),
    "signal_propagation": first(gradient=by_depth(1, 1, 1e-5)),
    "small_batches": record_of(numbers_normalised=2),
    "large_steps": losses(2.5, 60.0, *[LN10] * 8),
    "small_steps": every_step(update_ratio={"W": 1e-6}),
    "dead_units": record_of(dead={"1.ReLU": (100, 100)}),
    "vanishing_gradients": later(1e-5),
}


@pytest.mark.parametrize("cause", GUESSING)
def test_a_cause_comes_first_and_what_follows_from_it_beneath(cause):
    record = healthy()
    both(
        guessed(), predicted(500, *[0] * 9), record_of(validation_input_std=0.35), GUESSING[cause]
    )(record)
    report = apply_rules(record)
    assert report.problems[0].name == cause, report
    assert {"at_chance", "never_predicted"} <= {f.name for f in report.problems[0].follows}, report
    assert [note.name for note in report.notes] == []


@pytest.mark.parametrize(
    ("earlier", "later_one"),
    [
        ("inputs", "signal_propagation"), ("inputs", "large_steps"),
        ("inputs", "vanishing_gradients"), ("inputs", "dead_units"), ("shuffling", "large_steps"),
        ("symmetric_units", "signal_propagation"),
        ("symmetric_units", "inactive_at_start"), ("inactive_at_start", "signal_propagation"),
        ("inactive_at_start", "dead_units"), ("signal_propagation", "large_steps"),
        ("signal_propagation", "small_steps"), ("signal_propagation", "vanishing_gradients"),
        ("large_steps", "dead_units"), ("large_steps", "vanishing_gradients"),
        ("dead_units", "vanishing_gradients"), ("small_batches", "large_steps"),
        ("small_batches", "dead_units"), ("small_batches", "vanishing_gradients"),
        ("signal_propagation", "small_batches"),
    ],
)  # fmt: skip
def test_of_two_causes_the_earlier_one_explains_the_later(earlier, later_one):
    record = healthy()
    both(guessed(), GUESSING[later_one], GUESSING[earlier])(record)
    (problem, *others) = apply_rules(record).problems
    assert problem.name == earlier, apply_rules(record)
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
    record = healthy()
    loss, right, val_right = epoch
    both(last_row(loss=loss, accuracy=right, val_accuracy=val_right), predicted(*counts))(record)
    record.steps = record.steps[:-1]
    for one, gradient in zip(record.steps[-5:], gradients, strict=True):
        one.gradient = by_depth(0.3, 0.03, gradient)
    (cause,) = apply_rules(record).problems
    assert cause.name == "vanishing_gradients"
    assert "never_predicted" in [finding.name for finding in cause.follows]
    assert apply_rules(record).notes == []


def test_a_note_explains_no_problem(monkeypatch):
    rules = (
        lambda record: Finding("inputs", "note", "The mean of the inputs is far from 0."),
        lambda record: Finding("at_chance", "problem", "Nothing is learnt."),
    )
    monkeypatch.setattr("tinynn.doctor.report.RULES", rules)
    report = apply_rules(TrainingRecord())
    assert [problem.name for problem in report.problems] == ["at_chance"]
    assert [note.name for note in report.notes] == ["inputs"]


# What is reported is what the numbers show


def test_labels_are_not_blamed_before_steps_that_are_large():
    record = healthy()
    guessed()(record)
    usual = finding_of(record, "at_chance")
    assert usual.cause.startswith(
        "No other problem was found, so most often the labels do not belong"
    )
    assert "a larger learning rate, check_gradients" in usual.remedy
    record.steps[0].update_ratio["0.Dense.W"] = 0.21
    large = finding_of(record, "at_chance")
    assert large.cause.startswith("One step changed weights by 0.21 times their norm")
    assert "a smaller learning rate from new initial weights on" in large.remedy
    assert "larger learning rate" not in large.remedy
    record.steps[0].update_ratio["0.Dense.W"] = 1e29  # the first step of weights that begin at 0
    assert finding_of(record, "at_chance") == usual


def test_a_rare_class_is_not_reported_as_shuffled_labels():
    record = healthy()
    rare(0.01)(record)
    (problem,) = apply_rules(record).problems
    assert problem.title == "The classes are imbalanced, and only class 0 is predicted."
    assert problem.seen == (
        "class 0 has 99.0% of the samples; of 1,000 training samples 1,000 are predicted as "
        "class 0; accuracy 99.0%; the loss is 0.056, guessing by the classes' shares gives 0.056"
    )
    assert {"at_chance", "never_predicted"} <= {finding.name for finding in problem.follows}
    assert "np.repeat(np.flatnonzero(y != 0), 99)" in problem.remedy
    page = str(apply_rules(record)).split("  follows")[0]
    assert "shuffled" not in page
    assert "per_class_report" in page
    rare(0.01, times=6)(record)
    (problem,) = apply_rules(record).problems
    assert problem.title == "The classes are imbalanced, and nothing else is learnt."


@pytest.mark.parametrize(("loss", "level"), [(0.872, "fine"), (0.8951, "problem")])
def test_the_loss_of_soft_targets_is_compared_after_their_own_entropy_is_subtracted(loss, level):
    """The least loss of 0.8 + 0.02 and nine times 0.02 is 0.8669; guessing, of 99 to 1, 0.8951."""
    record = healthy()
    rare(0.01)(record)
    record.baseline = dataclasses.replace(record.baseline, loss=0.8951, floor=0.8669)
    last_row(loss=loss, accuracy=0.99)(record)
    assert record.relative_loss == pytest.approx((loss - 0.8669) / (0.8951 - 0.8669))
    assert finding_of(record, "imbalance").level == finding_of(record, "at_chance").level == level


def slowly(*losses_of_epochs):
    """The loss of epochs, of which the last four tell whether it falls."""

    def change(record):
        row = record.epochs[-1]
        record.epochs = [dict(row, epoch=i + 1, loss=v) for i, v in enumerate(losses_of_epochs)]

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
def test_imbalance_is_found_only_where_the_largest_class_is_what_is_predicted(right, others, level):
    record = healthy()
    both(rare(0.15, 1.2, times=others), last_row(accuracy=right))(record)
    assert finding_of(record, "imbalance").level == level


def test_a_loss_above_guessing_that_falls_in_each_epoch_is_slow_and_not_a_fault_of_labels():
    record = healthy()
    both(rare(0.2, times=250), last_row(accuracy=0.71), slowly(0.9, 0.8, 0.75, 0.7, 0.66))(record)
    (note,) = apply_rules(record).notes
    assert apply_rules(record).problems == []
    assert (note.name, note.title) == (
        "at_chance",
        "It learns slowly, and is not yet better than guessing.",
    )
    assert "labels" not in note.cause
    assert "Multiply the learning rate by 10 (0.01 -> 0.1)" in note.remedy
    assert not apply_rules(record).healthy
    record.class_shares = [0.79, 0.21]  # or else the labels may be mixed
    assert finding_of(record, "at_chance").title == "Nothing is learnt."
    record.class_shares = [0.8, 0.2]
    slowly(0.9, 0.8, 0.7, 0.72, 0.66)(record)
    assert finding_of(record, "at_chance").title == "Nothing is learnt."
    both(slowly(0.9, 0.8, 0.7, 0.66), first(update_ratio={"W": 0.06}))(record)
    assert (
        finding_of(record, "at_chance").title == "Nothing is learnt."
    )  # steps that large are not slow


@pytest.mark.parametrize(
    ("moved", "falls", "level"),
    [(5e-3, False, "problem"), (9e-4, False, "fine"), (1.1e-3, False, "problem"),
     (0.049, True, "fine"), (0.051, True, "problem")],
)  # fmt: skip
def test_batches_whose_loss_varies_are_not_reported_as_large_steps(moved, falls, level):
    record = numbers()
    both(losses(0.5, 2, 8, *[4.0] * 7), every_step(update_ratio={"W": moved}))(record)
    slowly(4.3, 4.2, 4.1, 4.0 if falls else 4.15)(record)
    assert finding_of(record, "large_steps").level == level
    if level == "fine":
        assert "differs between batches" in finding_of(record, "large_steps").title


def test_a_class_of_seven_in_ten_samples_is_not_reported_as_imbalance():
    record = healthy()
    rare(0.3)(record)
    assert [problem.name for problem in apply_rules(record).problems] == ["at_chance"]


@pytest.mark.parametrize(
    ("labels", "predicted", "level", "title"),
    [
        ([594, 6], [600, 0], "unknown", "class 1 never predicted, but there are too few steps or "
         "samples to tell (class 1 has 6 of 600 validation samples)"),
        ([590, 10], [600, 0], "note", "No sample is predicted as class 1."),
        ([594, 6], [599, 1], "fine", "every class of the validation data is predicted"),
        ([600, 0], [600, 0], "fine", "every class of the validation data is predicted"),
    ],
)  # fmt: skip
def test_every_class_is_predicted_is_reported_only_where_it_is_true(
    labels, predicted, level, title
):
    record = healthy()
    rare(0.01, times=1, loss=0.5)(record)
    record.validation_counts = labels, predicted
    finding = finding_of(record, "never_predicted")
    assert (finding.level, finding.title) == (level, title)


def test_without_validation_data_the_training_samples_are_counted():
    record = healthy()
    both(rare(0.02, loss=0.5), record_of(validation_counts=None))(record)
    finding = finding_of(record, "never_predicted")
    assert (finding.level, finding.seen) == ("note", "class 1 has 20 of 1,000 training samples")
    assert finding.cause.startswith("Training has few samples of class 1, 2.0% of all")
    record.training_counts = None
    assert (
        finding_of(record, "never_predicted").title
        == "classes that are never predicted: they were not counted"
    )


@pytest.mark.parametrize(
    ("val_accuracy", "level"), [(0.47, "fine"), (0.3, "fine"), (0.15, "problem")]
)
def test_few_images_learnt_by_heart_are_still_better_than_guessing(val_accuracy, level):
    record = healthy()
    last_row(loss=0.001, accuracy=1.0, val_loss=3.0, val_accuracy=val_accuracy)(record)
    assert finding_of(record, "validation").level == level


def test_better_than_guessing_is_reported_only_where_it_is_true():
    record = healthy()
    both(rare(0.01, times=1, loss=0.9), record_of(validation_counts=([99, 1], [100, 0])))(record)
    assert finding_of(record, "validation").title.startswith(
        "validation is not yet better than guessing"
    )
    record = numbers()
    assert (
        "better than guessing (training loss 0.2, validation loss 0.2; the mean of y gives 1)"
        in finding_of(record, "validation").title
    )
    unknown = "validation: the loss of guessing is not known there"
    record.validation_baseline = Baseline()
    assert finding_of(record, "validation").title == unknown
    record = healthy()
    record.validation_counts = None  # the training diverged, so they were not counted
    assert finding_of(record, "validation").title == unknown


def test_a_validation_loss_that_rises_with_the_training_loss_is_not_overfitting():
    record = healthy()
    overfits(0.8, 0.7, 0.9, 0.9)(record)
    record.epochs[-1]["loss"] = 0.6
    assert finding_of(record, "overfitting").level == "unknown"
    assert "training loss does too" in finding_of(record, "overfitting").title


def test_where_all_are_of_one_class_no_training_is_at_chance():
    record = healthy()
    one = Baseline(np.inf, np.array([1.0, 0.0]), 2)
    record_of(classes=2, class_shares=[1.0, 0.0], baseline=one, validation_counts=([9, 0], [9, 0]))(
        record
    )
    assert not record.at_chance
    assert finding_of(record, "at_chance").title == "the loss of guessing: all targets are equal"
    finding = finding_of(record, "imbalance")
    assert (finding.level, finding.title) == ("note", "All samples are of one class.")
    assert finding.seen == "y is 0 for all of them"
    assert "np.unique(y, return_counts=True)" in finding.remedy
    assert apply_rules(record).problems == []


@pytest.mark.parametrize(("idle", "level"), [(0, "fine"), (1, "fine"), (2, "problem")])
def test_most_epochs_with_a_learning_rate_of_0_are_named(idle, level):
    record = healthy()
    for i, row in enumerate(record.epochs):
        row["learning_rate"] = 0.01 if i < len(record.epochs) - idle else 0.0
    finding = finding_of(record, "small_steps")
    assert finding.level == level
    if level == "problem":
        assert finding.title == "The learning rate is 0 in most epochs."
        assert finding.seen.startswith("2 of 3 epochs end with the learning rate 0, epoch 2 is")
        assert "steps = epochs * 94." in finding.remedy


def test_targets_that_are_all_equal_are_not_compared_with_guessing():
    record = numbers()
    record.baseline = Baseline(np.inf, np.full(1, 3.0), 0, np.zeros(1))
    last_row(loss=7.0)(record)
    assert finding_of(record, "at_chance").title == "the loss of guessing: all targets are equal"
    assert apply_rules(record).problems == []
    record.baseline = Baseline()  # a loss of the user's own
    assert finding_of(record, "at_chance").title == "the loss of guessing: it is not known"
    assert apply_rules(record).problems == []


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
    record = numbers()
    record.baseline = Baseline(np.inf, np.full(1, mean), 0, np.zeros(1))
    both(losses(*[mean**2] * 10), last_row(loss=loss))(record)
    finding = finding_of(record, "targets")
    assert finding.level == level
    if level == "problem":
        assert finding.title == "The targets are all equal, and not scaled."
        assert not apply_rules(record).healthy


def test_the_advised_line_survives_a_column_that_is_constant():
    x = y = np.array([[1.0, 7.0], [3.0, 7.0]])
    record = numbers()
    both(every_step(input_std=50.0), record_of(constant_columns=True))(record)
    record.baseline = Baseline(1e6, np.array([1e5, 7.0]), 0, np.array([1e3, 0.0]))
    line = re.search(r"std = x.*1\)", finding_of(record, "inputs").remedy)[0]
    names = {"x": x, "y": y, "np": np}
    exec(line + "\n" + record.baseline.scaling, names)
    for scaled in (names["x"], names["y"]):
        assert scaled.tolist() == [[-1, 0], [1, 0]]
    both(stands(0.99e6))(record)
    assert "std = np.where(std, std, 1)" in finding_of(record, "targets").remedy
    record.constant_columns, record.baseline = False, Baseline(1e6, np.zeros(1), 0, np.full(1, 1e3))
    assert "where" not in finding_of(record, "inputs").remedy + finding_of(record, "targets").remedy
    assert record.baseline.scaling == "(y - y.mean(axis=0)) / y.std(axis=0)"


def test_after_few_steps_it_is_too_early_to_tell():
    record = healthy()
    guessed()(record)
    record.steps = record.steps[:6]  # the last at step 32
    assert apply_rules(record).problems == []
    assert "too few steps to tell" in finding_of(record, "at_chance").title
    rare(0.01)(record)
    assert apply_rules(record).problems == []
    assert "too few steps to tell" in finding_of(record, "imbalance").title


def test_a_network_as_good_as_the_mean_is_not_called_healthy_nor_a_problem():
    """For example, x explains a twentieth of y, and the rest is noise."""
    record = numbers()
    stands(0.96)(record)
    report = apply_rules(record)
    assert report.problems == []
    assert not report.healthy
    assert str(report).startswith(
        "NOTE      The network predicts hardly better than the mean of y.\n"
        "  seen    after 3 epochs the loss is 0.96, the mean of y gives 1\n"
    )
    assert "which is not the network's fault" in report.notes[0].cause


def test_a_small_standard_deviation_of_targets_is_the_cause_and_validation_follows():
    record = numbers()
    both(targets_of(0.1, 0.5), last_row(loss=0.002, val_loss=0.025))(record)
    (problem,) = apply_rules(record).problems
    assert problem.title == "The standard deviation of the targets is small."
    assert problem.seen.startswith("y has standard deviation 0.1 and mean 0.5; the loss is 0.002")
    assert "the validation loss is 0.025" in problem.seen
    assert "validation" in [finding.name for finding in problem.follows]
    assert "prepared differently" not in str(apply_rules(record))
    record.baseline = dataclasses.replace(record.baseline, stds=np.full(11, 0.1))
    assert finding_of(record, "targets").level == "fine"  # as of images
    targets_of(1e-3, loss=3)(record)
    assert finding_of(record, "targets").title == "The targets are very small."


def test_columns_of_an_image_may_differ_in_size():
    record = numbers()
    record.baseline = Baseline(0.1, np.zeros(11), 0, np.array([*[0.3] * 10, 1e-4]))
    assert finding_of(record, "targets").level == "fine"


def test_the_rate_in_a_remedy_is_the_next_to_try():
    record = healthy()
    both(guessed(), GUESSING["large_steps"])(record)
    assert (
        apply_rules(record)
        .problems[0]
        .remedy.startswith("Divide the learning rate by 10 (0.01 -> 0.001)")
    )
    record = healthy()
    both(guessed(), GUESSING["small_steps"])(record)
    assert (
        apply_rules(record)
        .problems[0]
        .remedy.startswith("Multiply the learning rate by 10 (0.01 -> 0.1)")
    )


REMEDIES = {
    "dropout_rate": "Dropout(0.5) or less; 0.2 for inputs.",
    "small_batches": "A batch_size of 16 or more. Or LayerNorm",
    "running_statistics": "BatchNorm(momentum=0.9), a batch_size of 16 or more",
    "training_mode": "score training samples by Trainer.evaluate",
    "inputs": "scale_pixels(x) for bytes, (x - x.mean()) / x.std() for other numbers",
    "targets": "With mean, std = y.mean(axis=0), y.std(axis=0) of the training data: train on "
    "(y - mean) / std, and undo it on predictions, p * std + mean.",
    "shuffling": "minibatches(x, y, batch_size, rng)",
    "symmetric_units": "Draw weights at random: Dense(units) does, by he_normal.",
    "inactive_at_start": "Start as Dense(units) does: biases at 0, weights by he_normal.",
    "signal_propagation": "ReLU after Dense(units, initializer=he_normal), or tanh after "
    "glorot_uniform.",
    "large_steps": "Divide the learning rate by 10",
    "small_steps": "Multiply the learning rate by 10",
    "dead_units": "A smaller learning rate, from new initial weights on.",
    "vanishing_gradients": "A smaller learning rate, from new initial weights on.",
    "imbalance": "Judge by per_class_report(p, y, names), not by accuracy.",
    "at_chance": "Look at some images with their labels (plots.prediction_grid)",
    "missing_classes": "Split with stratified_split, which gives both parts the same share "
    "of each class.",
    "validation": "Scale validation data as the training data",
    "never_predicted": "More epochs. If that does not help, end with Dense(classes) and one Soft",
    "overfitting": "EarlyStopping() keeps the weights of the best epoch.",
}


@pytest.mark.parametrize("rule", REMEDIES)
def test_the_remedy_is_printed_under_what_it_is_for(rule):
    start, table = (numbers, OF_NUMBERS) if rule == "targets" else (healthy, LIMITS)
    _, _, _, beyond = next(row for row in table.values() if row[0] == rule)
    record = start()
    beyond(record)
    finding = apply_rules(record).findings[0]
    assert REMEDIES[rule] in finding.remedy
    assert f"  try     {finding.remedy[:30]}" in str(apply_rules(record))


def test_every_remedy_has_its_test():
    assert REMEDIES.keys() == {rule.__name__ for rule in RULES}


def test_the_page_of_a_cause_with_what_follows():
    record = healthy()
    both(guessed(), predicted(500, *[0] * 9), GUESSING["large_steps"])(record)
    page = str(apply_rules(record))
    assert page.splitlines()[0] == "PROBLEM   The steps are too large."
    assert re.search(r"\n  follows Nothing is learnt\. \(after 3 epochs", page)
    assert re.search(r"\n          No sample is predicted as classes 1, 2", page)
    fine = "inputs have standard deviation 0.35, the largest |x| is 1; targets are 10 classes;"
    assert f"\nFINE      {fine}" in page


# The worst of the steps and of the layers is what counts, and what is reported


def test_one_step_with_large_inputs_is_enough_and_one_of_usual_size_too():
    record = healthy()
    record.steps[3].input_std = 50.0
    assert finding_of(record, "inputs").title == "The inputs are not scaled."
    record = healthy()
    every_step(input_max=0.0)(record)
    assert finding_of(record, "inputs").title == "The inputs are all 0."
    record.steps[3].input_max = 1.0
    assert finding_of(record, "inputs").level == "fine"


def test_the_layer_with_the_largest_share_of_inactive_units_is_named():
    record = healthy()
    record.dead = {"1.ReLU": (3, 4), "3.ReLU": (60, 64), "5.ReLU": (1, 2)}
    assert finding_of(record, "dead_units").seen.startswith("60 of 64 units of 3.ReLU are inactive")
    first(inactive={"1.ReLU": 0.3, "3.ReLU": 0.97, "5.ReLU": 0.5})(record)
    assert finding_of(record, "inactive_at_start").seen.startswith(
        "at step 1 97% of the outputs of 3.ReLU"
    )
    record.from_training = False
    assert finding_of(record, "inactive_at_start").seen == "97% of the outputs of 3.ReLU are 0"


def test_initial_weights_are_not_checked_where_step_1_was_not_recorded():
    record = healthy()
    bad = first(
        symmetric_units=["0.Dense.W"], inactive={"1.ReLU": 1.0}, gradient=by_depth(1, 1, 1e-9)
    )
    bad(record)
    assert len(apply_rules(record).problems[0].follows) == 2
    record.steps[0].number = 2
    assert apply_rules(record).problems == []
    for name in ("symmetric_units", "inactive_at_start", "signal_propagation"):
        assert finding_of(record, name).level == "unknown"


@pytest.mark.parametrize(
    ("change", "title", "seen"),
    [
        (
            first(gradient=by_depth(1, 0.1, 0)),
            "A layer passes no gradient back.",
            "is 0.1 at 2.Dense and 0 ",
        ),
        (first(gradient=by_depth(1, 1e-25, 0)), "The gradient vanishes.", "to 0 (0.Dense)"),
        (first(gradient=by_depth(1, 1, 1e-5)), "The gradient vanishes.", "to 1e-05 (0.Dense)"),
        (first(gradient=by_depth(1, 1e5, 1e5)), "The gradient explodes.", "to 1e+05 (2.Dense)"),
        (first(output_std=by_depth(1e-5, 1, 1)), "The gradient vanishes.", "to 1e-05 (4.Dense)"),
        (
            first(output_std=by_depth(50, 1, 1)),
            "The initial logits are too large.",
            "; guessing gives",
        ),
        (later(1e-5), "The gradient has begun to vanish.", "at steps 100 to 282 the gradient"),
        (later(1e5), "The gradient has begun to explode.", "to 3e+04 (0.Dense)"),
    ],
)
def test_what_is_reported_of_gradients(change, title, seen):
    record = healthy()
    change(record)
    (problem,) = apply_rules(record).problems
    assert problem.title == title
    assert seen in problem.seen


def test_a_last_layer_that_starts_at_zero_is_no_fault():
    record = healthy()
    first(gradient=by_depth(0.3, 0, 0), output_std=by_depth(0, 1, 1))(record)
    assert apply_rules(record).problems == []
    assert finding_of(record, "signal_propagation").level == "unknown"


def test_where_guessing_is_not_known_the_other_rules_still_apply():
    record = healthy()
    record.baseline = Baseline(np.inf, None, 10)
    both(first(output_std=by_depth(50, 1, 1)), losses(2.5, 60.0, *[2.5] * 8), last_row(loss=2.5))(
        record
    )
    (problem,) = apply_rules(record).problems
    assert problem.name == "signal_propagation"
    assert "guessing" not in problem.seen
    assert "large_steps" in [finding.name for finding in problem.follows]
    assert finding_of(record, "imbalance").level == "fine"


def test_of_the_steps_before_the_loss_jumped_the_largest_update_is_reported():
    record = healthy()
    both(guessed(), losses(2.5, 3.0, 60.0, *[LN10] * 7))(record)
    record.steps[1].update_ratio = {"0.Dense.W": 0.1, "2.Dense.W": 18.0}
    record.steps[5].update_ratio = {"0.Dense.W": 900.0}
    assert finding_of(record, "large_steps").seen == (
        "the loss went from 2.5 to 60 at step 4; an earlier step changed weights by 18 times "
        "their norm"
    )


def test_steps_are_small_only_if_those_of_all_layers_are_and_at_all_times():
    record = healthy()
    both(guessed(), every_step(update_ratio={"0.Dense.W": 1e-9, "2.Dense.W": 2e-3}))(record)
    assert finding_of(record, "small_steps").level == "fine"
    every_step(update_ratio={"W": 1e-6})(record)
    record.steps[4].update_ratio = {"W": 0.05}  # for the 16 steps until the next recorded step
    assert finding_of(record, "small_steps").level == "fine"
    record.steps = record.steps[:4]
    assert finding_of(record, "small_steps").level == "unknown"


@pytest.mark.parametrize(("all_together", "level"), [(0.099, "problem"), (0.101, "fine")])
def test_all_steps_together_should_move_weights_by_a_tenth_where_nothing_is_learnt(
    all_together, level
):
    record = healthy()
    both(guessed(), every_step(update_ratio={"W": all_together / 282}))(record)
    assert finding_of(record, "small_steps").level == level


@pytest.mark.parametrize(("share", "level"), [(0.49, "fine"), (0.51, "problem")])
def test_the_steps_of_a_network_that_is_trained_already_are_not_too_small(share, level):
    record = healthy()
    both(every_step(update_ratio={"W": 1e-6}), losses(*[share * LN10] * 10))(record)
    assert finding_of(record, "small_steps").level == level


def test_a_network_that_is_right_in_validation_is_not_at_chance():
    record = healthy()
    both(guessed(), last_row(val_accuracy=0.25))(record)
    assert not record.at_chance
    assert finding_of(record, "at_chance").level == "fine"


def test_three_steps_are_enough_for_gradients_later_and_two_are_not():
    record = healthy()
    later(1e-5)(record)
    record.steps = record.steps[:7]
    assert finding_of(record, "vanishing_gradients").level == "problem"
    record.steps = record.steps[:6]
    assert finding_of(record, "vanishing_gradients").level == "unknown"


def test_a_loss_above_guessing_is_reported_with_the_accuracy():
    record = healthy()
    last_row(loss=5.0, accuracy=0.724)(record)
    assert finding_of(record, "at_chance").title == (
        "the loss is 5, guessing by the classes' shares gives 2.303; accuracy 72.4%"
    )
    last_row(loss=2.0)(record)
    assert "accuracy" not in finding_of(record, "at_chance").title


@pytest.mark.parametrize(("step", "blamed"), [(0.049, False), (0.051, True)])
def test_a_step_is_large_from_a_twentieth_of_the_weights_on(step, blamed):
    record = healthy()
    guessed()(record)
    record.steps[0].update_ratio["0.Dense.W"] = step
    assert ("learning rate may be too high" in finding_of(record, "at_chance").cause) == blamed


@pytest.mark.parametrize(("right", "level"), [(0.29, "unknown"), (0.31, "problem")])
def test_validation_is_compared_with_guessing_only_if_training_is_a_fifth_better_than_guessing(
    right, level
):
    record = healthy()
    last_row(loss=1.0, accuracy=right, val_accuracy=0.1)(record)
    assert finding_of(record, "validation").level == level
