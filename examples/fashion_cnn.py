"""Train a convolutional network on Fashion-MNIST: the same phases, files and flags as the main job.

    python examples/fashion_cnn.py                  the small one
    python examples/fashion_cnn.py --size large     longer, for the last half percent
    python examples/fashion_cnn.py --sample         on the 6,000 images that come with tinynn

    image -> [conv conv pool] -> [conv conv pool] -> dense -> 10 probabilities
             BatchNorm and ReLU after each convolution and the hidden dense layer

What differs from fashion_mlp.py: convolutions, which see the image as an image; BatchNorm, so the
layers before it need no bias; dropout, flipped images, smoothed labels and weight decay against
overfitting. The learning rate rises in the first 15 % of the steps, then falls to 0 as half a
cosine; the weights after the last epoch are kept. --size large also shifts the images, and answers
with the mean of what the network says of an image and of its mirror image.

What each phase does is in fashion_job.py. The exit status is 0 if all went well, 1 for an error,
3 if some pictures could not be drawn but all else is done, 130 or 143 if a signal ended the run.
"""

import argparse
from dataclasses import dataclass

from fashion_job import Job, flags, learning_rate, run  # imports tinynn, then NumPy

from tinynn import (
    AdamW,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softmax,
    Trainer,
    accuracy,
    plots,
)
from tinynn.datasets import CLASS_NAMES
from tinynn.parameters import Array


@dataclass(frozen=True)
class Size:
    """What --size decides."""

    filters: tuple[int, int]  # of the convolutions before the first pool, and after it
    units: int  # of the hidden dense layer
    epochs: int
    shift: int  # each training image, by so many pixels at most
    mirror: bool  # answer with the mean over the image and its mirror image


SIZES = {
    "small": Size(filters=(16, 32), units=128, epochs=12, shift=0, mirror=False),
    "large": Size(filters=(16, 32), units=128, epochs=22, shift=1, mirror=True),
}


def main() -> None:
    args = arguments()
    size = SIZES[args.size]
    job = Job(args)

    with job.phase("load"):
        data = job.load()

    job.open_folder(images=len(data[0][0]))

    with job.phase("preprocess"):
        (x, y), validation, (x_test, y_test) = job.preprocess(data)
        mean, std = float(x.mean()), float(x.std())
        print(f"pixels to learn from: mean {mean:.4f}, standard deviation {std:.4f}")

    with job.phase("model"):
        first, second = size.filters
        model = Sequential(
            [
                RandomFlip(), *([RandomShift(size.shift)] if size.shift else []),
                Rescale(1 / std, -mean / std), Reshape((28, 28, 1)),
                *convolution(first), *convolution(first), MaxPool2D(2),
                *convolution(second), *convolution(second), MaxPool2D(2),
                Dropout(0.3), Flatten(),
                Dense(size.units, bias=False), BatchNorm(), ReLU(),
                Dropout(0.3),
                Dense(10), Softmax(),
            ],
            input_shape=(28, 28),
            seed=args.seed,
        )  # fmt: skip
        model.summary()

    with job.phase("train"):
        steps = -(-len(x) // args.batch_size)  # of an epoch
        warmup = max(1, round(0.15 * args.epochs * steps))
        rate = learning_rate(args, steps, warmup, warmup_steps=f"first {warmup:,} steps")
        loss, optimizer = CrossEntropy(args.label_smoothing), AdamW(rate, weight_decay=0.02)
        trainer = Trainer(model, loss, optimizer, seed=args.seed)
        with job.interruptible(trainer):
            history = trainer.fit(
                x, y, args.epochs, args.batch_size, validation, job.callbacks(), job.checkpoint
            )

    with job.phase("save"):
        job.save(model)

    with job.phase("verify"):
        p_test = job.verify(model, x_test)

    with job.phase("evaluate"):
        if size.mirror:
            with_mirror_images(model, *validation, "validation")
            p_test = with_mirror_images(model, x_test, y_test, "test")
        test = job.evaluate(loss, p_test, y_test)

    with job.phase("plot"):
        job.draw("accuracy.png", plots.learning_curves, history)
        job.draw("weights.png", plots.first_layer, model)
        job.draw("maps.png", plots.feature_maps, model, x_test[0])
        job.draw("classes.png", plots.class_gradients, model, x_test[:300], CLASS_NAMES)
        job.diagnose()

    with job.phase("predict"):
        job.show_predictions(x_test, p_test, y_test)

    job.end(trainer, test, size=args.size, mirror_images=size.mirror)


def convolution(filters: int) -> list[Layer]:
    """Return a convolution with what follows it; BatchNorm subtracts the mean, and any bias."""
    return [Conv2D(filters, 3, bias=False), BatchNorm(), ReLU()]


def with_mirror_images(model: Sequential, x: Array, y: Array, part: str) -> Array:
    """Return the mean of what the model says of each image and of its mirror image."""
    p = model.predict(x)
    both = (p + model.predict(x[:, :, ::-1])) / 2
    print(
        f"{part} accuracy {accuracy(p, y):.4f}; {accuracy(both, y):.4f} as the mean over the "
        "image and its mirror image"
    )
    return both


def arguments() -> argparse.Namespace:
    parser = flags(
        "Train a convolutional network on Fashion-MNIST, save it, verify it, show how it learned.",
        out="runs/fashion_cnn",
        epochs=None,
        batch_size=96,
        learning_rate=4e-3,
        label_smoothing=0.05,
        optimizer="AdamW",
        warm_up="15 %% of the steps",
    )
    parser.add_argument("--size", choices=SIZES, default="small",
        help="of the network, and how long it trains: "
        + "; ".join(f"{name}, {size.epochs} epochs" for name, size in SIZES.items())
        + " (default: %(default)s)")  # fmt: skip
    args = parser.parse_args()
    args.epochs = args.epochs or SIZES[args.size].epochs
    return args


if __name__ == "__main__":
    run(main)
