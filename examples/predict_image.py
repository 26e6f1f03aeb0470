"""Ask a saved network what your own pictures show, and see what it saw.

    python examples/predict_image.py runs/fashion_mlp/model.npz shoe.jpg coat.png

The network was trained on grey pictures of 28 x 28 pixels: one object that fills the picture, light
on black. So each picture is made grey, turned into light on dark, cropped to the object, and scaled
down, much as Fashion-MNIST itself was made (Xiao, Rasul and Vollgraf, 2017, section 2). One object
on a plain background works best.

The exit status is 0 if every picture was answered and drawn, else 1; if a picture cannot be read,
an error says so, and the others are answered.
"""

import argparse
import io
import sys
import warnings
from pathlib import Path

import tinynn  # before NumPy: tinynn/__init__.py says why

# isort: split
import numpy as np
from PIL import Image, ImageOps  # Pillow, which matplotlib brings along

from tinynn import plots
from tinynn.datasets import CLASS_NAMES
from tinynn.files.atomic import without_tilde
from tinynn.parameters import Array

SIDE = 28  # pixels
LARGEST = 100_000_000  # pixels of a picture, which take some 2 GB of memory
FAINT = 32  # of 255: a smaller difference from the background is noise of the camera or of JPEG
DRAWN = 500  # pixels, the longer side of a picture when it is drawn


def main() -> None:
    args = arguments()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have letters it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    Image.MAX_IMAGE_PIXELS = None  # read_picture refuses what has more than LARGEST
    if args.out.exists() and any(
        path.exists() and path.samefile(args.out) for path in (args.model, *args.images)
    ):
        sys.exit(f"error: --out {args.out} would overwrite a file that this program reads")
    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        sys.exit(f"error: --out {args.out} should end in .png, .jpg, .pdf or .svg")
    try:
        model = tinynn.load_model(args.model)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    if model.input_shape != (SIDE, SIDE) or model.output_shapes[-1] != (len(CLASS_NAMES),):
        sys.exit(
            f"error: {args.model} maps {model.input_shape} to {model.output_shapes[-1]}; this "
            f"program needs a network from ({SIDE}, {SIDE}) to ({len(CLASS_NAMES)},)"
        )
    paths, pictures, images = [], [], []
    for path in args.images:
        try:
            picture = read_picture(path)
            images.append(as_fashion_mnist(picture))
        except Exception as error:  # a damaged file can lead Pillow to raise anything
            reason = str(error) or type(error).__name__
            print(f"error: {path} cannot be read as a picture: {reason}", file=sys.stderr)
            continue
        picture.thumbnail((DRAWN, DRAWN))
        paths.append(path)
        pictures.append(picture)
    if not pictures:
        sys.exit(1)
    seen = np.stack(images)  # (N, 28, 28)
    p = model.predict(tinynn.scale_pixels(seen))  # (N, 10)
    for path, image, probabilities in zip(paths, seen, p, strict=True):
        if image.max() <= FAINT:
            print(f"{path}: no object stands out from the background; the answer means nothing")
        best = np.argsort(-probabilities)[:3]
        print(f"{path}: " + ", ".join(f"{CLASS_NAMES[i]} {probabilities[i]:.1%}" for i in best))
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        draw([path.name for path in paths], pictures, seen, p, args.out)
    except Exception as error:  # a broken matplotlib can raise anything
        sys.exit(f"error: {args.out} could not be drawn. {type(error).__name__}: {error}")
    print(args.out)
    if len(pictures) < len(args.images):
        sys.exit(1)


def read_picture(path: Path) -> Image.Image:
    """Return a picture as the eye sees it: upright, in colour, transparent parts white.

    If the file holds several, return the first.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF data: the pixels are there
        with Image.open(path) as file:
            if file.width * file.height > LARGEST:
                raise ValueError(
                    f"it has {file.width:,} x {file.height:,} pixels; at most {LARGEST:,} are "
                    f"read. Make it smaller first: the network sees {SIDE} x {SIDE}."
                )
            picture = ImageOps.exif_transpose(file)
    if picture.mode.startswith(("I", "F")):
        picture = in_8_bits(picture)
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def in_8_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of larger numbers, or of fractions, as one of whole numbers from 0 to 255.

    Such a file does not say which number is white. We take the smallest of 1, 255 and 65,535 that
    no pixel exceeds.
    """
    values = np.asarray(picture)
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 65_535):  # so NaN is refused, too
        raise ValueError(
            f"its numbers go from {least:g} to {most:g}; expected 0 to 1, 0 to 255 or 0 to 65,535"
        )
    grey = values // 256 if most > 255 else values * 255 if most <= 1 else values
    result = Image.fromarray(np.rint(grey).astype(np.uint8))
    if "transparency" in picture.info:  # the number that stands for transparent
        opaque = values != picture.info["transparency"]
        result.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return result


def as_fashion_mnist(picture: Image.Image) -> Array:
    """Return the network's input: uint8 (28, 28), light on dark, filled by the object."""
    grey = np.asarray(picture.convert("L"), np.int16)  # (height, width), 0 to 255
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = int(np.median(border))
    if background > 127:
        grey, background = 255 - grey, 255 - background
    if grey.shape == (SIDE, SIDE):  # already as the network needs it
        return grey.astype(np.uint8)
    above = np.clip(grey - background, 0, None)
    light = above * (255 / max(above.max(), 1))
    rows, columns = np.nonzero(light > FAINT)  # the pixels of the object
    if not len(rows):
        return np.zeros((SIDE, SIDE), np.uint8)
    cropped = Image.fromarray(light.astype(np.uint8)).crop(
        (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    )
    scale = SIDE / max(cropped.size)
    width, height = (max(1, round(side * scale)) for side in cropped.size)
    frame = Image.new("L", (SIDE, SIDE))
    corner = ((SIDE - width) // 2, (SIDE - height) // 2)
    frame.paste(cropped.resize((width, height), Image.Resampling.LANCZOS), corner)
    return np.asarray(frame)


def draw(names: list[str], pictures: list[Image.Image], seen: Array, p: Array, path: Path) -> None:
    """Draw a row for each picture: the picture, the network's input, and its probabilities."""
    figure = plots.blank(9, 2.6 * len(pictures))
    panels = figure.subplots(len(pictures), 3, squeeze=False, width_ratios=(1, 1, 1.3))
    for (given, network, answer), name, picture, image, probabilities in zip(
        panels, names, pictures, seen, p, strict=True
    ):
        given.imshow(picture)
        given.set_title(plots.literal(name))
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
    plots.saved(figure, path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask a saved network what your pictures show.")
    parser.add_argument("model", type=without_tilde, help="the model.npz of a run")
    parser.add_argument("images", type=without_tilde, nargs="+", metavar="IMAGE",
        help="PNG or JPEG of any size, light or dark background")  # fmt: skip
    picture = Path("runs/predicted.png")
    parser.add_argument("--out", type=without_tilde, default=picture, metavar="FILE",
        help="the picture, replaced if it exists (default: %(default)s)")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
