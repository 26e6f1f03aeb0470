"""Protects IDX files: the bytes on disk are those of the format, and nothing broken is read."""

import contextlib
import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynn.datasets import IDXFormatError, read_idx, write_idx

BY_HAND = [  # array, and its file as the format's description spells it
    (np.array([[1, 2, 3], [4, 5, 255]], "u1"), "00000802 00000002 00000003 01 02 03 04 05 FF"),
    (np.array([-1, 127], "i1"), "00000901 00000002 FF 7F"),
    (np.array([-2, 258], "i2"), "00000B01 00000002 FFFE 0102"),
    (np.array([16909060, -1], "i4"), "00000C01 00000002 01020304 FFFFFFFF"),
    (np.array([1.0, -2.5], "f4"), "00000D01 00000002 3F800000 C0200000"),
    (np.array([1.0, -2.5], "f8"), "00000E01 00000002 3FF0000000000000 C004000000000000"),
    (np.empty((0, 3), "u1"), "00000802 00000000 00000003"),
]
each_by_hand = pytest.mark.parametrize(("array", "text"), BY_HAND)
SMALL_FILE = bytes.fromhex("00000802 00000002 00000003 01 02 03 04 05 FF")  # 18 bytes


def some_arrays():
    """Arrays of every dtype that IDX has, in either byte order, of any shape, also empty."""
    kinds = ["u1", "i1", "i2", "i4", "f4", "f8"]
    dtypes = st.sampled_from([order + kind for order in "<>" for kind in kinds])
    shapes = hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4)
    return hnp.arrays(dtypes, shapes)


@each_by_hand
def test_a_file_written_by_hand_reads_right(tmp_path, array, text):
    (tmp_path / "a").write_bytes(bytes.fromhex(text))
    result = read_idx(tmp_path / "a")
    assert result.dtype == array.dtype
    assert result.shape == array.shape
    assert result.tolist() == array.tolist()


@each_by_hand
def test_write_gives_exactly_the_bytes_by_hand(tmp_path, array, text):
    write_idx(tmp_path / "a", array)
    assert (tmp_path / "a").read_bytes() == bytes.fromhex(text)


@given(array=some_arrays(), suffix=st.sampled_from(["", ".gz"]), transposed=st.booleans())
@settings(deadline=None)
def test_round_trip_keeps_every_bit(tmp_path_factory, array, suffix, transposed):
    array = array.T if transposed else array  # also arrays that do not lie row by row in memory
    path = tmp_path_factory.getbasetemp() / f"array{suffix}"
    write_idx(path, array)
    result = read_idx(path)
    assert result.shape == array.shape
    assert result.dtype == array.dtype.newbyteorder("=")
    assert result.dtype.isnative
    assert result.tobytes() == array.astype(result.dtype).tobytes()


def test_64_dimensions_go_through(tmp_path):
    array = np.full((1,) * 64, 7, "i2")
    write_idx(tmp_path / "a", array)
    assert read_idx(tmp_path / "a").shape == (1,) * 64


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_what_is_read_can_be_written_to(tmp_path, dtype):
    write_idx(tmp_path / "a", np.zeros(3, dtype))
    result = read_idx(tmp_path / "a")
    result[0] = 1
    assert result.tolist() == [1, 0, 0]


def test_gzip_is_recognised_by_content_not_by_name(tmp_path):
    (tmp_path / "zipped").write_bytes(gzip.compress(SMALL_FILE))
    (tmp_path / "plain.gz").write_bytes(SMALL_FILE)
    for name in ("zipped", "plain.gz"):
        assert read_idx(tmp_path / name).tolist() == [[1, 2, 3], [4, 5, 255]]


def test_a_path_that_ends_in_gz_is_gzipped_and_others_are_not(tmp_path):
    for name in ("a.gz", "a"):
        write_idx(tmp_path / name, np.array([[1, 2, 3], [4, 5, 255]], "u1"))
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == SMALL_FILE
    assert (tmp_path / "a").read_bytes() == SMALL_FILE


