"""What tinynn answers to a mistake: a table to read. What is expected, what came, what to do.

A mistake is some lines of a program, in which the names below are there already.
"""

import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tinynn
from tinynn import ModelFormatError

BEFORE = """
images = np.zeros((60, 28, 28), np.float32)
labels = np.arange(60) % 10
model = Sequential([Flatten(), Dense(16), ReLU(), Dense(10), Softmax()], input_shape=(28, 28))
scores = Sequential([Flatten(), Dense(10)], input_shape=(28, 28))
trainer = Trainer(model, CrossEntropy(), Adam())
p = model.predict(images)


class MyDense(Dense):
    def input_gradient(self, dout):
        dout @ self.W.T


class Silent(Layer):
    def forward(self, x, training=True):
        x * 2

    def input_gradient(self, dout):
        return dout
"""


class Row(NamedTuple):
    """A mistake, the lines that make it, and the answer."""

    mistake: str
    lines: str
    error: type[Exception]
    answer: str


TABLE = [
    Row(
        "Softmax of a single unit",
        "one = Sequential([Flatten(), Dense(1), Softmax()], input_shape=(28, 28))\n"
        "Trainer(one, MeanSquaredError(), Adam())",
        ValueError,
        "2.Softmax gets one number a sample, and makes 1 of each. For two classes end with "
        "Dense(2), Softmax(); for a number to be predicted, without Softmax.",
    ),
    Row(
        "An own layer that does not say which shape it returns",
        "class Halves(Layer):\n"
        "    def forward(self, x, training=True):\n"
        "        return x[:, :2]\n"
        "    def input_gradient(self, dout):\n"
        "        return np.hstack([dout, 0 * dout])\n"
        "Sequential([Halves()], input_shape=(4,)).forward(np.ones((3, 4)))",
        ValueError,
        "0.Halves.forward returned an array of (3, 2); it must return out, of shape (3, 4). If "
        "(3, 2) is right, Halves must say so: def output_shape(self, input_shape): return (2,).",
    ),
    Row(
        "Numbers in a row for samples of one number",
        "line = Sequential([Dense(1)], input_shape=(1,))\n"
        "Trainer(line, MeanSquaredError(), SGD()).fit(np.arange(20.0), np.ones((20, 1)), 1)",
        ValueError,
        "fit expects a batch (B, 1), got (20,): 20 numbers in a row. Give it a second axis: "
        "x[:, None].",
    ),
    Row(
        "1 taken from labels that are bytes and start at 0",
        "trainer.fit(images, labels.astype(np.uint8) - np.uint8(1), 1)",
        ValueError,
        "CrossEntropy: there are 10 classes (0 to 9) but y contains 255. Was 1 taken from a 0? "
        "Bytes know no -1. If there are 256 classes, end with Dense(256).",
    ),
    Row(
        "Two layers of Softmax",
        "twice = Sequential([Flatten(), Dense(10), Softmax(), Softmax()], input_shape=(28, 28))\n"
        "Trainer(twice, CrossEntropy(), Adam())",
        ValueError,
        "2.Softmax and 3.Softmax: the second gets probabilities, which it makes nearly equal. "
        "Remove one of both.",
    ),
    Row(
        "A Dense right behind images",
        "Sequential([Dense(512)], input_shape=(28, 28))",
        ValueError,
        "0.Dense gets samples of shape (28, 28) but needs flat ones, (784,). Put "
        "Flatten() before it.",
    ),
    Row(
        "The shape of all the data for that of one sample",
        "big = Sequential([Flatten(), Dense(10)], input_shape=images.shape)\n"
        "big.forward(images[:2])",
        ValueError,
        "The model was built for samples of shape (60, 28, 28), x has samples of (28, "
        "28). input_shape is one sample's shape: input_shape=x.shape[1:].",
    ),
    Row(
        "the same, seen when predicting",
        "big = Sequential([Flatten(), Dense(10)], input_shape=images.shape)\nbig.predict(images)",
        ValueError,
        "predict expects a batch (B, 60, 28, 28), got one sample (60, 28, 28). Write "
        "model.predict(x[None])[0]. Are these 60 samples? input_shape is the shape of "
        "one: input_shape=x.shape[1:].",
    ),
    Row(
        "A layer without a list",
        "Sequential(Dense(10), input_shape=(784,))",
        ValueError,
        "Sequential expects a list of layers, got Dense(units=10, initializer=he_normal)."
        " Write [...].",
    ),
    Row(
        "A class for a layer",
        "Sequential([Flatten(), ReLU], input_shape=(28, 28))",
        ValueError,
        "layers[1] is not a layer, got <class 'tinynn.layers.ReLU'>. Write ReLU().",
    ),
    Row(
        "One layer twice",
        "relu = ReLU()\nSequential([Dense(9), relu, Dense(9), relu], input_shape=(4,))",
        ValueError,
        "layers[1] and layers[3] are the same ReLU object. A layer remembers its own "
        "input: write ReLU() again.",
    ),
    Row(
        "A layer of another model",
        "Sequential([model.layers[1]], input_shape=(784,))",
        ValueError,
        "layers[0] is part of another model already (as 1.Dense), and its arrays lie "
        "there. Write a new Dense, or copy.deepcopy the whole model.",
    ),
    Row(
        "No units",
        "Dense(0)",
        ValueError,
        "units of Dense must be a whole number of 1 or more, got 0.",
    ),
    Row(
        "Units that are no whole number",
        "Dense(10.0)",
        ValueError,
        "units of Dense must be a whole number of 1 or more, got 10.0.",
    ),
    Row(
        "An initializer by name",
        "Dense(10, 'he_normal')",
        ValueError,
        "Dense expects an initializer such as tinynn.he_normal, got 'he_normal'.",
    ),
    Row(
        "Weights before there are any",
        "Dense(10).W",
        AttributeError,
        "Dense has no W yet: Sequential gives a layer its parameters.",
    ),
    Row(
        "Weights assigned before there are any",
        "early = Dense(10)\n"
        "early.W = np.ones((784, 10))\n"
        "Sequential([Flatten(), early], input_shape=(28, 28))",
        ValueError,
        "1.Dense has no W of its own before the model is built, but one was assigned to it. "
        "Build the model first, then assign: model.layers[1].W = ...",
    ),
    Row(
        "An initializer that returns nothing",
        "Sequential([Dense(3, lambda shape, rng: None)], input_shape=(4,))",
        ValueError,
        "The initializer of 0.Dense was asked for shape (4, 3), but returned None. Forgot "
        '"return"?',
    ),
    Row(
        "An initializer that returns the transpose",
        "Sequential([Dense(3, lambda shape, rng: np.ones(shape[::-1]))], input_shape=(4,))",
        ValueError,
        "The initializer of 0.Dense was asked for shape (4, 3), but returned shape (3, 4). Is"
        " that its transpose? (fan_in, fan_out) is the order here.",
    ),
    Row(
        "A number for a shape",
        "Sequential([Dense(10)], input_shape=784)",
        ValueError,
        "input_shape is the shape of one sample, such as (28, 28) or (2,), got 784. Write (784,).",
    ),
    Row(
        "A precision that is not there",
        "Sequential([Dense(10)], input_shape=(784,), dtype=np.float16)",
        ValueError,
        "dtype must be float32 or float64, got <class 'numpy.float16'>.",
    ),
    Row(
        "One image for a batch",
        "model.predict(images[0])",
        ValueError,
        "predict expects a batch (B, 28, 28), got one sample (28, 28). Write "
        "model.predict(x[None])[0].",
    ),
    Row(
        "Flat images for a model that flattens",
        "model.predict(images.reshape(60, 784))",
        ValueError,
        "The model was built for samples of shape (28, 28), x has samples of (784,). "
        "input_shape is one sample's shape: input_shape=x.shape[1:].",
    ),
    Row(
        "A file's name for its contents",
        "model.predict('images.npz')",
        ValueError,
        "x is 'images.npz'. If that is a file, read it first, as by np.load.",
    ),
    Row(
        "Samples of different lengths",
        "model.predict([[1, 2, 3], [4, 5]])",
        ValueError,
        "x is a list whose samples differ in shape ((3,) at 0, (2,) at 1), which no array can "
        "hold.",
    ),
    Row(
        "Backward without forward",
        "Sequential([Dense(3)], input_shape=(4,)).backward(np.zeros((2, 3)))",
        ValueError,
        "backward needs what forward(x) remembered, but no forward came before it "
        "(predict remembers nothing). Call model.forward(x) on this batch first.",
    ),
    Row(
        "a layer's own backward without forward",
        "ReLU().backward(np.ones((2, 3)))",
        AttributeError,
        "ReLU has no open. Call forward first?",
    ),
    Row(
        "A gradient of another shape",
        "model.forward(images)\nmodel.backward(p.argmax(axis=1))",
        ValueError,
        "backward: forward returned an array of shape (60, 10), so its gradient has that "
        "shape too, but dp is (60,).",
    ),
    Row(
        "Weights that are transposed",
        "model.layers[1].W = np.zeros((16, 784))",
        ValueError,
        "1.Dense.W has shape (784, 16), the array assigned has (16, 784).",
    ),
    Row(
        "A layer of one's own that forgets to return out",
        "Sequential([Silent()], input_shape=(4,)).forward(np.zeros((2, 4)))",
        ValueError,
        '0.Silent.forward returned None; it must return out, of shape (2, 4). Forgot "return out"?',
    ),
    Row(
        "A layer of one's own that forgets to return dx",
        "own = Sequential([Dense(5), MyDense(4)], input_shape=(3,))\n"
        "own.forward(np.ones((2, 3)))\n"
        "own.backward(np.ones((2, 4)))",
        ValueError,
        "1.MyDense.input_gradient returned None; it must return dx, shaped like x: (2, "
        '5). Forgot "return dx"?',
    ),
    Row(
        "that layer, when a picture is made of its slopes",
        "own = Sequential([MyDense(4)], input_shape=(3,))\n"
        "own.forward(np.ones((2, 3)))\n"
        "own.input_gradient(np.ones((2, 4)))",
        ValueError,
        "0.MyDense.input_gradient returned None; it must return dx, shaped like x: (2, 3). "
        'Forgot "return dx"?',
    ),
    Row(
        "A mask of another precision",
        "class Dropout(Silent):\n"
        "    def forward(self, x, training=True):\n"
        "        return x * (np.random.default_rng(0).random(x.shape) > 0.5) / np.float64(0.5)\n"
        "own = Sequential([Dense(5), Dropout(), Dense(4)], input_shape=(3,))\n"
        "Trainer(own, SoftmaxCrossEntropy(), Adam()).fit(np.ones((2, 3)), [0, 1], epochs=1)",
        ValueError,
        "1.Dropout.forward returned float64, but x is float32: out must be, too. Is there a "
        "mask or a constant of float64? Write mask.astype(x.dtype).",
    ),
    Row(
        "the same on the way back",
        "class Scaled(Silent):\n"
        "    def forward(self, x, training=True):\n"
        "        return 2 * x\n"
        "    def input_gradient(self, dout):\n"
        "        return dout * np.full(dout.shape, 2.0)\n"
        "own = Sequential([Dense(5), Scaled(), Dense(4)], input_shape=(3,))\n"
        "Trainer(own, SoftmaxCrossEntropy(), Adam()).fit(np.ones((2, 3)), [0, 1], epochs=1)",
        ValueError,
        "1.Scaled.input_gradient returned float64, but dout is float32: dx must be, too. Is "
        "there a mask or a constant of float64? Write mask.astype(dout.dtype).",
    ),
    Row(
        "A shape that is a number",
        "class Narrow(Silent):\n"
        "    def output_shape(self, input_shape):\n"
        "        return 4\n"
        "Sequential([Narrow()], input_shape=(9,))",
        ValueError,
        "0.Narrow.output_shape returned 4; it must return the shape of one sample, a tuple "
        "such as (4,).",
    ),
    Row(
        "A shape that is not returned",
        "class Narrow(Silent):\n"
        "    def output_shape(self, input_shape):\n"
        "        (4,)\n"
        "Sequential([Narrow(), Dense(4)], input_shape=(9,))",
        ValueError,
        "0.Narrow.output_shape returned None; it must return the shape of one sample, a tuple"
        ' such as (4,). Forgot "return"?',
    ),
    Row(
        "Names of parameters without their shapes",
        "class Shift(Silent):\n"
        "    def parameter_shapes(self, input_shape):\n"
        "        return ['b']\n"
        "Sequential([Shift()], input_shape=(9,))",
        ValueError,
        "0.Shift.parameter_shapes returned ['b']; it must return the shape of each parameter "
        'by its name, such as {"W": (784, 512), "b": (512,)}.',
    ),
    Row(
        "A loss of one's own that forgets to return the loss",
        "class Absolute(MeanSquaredError):\n"
        "    def forward(self, p, y):\n"
        "        np.abs(p - y).mean()\n"
        "Trainer(scores, Absolute(), Adam()).fit(images, one_hot(labels, 10), epochs=1)",
        ValueError,
        "Absolute.forward returned None; it must return one number, the batch's mean loss. "
        'Forgot "return"?',
    ),
    Row(
        "A loss of one's own that forgets to return dp",
        "class Absolute(MeanSquaredError):\n"
        "    def backward(self, p, y):\n"
        "        np.sign(p - y) / p.size\n"
        "Trainer(scores, Absolute(), Adam()).fit(images, one_hot(labels, 10), epochs=1)",
        ValueError,
        'backward expects dp, got None. Forgot "return dp" in the loss\' backward?',
    ),
    Row(
        "Labels from 1",
        "CrossEntropy().forward(p, labels + 1)",
        ValueError,
        "CrossEntropy: there are 10 classes (0 to 9) but y contains 10. Do your labels "
        "start at 1? Use y - 1. If there are 11 classes, end with Dense(11).",
    ),
    Row(
        "Labels below 0",
        "CrossEntropy().forward(p, labels - 1)",
        ValueError,
        "CrossEntropy: classes count from 0, but y contains -1.",
    ),
    Row(
        "Labels that are floats",
        "CrossEntropy().forward(p, labels / 1)",
        ValueError,
        "CrossEntropy expects one whole number a sample, shape (N,), got shape (60,) of "
        "float64. Use y.astype(int).",
    ),
    Row(
        "Labels that are names",
        "CrossEntropy().forward(p, np.array(['cat', 'dog'] * 30))",
        ValueError,
        "CrossEntropy expects one whole number a sample, shape (N,), got shape (60,) of <U3. "
        "Number them: names, y = np.unique(y, return_inverse=True).",
    ),
    Row(
        "One-hot rows of the wrong width",
        "CrossEntropy().forward(p, one_hot(labels, 11))",
        ValueError,
        "CrossEntropy: for p of shape (60, 10) y must be classes (60,) or rows (60, 10), "
        "got (60, 11). These rows are for 11 classes: one_hot(labels, 10).",
    ),
    Row(
        "Rows that are no shares",
        "CrossEntropy().forward(p, 2 * one_hot(labels, 10))",
        ValueError,
        "CrossEntropy: rows of y must not be negative and must sum to 1, but row 0 sums "
        "to 2 and its smallest is 0. For classes, pass them as they are, shape (B,), or "
        "through one_hot.",
    ),
    Row(
        "Other samples' labels",
        "CrossEntropy().forward(p, labels[:32])",
        ValueError,
        "CrossEntropy: for p of shape (60, 10) y must be classes (60,) or rows (60, 10), "
        "got (32,). Each sample needs one answer: were x and y cut at different places?",
    ),
    Row(
        "Labels in a column",
        "CrossEntropy().forward(p, labels[:, None])",
        ValueError,
        "CrossEntropy: for p of shape (60, 10) y must be classes (60,) or rows (60, 10), "
        "got (60, 1). Classes are one number a sample: y[:, 0].",
    ),
    Row(
        "A loss of classes where there is one",
        "CrossEntropy().forward(p[:, :1], labels * 0)",
        ValueError,
        "CrossEntropy: p has one column, so that its only class is sure. For two classes end "
        "the model with Dense(2).",
    ),
    Row(
        "A layer of one's own whose forward takes x alone",
        "class Lonely(Silent):\n"
        "    def forward(self, x):\n"
        "        return x\n"
        "Sequential([Lonely()], input_shape=(4,))",
        ValueError,
        "Lonely.forward is called with two arguments: def forward(self, x, training=True).",
    ),
    Row(
        "A column against a row, while training",
        "line = Sequential([Flatten(), Dense(1)], input_shape=(28, 28))\n"
        "Trainer(line, MeanSquaredError(), SGD()).fit(images, labels, epochs=1)",
        ValueError,
        "MeanSquaredError: p is (60, 1), y is (60,). NumPy would stretch both to (60, 60) "
        "and train on nonsense. Use y[:, None].",
    ),
    Row(
        "A step of a model without parameters",
        "still = Sequential([Softmax()], input_shape=(3,))\n"
        "explain_step(still, CrossEntropy(), SGD(), [[1, 2, 3]], [0])",
        ValueError,
        "explain_step: the model has no parameters, so that no step changes it.",
    ),
    Row(
        "Scores for probabilities",
        "CrossEntropy().forward(scores.predict(images) + 1, labels)",
        ValueError,
        "CrossEntropy expects probabilities, but row 0 of p sums to 10 and its smallest "
        "is 1. End the model with Softmax(), or use SoftmaxCrossEntropy().",
    ),
    Row(
        "A column against a row",
        "MeanSquaredError().forward(np.zeros((32, 1)), np.zeros(32))",
        ValueError,
        "MeanSquaredError: p is (32, 1), y is (32,). NumPy would stretch both to (32, 32)"
        " and train on nonsense. Use y[:, None].",
    ),
    Row(
        "Classes against scores",
        "MeanSquaredError().forward(np.zeros((60, 10)), labels)",
        ValueError,
        "MeanSquaredError: p is (60, 10), y is (60,). They must have one shape. If y are "
        "classes, use one_hot(y, 10), or a cross-entropy.",
    ),
    Row(
        "Lists for predictions",
        "MeanSquaredError().forward([[1.0]], [[1.0]])",
        ValueError,
        "MeanSquaredError expects p as an array, got a list. Write np.array(p).",
    ),
    Row(
        "Softmax twice",
        "Trainer(model, SoftmaxCrossEntropy(), Adam())",
        ValueError,
        "SoftmaxCrossEntropy applies softmax itself, and 4.Softmax already did: with 10 "
        "classes the loss could never fall below 1.461. Remove Softmax() or use "
        "CrossEntropy().",
    ),
    Row(
        "Softmax not at all",
        "Trainer(scores, CrossEntropy(), Adam()).fit(images + 1, labels, epochs=1)",
        ValueError,
        "CrossEntropy expects probabilities, but row 0 of p sums to -0.3073 and its "
        "smallest is -2.496. End the model with Softmax(), or use SoftmaxCrossEntropy().",
    ),
    Row(
        "A class for a loss",
        "Trainer(model, CrossEntropy, Adam())",
        ValueError,
        "loss must be a Loss, got <class 'tinynn.losses.CrossEntropy'>. Write CrossEntropy().",
    ),
    Row(
        "A learning rate below 0",
        "Adam(learning_rate=-0.001)",
        ValueError,
        "learning_rate must be a positive number, got -0.001.",
    ),
    Row(
        "Momentum of 1",
        "SGD(momentum=1)",
        ValueError,
        "momentum must be at least 0 and below 1, got 1.",
    ),
    Row(
        "An optimizer of another model",
        "adam = Adam()\nadam.step(np.zeros(3), np.zeros(3))\nadam.step(np.zeros(4), np.zeros(4))",
        ValueError,
        "Adam has 4 parameters, 4 gradients and a memory of [3, 3]. Make a new optimizer "
        "for a new model.",
    ),
    Row(
        "x and y in the wrong order",
        "trainer.fit(labels, images, epochs=1)",
        ValueError,
        "x has samples of shape () and y of (28, 28), which is what the model takes. Are "
        "they swapped? Samples come first: x, then y. If not, input_shape is one sample's shape: "
        "input_shape=x.shape[1:].",
    ),
    Row(
        "One image to train on",
        "trainer.fit(images[0], labels[:1], epochs=1)",
        ValueError,
        "fit expects a batch (B, 28, 28), got one sample (28, 28). Give it x[None].",
    ),
    Row(
        "More images than labels",
        "trainer.fit(images, labels[:50], epochs=1)",
        ValueError,
        "x and y must have as many samples as each other, 1 or more; their shapes are "
        "(60, 28, 28) and (50,).",
    ),
    Row(
        "NaN in the data",
        "images[7, 0, 0] = np.nan\ntrainer.fit(images, labels, epochs=1)",
        ValueError,
        "x holds NaN or infinity, first in sample 7. Remove such samples, or put in what "
        "is missing, for instance the mean.",
    ),
    Row(
        "Bytes that nobody scaled",
        "trainer.fit(np.full((60, 28, 28), 200, np.uint8), labels, epochs=1)",
        UserWarning,
        "x holds bytes, 0 to 200. Networks learn better from 0 to 1: with "
        "tinynn.scale_pixels(x) the loss begins at 2.43, as it is at 54.9.",
    ),
    Row(
        "Bytes as floats that nobody scaled",
        "trainer.fit(np.full((60, 28, 28), 200, np.float32), labels, epochs=1)",
        UserWarning,
        "x holds bytes, 0 to 200. Networks learn better from 0 to 1: with x / 255 the loss "
        "begins at 2.43, as it is at 54.9.",
    ),
    Row(
        "The training data for validation",
        "trainer.fit(images, labels, epochs=1, validation_data=(images, labels))",
        UserWarning,
        "The validation data are the training data: they say nothing about samples that "
        "the network has not seen. Hold some out: tinynn.stratified_split.",
    ),
    Row(
        "A copy of the training data for validation",
        "trainer.fit(images, labels, epochs=1, validation_data=(images.copy(), labels))",
        UserWarning,
        "The validation data are the training data: they say nothing about samples that the "
        "network has not seen. Hold some out: tinynn.stratified_split.",
    ),
    Row(
        "The beginning of the training data for validation",
        "trainer.fit(images, labels, epochs=1, validation_data=(images[:9], labels[:9]))",
        UserWarning,
        "The validation data are the first 9 samples of the training data: they say nothing "
        "about samples that the network has not seen. Hold some out: tinynn.stratified_split.",
    ),
    Row(
        "Training data on another scale",
        "trainer.fit(images + 99.5, labels, 1, validation_data=(images[:9] + 0.5, labels[:9]))",
        UserWarning,
        "x runs from 99.5 to 99.5, validation x from 0.5 to 0.5. The network has to see both "
        "on one scale: do to the validation data what you did to x, with the same numbers.",
    ),
    Row(
        "Validation data on another scale",
        "fresh = np.full((9, 28, 28), 255, np.uint8)\n"
        "trainer.fit(images + 0.5, labels, epochs=1, validation_data=(fresh, labels[:9]))",
        UserWarning,
        "x runs from 0.5 to 0.5, validation x from 255 to 255. The network has to see both on"
        " one scale: do to the validation data what you did to x, with the same numbers.",
    ),
    Row(
        "No pair for validation",
        "trainer.fit(images, labels, epochs=1, validation_data=images)",
        ValueError,
        "validation_data must be a pair, (x, y), got: ndarray.",
    ),
    Row(
        "A share for validation",
        "trainer.fit(images, labels, epochs=1, validation_data=0.2)",
        ValueError,
        "validation_data must be a pair, (x, y), got: float. To hold a share out, see "
        "stratified_split.",
    ),
    Row(
        "No epochs",
        "trainer.fit(images, labels, epochs=0)",
        ValueError,
        "epochs must be a whole number of 1 or more, got 0.",
    ),
    Row(
        "An early stop with nothing to watch",
        "trainer.fit(images, labels, epochs=1, callbacks=[EarlyStopping()])",
        ValueError,
        "EarlyStopping cannot watch 'val_loss': this training measures epoch, loss, "
        "accuracy, learning_rate, seconds. Give fit validation_data=.",
    ),
    Row(
        "An early stop after five epochs",
        "EarlyStopping(5)",
        ValueError,
        "monitor must be the name of a figure, such as 'val_loss', got 5. For the epochs to "
        "wait, write patience=.",
    ),
    Row(
        "A callback without a list",
        "trainer.fit(images, labels, epochs=1, callbacks=EarlyStopping())",
        ValueError,
        "callbacks must be a list, got EarlyStopping(monitor='val_loss', patience=3). Write [...].",
    ),
    Row(
        "An event that does not exist",
        "class Late(Callback):\n"
        "    def on_epoch_ends(self, trainer):\n"
        "        print(trainer.epoch)",
        ValueError,
        "Late.on_epoch_ends would never be called: there is no such event. There are "
        "on_train_begin, on_epoch_begin, on_gradients, on_step_end, on_epoch_end, "
        "on_train_end.",
    ),
    Row(
        "A class that one_hot has no room for",
        "one_hot([0, 1, 2], classes=2)",
        ValueError,
        "one_hot: there are 2 classes (0 to 1) but y contains 2. If there are 3 classes, "
        "say classes=3.",
    ),
    Row(
        "Classes that are a text",
        "one_hot([0, 1, 2], classes='3')",
        ValueError,
        "classes must be a whole number of 1 or more, got '3'.",
    ),
    Row(
        "Scaled twice",
        "scale_pixels(images)",
        ValueError,
        "scale_pixels expects bytes (uint8, 0 to 255), got float32. Have they been scaled already?",
    ),
    Row(
        "Bytes that are floats already",
        "scale_pixels(255 * np.ones((2, 28, 28)))",
        ValueError,
        "scale_pixels expects bytes (uint8, 0 to 255), got float64. Are they bytes all the "
        "same? Then write images.astype(np.uint8).",
    ),
    Row(
        "All samples held out",
        "stratified_split(labels, 60, np.random.default_rng(0))",
        ValueError,
        "size must be a whole number from 1 to 59, got 60.",
    ),
    Row(
        "A share for a size",
        "stratified_split(labels, 0.2, np.random.default_rng(0))",
        ValueError,
        "size must be a whole number from 1 to 59, got 0.2. For a share of all, write int(0.2"
        " * 60).",
    ),
    Row(
        "One-hot rows for labels",
        "stratified_split(one_hot(labels, 10), 12, np.random.default_rng(0))",
        ValueError,
        "stratified_split expects classes, shape (N,), got (60, 10). Of one-hot rows, "
        "y.argmax(axis=1) are the classes.",
    ),
    Row(
        "A seed for a Generator",
        "minibatches(images, labels, 32, 7)",
        ValueError,
        "rng must be a Generator, got 7. Write np.random.default_rng(7).",
    ),
    Row(
        "Accuracy of other samples",
        "accuracy(p, labels[:9])",
        ValueError,
        "accuracy expects p and y of one length, each classes (N,) or rows (N, C) of 2 "
        "classes or more; got (60, 10) and (9,).",
    ),
    Row(
        "Accuracy of labels from 1",
        "accuracy(p, labels + 1)",
        ValueError,
        "accuracy: there are 10 classes (0 to 9) but y contains 10. Do your labels start at "
        "1? Use y - 1. If there are 11 classes, end with Dense(11).",
    ),
    Row(
        "A number of classes for their names",
        "per_class_report(p, labels, 10)",
        ValueError,
        "per_class_report expects a name for each class, got 10.",
    ),
    Row(
        "A folder that does not exist",
        "save_model(model, 'runs/model.npz')",
        FileNotFoundError,
        "[Errno 2] There is no such folder: make it first, with "
        "Path(...).mkdir(parents=True): '{folder}/runs'",
    ),
    Row(
        "A model and its path in the wrong order",
        "save_model('model.npz', model)",
        ValueError,
        "model must be a Sequential, got 'model.npz'. The model comes first: "
        "save_model(model, path).",
    ),
    Row(
        "A model for a path",
        "load_model(scores)",
        ValueError,
        "A path is a text, such as 'model.npz', or a Path; got Sequential([Flatten(), "
        "Dense(units=10, initializer=he_normal)], input_shape=(28, 28), seed=0).",
    ),
    Row(
        "A file that does not exist",
        "save_model(model, 'model.npz')\nload_model('modell.npz')",
        FileNotFoundError,
        "[Errno 2] There is no such file; the .npz files in {folder} are: model.npz: 'modell.npz'",
    ),
    Row(
        "A checkpoint that does not exist",
        "trainer.fit(images, labels, 1, resume_from='run.npz')",
        FileNotFoundError,
        "[Errno 2] There is no such file; the .npz files in {folder} are: none: 'run.npz'",
    ),
    Row(
        "A folder for a file",
        "load_model('.')",
        IsADirectoryError,
        "[Errno 21] This is a folder; give the path of a file in it: '.'",
    ),
    Row(
        "A text for a model",
        "Path('text.npz').write_text('hello')\nload_model('text.npz')",
        ModelFormatError,
        "text.npz is no .npz file: it begins with b'hell'.",
    ),
    Row(
        "A checkpoint for a model",
        "trainer.fit(images, labels, 1, callbacks=[Checkpoint('run.npz')])\nload_model('run.npz')",
        ModelFormatError,
        "run.npz is a checkpoint, not a model. Go on with it by Trainer.fit(..., "
        "resume_from=path), then save_model(trainer.model, ...).",
    ),
    Row(
        "A model for a checkpoint",
        "save_model(model, 'model.npz')\ntrainer.fit(images, labels, 2, resume_from='model.npz')",
        ModelFormatError,
        "model.npz is a model, not a checkpoint: it holds no training state. Go on from "
        "the file that Checkpoint wrote; this one is for load_model.",
    ),
    Row(
        "A file with a layer of one's own",
        "save_model(Sequential([MyDense(4)], input_shape=(3,)), 'own.npz')\nload_model('own.npz')",
        ModelFormatError,
        "own.npz describes an architecture that cannot be built. The configuration names "
        "'MyDense', which tinynn does not have. If it is yours, pass it in: "
        "layers=[MyDense].",
    ),
    Row(
        "That layer without a list",
        "load_model('own.npz', layers=MyDense)",
        ValueError,
        "layers must be a list of your own classes, got <class 'MyDense'>. Write layers=[MyDense].",
    ),
    Row(
        "Another run's checkpoint in the way",
        "trainer.fit(images, labels, 1, callbacks=[Checkpoint('run.npz')])\n"
        "another = Trainer(model, CrossEntropy(), Adam())\n"
        "another.fit(images, labels, 1, callbacks=[Checkpoint('run.npz')])",
        FileExistsError,
        "run.npz exists already, from another run, and is not overwritten. Go on with "
        "that run by resume_from=, give Checkpoint another path, or move the file away.",
    ),
    Row(
        "Another batch size after an interruption",
        "trainer.fit(images, labels, 1, callbacks=[Checkpoint('own_run.npz')])\n"
        "trainer.fit(images, labels, 2, batch_size=16, resume_from='own_run.npz')",
        ValueError,
        "own_run.npz comes from a run with other settings (its own first):\n  batch_size: "
        "32 against 16",
    ),
    Row(
        "A check of one sample",
        "check_gradients(model, CrossEntropy(), images[0], labels[:1])",
        ValueError,
        "check_gradients expects a batch (B, 28, 28), got one sample (28, 28). Give it x[None].",
    ),
    Row(
        "A check where the network is too sure",
        "far = 1e4 * np.random.default_rng(0).random((4, 28, 28))\n"
        "check_gradients(model, CrossEntropy(), far, labels[:4])",
        ValueError,
        "check_gradients: row 0 of p is sure to 29 digits, where CrossEntropy no longer rises, so "
        "that no differences can be taken. Scale x to about 0 to 1, or check scores with "
        "SoftmaxCrossEntropy().",
    ),
    Row(
        "A doctor who has seen nothing",
        "Doctor().report()",
        ValueError,
        "The doctor has seen nothing yet: give it to Trainer.fit(callbacks=).",
    ),
    Row(
        "No run to draw",
        "plots.learning_curves()",
        ValueError,
        "learning_curves needs one run or more, each with an epoch or more.",
    ),
    Row(
        "A log that does not exist",
        "Path('log.csv').touch()\nplots.learning_curves('logs.csv')",
        FileNotFoundError,
        "[Errno 2] There is no such file; the .csv files in {folder} are: log.csv: 'logs.csv'",
    ),
    Row(
        "Classes for probabilities in a picture",
        "plots.prediction_grid(images, p.argmax(axis=1), list('abcdefghij'))",
        ValueError,
        "prediction_grid expects p as probabilities (N, C), got (60,). Give it what "
        "model.predict returns.",
    ),
    Row(
        "A model that is no network",
        "diagnose(None, CrossEntropy(), images, labels)",
        ValueError,
        "model must be a Sequential, got None.",
    ),
]


