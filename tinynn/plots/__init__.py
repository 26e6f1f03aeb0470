"""Pictures: learning curves, schedules, predictions, a confusion matrix, calibration, weights,
maps of a convolutional network, gradients, influence, what a change would have done.

Each function returns a matplotlib Figure, and saves it if it gets a path. No function needs a
display. How a picture is shown:

    in a notebook    the cell shows it: at once as its last value, or where plt.show() stands,
                     or when the cell ends
    in a program     import matplotlib.pyplot as plt, first; plt.show() then opens a window for each
    with a path      it is saved; only a notebook shows it, and only as the last value of a cell
"""

from tinynn.plots.courses import what_if
from tinynn.plots.curves import learning_curves
from tinynn.plots.drawing import blank, literal, saved
from tinynn.plots.gradients import class_gradients
from tinynn.plots.influences import influence
from tinynn.plots.maps import feature_maps
from tinynn.plots.predictions import prediction_grid
from tinynn.plots.rates import schedule
from tinynn.plots.scores import calibration, confusion
from tinynn.plots.weights import first_layer

__all__ = [
    "blank",
    "calibration",
    "class_gradients",
    "confusion",
    "feature_maps",
    "first_layer",
    "influence",
    "learning_curves",
    "literal",
    "prediction_grid",
    "saved",
    "schedule",
    "what_if",
]
