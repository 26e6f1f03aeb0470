"""Protects users from hostile or broken files: they get the saved arrays, or ModelFormatError."""

import io
import json
import os
import pickle
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from math import prod
from pathlib import Path

import numpy as np
import pytest

from tinynn import (
    Adam,
    Checkpoint,
    CrossEntropy,
    Dense,
    EarlyStopping,
    Flatten,
    ModelFormatError,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
    load_model,
    save_model,
    zeros,
)
from tinynn.files.checkpoints import check_state, load_checkpoint, save_checkpoint
from tinynn.files.npz import LONGEST_DIRECTORY, NpzFile

X, Y = np.linspace(0, 1, 16).reshape(4, 2, 2), np.array([0, 1, 2, 3])
HELD = X[::-1], Y[::-1]
MEMORY = 16_000_000  # bytes; an honest file here is 3 kB, its longest allowed text 4 MB
SECONDS = 10.0  # an honest file takes 0.001


def network(seed=0):
    layers = [Flatten(), Dense(3), ReLU(), Dense(4), Softmax()]
    return Sequential(layers, input_shape=(2, 2), seed=seed)


@cache
def untrained():
    return network()


# A zip writer that lies on demand (PKWARE's APPNOTE: 4.3.7 local header, 4.3.12 directory entry)


@dataclass
class Part:
    """One file in a zip. For a field that is None, the true value is written."""

    name: str
    data: bytes
    flags: int = 0
    method: int = 0
    size: int | None = None  # as the directory declares it
    packed: int | None = None  # the same, as stored
    crc: int | None = None
    offset: int | None = None
    extra: bytes = b""  # of the directory's entry
    before: bytes = b""  # what stands in the file before it


def zip_of(parts, count=None, directory_size=None, directory_offset=None):
    body, directory = b"", b""
    for part in parts:
        name, length = part.name.encode(), len(part.data)
        body += part.before
        crc = zlib.crc32(part.data) if part.crc is None else part.crc
        size = length if part.size is None else part.size
        packed = length if part.packed is None else part.packed
        offset = len(body) if part.offset is None else part.offset
        long = struct.pack("<3Q", size, packed, offset)  # zip64, where 32 bits do not hold them
        extra = part.extra + struct.pack("<2H", 1, len(long)) + long
        if max(size, packed, offset) < 2**32 - 1:
            short, extra = (size, packed, offset), part.extra
        else:
            short = (2**32 - 1,) * 3
        start = (20, part.flags, part.method, 0, 33, crc)
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *start, *short[:2], len(name),
                                 len(extra), 0, 0, 0, 0, short[2]) + name + extra  # fmt: skip
        body += struct.pack("<4s5H3L2H", b"PK\3\4", *start, length, length, len(name), 0)
        body += name + part.data
    count = len(parts) if count is None else count
    size = len(directory) if directory_size is None else directory_size
    offset = len(body) if directory_offset is None else directory_offset
    ending = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, min(size, 2**32 - 1),
                         min(offset, 2**32 - 1), 0)  # fmt: skip
    if max(size, offset) >= 2**32 - 1:
        at = len(body) + len(directory)
        ending = (
            struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
            + struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
            + ending
        )
    return body + directory + ending


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), version=(1, 0))
    return stream.getvalue()


def told(header, data=b"", version=b"\1\0"):
    """Return the file of an array with any header."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


def header(descr="'<f4'", order="False", shape="(4, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


# The honest files, and what a refusal is


@dataclass
class Victim:
    """A valid file in its parts: tests change `parts` or the whole, and check whether it opens."""

    kind: str
    path: Path
    parts: list[Part] = field(default_factory=list, repr=False)

    def __post_init__(self):
        model = untrained()
        self.openings = {
            "model": [load_model, lambda path: compare_models(model, path)],
            "checkpoint": [lambda path: load_checkpoint(path, model), resume],
        }[self.kind]
        with zipfile.ZipFile(self.path) as archive:
            self.parts = [Part(name, archive.read(name)) for name in archive.namelist()]

    def part(self, name):
        (found,) = [part for part in self.parts if part.name == f"{name}.npy"]
        return found

    def texts(self):
        return json.loads(str(np.load(io.BytesIO(self.part("training").data))))

    def write(self, content=None, **lies):
        self.path.write_bytes(zip_of(self.parts, **lies) if content is None else content)

    def refused(self, *words, error=ModelFormatError):
        """Check that every way to open the file refuses it, quickly, and changes nothing."""
        for opening in self.openings:
            tracemalloc.start()
            began = time.perf_counter()
            try:
                with pytest.raises(ValueError) as caught:
                    opening(self.path)
                seconds, memory = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert isinstance(caught.value, error), repr(caught.value)[:1000]
            text = str(caught.value)
            assert text.startswith(str(self.path))
            for word in words:
                assert word in text.removeprefix(str(self.path))
            assert text.encode()  # it can be printed
            assert len(text) < 3_000  # and read
            assert memory < MEMORY
            assert seconds < SECONDS


def trained(**options):
    trainer = Trainer(network(), CrossEntropy(), Adam())
    trainer.fit(X, Y, batch_size=2, **options)
    return trainer


@cache
def with_a_past():
    return trained(epochs=1)


def resume(path):
    """Resume from a checkpoint in a trainer that was trained; a refusal must not change it."""
    trainer = with_a_past()
    before = snapshot(trainer)
    try:
        trainer.fit(X, Y, epochs=9, batch_size=2, callbacks=[Checkpoint(path)], resume_from=path)
    except Exception:
        unchanged = snapshot(trainer) == before
        assert unchanged, "a refused checkpoint has left something behind"
        raise
    with_a_past.cache_clear()


def snapshot(trainer):
    model, optimizer = trainer.model, trainer.optimizer
    memory = {name: vector.tobytes() for name, vector in optimizer.slots.items()}
    rows = json.dumps(trainer.history.epochs)
    return model.params.tobytes(), optimizer.t, memory, trainer.step, trainer.epoch, rows


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The content of a valid file of each kind."""
    folder = tmp_path_factory.mktemp("honest")
    save_model(network(), folder / "model")
    trained(epochs=2, callbacks=[Checkpoint(folder / "checkpoint")])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def model(tmp_path, honest):
    (tmp_path / "victim.npz").write_bytes(honest["model"])
    return Victim("model", tmp_path / "victim.npz")


