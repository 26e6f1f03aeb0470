"""Ask a saved network what is on your own pictures, and see what it saw.

    python examples/predict_image.py runs/fashion_mlp/model.npz shoe.jpg coat.png

The network knows grey pictures of 28 x 28, white on black, the thing filling the frame. So each
picture is made grey, turned into light on dark, cropped to what stands out, and scaled down, much
as Fashion-MNIST itself was made (Xiao, Rasul and Vollgraf, 2017, section 2). One thing on a plain
background works best.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps  # Pillow, which matplotlib brings along

import tinynn
from tinynn.datasets import CLASS_NAMES
from tinynn.parameters import Array

SIDE = 28  # pixels


def main() -> None:
    args = arguments()
    if args.out.resolve() in {path.resolve() for path in (args.model, *args.images)}:
        sys.exit(f"error: --out {args.out} would overwrite what is to be read")
    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        sys.exit(f"error: --out {args.out} should end in .png, .jpg, .pdf or .svg")
    try:
        model = tinynn.load_model(args.model)
        pictures = [read_picture(path) for path in args.images]
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    if model.input_shape != (SIDE, SIDE) or model.output_shapes[-1] != (len(CLASS_NAMES),):
        sys.exit(
            f"error: {args.model} maps {model.input_shape} to {model.output_shapes[-1]}; "
            f"needed is a network from ({SIDE}, {SIDE}) to ({len(CLASS_NAMES)},)"
        )
    seen = np.stack([as_fashion_mnist(picture) for picture in pictures])  # (N, 28, 28)
    p = model.predict(tinynn.scale_pixels(seen))  # (N, 10)
    for path, image, probabilities in zip(args.images, seen, p, strict=True):
        if not image.any():
            print(f"{path}: nothing stands out from the background; what follows means nothing")
        best = np.argsort(-probabilities)[:3]
        print(f"{path}: " + ", ".join(f"{CLASS_NAMES[i]} {probabilities[i]:.1%}" for i in best))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw([path.name for path in args.images], pictures, seen, p, args.out)
    print(args.out)


def read_picture(path: Path) -> Image.Image:
    """Return a picture as the eye sees it: upright, in colour, transparent parts white."""
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def as_fashion_mnist(picture: Image.Image) -> Array:
    """Return what the network gets: uint8 (28, 28), light on dark, the thing filling the frame."""
    grey = np.asarray(picture.convert("L"), np.int16)  # (height, width), 0 to 255
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = int(np.median(border))
    if background > 127:
        grey, background = 255 - grey, 255 - background
    if grey.shape == (SIDE, SIDE):  # made for the network already
        return grey.astype(np.uint8)
    above = np.clip(grey - background, 0, None)
    light = above * (255 / max(above.max(), 1))
    rows, columns = np.nonzero(light > 32)  # what stands out; less is noise of the camera or JPEG
    if not len(rows):
        return np.zeros((SIDE, SIDE), np.uint8)
    thing = Image.fromarray(light.astype(np.uint8)).crop(
        (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    )
    scale = SIDE / max(thing.size)
    width, height = (max(1, round(side * scale)) for side in thing.size)
    frame = Image.new("L", (SIDE, SIDE))
    corner = ((SIDE - width) // 2, (SIDE - height) // 2)
    frame.paste(thing.resize((width, height), Image.Resampling.LANCZOS), corner)
    return np.asarray(frame)


def draw(names: list[str], pictures: list[Image.Image], seen: Array, p: Array, path: Path) -> None:
    """Draw a row for each picture: as it came, what the network saw, and what it says."""
    figure = Figure(figsize=(9, 2.6 * len(pictures)), layout="constrained")
    panels = figure.subplots(len(pictures), 3, squeeze=False, width_ratios=(1, 1, 1.3))
    for (given, network, answer), name, picture, image, probabilities in zip(
        panels, names, pictures, seen, p, strict=True
    ):
        given.imshow(picture)
        given.set_title(name)
        network.imshow(image, cmap="gray", vmin=0, vmax=255)
        network.set_title("what the network saw")
        for panel in (given, network):
            panel.set_xticks([])
            panel.set_yticks([])
        best = np.argsort(-probabilities)[:5][::-1]
        bars = answer.barh([CLASS_NAMES[i] for i in best], probabilities[best], color="#0072B2")
        answer.bar_label(bars, [f"{probabilities[i]:.1%}" for i in best], padding=3)
        answer.set_xlim(0, 1.25)
        answer.set_xticks([])
        answer.set_title(f"{CLASS_NAMES[best[-1]]}, it says")
        answer.spines[["top", "right", "bottom"]].set_visible(False)
    figure.savefig(path, dpi=110)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask a saved network what is on your pictures.")
    parser.add_argument("model", type=Path, help="the model.npz of a run")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE",
        help="PNG or JPEG of any size, light or dark background")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs/predicted.png"), metavar="FILE",
        help="the picture, replaced if it exists (default: %(default)s)")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
