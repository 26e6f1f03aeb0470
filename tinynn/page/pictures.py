"""Images of a test set within the page: PNG files as data, without any other library.

(Portable Network Graphics, third edition, W3C 2025: section 5 for chunks, 9 for filters.)
"""

import struct
import zlib
from base64 import b64encode

import numpy as np

from tinynn.parameters import Array

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE = {1: 0, 3: 2}  # by channels: grey, red-green-blue


def png(image: Array) -> bytes:
    """Return an image as a PNG file. image: uint8 (H, W), (H, W, 1) or (H, W, 3).

    >>> png(np.zeros((2, 3), np.uint8))[:8] == SIGNATURE
    True
    """
    pixels = image.reshape(*image.shape[:2], -1)  # (H, W, C)
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPE[channels], 0, 0, 0)
    rows = pixels.reshape(height, width * channels)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    plain, up = _packed(0, rows), _packed(2, rows - above)  # filter "Up": modulo 256, as uint8 is
    return SIGNATURE + b"".join(
        _chunk(*chunk)
        for chunk in ((b"IHDR", head), (b"IDAT", min(plain, up, key=len)), (b"IEND", b""))
    )


def picture(image: Array, alt: str) -> str:
    """Return <img> with the image in it. alt: its text, escaped already."""
    height, width = image.shape[:2]
    return (
        f'<img src="data:image/png;base64,{b64encode(png(image)).decode()}" '
        f'width="{width}" height="{height}" alt="{alt}">'
    )


def _packed(kind: int, rows: Array) -> bytes:
    """Return the rows compressed, each after the number of its filter."""
    marked = np.hstack([np.full((len(rows), 1), kind, np.uint8), rows])
    return zlib.compress(marked.tobytes(), 9)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
