"""Whether fax-coded data (CCITT, Group 3 and 4) of a TIFF describes the picture that libtiff made of it.

libtiff takes any junk: what it cannot decode stays white, without an error. So the picture is coded again: these codes
leave an encoder no choice, and data that differs is damaged or was never a picture.
"""

from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image

from draem_core.data.samples import valid_orientation

_RLE, _GROUP3, _GROUP4 = 2, 3, 4
_NAMES = {_RLE: "tiff_ccitt", _GROUP4: "group4"}
_END_BITS = 24  # of the mark behind a Group 4 strip
_LINE_END_ZEROS = 11  # before the 1 that ends a Group 3 line; no code holds as many
_TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_fax(page: Any, image: Image.Image, file: BinaryIO) -> None:
    """Raise ValueError where the strips of a page, as tifffile has read it, are not those of its loaded ``image``.

    Pages of other codes, and tiles, pass.
    """
    if page.compression not in (_RLE, _GROUP3, _GROUP4) or page.is_tiled or image.mode != "1":
        return
    strips = [_strip(file, offset, length, page.fillorder) for offset, length in _places(page)]
    if page.compression == _GROUP3:
        is_whole = sum(map(_line_ends, strips)) >= page.imagelength - len(strips)
    else:
        again = _coded_again(page, image)
        is_whole = len(again) == len(strips) and all(
            _is_same(stored, new, page.compression) for stored, new in zip(strips, again, strict=True)
        )
    if not is_whole:
        raise ValueError("its fax data describes another picture than its decoder reads")


def _places(page: Any) -> list[tuple[int, int]]:
    return list(zip(page.dataoffsets, page.databytecounts, strict=False))


def _strip(file: BinaryIO, offset: int, length: int, fill_order: int = 1) -> bytes:
    file.seek(offset)
    data = file.read(length)
    return data.translate(_REVERSED) if fill_order == 2 else data


def _coded_again(page: Any, image: Image.Image) -> list[bytes]:
    orientation = valid_orientation(page.tags.valueof(274, default=1))
    if orientation in _TO_STORED:
        image = image.transpose(_TO_STORED[orientation])
    rows = page.rowsperstrip if 0 < page.rowsperstrip < image.height else image.height
    buffer = BytesIO()
    image.save(buffer, "TIFF", compression=_NAMES[page.compression], tiffinfo={262: int(page.photometric), 278: rows})
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as tiff:
        return [_strip(buffer, offset, length) for offset, length in _places(tiff.pages.first)]


def _is_same(stored: bytes, new: bytes, compression: int) -> bool:
    if compression == _RLE:
        return stored.startswith(new)
    coded = len(new) * 8 - _trailing_zeros(new) - _END_BITS  # the bits of the picture, without the end mark
    whole = coded // 8
    split = coded - 8 * whole
    rest, new_rest = _bits(stored[whole : whole + 8].ljust(8, b"\0")), _bits(new[whole:].ljust(8, b"\0"))
    behind, mark = rest[split:], new_rest[split : split + _END_BITS]
    is_ended = not behind.any() or np.array_equal(behind[:_END_BITS], mark)  # by padding, or by the end mark
    return stored[:whole] == new[:whole] and np.array_equal(rest[:split], new_rest[:split]) and is_ended


def _line_ends(strip: bytes) -> int:
    ones = np.flatnonzero(_bits(b"\x80" + strip))
    return int(np.count_nonzero(np.diff(ones) > _LINE_END_ZEROS))


def _trailing_zeros(data: bytes) -> int:
    stripped = data.rstrip(b"\0")
    last = stripped[-1] if stripped else 0
    return (len(data) - len(stripped)) * 8 + ((last & -last).bit_length() - 1 if last else 0)


def _bits(data: bytes) -> np.ndarray:
    return np.unpackbits(np.frombuffer(data, np.uint8))
