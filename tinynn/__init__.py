"""tinynn: a neural network in plain NumPy, made to be read, checked and used.

    from tinynn import Adam, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax, Trainer

The order to read it in: examples/xor.py, layers, functions, initializers, losses, parameters,
model, optimizers, batches, trainer.

Import it before NumPy, and it trains faster: between two matrix products OpenBLAS' other threads
wait for the next by spinning, for 25 ms, on the processor that the optimizer's second thread wants
meanwhile. After 2^18 ticks, 0.1 ms, they may sleep. OpenBLAS looks for that as NumPy loads it.
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")

from tinynn import datasets, plots
from tinynn.batches import minibatches, stratified_split
from tinynn.doctor import Doctor, HealthReport, diagnose
from tinynn.errors import InputError
from tinynn.explain import StepExplanation, explain_step
from tinynn.files.comparison import ModelComparison, compare_models
from tinynn.files.models import load_model, save_model
from tinynn.files.npz import ModelFormatError
from tinynn.functions import log_softmax, one_hot, scale_pixels, softmax
from tinynn.gradcheck.check import GradientReport, check_gradients
from tinynn.initializers import glorot_uniform, he_normal, zeros
from tinynn.layers import BatchNorm, Dense, Flatten, Layer, LayerNorm, ReLU, Softmax
from tinynn.losses import CrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinynn.metrics import accuracy, confusion_matrix, per_class_report
from tinynn.model import Sequential
from tinynn.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from tinynn.schedules import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    PiecewiseConstant,
    Schedule,
)
from tinynn.training.checkpoint import Checkpoint
from tinynn.training.clipping import ClipGradientNorm, ClipGradientValue
from tinynn.training.csv_log import CSVLogger
from tinynn.training.divergence import TrainingDiverged
from tinynn.training.early_stopping import EarlyStopping
from tinynn.training.function_callback import FunctionCallback
from tinynn.training.live_curves import LiveCurves
from tinynn.training.moving_average import ExponentialMovingAverage
from tinynn.training.print_log import PrintLog
from tinynn.training.progress import ProgressBar
from tinynn.training.reduce_on_plateau import ReduceOnPlateau
from tinynn.training.run import Callback, History
from tinynn.training.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "BatchNorm",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "ClipGradientNorm",
    "ClipGradientValue",
    "CosineDecay",
    "CrossEntropy",
    "Dense",
    "Doctor",
    "EarlyStopping",
    "ExponentialDecay",
    "ExponentialMovingAverage",
    "Flatten",
    "FunctionCallback",
    "GradientReport",
    "HealthReport",
    "History",
    "InputError",
    "Layer",
    "LayerNorm",
    "LinearDecay",
    "LiveCurves",
    "Loss",
    "MeanSquaredError",
    "ModelComparison",
    "ModelFormatError",
    "Optimizer",
    "PiecewiseConstant",
    "PrintLog",
    "ProgressBar",
    "RMSProp",
    "ReLU",
    "ReduceOnPlateau",
    "Schedule",
    "Sequential",
    "Softmax",
    "SoftmaxCrossEntropy",
    "StepExplanation",
    "Trainer",
    "TrainingDiverged",
    "accuracy",
    "check_gradients",
    "compare_models",
    "confusion_matrix",
    "datasets",
    "diagnose",
    "explain_step",
    "glorot_uniform",
    "he_normal",
    "load_model",
    "log_softmax",
    "minibatches",
    "one_hot",
    "per_class_report",
    "plots",
    "save_model",
    "scale_pixels",
    "softmax",
    "stratified_split",
    "zeros",
]
