"""Reading pictures: whatever an inspection line writes becomes RGB uint8 on the picture's own pixels.

Knows where bytes come from and which decoder they belong to; must not know networks, input sizes or dataset layouts.
Every failure is an ``ImageError`` that names the file. Nothing process-wide is touched while reading, so threads may
read side by side.
"""

import errno
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from draem_core.data.depth import by_depth
from draem_core.data.pillow import decode_pillow, pillow_size
from draem_core.data.samples import Decoded, rgb8
from draem_core.data.structure import check_structure
from draem_core.data.tiff import decode_tiff, tiff_size
from draem_core.errors import ImageError
from draem_core.formatting import as_text

IMAGE_SUFFIXES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
"""Suffixes (lower case) that dataset listings count as pictures; ``read_image`` itself goes by content."""

MAX_IMAGE_PIXELS = 100_000_000
"""Default limit on height × width, checked from the header; see ``read_image`` for how to raise it."""

_HEAD_BYTES = 132
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II\x2a\x00", "TIFF"),
    (b"MM\x00\x2a", "TIFF"),
    (b"II\x2b\x00", "TIFF"),
    (b"MM\x00\x2b", "TIFF"),
)
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF"),
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the picture itself"),
    (4, b"jP  ", "a JPEG 2000"),
    (4, b"ftypavif", "an AVIF"),
    (4, b"ftyphei", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIC photo"),
    (128, b"DICM", "a DICOM file"),
)


