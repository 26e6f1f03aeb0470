"""Damage valid model files at random, load each, and count the outcomes.

Loading must give the saved arrays or refuse the file. Any other outcome (other arrays, another
exception) is printed, and the exit status is 1. Case k depends only on the seed and k, so that
`--only K` repeats it.
"""

import argparse
import io
import json
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from tinynn import Dense, Flatten, ModelFormatError, ReLU, Sequential, Softmax, load_model
from tinynn.files.checkpoints import load_checkpoint, save_checkpoint
from tinynn.files.models import save_model

STATE = {
    "epoch": 3,
    "history": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
    "optimizer": {"t": 9, "M": np.linspace(-1, 1, 484), "V": np.arange(484, dtype=np.float32)},
}


@dataclass
class Part:
    """The places of one array in a file: its header, its bytes and its directory entry."""

    local: int
    start: int
    stop: int
    directory: int


@dataclass
class Source:
    """A valid file, and the objects that were saved in it, as one text."""

    kind: str
    content: bytes
    parts: list[Part]
    saved: str


def network(seed: int, dtype: str = "float32") -> Sequential:
    """Return a small model, whose weights are most of its file."""
    layers = [Flatten(), Dense(16), ReLU(), Dense(4), Softmax()]
    return Sequential(layers, input_shape=(5, 5), seed=seed, dtype=dtype)


def as_text(params: np.ndarray, rest: object) -> str:
    """Return everything that was saved or loaded, with every bit of the arrays."""
    return json.dumps([params, rest], default=lambda a: [a.dtype.str, a.shape, a.tobytes().hex()])


def loaded(kind: str, path: Path) -> str:
    """Load the file and return what it gave, as text."""
    if kind == "checkpoint":
        twin, state, _ = load_checkpoint(path, network(seed=1))
        return as_text(twin.params, state)
    model = load_model(path)
    return as_text(model.params, model.config())


def sources(folder: Path) -> list[Source]:
    """Return two model files, one of them in float64, and a checkpoint."""
    path, made = folder / "valid.npz", []
    for seed, dtype in ((0, "float32"), (2, "float64")):
        model = network(seed, dtype)
        save_model(model, path)
        saved = as_text(model.params, model.config())
        made.append(Source("model", path.read_bytes(), parts(path.read_bytes()), saved))
    save_checkpoint(network(seed=1), STATE, path)
    saved = as_text(network(seed=1).params, STATE)
    return [*made, Source("checkpoint", path.read_bytes(), parts(path.read_bytes()), saved)]


def parts(content: bytes) -> list[Part]:
    """Find the arrays in a zip file (its specification, PKWARE APPNOTE, 4.3.7 and 4.3.12)."""
    found = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory = archive.start_dir
        for entry in archive.infolist():
            local = entry.header_offset
            lengths = np.frombuffer(content, "<u2", 2, local + 26)  # of the name and of extras
            start = local + 30 + int(lengths.sum())
            found.append(Part(local, start, start + entry.file_size, directory))
            directory += 46 + int(np.frombuffer(content, "<u2", 3, directory + 28).sum())
    return found


# Mutations: each changes the bytearray in place. Places are drawn from `rng`.


def flip(data: bytearray, start: int, stop: int, rng: np.random.Generator) -> None:
    """Flip one to three bits in that range."""
    stop = min(stop, len(data))
    for _ in range(rng.integers(1, 4)):
        if start < stop:
            data[rng.integers(start, stop)] ^= 1 << rng.integers(8)


def run(data: bytearray, rng: np.random.Generator) -> slice:
    """Return a random range of bytes, seldom a long one."""
    start = int(rng.integers(len(data) + 1))
    return slice(start, min(len(data), start + int(rng.geometric(0.05))))


def flip_anywhere(data, source, other, rng):
    """Bits of the whole file."""
    flip(data, 0, len(data), rng)


def flip_in_an_array(data, source, other, rng):
    """Bits of one array's numbers."""
    part = rng.choice(source.parts)
    flip(data, part.start + 128, part.stop, rng)


def flip_in_a_local_header(data, source, other, rng):
    """Bits of the zip header before an array."""
    part = rng.choice(source.parts)
    flip(data, part.local, part.start, rng)


def flip_in_the_directory(data, source, other, rng):
    """Bits of the zip's directory, at the file's end."""
    flip(data, source.parts[0].directory, len(source.content), rng)


def flip_in_an_npy_header(data, source, other, rng):
    """Bits of an array's dtype, order or shape."""
    part = rng.choice(source.parts)
    flip(data, part.start, part.start + 70, rng)


def flip_in_an_npy_header_with_its_checksum_put_right(data, source, other, rng):
    """The same, so that only a check of the header itself can find it."""
    if data != source.content:
        return  # its places are no longer known
    part = rng.choice(source.parts)
    flip(data, part.start, part.start + 70, rng)
    checksum = crc32(data[part.start : part.stop]).to_bytes(4, "little")
    data[part.local + 14 : part.local + 18] = checksum
    data[part.directory + 16 : part.directory + 20] = checksum


