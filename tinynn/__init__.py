"""tinynn: a neural network in plain NumPy, made to be read, checked and used.

    from tinynn import Adam, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax, Trainer

The order to read it in: examples/xor.py, layers, functions, initializers, losses, parameters,
model, optimizers, batches, trainer.

Import it before NumPy, and it trains faster: between two matrix products OpenBLAS' other threads
wait for the next by spinning, for 25 ms, on the processor that the optimizer's second thread wants
meanwhile. After 2^18 ticks, 0.1 ms, they may sleep. OpenBLAS looks for that as NumPy loads it.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")

from tinynn import checks, datasets, plots
from tinynn.batches import minibatches, stratified_split
from tinynn.clinic import FunctionReport, check_function
from tinynn.doctor import Doctor, HealthReport, diagnose
from tinynn.errors import InputError
from tinynn.explain import StepExplanation, explain_step
from tinynn.files.comparison import ModelComparison, compare_models
from tinynn.files.models import load_model, save_model
from tinynn.files.npz import ModelFormatError
from tinynn.functions import log_softmax, one_hot, scale_pixels, softmax
from tinynn.gradcheck.check import GradientReport, check_gradients
from tinynn.initializers import (
    constant,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    normal,
    orthogonal,
    zeros,
)
from tinynn.layers import (
    ELU,
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinynn.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from tinynn.metrics import (
    ReliabilityCurve,
    accuracy,
    binary_accuracy,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    per_class_report,
    r2_score,
    reliability_curve,
    roc_auc,
    top_k_accuracy,
)
from tinynn.model import Sequential
from tinynn.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from tinynn.page import RunPage, write_page
from tinynn.scaling import standardise
from tinynn.schedules import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    PiecewiseConstant,
    Schedule,
)
from tinynn.splits import k_fold, train_validation_split
from tinynn.training.checkpoint import Checkpoint
from tinynn.training.clipping import ClipGradientNorm, ClipGradientValue
from tinynn.training.csv_log import CSVLogger
from tinynn.training.divergence import TrainingDiverged
from tinynn.training.early_stopping import EarlyStopping
from tinynn.training.function_callback import FunctionCallback
from tinynn.training.history import History
from tinynn.training.influence import Influence, influence
from tinynn.training.live_curves import LiveCurves
from tinynn.training.moving_average import ExponentialMovingAverage
from tinynn.training.print_log import PrintLog
from tinynn.training.progress import ProgressBar
from tinynn.training.reduce_on_plateau import ReduceOnPlateau
from tinynn.training.replay import Replay
from tinynn.training.replayed import WhatIf
from tinynn.training.run import Callback
from tinynn.training.trainer import Trainer

__version__ = "0.1.0"

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Raise the error for a name that tinynn has not; of other libraries' it says what is."""
        if name.startswith("__"):  # Python looks such names up
            raise AttributeError(f"module 'tinynn' has no attribute {name!r}", name=name)
        raise checks.no_such_name(name, sys._getframe(1))


__all__ = [
    "ELU",
    "GELU",
    "SGD",
    "Adam",
    "AdamW",
    "AveragePool2D",
    "BatchNorm",
    "BinaryCrossEntropy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "ClipGradientNorm",
    "ClipGradientValue",
    "Conv2D",
    "CosineDecay",
    "CrossEntropy",
    "Dense",
    "Doctor",
    "Dropout",
    "EarlyStopping",
    "ExponentialDecay",
    "ExponentialMovingAverage",
    "Flatten",
    "FunctionCallback",
    "FunctionReport",
    "GaussianNoise",
    "GlobalAveragePool2D",
    "GradientReport",
    "HealthReport",
    "History",
    "Huber",
    "Influence",
    "InputError",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LinearDecay",
    "LiveCurves",
    "Loss",
    "MaxPool2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "ModelComparison",
    "ModelFormatError",
    "Optimizer",
    "PiecewiseConstant",
    "PrintLog",
    "ProgressBar",
    "RMSProp",
    "RandomFlip",
    "RandomShift",
    "ReLU",
    "ReduceOnPlateau",
    "ReliabilityCurve",
    "Replay",
    "Rescale",
    "Reshape",
    "RunPage",
    "Schedule",
    "Sequential",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "StepExplanation",
    "Tanh",
    "Trainer",
    "TrainingDiverged",
    "WhatIf",
    "accuracy",
    "binary_accuracy",
    "check_function",
    "check_gradients",
    "compare_models",
    "confusion_matrix",
    "constant",
    "datasets",
    "diagnose",
    "explain_step",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "influence",
    "k_fold",
    "lecun_normal",
    "load_model",
    "log_loss",
    "log_softmax",
    "mean_absolute_error",
    "minibatches",
    "normal",
    "one_hot",
    "orthogonal",
    "per_class_report",
    "plots",
    "r2_score",
    "reliability_curve",
    "roc_auc",
    "save_model",
    "scale_pixels",
    "softmax",
    "standardise",
    "stratified_split",
    "top_k_accuracy",
    "train_validation_split",
    "write_page",
    "zeros",
]
