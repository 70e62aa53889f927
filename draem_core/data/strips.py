"""TIFF's strips and tiles, plain or deflated, unpacked a few rows at a time into the picture's one array.

So memory holds the picture and little else, however large a strip is. Knows pages as tifffile reads them; must not
know colours, scales or orientation.
"""

import zlib
from collections.abc import Iterator
from itertools import product
from typing import Any, BinaryIO

import numpy as np

_DEFLATE = (8, 32946)  # TIFF's two names for it
_AT_ONCE = 2**22  # bytes of unpacked rows
_READ = 2**18
_WIDEST_TILE = 4096  # that may be wider than the picture


def is_readable(page: Any) -> bool:
    """Return whether ``read_page`` knows how: whole bytes a sample, plain or deflated, predictor none or horizontal."""
    return (
        page.dtype is not None
        and page.bitspersample == page.dtype.itemsize * 8
        and page.fillorder == 1
        and (page.compression == 1 or (page.compression in _DEFLATE and page.predictor in (1, 2)))
    )


def read_page(page: Any, file: BinaryIO) -> np.ndarray:
    """Return the page's first sample as (H, W) where it has one or two, else the first three as (H, W, 3), as stored.

    Raises ValueError or zlib.error where strips are missing, cut short, damaged, or unpack to more than their share.
    """
    height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    kept = 1 if channels <= 2 else 3
    is_planar = page.planarconfig == 2 and channels > 1
    stored = 1 if is_planar else channels
    rows, columns = _segment_shape(page)
    # np.zeros reserves memory as it is filled; np.empty does the same on most systems, but not everywhere.
    pixels = np.zeros((height, width, kept), page.dtype.newbyteorder("="))
    places = product(range(kept if is_planar else 1), range(0, height, rows), range(0, width, columns))
    offsets, lengths = page.dataoffsets, page.databytecounts
    wanted = (kept if is_planar else 1) * -(-height // rows) * -(-width // columns)
    if min(len(offsets), len(lengths)) < wanted or 0 in offsets[:wanted]:
        raise ValueError("a strip of the picture is missing")
    for (plane, top, left), offset, length in zip(places, offsets, lengths, strict=False):
        part = pixels[top : top + rows, left : left + columns, plane : plane + 1 if is_planar else kept]
        first = 0
        for block in _blocks(page, file, (offset, length), (rows, columns, stored), len(part)):
            part[first : first + len(block)] = block[:, : part.shape[1], : part.shape[2]]
            first += len(block)
    return pixels[..., 0] if kept == 1 else pixels


def _segment_shape(page: Any) -> tuple[int, int]:
    """Return (rows, columns) of a strip or tile. Raises ValueError where they are no picture's."""
    if not page.is_tiled:
        rows = page.rowsperstrip if isinstance(page.rowsperstrip, int) and page.rowsperstrip > 0 else page.imagelength
        return min(rows, page.imagelength), page.imagewidth
    rows, columns = page.tilelength, page.tilewidth
    if rows <= 0 or columns <= 0 or columns > max(page.imagewidth + 15, _WIDEST_TILE):
        raise ValueError(f"tiles of {columns} × {rows} pixels do not fit the picture")
    return rows, columns


def _blocks(
    page: Any, file: BinaryIO, where: tuple[int, int], shape: tuple[int, int, int], needed: int
) -> Iterator[np.ndarray]:
    """Yield a segment's first ``needed`` rows in blocks of (n, columns, samples); its ``shape`` is (rows, …)."""
    rows, columns, samples = shape
    stored_type = page.dtype.newbyteorder(page.parent.byteorder)
    row_bytes = columns * samples * stored_type.itemsize
    at_once = max(1, _AT_ONCE // row_bytes)
    source = _Inflated(file, *where) if page.compression in _DEFLATE else _Plain(file, where[0])
    for top in range(0, needed, at_once):
        height = min(at_once, needed - top)
        data = source.read(height * row_bytes)
        if len(data) < height * row_bytes:
            raise ValueError("the data of a strip is cut short")
        block = np.frombuffer(data, stored_type).reshape(height, columns, samples)
        if page.compression in _DEFLATE and page.predictor == 2:
            differences = block.astype(stored_type.newbyteorder("="))
            differences = differences.view(f"u{stored_type.itemsize}")  # what libtiff adds up, of floats too
            block = np.cumsum(differences, axis=1, dtype=differences.dtype).view(page.dtype)
        yield block
    source.check_end((rows - needed) * row_bytes)


class _Plain:
    """Bytes as they lie in the file."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file, self._at = file, offset

    def read(self, number: int) -> bytes:
        self._file.seek(self._at)
        self._at += number
        return self._file.read(number)

    def check_end(self, may_follow: int) -> None:
        pass


class _Inflated:
    """A deflated strip's bytes, never more of them than are asked for: a few can swell a thousandfold."""

    def __init__(self, file: BinaryIO, offset: int, length: int) -> None:
        self._file, self._at, self._end = file, offset, offset + length
        self._unpacker = zlib.decompressobj()

    def read(self, number: int) -> bytes:
        parts = []
        while number > 0 and not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._packed()
            part = self._unpacker.decompress(packed, number)
            if not packed and not part:
                break
            parts.append(part)
            number -= len(part)
        return b"".join(parts)

    def check_end(self, may_follow: int) -> None:
        """Read to the end, which compares the checksum; raise ValueError where it lies too far away."""
        while may_follow > 0 and (part := self.read(min(may_follow, _AT_ONCE))):
            may_follow -= len(part)
        if self.read(1):
            raise ValueError("a strip unpacks to more than the picture holds")

    def _packed(self) -> bytes:
        self._file.seek(self._at)
        packed = self._file.read(max(0, min(_READ, self._end - self._at)))
        self._at += len(packed)
        return packed