def truncate(data, source, other, rng):
    """Cut the end off."""
    del data[rng.integers(len(data) + 1) :]


def splice(data, source, other, rng):
    """The beginning of this file and the end of another, cut at one place or between two parts."""
    here = there = rng.integers(len(data) + 1)
    if rng.random() < 0.5:
        here, there = rng.choice(source.parts).local, rng.choice(other.parts).local
    data[here:] = other.content[there:]


def insert(data, source, other, rng):
    """Random bytes in the middle."""
    place = run(data, rng).start
    data[place:place] = rng.bytes(rng.geometric(0.05))


def append(data, source, other, rng):
    """Random bytes at the end."""
    data += rng.bytes(rng.geometric(0.05))


def repeat(data, source, other, rng):
    """A range of bytes, twice."""
    place = run(data, rng)
    data[place.stop : place.stop] = data[place]


def delete(data, source, other, rng):
    """A range of bytes, removed."""
    del data[run(data, rng)]


def zero(data, source, other, rng):
    """A range of bytes, set to zero."""
    place = run(data, rng)
    data[place] = bytes(len(data[place]))


MUTATIONS: list[Callable] = [
    flip_anywhere,
    flip_in_an_array,
    flip_in_a_local_header,
    flip_in_the_directory,
    flip_in_an_npy_header,
    flip_in_an_npy_header_with_its_checksum_put_right,
    truncate,
    splice,
    insert,
    append,
    repeat,
    delete,
    zero,
]


def mutated(valid: list[Source], seed: int, k: int) -> tuple[Source, bytes, str]:
    """Return the valid file of case k, the damaged bytes, and the mutations: mostly just one."""
    rng = np.random.default_rng([seed, k])
    source, other = (valid[rng.integers(len(valid))] for _ in range(2))
    mutations = rng.choice(MUTATIONS, rng.geometric(0.75))
    data = bytearray(source.content)
    for mutation in mutations:
        mutation(data, source, other, rng)
    return source, bytes(data), ", ".join(mutation.__name__ for mutation in mutations)


def outcome(valid: list[Source], seed: int, k: int, path: Path) -> tuple[str, str]:
    """Load case k; return "identical" or "refused: ..." if all is well, and the mutations."""
    source, content, how = mutated(valid, seed, k)
    how = f"{source.kind} {valid.index(source)}: {how}"
    path.write_bytes(content)
    try:
        arrays = loaded(source.kind, path)
    except ModelFormatError as error:
        text = str(error)
        if not text.startswith(str(path)):
            return f"WRONG: an error that does not name the file: {text}", how
        return f"refused: {re.sub('[0-9,]{2,}', 'N', text.removeprefix(str(path)).strip())}", how
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {error}", how
    if arrays not in [other.saved for other in valid if other.kind == source.kind]:
        return "WRONG: loads, but holds something else", how
    return "identical", how


def fuzz(seed: int, cases: range) -> Counter[str]:
    """Load all these cases, print each wrong outcome at once, and count the outcomes."""
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        valid = sources(Path(folder))
        for k in cases:
            result, how = outcome(valid, seed, k, Path(folder, "case.npz"))
            tally[result] += 1
            if result.startswith("WRONG"):
                print(f"--seed {seed} --only {k} ({how}): {result}", file=sys.stderr)
    return tally


def kinds(tally: Counter[str]) -> Counter[str]:
    """Count the outcomes by their first words, without quoted names and numbers."""
    short: Counter[str] = Counter()
    for result, count in tally.items():
        short[" ".join(re.split(r"['(]|b\"|N bytes", result)[0].split()[:8])] += count
    return short


def main() -> int:
    """Read the options, run the cases, print the tally; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--n", type=int, default=200_000, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="of all random choices")
    parser.add_argument("--only", type=int, metavar="K", help="run just case K and show it")
    options = parser.parse_args()
    if options.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "case.npz")
            result, how = outcome(sources(Path(folder)), options.seed, options.only, path)
        print(f"{how}\n{result}")
        return int(result.startswith("WRONG"))
    began = time.perf_counter()
    tally = fuzz(options.seed, range(options.n))
    seconds = time.perf_counter() - began
    for kind, count in kinds(tally).most_common():
        print(f"{count:>9,}  {count / options.n:6.2%}  {kind}")
    wrong = sum(count for result, count in tally.items() if result.startswith("WRONG"))
    print(
        f"{options.n:,} files: {tally['identical']:,} identical, "
        f"{options.n - tally['identical'] - wrong:,} refused, {wrong:,} WRONG; "
        f"{options.n / seconds:,.0f} files/s"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
