"""The exercises, in their order."""

from tinynn.exercises.adam import ADAM
from tinynn.exercises.batchnorm import BATCHNORM
from tinynn.exercises.conv2d import CONV2D
from tinynn.exercises.dense import DENSE
from tinynn.exercises.dropout import DROPOUT
from tinynn.exercises.grading import Exercise
from tinynn.exercises.initialisation import INITIALISATION
from tinynn.exercises.loop import LOOP
from tinynn.exercises.minibatches import MINIBATCHES
from tinynn.exercises.momentum import MOMENTUM
from tinynn.exercises.relu import RELU
from tinynn.exercises.saving import SAVING
from tinynn.exercises.softmax import SOFTMAX

EXERCISES: tuple[Exercise, ...] = (
    RELU,
    DENSE,
    SOFTMAX,
    LOOP,
    MOMENTUM,
    ADAM,
    INITIALISATION,
    DROPOUT,
    BATCHNORM,
    CONV2D,
    MINIBATCHES,
    SAVING,
)