# mistakes of the table that can be made elsewhere, too: the answer is the same
ELSEWHERE = [
    ("Softmax twice", "explain_step(model, SoftmaxCrossEntropy(), Adam(), images, labels)"),
    ("Softmax twice", "check_gradients(model, SoftmaxCrossEntropy(), images, labels)"),
    ("Softmax twice", "diagnose(model, SoftmaxCrossEntropy(), images, labels)"),
    ("A class for a loss", "explain_step(model, CrossEntropy, Adam(), images, labels)"),
    ("A class for a loss", "check_gradients(model, CrossEntropy, images, labels)"),
    ("A class for a loss", "diagnose(model, CrossEntropy, images, labels)"),
    ("x and y in the wrong order", "trainer.evaluate(labels, images)"),
    (
        "x and y in the wrong order",
        "explain_step(model, CrossEntropy(), Adam(), labels, images)",
    ),
    ("x and y in the wrong order", "check_gradients(model, CrossEntropy(), labels, images)"),
    ("x and y in the wrong order", "diagnose(model, CrossEntropy(), labels, images)"),
    ("More images than labels", "trainer.evaluate(images, labels[:50])"),
    ("More images than labels", "explain_step(model, CrossEntropy(), Adam(), images, labels[:50])"),
    ("More images than labels", "check_gradients(model, CrossEntropy(), images, labels[:50])"),
    ("More images than labels", "diagnose(model, CrossEntropy(), images, labels[:50])"),
    ("Labels from 1", "trainer.fit(images, labels + 1, epochs=1)"),
    ("Labels from 1", "trainer.evaluate(images, labels + 1)"),
    ("Labels from 1", "explain_step(model, CrossEntropy(), Adam(), images, labels + 1)"),
    ("Labels from 1", "check_gradients(model, CrossEntropy(), images, labels + 1)"),
    ("Labels from 1", "diagnose(model, CrossEntropy(), images, labels + 1)"),
    (
        "NaN in the data",
        "images[7, 0, 0] = np.nan\nexplain_step(model, CrossEntropy(), Adam(), images, labels)",
    ),
    (
        "NaN in the data",
        "images[7, 0, 0] = np.nan\ncheck_gradients(model, CrossEntropy(), images, labels)",
    ),
    (
        "NaN in the data",
        "images[7, 0, 0] = np.nan\ndiagnose(model, CrossEntropy(), images, labels)",
    ),
    (
        "A layer of one's own that forgets to return dx",
        "own = Sequential([Dense(5), MyDense(4), Softmax()], input_shape=(3,))\n"
        "explain_step(own, CrossEntropy(), Adam(), np.ones((2, 3)), [0, 1])",
    ),
    (
        "A layer of one's own that forgets to return dx",
        "own = Sequential([Dense(5), MyDense(4), Softmax()], input_shape=(3,))\n"
        "check_gradients(own, CrossEntropy(), np.ones((2, 3)), [0, 1])",
    ),
    (
        "A layer of one's own that forgets to return dx",
        "own = Sequential([Dense(5), MyDense(4), Softmax()], input_shape=(3,))\n"
        "diagnose(own, CrossEntropy(), np.ones((2, 3)), [0, 1])",
    ),
    (
        "A layer of one's own that forgets to return out",
        "own = Sequential([Silent(), Dense(4)], input_shape=(4,))\n"
        "explain_step(own, SoftmaxCrossEntropy(), Adam(), np.ones((2, 4)), [0, 1])",
    ),
    ("A seed for a Generator", "stratified_split(labels, 12, 7)"),
    (
        "A folder that does not exist",
        "trainer.fit(images, labels, 1, callbacks=[CSVLogger('runs/log.csv')])",
    ),
    (
        "A folder that does not exist",
        "trainer.fit(images, labels, 1, callbacks=[Checkpoint('runs/run.npz')])",
    ),
    (
        "A folder that does not exist",
        "plots.confusion(confusion_matrix(p, labels, 10), list('abcdefghij'), path='runs/a.png')",
    ),
    ("A folder for a file", "save_model(model, '.')"),
    ("A folder for a file", "trainer.fit(images, labels, 1, callbacks=[CSVLogger('.')])"),
    ("A folder for a file", "trainer.fit(images, labels, 1, callbacks=[Checkpoint('.')])"),
]


