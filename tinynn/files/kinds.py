"""What a file of another kind than expected is: a download is often a web page in its place."""

import codecs

LENGTH = 512  # bytes that tell the kind

SIGNATURES = (
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file: run `git lfs pull`"),
    (b"\x93NUMPY", "an array of NumPy (.npy): np.load reads it"),
    (b"PK\x03\x04", "a zip file, as .zip, .npz and .pt are"),
    (b"\x1f\x8b", "a gzip file (.gz)"),
    (b"BZh", "a bzip2 file (.bz2)"),
    (b"\xfd7zXZ", "an xz file (.xz)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file (.7z)"),
    (b"Rar!", "a RAR file (.rar)"),
    (b"\x89HDF", "an HDF5 file (.h5)"),
    (b"PAR1", "a Parquet table"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF"),
    *((b"\x80%c" % protocol, "a pickle of Python") for protocol in (2, 3, 4, 5)),
)


def kind_of(beginning: bytes) -> str:
    """Return what a file is that begins with these bytes, up to LENGTH of them; "" if unknown.

    >>> kind_of(b"\\n<!DOCTYPE html><title>404")
    "a web page (HTML), as a server's error or log-in page"
    >>> kind_of(b"label,pixel1\\n9,0\\n")
    "a table in text (CSV), whose first line is 'label,pixel1'"
    """
    for signature, kind in SIGNATURES:
        if beginning.startswith(signature):
            return kind
    if beginning[257:262] == b"ustar":
        return "a tar archive (.tar)"
    try:  # incremental: the last character may be cut
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(beginning).strip()
    except UnicodeDecodeError:
        return ""
    line = text.partition("\n")[0].strip()
    if not line or not all(c.isprintable() or c.isspace() for c in text):
        return ""
    if text[:100].lower().startswith(("<!doctype html", "<html")):
        return "a web page (HTML), as a server's error or log-in page"
    shown = repr(line if len(line) <= 60 else f"{line[:57]}...")
    is_table = " " not in line and any(separator in line for separator in ",;\t")
    return f"{'a table in text (CSV)' if is_table else 'a text'}, whose first line is {shown}"
