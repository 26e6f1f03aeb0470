"""PNG files that another program reads as the same pixels."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinynn.page.pictures import picture, png


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([None, 1, 3]), st.integers(0, 99))
@settings(deadline=None)
def test_pillow_reads_the_same_pixels(height, width, channels, seed):
    shape = (height, width) if channels is None else (height, width, channels)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(png(image))) as read:
        read.verify()  # checksums
    with Image.open(io.BytesIO(png(image))) as read:
        assert read.mode == ("RGB" if channels == 3 else "L")
        assert np.array_equal(np.asarray(read), image.reshape(height, width, -1).squeeze(axis=2)
            if channels == 1 else image)  # fmt: skip


def test_smooth_images_take_fewer_bytes_than_their_pixels():
    smooth = np.add.outer(np.arange(28), np.arange(28)).astype(np.uint8)
    assert len(png(smooth)) < 200


@pytest.mark.parametrize("alt", ["a shirt", ""])
def test_a_picture_has_its_size_and_text(tree, alt):
    image = tree(picture(np.zeros((4, 6), np.uint8), alt).encode()).one("img")
    assert image.attributes["alt"] == alt
    assert (image.attributes["width"], image.attributes["height"]) == ("6", "4")
