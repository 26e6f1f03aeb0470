"""The exercises, in their order."""

from tinynn.exercises.relu import RELU

EXERCISES = (RELU,)
