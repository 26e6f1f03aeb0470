"""How good a network is: its test figures, class by class, and how far its confidence is right."""

from math import isfinite, sqrt

import numpy as np

from tinynn import metrics
from tinynn.page.charts import Axis, Line, chart
from tinynn.page.confusion import confusion, mistakes
from tinynn.page.facts import RunFacts, number, part_of
from tinynn.page.part import Part, text
from tinynn.page.scored import TestData
from tinynn.page.tables import Column, figure_text, table

Figure = tuple[str, str, str]  # what it is, its number, what is said beside it

AXIS = Axis((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))


def accuracy_with_error(test: TestData) -> tuple[float, float]:
    """Return the accuracy a, and its standard error, sqrt(a (1 - a) / N).

    (Wasserman, All of Statistics, 2004, example 6.8: the share of N independent samples.)
    """
    share = metrics.accuracy(test.p, test.labels)
    return share, sqrt(share * (1 - share) / len(test.labels))


def loss_with_error(test: TestData) -> tuple[float, float]:
    """Return the mean of -log p of the right class, and its standard error, s / sqrt(N)."""
    of_class = test.p[np.arange(len(test.p)), test.labels].astype(np.float64)
    losses = -np.log(np.maximum(of_class, 1e-30))  # (N,)
    return float(losses.mean()), float(losses.std()) / sqrt(len(losses))


def test_figures(facts: RunFacts) -> list[Figure]:
    """Return the figures of the test; without test data those of metrics.json, if there are any."""
    if facts.test is not None:
        (share, error), (loss, of_loss) = (
            accuracy_with_error(facts.test),
            loss_with_error(facts.test),
        )
        count = f"on {len(facts.test.labels):,} test samples"
        return [
            ("Test accuracy", f"{share:.4f}", f"± {error:.4f} {count}"),
            ("Test loss", f"{loss:.4f}", f"± {of_loss:.4f}"),
        ]
    found = [("Test accuracy", "test_accuracy"), ("Test loss", "test_loss")]
    known = [(title, number(facts.metrics.get(name))) for title, name in found]
    samples = number(part_of(facts.metrics, "test").get("samples"))
    count = f"on {samples:,.0f} test samples" if samples else ""
    return [(title, f"{value:.4f}", count) for title, value in known if value is not None]


def quality_part(facts: RunFacts) -> Part | None:
    """Return how good the network is; None without figures of a test."""
    figures, test = test_figures(facts), facts.test
    if not figures:
        return None
    if test is None:
        missing = "<p>This run has left no test.npz, so there is nothing else to show here.</p>"
        return Part("quality", "How good it is", figure_list(figures) + missing)
    curve = metrics.reliability_curve(test.p, test.labels)
    error = ("Calibration error", f"{curve.expected_calibration_error:.4f}", "expected, 10 bins")
    calibration, data = _calibration(curve)
    blocks = [
        figure_list([*figures, error]),
        '<p class="beside">± is the standard error of a mean over samples: in about 19 of 20 cases '
        "the figure for all samples of this kind lies within twice that distance.</p>",
        confusion(test),
        _classes(test),
        mistakes(test),
        calibration,
    ]
    return Part(
        "quality", "How good it is", "\n".join(filter(None, blocks)),
        scripts=("charts.js", "tables.js", "confusion.js"), data={"calibration": data},
    )  # fmt: skip


def figure_list(figures: list[Figure]) -> str:
    """Return figures as large numbers, each with its name and what is said beside it."""
    return (
        '<dl class="figures">'
        + "".join(
            f"<div><dt>{text(title)}</dt><dd>{text(shown)}"
            + (f' <span class="beside">{text(beside)}</span>' if beside else "")
            + "</dd></div>"
            for title, shown, beside in figures
        )
        + "</dl>"
    )


def _classes(test: TestData) -> str:
    """Return precision, recall and F1 of each class, and what it is most often taken for."""
    matrix = metrics.confusion_matrix(test.p, test.labels, len(test.names))
    rows = []
    for i, score in enumerate(metrics.per_class_report(test.p, test.labels, test.names).scores):
        wrong = matrix[i].copy()
        wrong[i] = 0
        taken = f"{test.names[wrong.argmax()]} ({wrong.max():,})" if wrong.max() else ""
        numbers = (figure_text(v, ".3f") for v in (score.precision, score.recall, score.f1))
        samples = figure_text(score.support, ",")
        rows.append([(0.0, score.name), *numbers, samples, (float(wrong.max()), taken)])
    columns = [
        Column("Class"),
        *(Column(title, numbers=True) for title in ("Precision", "Recall", "F1", "Samples")),
        Column("Most often taken for", numbers=True),
    ]
    return "<h3>Class by class</h3>" + table("Scores of each class", columns, rows, sortable=True)


def _calibration(curve: metrics.ReliabilityCurve) -> tuple[str, dict[str, object]]:
    """Return the curve of confidence and accuracy, a table of its bins, and the chart's data."""
    filled = [m for m, count in enumerate(curve.count) if count]
    confidence = [float(curve.confidence[m]) for m in filled]
    shares = [float(curve.accuracy[m]) for m in filled]
    lines = [
        Line("right as often as it says", 6, [0.0, 1.0], [0.0, 1.0], dashed=True),
        Line("this network", 0, confidence, shares),
    ]
    markup, data = chart(
        "calibration", "Share that is right, by the probability that the network gives", lines,
        "probability of the predicted class", x_axis=AXIS, y_axis=AXIS, form=".3f",
    )  # fmt: skip
    rows = [
        [
            (0.0, f"{curve.edges[m]:.1f} to {curve.edges[m + 1]:.1f}"),
            figure_text(int(count), ","),
            *(
                figure_text(float(values[m]) if isfinite(values[m]) else None, ".3f")
                for values in (curve.confidence, curve.accuracy)
            ),
        ]
        for m, count in enumerate(curve.count)
    ]
    columns = [
        Column("Probability"),
        *(Column(title, numbers=True) for title in ("Samples", "Mean probability", "Share right")),
    ]
    bins = table("Calibration, bin by bin", columns, rows)
    return (
        f'<h3>Is it right as often as it says?</h3>\n<div class="charts">\n{markup}\n{bins}\n</div>'
    ), data
