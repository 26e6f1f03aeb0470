"""Fashion-MNIST: 70,000 grey pictures of clothes, 28 x 28, ten classes. Find, verify, load.

A file is verified by the SHA-256 of its decompressed content: MNIST's digits have the same file
names and shapes, and each compression program writes another gzip header. (Xiao, Rasul and
Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.)
"""

import os
import sys
import warnings
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tinynn.datasets.download import DownloadFailed, fetch, one_at_a_time
from tinynn.datasets.idx import IDXFormatError, idx_bytes, read_idx
from tinynn.files.atomic import PathLike, without_tilde
from tinynn.parameters import Array

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

SHA256 = {  # of the decompressed file, in the order in which load_fashion_mnist returns the arrays
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

LARGEST = 60_000 * 28 * 28  # bytes of numbers in an official file

MNIST_SHA256 = {  # the same of MNIST's handwritten digits
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

MIRRORS = (  # the authors' own bucket is plain HTTP, and has been seen serving MNIST: last
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

FOLDERS = ("FashionMNIST/raw", "raw", "datasets/fashion-mnist", "fashion-mnist", "data/fashion")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SAMPLE_FOLDER = Path(__file__).with_name("sample")

Pair: TypeAlias = tuple[Array, Array]


class DatasetUnavailable(RuntimeError):
    """Fashion-MNIST was not found; the message lists where it was looked for, and what helps.

    >>> def load():
    ...     try:
    ...         return load_fashion_mnist()
    ...     except DatasetUnavailable as error:
    ...         print(error)
    ...         return load_sample()
    """


class Dataset(tuple[Pair, Pair]):
    """((x_train, y_train), (x_test, y_test)), with `source`: a text that says where it is from.

    >>> load_sample().source
    'the sample that comes with tinynn'
    """

    source: str

    def __new__(cls, train: Pair, test: Pair, source: str) -> "Dataset":
        dataset = super().__new__(cls, (train, test))
        dataset.source = source
        return dataset

    def __getnewargs__(self) -> tuple[Pair, Pair, str]:
        """For pickle and copy."""
        return (*self, self.source)


def load_fashion_mnist(data_dir: PathLike | None = None, download: bool = True) -> Dataset:
    """Return (x_train, y_train), (x_test, y_test): uint8 images (N, 28, 28), uint8 classes (N,).

    N is 60,000 and 10,000. data_dir: None, or the folder with the four files, plain or .gz; files
    there that are not the official ones load with a warning. Official files are also found under a
    name that was changed a little, "train-images-idx3-ubyte (1).gz", and in the folders that
    torchvision and Keras make in it. Otherwise the files are looked for in
    $TINYNN_DATA_DIR, the user's cache folder, the folder of Debian's package
    dataset-fashion-mnist, and (unless download is False) downloaded into the cache.
    `.source` of the result says where they came from. Raises DatasetUnavailable if they are not
    found, FileNotFoundError if data_dir lacks them, IDXFormatError if the files in data_dir are not
    in this format.

    Downloads: $XDG_CACHE_HOME chooses another cache. $TINYNN_DOWNLOAD_SECONDS is the time that each
    address gets for each file before the next one is tried (default 900; InputError if it is not a
    positive number). If several processes need the files, one downloads and the others wait.

    >>> (x_train, y_train), (x_test, y_test) = load_sample()  # the same, smaller
    >>> x_test.shape, CLASS_NAMES[y_test[0]]
    ((1000, 28, 28), 'Dress')
    """
    if data_dir is not None:
        return _load(without_tilde(data_dir))
    if own_folder := os.environ.get("TINYNN_DATA_DIR"):
        try:
            return _load(without_tilde(own_folder))
        except FileNotFoundError as error:
            warnings.warn(f"$TINYNN_DATA_DIR: {error} Looking elsewhere.", stacklevel=2)
    cache = cache_folder()
    reasons = []
    for folder in (cache, DEBIAN_FOLDER):
        try:
            return _load(folder, only_official=True)
        except (OSError, IDXFormatError) as error:
            reasons.append(str(error))
    if download:
        try:
            with one_at_a_time(cache):
                for name in SHA256:
                    if _mistake(_path(cache, name), name):
                        urls = [f"{mirror}{name}.gz" for mirror in MIRRORS]
                        fetch(urls, cache / f"{name}.gz", partial(_mistake, name=name))
            return _load(cache, only_official=True)
        except (DownloadFailed, IDXFormatError) as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(
                f"Downloads go to {cache}, which failed: {error}. Free some space there, or set "
                "XDG_CACHE_HOME to another folder that can be written."
            )
    else:
        reasons.append("It was not downloaded, because of download=False.")
    raise DatasetUnavailable(
        "\n- ".join(["Fashion-MNIST was not found:", *reasons])
        + "\nWhat helps: `apt-get install dataset-fashion-mnist` on Debian and Ubuntu; or the four "
        "files in a folder of your own, named by data_dir= (--data-dir) or $TINYNN_DATA_DIR; or "
        "datasets.load_sample(), 7,000 of the images, which come with tinynn."
    )


def load_sample() -> Dataset:
    """Return the part of Fashion-MNIST that comes with tinynn: 6,000 and 1,000 images.

    The arrays are as in `load_fashion_mnist`; all classes have equal shares. See
    datasets/sample/README.md for how it was drawn.

    >>> load_sample()[0][0].shape
    (6000, 28, 28)
    """
    arrays = [read_idx(SAMPLE_FOLDER / f"{name}.gz") for name in SHA256]
    return _dataset(arrays, "the sample that comes with tinynn")


def cache_folder() -> Path:
    """Return the folder for downloads: under $XDG_CACHE_HOME, or where this system keeps caches."""
    customs = {
        "win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local",
        "darwin": "~/Library/Caches",
    }
    base = Path(os.environ.get("XDG_CACHE_HOME") or customs.get(sys.platform, "~/.cache"))
    try:
        return base.expanduser() / "tinynn" / "fashion-mnist"
    except RuntimeError:  # a user without a home, as in some containers
        import tempfile

        return Path(tempfile.gettempdir()) / "tinynn" / "fashion-mnist"


def _load(folder: Path, only_official: bool = False) -> Dataset:
    """Load the four files of a folder. If they are not the official ones, raise or only warn."""
    paths = {name: _path(folder, name) for name in SHA256}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        names = " and no ".join(f"{name}.gz" for name in missing)
        raise FileNotFoundError(f"{folder} has no {names}. {_what_lies_in(folder, missing)}")
    most = LARGEST if only_official else inf
    arrays = {name: read_idx(path, most) for name, path in paths.items()}
    differences = (_difference(array, name) for name, array in arrays.items())
    mistakes = [difference for difference in differences if difference]
    if not mistakes:
        return _dataset(list(arrays.values()), f"{folder}, verified by SHA-256")
    if only_official:
        raise IDXFormatError(f"{folder}: {mistakes[0]}")
    dataset = _dataset(list(arrays.values()), f"{folder}, NOT the official Fashion-MNIST")
    warnings.warn(
        f"{folder} does not hold the official Fashion-MNIST: {' '.join(mistakes)} "
        "It is used all the same, because you named this folder.",
        stacklevel=3,
    )
    return dataset


def _path(folder: Path, name: str) -> Path:
    """Return the path of one of the four files, gzipped or plain; if both exist, the right one."""
    packed, plain = folder / f"{name}.gz", folder / name
    found = [path for path in (packed, plain) if path.exists() and not path.is_dir()]
    if len(found) == 1:
        return found[0]
    right = (path for path in found or _similar(folder, name) if _mistake(path, name) is None)
    return next(right, packed)


def _similar(folder: Path, name: str) -> list[Path]:
    """Return the files that may be one of the four, to go by their names; their content decides.

    A second download is called "... (1).gz", 7-Zip writes "train-images.idx3-ubyte", into a folder
    of its own perhaps, and torchvision and Keras keep the four in folders of their own.
    """
    places = [folder, *(folder / known for known in FOLDERS), *folder.glob("*[-.]idx?-ubyte*")]
    files = (path for place in places if place.is_dir() for path in sorted(place.iterdir()))
    return [path for path in files if path.is_file() and _letters(name) in _letters(path.name)]


def _letters(name: str) -> str:
    """Return a name without anything but letters and digits."""
    return "".join(c for c in name.lower() if c.isalnum())


def _what_lies_in(folder: Path, missing: list[str]) -> str:
    """Say what a folder holds in which files are missing, and what to do."""
    if not folder.exists():
        return "There is no such folder."
    if not folder.is_dir():
        return "It is a file: give the folder in which the four files lie."
    for name in missing:
        for path in _similar(folder, name):
            return (
                f"There is {path}, but it is not the official file: {_mistake(path, name)} To use "
                f"it all the same, name it {folder / name}.gz."
            )
    others = [path.name for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if packed := next((name for name in others if name.lower().endswith(ARCHIVES)), None):
        return f"It holds {packed}: if the four files are in it, unpack it there."
    others = [other for other in others if other.removesuffix(".gz") not in SHA256]
    more = ", ..." if len(others) > 5 else ""
    return f"It holds {', '.join(others[:5])}{more}." if others else "It holds nothing else."


def _dataset(arrays: list[Array], source: str) -> Dataset:
    """Pair the four arrays and make sure that they fit each other."""
    pairs = [(arrays[0], arrays[1]), (arrays[2], arrays[3])]
    for images, labels in pairs:
        fit = images.shape == (len(labels), 28, 28) and labels.ndim == 1
        if not fit or images.dtype != np.uint8 or labels.dtype != np.uint8:
            raise IDXFormatError(
                f"{source}: expected uint8 images (N, 28, 28) and uint8 labels (N,), got "
                f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}."
            )
        if labels.size and labels.max() >= len(CLASS_NAMES):
            raise IDXFormatError(f"{source}: expected labels 0 to 9, got {labels.max()}.")
    return Dataset(pairs[0], pairs[1], source)


def _mistake(path: Path, name: str) -> str | None:
    """Say what is wrong with a file that should be the official `name`; None if nothing is."""
    try:
        return _difference(read_idx(path, LARGEST), name)
    except (OSError, IDXFormatError) as error:
        return str(error)


def _difference(array: Array, name: str) -> str | None:
    """Say how an array differs from the official one; None if it does not."""
    import hashlib

    digest = hashlib.sha256(idx_bytes(array)).hexdigest()
    if digest == SHA256[name]:
        return None
    if digest in MNIST_SHA256:
        return (
            f"{name}: these are MNIST's handwritten digits, which have the same names and shapes, "
            "not Fashion-MNIST's clothes."
        )
    return f"{name} has SHA-256 {digest[:8]}..., not {SHA256[name][:8]}...."