def test_same_array_same_bytes_at_any_time_and_under_any_name(tmp_path, monkeypatch):
    write_idx(tmp_path / "a.gz", np.arange(9, dtype="i4"))
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    write_idx(str(tmp_path / "b.gz"), np.arange(9, dtype=">i4"))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["4 bytes", "it has 0"]),
        ("00 00 08", ["4 bytes", "it has 3"]),
        ("01 00 08 01 00000000", ["two zero bytes", "01 00 08 01"]),
        ("00 01 08 01 00000000", ["two zero bytes", "00 01 08 01"]),
        ("00 00 0A 01 00000000", ["08, 09, 0B, 0C, 0D, 0E", "00 00 0A 01"]),
        ("00 00 08 00 07", ["1 to 64 dimensions", "00 00 08 00"]),
        ("00 00 08 41" + 65 * "00000001" + "07", ["1 to 64 dimensions", "00 00 08 41"]),
        ("00 00 08 02 00000001", ["2 dimensions", "12 bytes", "after 8"]),
        ("00 00 08 02 00000001 000000", ["2 dimensions", "12 bytes", "after 11"]),
        (SMALL_FILE[:-1].hex(), ["uint8 (2, 3)", "18 bytes", "has 17"]),
        (SMALL_FILE.hex() + "00", ["uint8 (2, 3)", "18 bytes", "has 19"]),
        ("00 00 0B 01 00000002 0001", ["int16 (2,)", "12 bytes", "has 10"]),
        ("00 00 08 04" + 4 * "FFFFFFFF", ["4294967295", "has 20"]),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_broken_file_is_refused_by_name_with_expected_and_actual(tmp_path, content, words, pack):
    path = tmp_path / "broken-file"
    path.write_bytes(pack(bytes.fromhex(content)))
    with pytest.raises(IDXFormatError) as caught:
        read_idx(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


OTHERS = {
    "HTML": (b"\r\n<!DOCTYPE html><title>404</title>", "a web page (HTML)"),
    "HTML of bytes beyond ASCII, cut within one": (b"<html>" + "\u00e9".encode() * 300, "web page"),
    "XML": (b'<?xml version="1.0"?><Error>', "a text, whose first line is '<?xml"),
    "zip": (b"PK\3\4" + bytes(60), "a zip file"),
    "npy": (b"\x93NUMPY\1\0" + bytes(60), "an array of NumPy (.npy): np.load reads it"),
    "CSV": (b"label,pixel1,pixel2\n9,0,0\n", "(CSV), whose first line is 'label,pixel1,pixel2'"),
    "CSV, BOM": (b"\xef\xbb\xbflabel;pixel1\n9;0\n", "whose first line is 'label;pixel1'"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "`git lfs pull`"),
    "text": (b"404: Not Found", "a text, whose first line is '404: Not Found'"),
    "a long line": (b"a," * 400, "...'"),
    "tar": (b"a" * 257 + b"ustar" + bytes(250), "a tar archive"),
    "pickle": (b"\x80\x04\x95" + bytes(60), "a pickle"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(60), "a PNG picture"),
    "gzipped twice": (gzip.compress(SMALL_FILE), "a gzip file"),
}


@pytest.mark.parametrize(("content", "kind"), OTHERS.values(), ids=OTHERS)
def test_a_file_of_another_kind_is_named(tmp_path, content, kind):
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with pytest.raises(IDXFormatError) as caught:
        read_idx(tmp_path / "a.gz")
    assert kind in str(caught.value).partition("is no IDX file, but ")[2]
    assert len(str(caught.value)) < 500


def test_a_gzip_cut_anywhere_is_refused(tmp_path):
    whole = gzip.compress(SMALL_FILE)
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(IDXFormatError) as caught:
            read_idx(path)
        assert str(path) in str(caught.value)
        assert length < 2 or "damaged gzip" in str(caught.value)


@pytest.mark.parametrize("place", [-8, -4, 15], ids=["CRC", "length", "compressed data"])
def test_a_gzip_whose_checks_fail_is_refused(tmp_path, place):
    damaged = bytearray(gzip.compress(SMALL_FILE))
    damaged[place] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(damaged)
    with pytest.raises(IDXFormatError, match=r"a\.gz is a damaged gzip file"):
        read_idx(tmp_path / "a.gz")


def test_garbage_behind_a_gzip_is_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(SMALL_FILE) + b"garbage")
    with pytest.raises(IDXFormatError, match=r"a\.gz is a damaged gzip file.*nothing after it"):
        read_idx(tmp_path / "a.gz")


@given(st.binary(max_size=40), st.sampled_from([0x08, 0x0C, 0x0E]), st.integers(1, 6))
@settings(deadline=None)
def test_whatever_the_bytes_only_the_format_error_is_raised(
    tmp_path_factory, rest, code, dimensions
):
    path = tmp_path_factory.getbasetemp() / "bytes"
    for data in (rest, bytes([0, 0, code, dimensions]) + rest):
        for pack in (bytes, gzip.compress):
            path.write_bytes(pack(data))
            with contextlib.suppress(IDXFormatError):
                assert isinstance(read_idx(path), np.ndarray)


@given(st.integers(0, 2**16), st.integers(1, 255))
@settings(deadline=None)
def test_a_gzip_with_one_wrong_byte_is_read_right_or_refused(tmp_path_factory, place, change):
    damaged = bytearray(gzip.compress(SMALL_FILE))
    damaged[place % len(damaged)] ^= change
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    with contextlib.suppress(IDXFormatError):
        assert read_idx(path).tolist() == [[1, 2, 3], [4, 5, 255]]


