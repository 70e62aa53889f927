"""TIFF: tifffile reads the tags, ``strips`` plain grey and RGB of any depth, Pillow (libtiff) LZW, JPEG, palettes ….

Knows pages and tags; must not know where the bytes come from, nor how samples are scaled.
"""

import logging
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL.TiffImagePlugin import TiffImageFile

from draem_core.data.fax import check_fax
from draem_core.data.pillow import from_pillow
from draem_core.data.samples import ORIENTATION_TAG, Decoded, check_size, upright, valid_orientation
from draem_core.data.strips import is_readable, read_page
from draem_core.errors import ImageError

logging.getLogger("tifffile").addHandler(logging.NullHandler())

_SUBFILE_TYPE, _MAX_SAMPLE_VALUE = 254, 281  # tags


def decode_tiff(file: BinaryIO, label: str, limit: int) -> Decoded:
    """Decode a TIFF of one page and at most ``limit`` pixels.

    Raises ImageError where there are more pages, pixels or channels, and whatever the decoders raise for a damaged one.
    """
    with tifffile.TiffFile(file) as tiff:
        pages: Any = tiff.pages
        page = pages.first
        check_size(page.imagewidth, page.imagelength, label, limit)
        # Reduced copies and transparency masks in later pages are no pictures of their own.
        if any(not other.tags.valueof(_SUBFILE_TYPE, default=0) & 0b101 for other in islice(pages, 1, None)):
            raise ImageError(
                f"{label} holds more than one page; split it into one file a page (tiffsplit, or ImageJ's "
                "Save As > Image Sequence)."
            )
        if page.imagedepth > 1:
            raise ImageError(f"{label} is a volume of {page.imagedepth} slices; export the slice as a picture.")
        if page.samplesperpixel > 4:
            raise ImageError(f"{label} has {page.samplesperpixel} channels; export the one or three to inspect.")
        if page.is_tiled:
            check_size(page.tilewidth, page.tilelength, label, limit)
        if _is_plain(page):
            samples, white = read_page(page, file), _white(page)
            if page.photometric == 0:
                samples = _negative(samples, white)
            return Decoded(upright(samples, _tiff_orientation(page)), white)
    file.seek(0)
    image = TiffImageFile(file)
    decoded = from_pillow(image, file)  # Pillow turns TIFF upright while loading
    check_fax(page, image, file)
    return decoded


def tiff_size(file: BinaryIO) -> tuple[int, int]:
    """Return (height, width) of the upright first page from its header alone. Raises whatever tifffile does."""
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        height, width = page.imagelength, page.imagewidth
        return (width, height) if _tiff_orientation(page) >= 5 else (height, width)


def _is_plain(page: Any) -> bool:
    """Return whether it is read here: grey or RGB in strips or tiles that need no codec but zlib."""
    return page.photometric in (0, 1, 2) and is_readable(page)


def _negative(samples: np.ndarray, white: int | None) -> np.ndarray:
    """Return samples of a "white is zero" page turned so that white is high; signed integers stay as they are."""
    if white is not None:
        pixels: np.ndarray = (white - np.minimum(samples, white)).astype(samples.dtype)
        return pixels
    return 1 - samples if samples.dtype.kind == "f" else samples


def _white(page: Any) -> int | None:
    """Return full scale of unsigned 8 and 16 bit; None for floats, signed and wider integers."""
    if page.dtype.kind != "u" or page.dtype.itemsize > 2:
        return None
    full = int(np.iinfo(page.dtype).max)
    stated = page.tags.valueof(_MAX_SAMPLE_VALUE, default=full)
    stated = max(stated) if isinstance(stated, tuple) else stated
    # Cameras state their depth here (4095 for 12 bit); other writers the brightest pixel, which is no scale.
    is_depth = isinstance(stated, int) and 255 < stated < full and stated & (stated + 1) == 0
    return stated if is_depth else full


def _tiff_orientation(page: Any) -> int:
    return valid_orientation(page.tags.valueof(ORIENTATION_TAG, default=1))