@pytest.fixture
def checkpoint(tmp_path, honest):
    (tmp_path / "victim.npz").write_bytes(honest["checkpoint"])
    return Victim("checkpoint", tmp_path / "victim.npz")


@pytest.fixture(params=["model", "checkpoint"])
def victim(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["model", pytest.param("checkpoint", marks=pytest.mark.slow)])
def either(request):
    """A file of either kind: both are read by the same code."""
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_the_writer_of_these_tests_writes_files_that_load(victim):
    """Otherwise every refusal below would prove nothing."""
    victim.write()
    if victim.kind == "model":
        assert compare_models(victim.path, network()).identical
    else:
        model, history = network(), trained(epochs=9)
        trainer = Trainer(model, CrossEntropy(), Adam())
        trainer.fit(X, Y, 9, 2, callbacks=[Checkpoint(victim.path)], resume_from=victim.path)
        assert model.params.tobytes() == history.model.params.tobytes()


# Files of another kind, and broken ones


def plain_npy(content):
    return npy(np.zeros(3))


class Payload:
    """Unpickled, it creates a folder in the current one."""

    def __reduce__(self):
        return os.mkdir, ("pickle-was-run",)


FILES = {
    "empty": lambda content: b"",
    "plain .npy": plain_npy,
    "object .npy": lambda content: npy(np.zeros(3)).replace(b"'<f8'", b"'|O' "),
    "text": lambda content: b"I am a text.\n",
    "pickle": lambda content: pickle.dumps(Payload()),
    "zip without members": lambda content: zip_of([]),
    "another zip": lambda content: zip_of([Part("letter.txt", b"no array")]),
    "zip after junk": lambda content: b"MZ\x90\0" + content,
    "zip's beginning": lambda content: b"PK\3\4" + bytes(100),
    "twice the directory's end": lambda content: content + content[-22:],
}


@pytest.mark.first_cases(8)
@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
def test_a_file_of_another_kind_is_refused(victim, change, monkeypatch):
    monkeypatch.chdir(victim.path.parent)
    victim.write(change(victim.path.read_bytes()))
    victim.refused()
    assert not Path("pickle-was-run").exists()


@pytest.mark.parametrize(("name", "kind"), [
    ("plain .npy", "an array of NumPy"), ("text", "a text"), ("pickle", "a pickle"),
])  # fmt: skip
def test_a_file_of_another_kind_is_named(victim, name, kind):
    victim.write(FILES[name](b""))
    victim.refused(f"is not an .npz file, but {kind}")


