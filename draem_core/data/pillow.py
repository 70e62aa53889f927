"""Pictures that Pillow decodes: PNG, JPEG, BMP, WebP, and the TIFF flavours that tifffile leaves to libtiff.

Keeps all 16 bits where Pillow would cut them, and checks what it does not: the size before any pixel, PNG's data.
Must not know where the bytes come from, nor how samples are scaled.
"""

import logging
import os
import sys
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from draem_core.data.samples import ORIENTATION_TAG, Decoded, check_size, upright, valid_orientation
from draem_core.data.structure import count_jpeg_scans
from draem_core.errors import ImageError

# Pillow grumbles about metadata that we do not use (bad EXIF, odd tags). Silenced once, here: catching warnings
# around each read would change process-wide state under the feet of other threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

USUAL_BYTES = 6.0
"""A pixel, that decoding takes at most above the decoded picture; what takes more is read up to fewer pixels."""

# The classes are called directly, not through Image.open: its pixel limit is a process-wide variable, and it
# would open two-picture phone JPEGs (MPO) as animations.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WEBP": WebPImageFile,
}
# How Pillow names 16-bit colour that it would cut to the high bytes → (name for the first byte, for the second).
_SIXTEEN_BIT_COLOUR: dict[str, tuple[str, str]] = {
    f"{channels};16{order}": (f"{channels};16B", f"{channels};16L")
    for channels in ("RGB", "RGBA", "RGBX")
    for order in "BLN"
}
_AT_ONCE = 2**20  # pixels on the way from Pillow to numpy
_WEBP_BYTES = 13.0  # a pixel, above the decoded picture: measured with Pillow 13, whose plugin keeps its frame thrice
_SIXTEEN_BIT_COLOUR["LA;16B"] = ("RGBA", "RGBA")  # four bytes a pixel: grey's two, then alpha's


def decode_pillow(file: BinaryIO, kind: str, label: str, limit: int, draft: int | None = None) -> Decoded:
    """Decode a file of ``kind`` PNG, JPEG, BMP or WEBP, at most ``limit`` pixels, upright by its EXIF orientation.

    ``draft`` lets a JPEG come at a reduced scale with no side below that many pixels. Raises
    ImageError where the picture is too large or animated, and whatever Pillow raises where it is damaged.
    """
    image = _open_plugin(file, kind, label, limit)
    if kind == "PNG":
        _check_png_data(file)
    if getattr(image, "is_animated", False):
        raise ImageError(f"{label} is animated; save the frame you want to inspect as a picture of its own.")
    if draft is not None:
        image.draft(None, (draft, draft))
    decoded = from_pillow(image, file)
    return Decoded(upright(decoded.samples, _exif_orientation(image)), decoded.white)


def pillow_size(file: BinaryIO, kind: str, label: str, limit: int) -> tuple[int, int]:
    """Return (height, width) of the upright picture from its header alone. Raises as ``decode_pillow`` does."""
    image = _open_plugin(file, kind, label, limit)
    width, height = image.size
    return (width, height) if _exif_orientation(image) >= 5 else (height, width)


def from_pillow(image: ImageFile.ImageFile, file: BinaryIO) -> Decoded:
    """Return the samples of a picture whose header Pillow has read from ``file``; orientation is left to the caller."""
    args = image.tile[0].args if image.tile else None
    rawmode = args[0] if isinstance(args, tuple) else args
    if isinstance(rawmode, str) and rawmode in _SIXTEEN_BIT_COLOUR:
        return Decoded(_sixteen_bit_colour(image, file, rawmode), 65535)
    image.load()
    if image.mode.startswith("I;16"):
        return Decoded(_copied(image, (), np.uint16), 4095 if rawmode == "I;12" else 65535)
    if image.mode in ("I", "F"):
        return Decoded(_copied(image, (), np.int32 if image.mode == "I" else np.float32), None)
    image.info.pop("transparency", None)  # else convert() would weave it into the colours
    if image.mode in ("1", "L", "LA", "La"):
        return Decoded(_copied(image, ("LA", "L") if image.mode == "La" else ("L",), np.uint8), 255)
    return Decoded(_copied(image, ("RGB",), np.uint8), 255)