def answer_to(lines, folder):
    """Make a mistake; return what was raised."""
    names = {name: getattr(tinynn, name) for name in tinynn.__all__}
    names.update(np=np, Path=Path)
    exec(BEFORE, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((ValueError, OSError, AttributeError, UserWarning)) as caught:
            exec(lines, names)
    return caught.value


def frames(error):
    """Return how many lines of tinynn stand between the mistake and its answer."""
    package = Path(tinynn.__file__).parent
    found = traceback.extract_tb(error.__traceback__)
    return sum(package in Path(frame.filename).parents for frame in found)


@pytest.mark.parametrize("row", TABLE, ids=[row.mistake.replace(" ", "_") for row in TABLE])
def test_the_answer(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = answer_to(row.lines, tmp_path)
    assert type(error) is row.error
    assert str(error) == row.answer.replace("{folder}", str(tmp_path))
    if not isinstance(error, UserWarning):  # a warning points at the line by itself
        assert frames(error) <= 2, "".join(traceback.format_tb(error.__traceback__))


@pytest.mark.parametrize(("mistake", "lines"), ELSEWHERE)
def test_the_answer_is_the_same_elsewhere(mistake, lines, tmp_path, monkeypatch):
    row = next(row for row in TABLE if row.mistake == mistake)
    test_the_answer(row._replace(lines=lines), tmp_path, monkeypatch)


def test_there_are_thirty_and_more_and_none_twice():
    assert len(TABLE) >= 30
    assert len({row.mistake for row in TABLE}) == len({row.lines for row in TABLE}) == len(TABLE)


def test_validation_data_that_are_other_samples_on_one_scale_are_taken_without_a_word():
    names = {name: getattr(tinynn, name) for name in tinynn.__all__}
    names["np"] = np
    exec(BEFORE, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(
            "images += np.random.default_rng(0).random(images.shape)\n"
            "trainer.fit(images[:40], labels[:40], 1, validation_data=(images[40:], labels[40:]))\n"
            "counts = np.random.default_rng(0).integers(0, 9, (60, 28, 28))\n"
            "trainer.fit(counts, labels, 1)",  # whole numbers are not yet bytes
            names,
        )


@pytest.mark.parametrize(
    "mistake",
    ["np.zeros((2, 3)) @ np.zeros((2, 3))", "one_hot([7], 3)", "self.there_is_no_such_array"],
)
def test_a_mistake_in_a_layer_of_ones_own_keeps_all_of_its_traceback(mistake):
    """Or its author would not see the line that is wrong."""
    lines = (
        "class Wrong(Silent):\n"
        "    def forward(self, x, training=True):\n"
        f"        return {mistake}\n"
        "Trainer(Sequential([Wrong()], input_shape=(4,)), MeanSquaredError(), Adam()).fit(\n"
        "    np.ones((2, 4)), np.ones((2, 4)), epochs=1)\n"
    )
    error = answer_to(lines, None)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert "forward" in names[-4:]
    assert frames(error) > 2
