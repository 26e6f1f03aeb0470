"""Train in tinynn, run in onnxruntime: both predictions side by side, and the time of each.

    pip install -e '.[onnx]' onnxruntime
    python examples/export_onnx.py
    python examples/export_onnx.py --model runs/fashion_mlp/model.npz

Without --model, a small convolutional network is first trained on the 6,000 images that come with
tinynn, for about half a minute. The ONNX file then holds the network and the names of its classes:
what runs it needs neither tinynn nor this program.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import tinynn  # before NumPy: tinynn/__init__.py says why

# isort: split
import numpy as np

from tinynn import (
    AdamW,
    BatchNorm,
    Conv2D,
    CosineDecay,
    Dense,
    Flatten,
    MaxPool2D,
    ProgressBar,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    accuracy,
    compare_models,
    datasets,
)
from tinynn.datasets import CLASS_NAMES
from tinynn.files.atomic import without_tilde
from tinynn.interop.onnx import export_onnx, load_onnx
from tinynn.parameters import Array

SHOWN, ROUNDS = 8, 7


def main() -> None:
    args = arguments()
    try:
        import onnxruntime
    except ImportError:
        sys.exit("error: onnxruntime is not installed here: pip install -e '.[onnx]' onnxruntime")
    (x_train, y_train), (x_test, y_test) = datasets.load_sample()
    try:
        model = tinynn.load_model(args.model) if args.model else trained(x_train, y_train, args)
        if np.prod(model.input_shape) != 28 * 28:
            sys.exit(f"error: {args.model} takes {model.input_shape}, and the images are (28, 28)")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        export_onnx(model, args.out, class_names=CLASS_NAMES)
        back = load_onnx(args.out)
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"{args.out} holds the network. Read again: {compare_models(model, back)}\n")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.out, options, providers=["CPUExecutionProvider"])
    names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
    takes_bytes = any(isinstance(layer, Rescale) for layer in model.layers)
    images = x_test if takes_bytes else tinynn.scale_pixels(x_test)
    x = images.reshape(-1, *model.input_shape).astype(np.float32)

    def in_onnxruntime(x: Array) -> Any:
        return session.run(None, {"input": x})[0]

    ours, theirs = model.predict(x), in_onnxruntime(x)
    print(f"{'image':>5}  {'it is':<12} {'tinynn':<22} onnxruntime")
    for i in range(SHOWN):
        cells = (f"{names[p.argmax()]:<12} {p.max():9.6f}" for p in (ours[i], theirs[i]))
        print(f"{i:>5}  {names[y_test[i]]:<12} {'  '.join(cells)}")
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    print(f"\nThe same answer for {same:,} of {len(x):,} images. Largest difference of a number:")
    print(f"{np.abs(ours - theirs).max():.1e}. Accuracy {accuracy(theirs, y_test):.4f}.")
    seconds = timed([model.predict, in_onnxruntime], x[:1000])
    for name, value in zip(("tinynn", "onnxruntime"), seconds, strict=True):
        print(f"{name:<12} {1000 * value:7.1f} ms for 1,000 images (median of {ROUNDS})")


def trained(x: Array, y: Array, args: argparse.Namespace) -> Sequential:
    """Return a network that takes images in bytes, trained on some."""
    layers = [Rescale(1 / 255), Reshape((28, 28, 1))]
    for filters in (8, 16):
        layers += [Conv2D(filters, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(2)]
    model = Sequential([*layers, Flatten(), Dense(64), ReLU(), Dense(10)], (28, 28), seed=0)
    trainer = Trainer(model, SoftmaxCrossEntropy(), AdamW(CosineDecay(3e-3)))
    trainer.fit(x, y, epochs=args.epochs, batch_size=64, callbacks=[ProgressBar()])
    # the last Dense gives logits, which train well; people want probabilities
    whole = Sequential([*copies(model), Softmax()], (28, 28))
    whole.params, whole.buffers = model.params, model.buffers
    return whole


def copies(model: Sequential) -> list[tinynn.Layer]:
    """Return new layers with the same arguments."""
    return [type(layer)(**layer.config()) for layer in model.layers]


def timed(functions: list[Callable[[Array], Any]], x: Array) -> list[float]:
    """Return the median seconds of each function, called in turns."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, values in zip(functions, seconds, strict=True):
            start = perf_counter()
            function(x)
            values.append(perf_counter() - start)
    return [median(values) for values in seconds]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train in tinynn, run in onnxruntime.")
    parser.add_argument(
        "--model", type=without_tilde, help="a network that tinynn saved (default: train one)"
    )
    parser.add_argument("--epochs", type=int, default=4, help="of the training (default: 4)")
    parser.add_argument(
        "--threads", type=int, default=1, help="of onnxruntime (default: 1; 0: as it chooses)"
    )
    parser.add_argument(
        "--out",
        type=without_tilde,
        default=Path("runs/export_onnx/model.onnx"),
        help="the ONNX file (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