def peak_memory(path):
    """The most that reading took, in bytes, and the error it ended with."""
    tracemalloc.start()
    try:
        with pytest.raises(IDXFormatError) as caught:
            read_idx(path)
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zipped", [True, False], ids=["gzip bomb", "long file"])
def test_no_more_is_read_than_the_header_declares_and_a_byte(tmp_path, zipped):
    content = SMALL_FILE + bytes(50_000_000)
    (tmp_path / "a").write_bytes(gzip.compress(content, 1) if zipped else content)
    memory, message = peak_memory(tmp_path / "a")
    assert memory < 1_000_000
    for word in (str(tmp_path / "a"), "uint8 (2, 3)", "18 bytes", "has 19 or more"):
        assert word in message


@pytest.mark.parametrize("sizes", [[2**31], [2**32 - 1] * 2, [2**32 - 1] * 3, [2**32 - 1] * 64])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_memory_is_taken_for_the_bytes_that_are_there_not_for_those_declared(tmp_path, sizes, pack):
    header = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">u4").tobytes()
    (tmp_path / "a").write_bytes(pack(header + b"123"))
    memory, message = peak_memory(tmp_path / "a")
    assert memory < 3_000_000
    for word in (str(tmp_path / "a"), str(sizes[0]), f"has {len(header) + 3}."):
        assert word in message


def test_a_path_that_is_no_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        read_idx(tmp_path)


def test_an_empty_array_with_huge_other_dimensions_is_no_crash(tmp_path):
    (tmp_path / "a").write_bytes(bytes.fromhex("00000804 00000000" + 3 * "FFFFFFFF"))
    with pytest.raises(IDXFormatError):
        read_idx(tmp_path / "a")


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([True]), ["bool", "uint8", "astype"]),
        (np.array([1], "i8"), ["int64", "int32"]),
        (np.array([1], "u2"), ["uint16"]),
        (np.array([1], "f2"), ["float16"]),
        (np.array([1j]), ["complex128"]),
        (np.array(["a"]), ["U1"]),
        (np.array([None]), ["object"]),
        (np.array(5, "u1"), ["1 to 64 dimensions", "()"]),
    ],
)
def test_what_idx_cannot_hold_is_refused_before_the_old_file_is_touched(tmp_path, array, words):
    path = tmp_path / "a"
    path.write_bytes(b"the old file")
    with pytest.raises(ValueError) as caught:
        write_idx(path, array)
    for word in words:
        assert word in str(caught.value)
    assert path.read_bytes() == b"the old file"


def test_a_dimension_of_2_to_the_32_does_not_fit_the_header(tmp_path):
    huge = np.empty((0, 2**32), "u1")  # no memory: one dimension is 0
    with pytest.raises(ValueError, match=r"under 2\*\*32"):
        write_idx(tmp_path / "a", huge)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        write_idx(tmp_path / "nowhere" / "a", np.zeros(1, "u1"))


@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, name):
    def fail(handle):
        raise OSError("No space left on device")

    write_idx(tmp_path / name, np.array([1], "u1"))
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_idx(tmp_path / name, np.array([2], "u1"))
    assert read_idx(tmp_path / name).tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_whoever_has_the_old_file_open_keeps_it_whole(tmp_path):
    write_idx(tmp_path / "a", np.zeros((2, 3), "u1"))
    old = (tmp_path / "a").read_bytes()
    with (tmp_path / "a").open("rb") as reader:
        write_idx(tmp_path / "a", np.ones(9, "u1"))
        assert reader.read() == old or os.name != "posix"
    assert read_idx(tmp_path / "a").tolist() == [1] * 9


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "folder" / "real")
    write_idx(tmp_path / "a", np.ones(2, "u1"))
    assert (tmp_path / "a").is_symlink()
    assert read_idx(tmp_path / "folder" / "real").tolist() == [1, 1]


@pytest.mark.slow
def test_more_than_is_wanted_is_refused_before_it_is_read(tmp_path):
    bomb = struct.pack(">4B3I", 0, 0, 8, 3, 2**12, 2**7, 2**7) + bytes(2**26)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bomb, 1))
    tracemalloc.start()
    try:
        with pytest.raises(IDXFormatError, match=r"67,108,864 bytes, but 1,000 at most"):
            read_idx(tmp_path / "a.gz", most=1000)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    assert read_idx(tmp_path / "a.gz", most=2**26).size == 2**26


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(IDXFormatError, match="is a pipe or a device"):
            read_idx(path)