@pytest.mark.parametrize("sixteenths", range(16))
def test_a_file_truncated_at_any_sixteenth_is_refused(either, sixteenths):
    content = either.path.read_bytes()
    either.write(content[: len(content) * sixteenths // 16])
    either.refused()


def test_no_pickle_is_ever_executed(victim, monkeypatch):
    monkeypatch.chdir(victim.path.parent)
    objects = np.array([Payload()] * 12, object).reshape(4, 3)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, objects)
    for part in victim.parts:
        honest, part.data = part.data, stream.getvalue()
        victim.write()
        victim.refused(part.name.removesuffix(".npy"))
        part.data = honest
    assert not Path("pickle-was-run").exists()
    stream.seek(0)
    np.lib.format.read_array(stream, allow_pickle=True)  # the payload is real
    assert Path("pickle-was-run").exists()


def flipped(data, place):
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("place", [20, 128, -1], ids=["header", "first byte", "last byte"])
@pytest.mark.parametrize("trailing", [0, pytest.param(40, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_any_member_is_refused_also_with_trailing_bytes(victim, place, trailing):
    for part in victim.parts:
        honest = part.data
        part.crc, part.data = zlib.crc32(honest), flipped(honest, place) + bytes(trailing)
        victim.write()
        victim.refused(part.name.removesuffix(".npy"))
        part.crc, part.data = None, honest


def test_trailing_bytes_are_refused_even_with_the_right_checksum(victim):
    for part in victim.parts:
        honest, part.data = part.data, part.data + b"\0"
        victim.write()
        victim.refused(part.name.removesuffix(".npy"))
        part.data = honest


def test_the_refusal_of_a_zip_says_why(victim):
    honest = victim.path.read_bytes()
    victim.write(zip_of([Part("letter.txt", npy(np.zeros(3)))]))
    victim.refused("a part that is not an array: 'letter.txt'")
    for behind in (b"\0", bytes(22)):
        victim.write(honest[:-2] + struct.pack("<H", len(behind)) + behind)  # as a zip's comment
        victim.refused("has bytes added")
    victim.part("1.Dense.W").flags = 1
    victim.write()
    victim.refused("'1.Dense.W' encrypted")


def test_a_directory_of_megabytes_is_not_read(victim):
    extra = struct.pack("<2H", 0x9999, 60_000) + bytes(60_000)
    count = LONGEST_DIRECTORY // len(extra) + 1
    victim.parts += [Part(f"{i}.npy", npy(np.zeros(3)), extra=extra) for i in range(count)]
    victim.write()
    victim.refused("too large a directory")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with names")
def test_a_pipe_is_refused_and_nobody_waits_for_its_other_end(victim):
    victim.path.unlink()
    os.mkfifo(victim.path)
    victim.refused("is not a file, but a pipe or a device")


# Lies in the zip's directory, told of one array of weights


MEMBERS = {
    "encrypted": {"flags": 1},
    "strongly encrypted": {"flags": 1 | 64},
    "patched": {"flags": 32},
    "method 99": {"method": 99},
    "method deflate": {"method": 8},
    "method bzip2": {"method": 12},
    "method lzma": {"method": 14},
    "size less": {"size": 175},
    "size more": {"size": 177},
    "size none": {"size": 0},
    "both less": {"size": 175, "packed": 175},
    "both more": {"size": 177, "packed": 177},
    "both none": {"size": 0, "packed": 0},
    "packed less": {"packed": 175},
    "packed more": {"packed": 177},
    **{f"size 2**{n}": {"size": 2**n} for n in (31, 33, 62, 63)},
    **{f"both 2**{n}": {"size": 2**n, "packed": 2**n} for n in (31, 33, 62, 63)},
    **{f"offset 2**{n}": {"offset": 2**n} for n in (20, 31, 33, 62, 63)},
    "offset into nowhere": {"offset": 7},
    "offset of the first": {"offset": 0},
    "an extra field that ends too soon": {"extra": b"\1\0\x30\0\0"},
}


@pytest.mark.parametrize("lie", MEMBERS.values(), ids=MEMBERS)
def test_a_lie_about_a_member_is_refused(either, lie):
    assert len(either.part("1.Dense.W").data) == 176  # 128 and 4 * 3 * 4
    vars(either.part("1.Dense.W")).update(lie)
    either.write()
    either.refused()


ENDINGS = {
    "no entries": {"directory_size": 0},
    **{f"size 2**{n}": {"directory_size": 2**n} for n in (30, 31, 33, 62, 63)},
    **{f"offset 2**{n}": {"directory_offset": 2**n} for n in (30, 31, 33, 62, 63)},
}


@pytest.mark.parametrize("lie", ENDINGS.values(), ids=ENDINGS)
def test_a_lie_about_the_directory_is_refused(either, lie):
    either.write(**lie)
    either.refused()


@pytest.mark.parametrize("name", ["1.Dense.W", "architecture"])
def test_a_compressed_member_is_refused_so_no_bomb_can_hide_in_one(victim, name):
    bomb = victim.part(name)
    with zipfile.ZipFile(victim.path, "w") as archive:
        for part in victim.parts:
            method = zipfile.ZIP_DEFLATED if part is bomb else None
            archive.writestr(part.name, part.data + bytes(MEMORY * (part is bomb)), method)
    assert victim.path.stat().st_size < 50_000
    victim.refused(name, "compressed")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_honest_arrays_compressed_are_refused_too(victim, method):
    with zipfile.ZipFile(victim.path, "w", method) as archive:
        for part in victim.parts:
            archive.writestr(part.name, part.data)
    victim.refused("compressed")


@pytest.mark.slow
def test_members_that_lie_in_each_other_are_refused_before_they_are_allocated(tmp_path):
    """100 arrays of 250 kB, each beginning where another's header ends, in a file of 0.5 MB."""
    layers = [Dense(250, zeros) for _ in range(100)]
    save_model(Sequential(layers, input_shape=(250,)), tmp_path / "victim.npz")
    victim = Victim("model", tmp_path / "victim.npz")
    weights = [part for part in victim.parts if part.name.endswith("W.npy")]
    places, chain = [], b""
    for part in weights:
        places.append(len(chain))
        local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(part.name), 0)
        chain += local + part.name.encode() + part.data[:128]
    chain += bytes(250_000)
    for part, place in zip(weights, places, strict=True):
        start, size = place + 30 + len(part.name), len(part.data)
        part.crc, part.offset = zlib.crc32(chain[start : start + size]), place
        part.size, part.packed, part.data = size, size, b""
    victim.parts[0].before = chain
    victim.write()
    assert victim.path.stat().st_size < 500_000
    victim.refused()


# Names


NAMES = {
    "W beside W.npy": "1.Dense.W",
    "twice": "1.Dense.W.npy",
    "path outside": "../../x",
    "path outside, .npy": "../../x.npy",
    "path outside, of the training": "training.../../x.npy",
    "absolute path": "/tmp/x.npy",
    "folder": "1.Dense.W.npy/",
    "surplus layer": "9.Dense.W.npy",
    "surplus in the training": "training.optimizer.w.npy",
    "no name": "",
    "no name, .npy": ".npy",
    "a NUL inside": "1.Dense.W.npy\0.exe",
    "twice the ending": "1.Dense.W.npy.npy",
    "60 KB": f"1.{'n' * 60_000}.npy",
    "60 KB, no array": "n" * 60_000,
}


@pytest.mark.first_cases(8)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_surplus_member_is_refused(either, name, first):
    surplus = Part(name, npy(np.zeros((4, 3), np.float32)))
    either.parts.insert(0 if first else len(either.parts), surplus)
    either.write()
    either.refused()
    assert [path.name for path in either.path.parent.iterdir()] == ["victim.npz"]


def test_a_missing_array_is_refused_and_named(victim):
    for part in list(victim.parts):
        victim.parts.remove(part)
        victim.write()
        victim.refused(part.name.removesuffix(".npy") if part.name != "training.npy" else "")
        victim.parts.append(part)


def test_a_renamed_array_is_refused(victim):
    for part in victim.parts:
        honest, part.name = part.name, part.name.replace(".npy", "s.npy")
        victim.write()
        victim.refused()
        part.name = honest


def test_two_arrays_whose_names_are_exchanged_are_refused(victim):
    a, b = victim.part("1.Dense.W"), victim.part("3.Dense.W")
    a.name, b.name = b.name, a.name
    victim.write()
    victim.refused(".Dense.W", "(4, 3)", "(3, 4)")


# Headers of arrays

SHAPES = {
    "transposed": "(3, 4)",
    "flat": "(12,)",
    "another axis": "(4, 3, 1)",
    "no axis": "()",
    "less": "(4, 2)",
    "more": "(4, 4)",
    "2**31": "(2147483648,)",
    "2**50": "(1125899906842624,)",
    "2**32 twice": "(4294967296, 4294967296)",
    "negative": "(-4, -3)",
    "minus one": "(-1, 3)",
    "10**30": f"({10**30},)",
    "10**30 and none": f"({10**30}, 0)",
    "10**19 and none": f"({10**19}, 0)",
    "10**500": f"(1{'0' * 500}, 3)",
    "a truth value": "(True, 6)",
    "fraction": "(4.0, 3.0)",
    "sum": "(2+2, 3)",
    "a list": "[4, 3]",
    "100 axes": f"({'1, ' * 100})",
    "no tuple": "12",
}


TARGETS = [
    ("model", "1.Dense.W"),
    pytest.param(("model", "architecture"), marks=pytest.mark.slow),
    pytest.param(("checkpoint", "1.Dense.W"), marks=pytest.mark.slow),
    pytest.param(("checkpoint", "training"), marks=pytest.mark.slow),
    ("checkpoint", "training.optimizer.M"),
]


@pytest.fixture(params=TARGETS, ids="-".join)
def target(request):
    """A file, one of its arrays, and that array's name as errors tell it."""
    kind, name = request.param
    victim = request.getfixturevalue(kind)
    if name == "training.optimizer.M":
        victim.openings = [resume]  # which alone knows what it should be
    return victim, victim.part(name), name.removeprefix("training.optimizer.")


@pytest.mark.first_cases(12)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_is_refused_whatever_its_bytes(target, shape):
    victim, part, name = target
    part.data = told(header(shape=shape), b"" if shape.endswith(", 0)") else bytes(48))
    victim.write()
    victim.refused(name)


HUGE = {"2**31": (2**31,), "2**50": (2**50,), "2**32 twice": (2**32, 2**32), "2**60": (2**60,)}


@pytest.mark.parametrize("shape", HUGE.values(), ids=HUGE)
def test_declared_sizes_beyond_the_files_own_are_refused_before_anything_is_allocated(
    target, shape
):
    victim, part, name = target
    part.data = told(header(shape=str(shape)))
    part.size = part.packed = min(len(part.data) + 4 * prod(shape), 2**64 - 1)
    part.data += bytes(48)
    victim.write()
    victim.refused(name)


DTYPES = {
    ">f4": ("'>f4'", 4),
    "=f4": ("'=f4'", 4),
    "f2": ("'<f2'", 2),
    "f8": ("'<f8'", 8),
    "f1": ("'<f1'", 1),
    "f16": ("'<f16'", 16),
    "i8": ("'<i8'", 8),
    "i4": ("'<i4'", 4),
    "u4": ("'<u4'", 4),
    "bool": ("'|b1'", 1),
    "b4": ("'<b4'", 4),
    "complex": ("'<c8'", 8),
    "U1": ("'<U1'", 4),
    "U4": ("'<U4'", 16),
    "U of more than NumPy knows": ("'<U999999999'", 3_999_999_996),
    "M8": ("'<M8[s]'", 8),
    "structured": ("[('a', '<f4')]", 4),
    "object": ("'|O'", 8),
    "S4": ("'|S4'", 4),
    "S0": ("'|S0'", 0),
    "V0": ("'|V0'", 0),
    "U0": ("'<U0'", 0),
    "subarray": ("('<f4', (1,))", 4),
    "a call": ("__import__('os')", 4),
    "commas": ("'f4,f4'", 8),
    "no text": ("4", 4),
}


@pytest.mark.first_cases(12)
@pytest.mark.parametrize(("descr", "itemsize"), DTYPES.values(), ids=DTYPES)
def test_a_wrong_dtype_is_refused_though_all_sizes_agree(target, descr, itemsize):
    victim, part, name = target
    shape = np.load(io.BytesIO(part.data)).shape
    count = int(np.prod(shape)) if itemsize <= 16 else 0
    part.data = told(header(descr, shape=str(shape)), bytes(count * itemsize))
    victim.write()
    victim.refused(name)


@pytest.mark.parametrize("descr", ["'|S0'", "'|V0'", "'<U0'", "'|O'"])
@pytest.mark.parametrize("shape", ["(1152921504606846976,)", "(0, 1152921504606846976)"])
def test_items_without_bytes_are_refused_however_many(target, descr, shape):
    victim, part, name = target
    part.data = told(header(descr, shape=shape))
    victim.write()
    victim.refused(name)


HEADERS = {
    "parentheses": "(" * 5000,
    "minus signs": "-" * 9000,
    "brackets": "[" * 60_000,
    "an unhashable key": "{[]: 1}\n",
    "a key twice": header().replace("{", "{'descr': '<f4', "),
    "a key more": header().replace(", }", ", 'x': 1, }"),
    "a key less": "{'descr': '<f4', 'shape': (4, 3), }\n",
    "empty": "",
    "text": "I am a text.",
    "NUL": "\0" * 118,
    "blanks": " " * 60_000,
    "long": header().replace("\n", " " * 60_000 + "\n"),
    "no newline": header().rstrip(),
    "a call": header().replace("(4, 3)", "exit()"),
    "order": header(order="1"),
    "digits": header(shape=f"({'1' * 9000},)"),
    "commas": header(shape=f"({'1, ' * 20_000})"),
}


@pytest.mark.first_cases(9)
@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS)
def test_a_wrong_header_is_refused(target, text):
    victim, part, name = target
    part.data = told(text, bytes(48))
    victim.write()
    victim.refused(name)


def test_a_member_that_is_no_array_is_refused(target):
    victim, part, name = target
    honest = part.data
    for data in (b"", b"\x93", b"no array", honest[:8], honest[:60], b"\x94" + honest[1:],
                 told(header(), bytes(48), b"\2\0"), told(header(), bytes(48), b"\x09\0"),
                 b"\x93NUMPY\1\0\xff\xff" + honest[10:]):  # fmt: skip
        part.data = data
        victim.write()
        victim.refused(name)


def test_fortran_order_is_accepted_and_right(victim):
    for name in ("1.Dense.W", "3.Dense.W", "1.Dense.b"):
        part = victim.part(name)
        array = np.load(io.BytesIO(part.data))
        in_order = header(order="True", shape=str(array.shape))
        part.data = told(in_order, array.tobytes("F"))
    expected = network() if victim.kind == "model" else trained(epochs=2).model
    victim.write()
    if victim.kind == "model":
        params = load_model(victim.path).params
    else:
        params = load_checkpoint(victim.path, network())[0].params
    assert params.tobytes() == expected.params.tobytes()


@pytest.mark.first_cases(4)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["1.Dense.W", "1.Dense.b", "3.Dense.W", "3.Dense.b"])
def test_weights_that_are_no_numbers_are_refused_and_named(either, name, value):
    array = np.load(io.BytesIO(either.part(name).data))
    array.flat[-1] = value
    either.part(name).data = npy(array)
    either.write()
    either.refused(name, "NaN or infinity")


# The architecture, and the format


def nested(depth, opening="[", middle="", closing="]"):
    return opening * depth + middle + closing * depth


def edited(change):
    """An architecture with one thing changed, as text."""

    def text(config):
        change(config)
        return json.dumps(config)

    return text


def dense(**changes):
    return edited(lambda config: config["layers"][1]["config"].update(changes))


def layer(kind, **config):
    return edited(lambda a: a["layers"].__setitem__(1, {"layer": kind, "config": config}))


ARCHITECTURES = {
    "no JSON": lambda config: "layers: none",
    "no text": lambda config: "",
    "cut": lambda config: json.dumps(config)[:-1],
    "nested 100,000 deep": lambda config: nested(100_000),
    "nested 60,000 deep": lambda config: nested(60_000),
    "objects nested 100,000 deep": lambda config: nested(100_000, '{"a":', "1", "}"),
    **{
        f"nested {n} deep": lambda config, n=n: dense(units="HERE")(config).replace(
            '"HERE"', nested(n)
        )
        for n in (200, 300, 450, 900)
    },
    "20 MB": lambda config: json.dumps({**config, "extra": "x" * 5_000_000}),
    "a number of 5,000 digits": lambda config: "1" * 5000,
    "unknown layer": layer("Conv"),
    "a Python path": layer("os.system", command="true"),
    "a dotted builtin": layer("builtins.eval"),
    "a private name": layer("__import__", name="os"),
    "a base class": layer("Layer"),
    "an initializer for a layer": layer("zeros", shape=[2], rng=0),
    "an initializer that would allocate 1 TB": layer("zeros", shape=[2**37], rng=0),
    "an initializer that would allocate 800 MB": layer("zeros", shape=[10**8], rng=0),
    "an initializer beyond 64 bits": layer("zeros", shape=[2**70], rng=0),
    "a layer that is a list": layer(["Dense"], units=3),
    "unknown initializer": dense(initializer={"function": "ones"}),
    "a Python path as initializer": dense(initializer={"function": "os.system"}),
    "a class as initializer": dense(initializer={"function": "Dense"}),
    "a text as initializer": dense(initializer="he_normal"),
    "negative width": dense(units=-3),
    "width 0": dense(units=0),
    **{f"width 10**{n}": dense(units=10**n) for n in (9, 18, 30, 4000)},
    "float for units": dense(units=3.0),
    "NaN for units": dense(units=float("nan")),
    "text for units": dense(units="3"),
    "a truth value for units": dense(units=True),
    "null for units": dense(units=None),
    "a list for units": dense(units=[3]),
    "surplus argument": dense(axis=1),
    "missing units": edited(lambda a: a["layers"][1]["config"].pop("units")),
    "missing class": edited(lambda a: a["layers"][1].pop("layer")),
    "missing config": edited(lambda a: a["layers"][1].pop("config")),
    **{
        f"missing {name}": edited(lambda a, name=name: a.pop(name))
        for name in ("layers", "input_shape", "seed", "dtype")
    },
    "layers as a text": edited(lambda a: a.update(layers="Dense")),
    "layers as a number": edited(lambda a: a.update(layers=3)),
    "a huge input": edited(lambda a: a.update(input_shape=[2**31, 2**31])),
    "a negative input": edited(lambda a: a.update(input_shape=[-2, -2])),
    "an input of fractions": edited(lambda a: a.update(input_shape=[2.0, 2.0])),
    "an endless input": edited(lambda a: a.update(input_shape=[float("inf"), 2])),
    "an input of 4,000 digits": edited(lambda a: a.update(input_shape=[10**4000, 10**4000])),
    "a text as input": edited(lambda a: a.update(input_shape="22")),
    "a fraction as seed": edited(lambda a: a.update(seed=0.5)),
    **{
        f"dtype {dtype!r:.20}": edited(lambda a, dtype=dtype: a.update(dtype=dtype))
        for dtype in (
            "float16",
            "float64",
            "complex64",
            "O",
            "f4,f4",
            "f4,(",
            "(,)f4",
            "(" * 5000 + "f4",
            3,
            ["f4"],
            {"names": ["a"], "formats": ["f4"], "offsets": [10**30]},
        )
    },
}


@pytest.mark.first_cases(10)
@pytest.mark.parametrize("change", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_invalid_architecture_is_refused(either, change):
    part = either.part("architecture")
    part.data = npy(change(json.loads(str(np.load(io.BytesIO(part.data))))))
    either.write()
    # a checkpoint of another architecture than the model's is a plain ValueError
    either.refused(error=ModelFormatError if either.kind == "model" else ValueError)


@pytest.mark.slow
def test_an_architecture_in_many_texts_is_not_read(model):
    model.part("architecture").data = npy(np.full(10**6, "x" * 9))  # 36 MB
    model.write()
    model.refused("one text", "<U9 (1000000,)")


class Named(Dense):
    def __init__(self, units):
        super().__init__(units)
        self.label = units.name  # what a file says is no enumeration


def test_a_file_that_makes_a_layer_of_ones_own_raise_is_refused(model):
    part = model.part("architecture")
    part.data = npy(layer("Named", units=3)(json.loads(str(np.load(io.BytesIO(part.data))))))
    model.write()
    model.openings = [lambda path: load_model(path, layers=[Named])]
    model.refused("'int' object has no attribute 'name'")


def test_thousands_of_layers_do_not_hang(model):
    def many(config):
        config.update(layers=[{"layer": "ReLU", "config": {}}] * 30_000)

    part = model.part("architecture")
    part.data = npy(edited(many)(json.loads(str(np.load(io.BytesIO(part.data))))))
    model.parts = [part for part in model.parts if "Dense" not in part.name]
    model.write()
    began = time.perf_counter()
    with suppress(ModelFormatError):  # refused or not, both are right
        assert len(load_model(model.path).layers) == 30_000
    assert time.perf_counter() - began < SECONDS


@pytest.mark.parametrize("text", ["\ud800", "\U0010ffff"], ids=ascii)
def test_an_unknown_layer_of_any_name_is_reported_in_printable_text(victim, text):
    part = victim.part("architecture")
    part.data = npy(layer(text)(json.loads(str(np.load(io.BytesIO(part.data))))))
    victim.write()
    victim.refused(error=ValueError)


def test_invalid_characters_are_refused(victim):
    part = victim.part("architecture")
    part.data = part.data[:128] + b"\xff\xff\xff\xff" * ((len(part.data) - 128) // 4)
    victim.write()
    victim.refused("architecture")


FORMATS = {
    "future": (np.array(4), ["format 4", "reads formats 1 to 3", "update"]),
    "far future": (np.array(2**64 - 1, np.uint64), ["format 18446744073709551615", "update"]),
    "past": (np.array(0), ["format 0"]),
    "fraction": (np.array(1.0), ["format"]),
    "truth value": (np.array(True), ["format"]),
    "text": (np.array("1"), ["format"]),
    "a row": (np.array([1]), ["format"]),
    "many": (np.ones(1_000_000, int), ["format"]),
}


@pytest.mark.parametrize(("value", "words"), FORMATS.values(), ids=FORMATS)
def test_another_format_is_refused_and_the_future_says_so(either, value, words):
    either.part("format").data = npy(value)
    either.write()
    either.refused(*words)


# The training state of a checkpoint

PATHS = [("epoch",), ("step",), ("totals",), ("history",), ("optimizer",), ("callbacks",),
         ("settings",), ("environment",), ("optimizer", "t"), ("optimizer", "M"),
         ("totals", "loss"), ("totals", "n_samples")]  # fmt: skip


def change_state(checkpoint, path, value):
    """Write the checkpoint with one thing of its training state replaced, or left out by None."""
    state = checkpoint.texts()
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    if value is None:
        del inner[path[-1]]
    checkpoint.part("training").data = npy(json.dumps(state))
    checkpoint.write()


VALUES = [None, "x", -1, 0.5, {"x": 1}, [[]]]
WRONG = [(p, v) for p in PATHS for v in VALUES if p != ("totals", "loss") or v not in (-1, 0.5)]


@pytest.mark.first_cases(12)
@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda x: str(x).replace(" ", ""))
def test_a_training_state_with_a_wrong_field_leaves_the_trainer_as_it_was(checkpoint, path, value):
    change_state(checkpoint, path, value)
    with pytest.raises((ValueError, UserWarning)) as caught:  # which warns of another machine
        resume(checkpoint.path)
    assert str(checkpoint.path) in str(caught.value)
    if path[0] not in ("settings", "environment"):  # other settings are a plain ValueError
        assert isinstance(caught.value, ModelFormatError)


TRAININGS = {
    "no JSON": "{",
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "nested 100,000 deep": nested(100_000),
    "many empty lists": "[" + "[]," * 400_000 + "1]",  # 1 MB, which would become 27
    **{f"nested {n} deep": nested(n) for n in (200, 300, 450, 900)},
}


@pytest.mark.first_cases(4)
@pytest.mark.parametrize("text", TRAININGS.values(), ids=TRAININGS)
def test_a_training_state_of_another_kind_is_refused(checkpoint, text):
    checkpoint.part("training").data = npy(text)
    checkpoint.write()
    checkpoint.openings = [resume]
    checkpoint.refused()


@pytest.mark.slow
def test_a_file_that_could_not_be_read_is_not_written_and_the_old_one_stands(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(network(), {"epoch": 1}, path)
    before = path.read_bytes()
    for state in ({"seen": [np.ones(1)] * 9_000}, {"deep": np.ones((1,) * 40)}):
        with pytest.raises(
            ValueError, match=r"run.npz was not written: it .*(directory|not an array)"
        ):
            save_checkpoint(network(), state, path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    save_checkpoint(network(), {"none": np.empty((0, 784), np.float32)}, path)
    assert load_checkpoint(path, network())[1]["none"].shape == (0, 784)


@pytest.mark.slow
def test_an_optimizers_array_that_does_not_fit_is_refused_before_it_is_read(checkpoint):
    checkpoint.part("training.optimizer.M").data = npy(np.zeros(5 * 10**6, np.float32))  # 20 MB
    checkpoint.write()
    checkpoint.refused("training.optimizer.M", "5000000")


@pytest.mark.parametrize("length", [2**20, 2**34])
def test_a_long_directory_of_a_file_beyond_two_gibibytes_is_not_read(victim, length):
    """Valid files of that size describe their directory in 64 bits."""
    at = 2**31 + 2**20
    with victim.path.open("r+b") as file:  # sparse: it takes no room on the disk
        file.seek(at)
        sizes = 1, 1, length, at - length % at
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *sizes)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
        file.write(record + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 9, 9, 0))
    victim.refused("too large a directory")


@pytest.mark.slow
def test_an_honest_file_beyond_two_gibibytes_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("U", "W"):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ones(2**30 + 9, np.uint8), version=(1, 0))
    with NpzFile(tmp_path / "a.npz") as file:
        assert {name: member.shape for name, member in file.members.items()} == {
            "U": (2**30 + 9,),
            "W": (2**30 + 9,),
        }


def test_a_directory_described_in_64_bits_is_not_read(victim):
    content = victim.path.read_bytes()
    ending = content[-22:]
    count, size, offset = struct.unpack("<2xHLL", ending[8:20])
    at = len(content) - 22
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    victim.write(content[:-22] + record + locator + ending)
    with zipfile.ZipFile(victim.path) as archive:
        assert len(archive.namelist()) == count  # zipfile reads it
    victim.refused("too large a directory")


UNFIT = [
    (("hyperparameters", "beta1"), 1.0),
    (("hyperparameters", "learning_rate"), -1.0),
    (("hyperparameters", "learning_rate"), float("nan")),
    (("hyperparameters", "epsilon"), 10**400),
    (("optimizer", "t"), 10**400),
    (("totals", "loss"), 10**400),
    (("totals", "n_samples"), 1),
    (("totals", "loss"), 1.0),
    (("totals", "n_correct"), 1),
    (("history",), []),
    (("history",), [{"epoch": 1}, {"epoch": 2}]),
    (("history", 0, "seconds"), None),
    (("history", 0, "loss"), float("nan")),
    (("history", 0, "epoch"), True),
    (("history", 0, "epoch"), 1.0),
]


@pytest.mark.first_cases(5)
@pytest.mark.parametrize(("path", "value"), UNFIT, ids=lambda x: str(x)[:40])
def test_numbers_that_no_training_can_have_are_refused(checkpoint, path, value):
    change_state(checkpoint, path, value)
    checkpoint.openings = [resume]
    checkpoint.refused()


def test_a_number_of_samples_that_is_not_of_whole_batches_is_refused(checkpoint):
    state = checkpoint.texts()
    state["history"].pop()  # as in mid-epoch
    state["totals"].update(n_samples=1, loss=1.0, n_correct=0)
    checkpoint.part("training").data = npy(json.dumps(state))
    checkpoint.write()
    checkpoint.openings = [resume]
    checkpoint.refused("1 samples do not fill batches of 2")


MID_EPOCH = {
    "more samples than there are": {"n_samples": 6, "loss": 1.0, "n_correct": 0},
    "more right than there are": {"n_samples": 2, "loss": 1.0, "n_correct": 3},
    "fewer than none": {"n_samples": 2, "loss": 1.0, "n_correct": -1},
    "true": {"n_samples": 2, "loss": 1.0, "n_correct": True},
    "right without end": {"n_samples": 2, "loss": 1.0, "n_correct": 10**400},
    "half a sample": {"n_samples": 2, "loss": 1.0, "n_correct": 0.5},
    "infinite loss": {"n_samples": 2, "loss": float("inf"), "n_correct": 0},
}


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("totals", MID_EPOCH.values(), ids=MID_EPOCH)
def test_running_totals_that_no_epoch_can_have_are_refused(checkpoint, totals):
    state = checkpoint.texts()
    state["history"].pop()
    state["totals"].update(totals)
    checkpoint.part("training").data = npy(json.dumps(state))
    checkpoint.write()
    checkpoint.openings = [resume]
    checkpoint.refused("invalid")


def test_running_totals_in_the_middle_of_an_epoch_are_not_refused(checkpoint):
    state = checkpoint.texts()
    state["history"].pop()
    state["totals"].update(n_samples=2, loss=1.0, n_correct=2)
    checkpoint.part("training").data = npy(json.dumps(state))
    checkpoint.write()
    resume(checkpoint.path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_slots_of_an_optimizer_must_be_numbers(checkpoint, value):
    checkpoint.part("training.optimizer.V").data = npy(np.full(31, value, np.float32))
    checkpoint.write()
    checkpoint.openings = [resume]
    checkpoint.refused("V holds NaN or infinity")


def test_a_text_beyond_ascii_which_tinynn_never_writes_is_refused(checkpoint):
    """Escaped again, it could be too long to be written."""
    state = checkpoint.texts()
    state["history"][0]["loss"] = "\u00e9"
    checkpoint.part("training").data = npy(json.dumps(state, ensure_ascii=False))
    checkpoint.write()
    checkpoint.refused("ASCII")


@pytest.mark.parametrize("name", ["training.history", "training.history.0"])
def test_a_history_that_is_an_array_is_refused(checkpoint, name):
    value = {"array": name} if name.endswith("history") else [{"array": name}]
    checkpoint.parts.append(Part(f"{name}.npy", npy(np.ones(2))))
    change_state(checkpoint, ("history",), value)
    checkpoint.openings = [resume]
    checkpoint.refused("neither an optimizer nor a callback keeps one")


def test_an_array_of_no_numbers_and_an_impossible_dimension_is_refused(checkpoint):
    data = told(header(shape="(10000000000000000000, 0)"))
    checkpoint.parts.append(Part("training.x.npy", data))
    change_state(checkpoint, ("x",), {"array": "training.x"})
    checkpoint.refused("training.x")


@pytest.mark.first_cases(3)
@pytest.mark.parametrize(
    "state",
    [
        {"best": "x", "best_epoch": 1, "waited": 0},
        {"best": 1.0, "best_epoch": 1, "waited": "x"},
        {"best": 1.0, "best_epoch": -1, "waited": 0},
        {"best": 1.0, "best_epoch": 1, "waited": 0, "best_params": np.full(31, np.nan)},
        {"best": 1.0, "best_epoch": 1, "waited": 0, "best_params": [1.0]},
        {"best": 1.0, "best_epoch": 1, "waited": 0, "best_params": 1.5},
        {"best": 1.0, "best_epoch": 1, "waited": 0, "best_params": "x"},
        {},
    ],
)
def test_a_state_that_early_stopping_cannot_have_is_refused(tmp_path, state):
    class Lies(EarlyStopping):
        def state(self):
            return state

    stop = EarlyStopping()
    Lies.__name__ = "EarlyStopping"
    Lies.__module__ = EarlyStopping.__module__
    lying = Lies()
    trained(epochs=1, validation_data=HELD, callbacks=[lying, Checkpoint(tmp_path / "a")])
    trainer = Trainer(network(), CrossEntropy(), Adam())
    with pytest.raises(ModelFormatError, match="EarlyStopping cannot take its state"):
        trainer.fit(X, Y, 2, 2, HELD, [stop], resume_from=tmp_path / "a")
    assert trainer.step == 0


@pytest.mark.slow
def test_best_weights_of_another_size_are_refused_before_anything_changes(tmp_path):
    class Lies(EarlyStopping):
        def state(self):
            return {**super().state(), "best_params": np.ones(2)}

    Lies.__name__, Lies.__module__ = "EarlyStopping", EarlyStopping.__module__
    callbacks = [Lies(), Checkpoint(tmp_path / "a")]
    trained(epochs=1, validation_data=HELD, callbacks=callbacks)
    trainer = Trainer(network(), CrossEntropy(), Adam())
    before = trainer.model.params.tobytes()
    with pytest.raises(ModelFormatError, match="weights of another model"):
        trainer.fit(X, Y, 2, 2, HELD, [EarlyStopping()], resume_from=tmp_path / "a")
    assert trainer.step == 0
    assert trainer.model.params.tobytes() == before


def nodes(value, path=()):
    """Yield the place of everything in a JSON value, the whole first."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from nodes(item, (*path, key))


STRANGE = [
    None, True, False, 0, 1, -1, 10**400, 2.5, float("nan"), float("inf"), "", "x", "\u00e9", [],
    [[]], {}, {"array": "training.optimizer.M"}, {"array": 3}, [1.0, 2.0], "an array",
]  # fmt: skip


@pytest.mark.first_cases(5)
@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=pytest.mark.slow if n >= 20 else ()) for n in range(400)]
)
def test_a_training_state_changed_anywhere_is_refused_or_goes_on_and_nothing_else(checkpoint, seed):
    rng = np.random.default_rng(seed)
    state = checkpoint.texts()
    places = [place for place in nodes(state) if place]
    place = places[rng.integers(len(places))]
    inner = state
    for key in place[:-1]:
        inner = inner[key]
    value = STRANGE[rng.integers(len(STRANGE))]
    if value == "an array":  # an honest one, where none should be
        name = "training." + ".".join(map(str, place))
        value = {"array": name}
        checkpoint.parts = [part for part in checkpoint.parts if part.name != f"{name}.npy"]
        checkpoint.parts.append(Part(f"{name}.npy", npy(np.ones(rng.choice([0, 1, 3, 31])))))
    inner[place[-1]] = value
    checkpoint.part("training").data = npy(json.dumps(state))
    checkpoint.write()
    trainer = trained(epochs=1)
    before = snapshot(trainer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of another machine, of diverging
        try:
            trainer.fit(X, Y, 4, 2, resume_from=checkpoint.path)
            told = None
        except ValueError as error:
            told = str(error)
    if told is not None:
        assert told.startswith(str(checkpoint.path))
        assert snapshot(trainer) == before
        return
    for row in trainer.history.epochs:
        assert 0 <= row["accuracy"] <= 1
        assert np.isfinite(row["loss"])


@pytest.mark.slow
def test_what_is_refused_when_read_is_refused_when_written(tmp_path):
    row = {"epoch": 1, "loss": 0.123456789012345678, "learning_rate": 0.001, "seconds": 7.123456789}
    history = [{**row, "val_loss": 0.5, "accuracy": 0.7, "val_accuracy": 0.8}] * 20_000
    check_state({"history": history})  # twenty thousand epochs
    with pytest.raises(ValueError, match="262,144 at most") as caught:
        check_state({"callbacks": [["x"] * 300_000]})
    assert "300,0" in str(caught.value)
    with pytest.raises(ValueError, match="4,194,304 and"):
        check_state({"text": "x" * 5_000_000})


def test_one_array_named_a_thousand_times_costs_no_thousandfold_memory(checkpoint):
    checkpoint.parts.append(Part("training.x.npy", npy(np.zeros(250_000, np.float32))))
    change_state(checkpoint, ("x",), [{"array": "training.x"}] * 1000)
    checkpoint.refused()


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("name", ["1.Dense.W", "format", "training", "nowhere", "", 3, ["m"]])
def test_an_array_that_does_not_belong_to_the_training_state_is_refused(checkpoint, name):
    change_state(checkpoint, ("optimizer", "M"), {"array": name})
    checkpoint.refused()


# Random damage


@pytest.fixture(scope="module")
def fuzz_files():
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_files.py"
    spec = spec_from_file_location("fuzz_files", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n", [500, pytest.param(3_000, marks=pytest.mark.slow)])
def test_random_damage_is_refused_or_harmless(fuzz_files, n):
    tally = fuzz_files.fuzz(seed=n, cases=range(n))
    assert not [result for result in tally if result.startswith("WRONG")]
    assert sum(tally.values()) == n
    counts = Counter()
    for result, count in tally.items():
        counts["identical"] += count * (result == "identical")
        counts["checksum"] += count * ("Bad CRC" in result)
        counts["of weights"] += count * ("Bad CRC" in result and ".Dense." in result)
        counts["declared"] += count * ("declares" in result)
        counts["header"] += count * ("its header is" in result)
    assert 0.05 < counts["identical"] / n < 0.5
    assert counts["checksum"] > n / 5
    assert counts["of weights"] > n / 20
    assert counts["declared"] > n / 500
    assert counts["header"] > n / 100


def test_the_fuzzer_finds_a_wrong_weight(fuzz_files, monkeypatch):
    honest = fuzz_files.load_model

    def careless(path):
        model = honest(path)
        model.params.view("u4")[-1] ^= 1
        return model

    monkeypatch.setattr(fuzz_files, "load_model", careless)
    tally = fuzz_files.fuzz(seed=0, cases=range(100))
    assert tally["WRONG: loads, but holds something else"]


def test_a_case_of_the_fuzzer_depends_on_its_number_alone(fuzz_files, tmp_path):
    valid = fuzz_files.sources(tmp_path)
    again = [fuzz_files.mutated(valid, 5, k) for k in (7, 8, 7)]
    assert again[0] == again[2] != again[1]


class Picky(Dense):
    """A user's own layer, whose constructor reacts to the values of a file in its own way."""

    error: type[Exception] = AssertionError

    def __init__(self, units):
        if units == 5:
            raise self.error("not five")
        super().__init__(units)


@pytest.mark.parametrize(
    "error", [AssertionError, IndexError, ZeroDivisionError, OverflowError, OSError, RuntimeError]
)
def test_any_error_in_a_constructor_of_ones_own_is_a_fault_of_the_file(
    tmp_path, error, monkeypatch
):
    path = tmp_path / "model.npz"
    save_model(Sequential([Picky(4)], input_shape=(2,)), path)
    with np.load(path) as file:
        arrays = dict(file)
    text = str(arrays["architecture"]).replace('"units": 4', '"units": 5')
    arrays["architecture"] = np.array(text)
    np.savez(path, **arrays)
    monkeypatch.setattr(Picky, "error", error)
    with pytest.raises(ModelFormatError, match=r"model\.npz describes .*not five"):
        load_model(path, layers=[Picky])


@pytest.mark.parametrize(
    ("layers", "hint"),
    [
        (Picky, r"Write layers=\[Picky\]"),
        (Picky(4), "must be a list of your own classes"),
        ([Picky(4)], r"classes, such as \[Picky\], not of Picky"),
        (["Picky"], "not of 'Picky'"),
        ("Picky", "must be a list"),
        (3, "must be a list"),
    ],
    ids=str,
)
def test_layers_other_than_a_list_of_classes_are_a_mistake_of_the_caller(tmp_path, layers, hint):
    path = tmp_path / "model.npz"
    save_model(Sequential([Picky(4)], input_shape=(2,)), path)
    for call in (load_model, lambda path, layers: compare_models(path, path, layers)):
        with pytest.raises(ValueError, match=hint) as caught:
            call(path, layers)
        assert not isinstance(caught.value, ModelFormatError)