def read_image(source: str | Path | bytes, *, name: str | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Read a picture as (H, W, 3) uint8 RGB, C-contiguous, upright by its EXIF orientation.

    ``source`` is a path or the file's bytes; ``name`` stands for bytes in messages. PNG, JPEG, BMP, TIFF, WebP.

    * 16 bit is scaled, round(v·255/65535). A TIFF whose MaxSampleValue is 1023, 4095 … is scaled by that, and where
      DRAEM_BIT_DEPTH is set (12), all other 16-bit pictures by the highest value of so many bits (4095).
    * Floats in [0, 1] are scaled by 255; other floats, signed and 32-bit integers by their own finite minimum and
      maximum (a constant picture becomes black). NaN and infinities become 0.
    * Alpha is dropped, not composited: the stored colours are what the camera saw and what both upstreams read.
    * Grey, 1-bit, palette, CMYK and YCbCr are converted; colour profiles are not applied.

    The limit on H·W is ``max_pixels``, else DRAEM_MAX_IMAGE_MPIX (in millions), else ``MAX_IMAGE_PIXELS``; it is
    checked before any pixel is decoded.

    Raises:
        ImageError: the file is missing, empty, damaged, too large, animated, of many pages or unknown.
    """
    return read_with_highest(source, name=name, max_pixels=max_pixels)[0]


def read_with_highest(
    source: str | Path | bytes, *, name: str | None = None, max_pixels: int | None = None
) -> tuple[np.ndarray, int | None]:
    """Return ``read_image``'s picture and its highest stored sample, which ``depth_note`` goes by.

    None where the depth is no question: 8 bit, floats, a stated or set depth. Raises ImageError.
    """
    with _opened(source, name) as (file, label):
        decoded, highest = by_depth(_decode(file, label, _pixel_limit(max_pixels)), label)
        return rgb8(decoded, label), highest


def read_samples(source: str | Path | bytes, *, name: str | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Read the stored sample values, unscaled and upright: (H, W) or (H, W, 3), in the file's own type.

    For label masks, where 1 of 65535 means something. Palettes come as their colours, 1 bit as 0 and 255; alpha is
    dropped. Raises ImageError as ``read_image`` does.
    """
    with _opened(source, name) as (file, label):
        return np.ascontiguousarray(_decode(file, label, _pixel_limit(max_pixels)).samples)


def image_size(source: str | Path | bytes, *, name: str | None = None) -> tuple[int, int]:
    """Return (height, width) of the upright picture from its header alone. Raises ImageError."""
    with _opened(source, name) as (file, label):
        kind = _identify(file, label)
        check_structure(file, kind, label)
        return tiff_size(file) if kind == "TIFF" else pillow_size(file, kind, label, _pixel_limit(None))


def thumbnail(path: str | Path, side: int = 96) -> bytes:
    """Return a JPEG of the picture, at most ``side`` pixels wide and high, never enlarged. Raises ImageError.

    JPEG sources are decoded at a reduced scale, so lists stay quick. Nothing is cached here.
    """
    with _opened(path, None) as (file, label):
        rgb = rgb8(by_depth(_decode(file, label, _pixel_limit(None), draft=2 * side), label)[0], label)
    small = Image.fromarray(rgb)
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def encode_png(pixels: np.ndarray) -> bytes:
    """Return (H, W) grey or (H, W, 3) RGB uint8 pixels as PNG bytes, lossless. Raises ValueError for other arrays."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"encode_png takes uint8 (H, W) or (H, W, 3), not {pixels.dtype} {pixels.shape}")
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


@contextmanager
def _opened(source: str | Path | bytes, name: str | None) -> Iterator[tuple[BinaryIO, str]]:
    """Yield (file, label) and turn whatever goes wrong inside into an ImageError about ``label``."""
    label = as_text(name or ("the image" if isinstance(source, bytes) else source))
    try:
        with _open_binary(source, label) as file:
            yield file, label
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{label} does not fit into memory; shrink it or free some memory.") from error
    except Image.DecompressionBombError as error:  # Pillow checks WebP and TIFF against a limit of its own
        raise ImageError(f"{label} is too large for this format's decoder ({error}); save it as PNG.") from error
    except Exception as error:  # decoders raise anything from struct.error to RecursionError on hostile bytes
        reason = " ".join(str(error).split())
        reason = reason if " " in reason else f"{type(error).__name__} {reason}".strip()
        raise ImageError(f"{label} is damaged or cut short ({reason}); export or copy it again.") from error


def _open_binary(source: str | Path | bytes, label: str) -> BinaryIO:
    if isinstance(source, bytes):
        return BytesIO(source)
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{label} is a folder, not an image; choose a file inside it.")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{label} is a device or pipe, not an image; choose a regular file.")
        return path.open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"{label} does not exist; check the path.") from error
    except PermissionError as error:
        raise ImageError(f"{label} may not be read by this user; change its permissions.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise ImageError(f"{label} cannot be opened: the name is too long; rename it.") from error
        raise ImageError(f"{label} cannot be opened ({error}); check the path and the drive.") from error


def _pixel_limit(max_pixels: int | None) -> int:
    if max_pixels is not None:
        return max_pixels
    text = os.environ.get("DRAEM_MAX_IMAGE_MPIX", "").strip()
    if not text:
        return MAX_IMAGE_PIXELS
    try:
        mpix = float(text)
    except ValueError:
        mpix = math.nan
    if not (math.isfinite(mpix) and mpix > 0):
        raise ImageError(f"DRAEM_MAX_IMAGE_MPIX is '{text}', not a number of megapixels; set it to e.g. 200.")
    return round(mpix * 1e6)


def _identify(file: BinaryIO, label: str) -> str:
    """Return the format, PNG, JPEG, BMP, TIFF or WEBP, by the first bytes; the file is left at its start."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise ImageError(f"{label} is empty (0 bytes); export or copy it again.")
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    advice = "save it as PNG, JPEG, BMP, TIFF or WebP."
    for offset, signature, what in _FOREIGN:
        if head[offset:].startswith(signature):
            raise ImageError(f"{label} is {what}, which is not read here; {advice}")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<"):
        raise ImageError(f"{label} is SVG, HTML or other markup, not pixels; {advice}")
    raise ImageError(f"{label} is not an image of a known format; {advice}")


def _decode(file: BinaryIO, label: str, limit: int, draft: int | None = None) -> Decoded:
    kind = _identify(file, label)
    check_structure(file, kind, label)
    return decode_tiff(file, label, limit) if kind == "TIFF" else decode_pillow(file, kind, label, limit, draft)