def _copied(image: Image.Image, modes: Sequence[str], dtype: type[np.generic]) -> np.ndarray:
    """Return the pixels, (H, W) or (H, W, 3), converted from mode to mode on the way, a few rows at a time.

    Pillow would hold another whole picture for the conversion, and two more for the way to numpy.
    """
    channels = (3,) if modes and modes[-1] == "RGB" else ()
    pixels = np.empty((image.height, image.width, *channels), dtype)
    for rows, part in _bands(image):
        for mode in modes:
            part = part if part.mode == mode else part.convert(mode)
        pixels[rows] = np.asarray(part)
    return pixels


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield a loaded picture a few rows at a time."""
    height = max(1, _AT_ONCE // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _sixteen_bit_colour(image: ImageFile.ImageFile, file: BinaryIO, rawmode: str) -> np.ndarray:
    """Return all 16 bits, (H, W, 3) or (H, W): the file is unpacked twice, once for each byte of a sample."""
    big_endian = isinstance(image, PngImageFile) or sys.byteorder == "big"  # libtiff hands out native order
    is_grey = rawmode.startswith("LA")
    samples = np.empty((image.height, image.width) if is_grey else (image.height, image.width, 3), np.uint16)
    halves = samples.view(np.uint8).reshape(*samples.shape, 2)  # in this machine's order
    for byte, name in enumerate(_SIXTEEN_BIT_COLOUR[rawmode]):
        file.seek(0)
        again = type(image)(file)
        again.tile = [
            tile._replace(args=(name, *tile.args[1:]) if isinstance(tile.args, tuple) else name) for tile in again.tile
        ]
        again.load()
        is_high = (byte == 0) == big_endian
        half = halves[..., int(is_high == (sys.byteorder == "little"))]
        for rows, part in _bands(again):
            values = np.asarray(part)
            half[rows] = values[..., byte] if is_grey else values[..., :3]
    return samples


def _open_plugin(file: BinaryIO, kind: str, label: str, limit: int) -> ImageFile.ImageFile:
    """Parse the header with Pillow and check the size; no pixel is decoded."""
    if kind == "WEBP":
        # Its plugin reserves the canvas as soon as it is made, so the size is read beforehand.
        width, height = _webp_size(file.read(30))
        file.seek(0)
        check_size(width, height, label, limit)
        _check_room(width, height, label, limit, "WebP", _WEBP_BYTES)
    image = _PLUGINS[kind](file)
    check_size(*image.size, label, limit)
    if isinstance(image, JpegImageFile):
        _check_room(*image.size, label, limit, "JPEG in several scans", _jpeg_bytes(image, file, label))
    return image


def _check_room(width: int, height: int, label: str, limit: int, kind: str, bytes_a_pixel: float) -> None:
    """Raise ImageError where decoding takes more memory than ``limit`` pixels at ``USUAL_BYTES`` would."""
    most = int(limit * USUAL_BYTES / bytes_a_pixel)
    if width * height > min(most, limit):
        raise ImageError(
            f"{label} is {width} × {height} pixels ({width * height / 1e6:.1f} million), a {kind}, which takes "
            f"{bytes_a_pixel:g} bytes a pixel to decode: above the limit of {most / 1e6:.3g} million for such files. "
            "Save it as PNG or as a JPEG that is not progressive, shrink it, or raise DRAEM_MAX_IMAGE_MPIX."
        )


def _jpeg_bytes(image: JpegImageFile, file: BinaryIO, label: str) -> float:
    """Return the bytes a pixel that decoding takes above the decoded picture.

    Where the picture comes in several scans, all coefficients, 2 bytes each, wait in memory beside Pillow's picture.
    """
    channels = len(image.layer)
    resume = file.tell()
    file.seek(0)
    scans = count_jpeg_scans(file, label)
    file.seek(resume)
    if scans < 2:
        return USUAL_BYTES
    across, down = max(part[1] for part in image.layer), max(part[2] for part in image.layer)
    coefficients = sum(part[1] * part[2] for part in image.layer) / (across * down)
    own, decoded = (1, 1) if channels == 1 else (4, 3)
    return own + 2 * coefficients - decoded


def _check_png_data(file: BinaryIO) -> None:
    """Compare the checksums of the pixel data, which Pillow does not: a flipped bit would pass for a defect."""
    resume = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, chunk = int.from_bytes(head[:4], "big"), head[4:]
        if chunk == b"IDAT":
            checksum = zlib.crc32(file.read(length), zlib.crc32(chunk))
            if file.read(4) != checksum.to_bytes(4, "big"):
                raise ValueError("wrong checksum of the pixel data")
        else:
            file.seek(length + 4, os.SEEK_CUR)
    file.seek(resume)


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return (width, height) by the first 30 bytes of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
    chunk = head[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def _exif_orientation(image: Image.Image) -> int:
    try:
        # Not image.getexif(): for PNG that decodes all pixels in search of a block behind them.
        return valid_orientation(Image.Image.getexif(image).get(ORIENTATION_TAG, 1))
    except Exception:  # a broken EXIF block is no reason to refuse good pixels
        return 1
