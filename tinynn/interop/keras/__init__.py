"""A model as a Keras model.

    model -> to_keras -> keras.Sequential, with the same layers and copies of the weights

outward.py makes layers of Keras of tinynn's; _layers.py has those that Keras does not have. Keras
computes with TensorFlow, JAX or PyTorch. The environment variable KERAS_BACKEND, which it reads
when it is imported, says with which: KERAS_BACKEND=torch for the one that this extra installs.
"""

from tinynn.interop.keras.outward import to_keras

__all__ = ["to_keras"]
