"""Reading pictures: whatever an inspection line writes becomes RGB uint8 on the picture's own pixels.

Knows file formats and sample depths; must not know networks, input sizes or dataset layouts. Every failure is an
``ImageError`` that names the file. Nothing process-wide is touched while reading, so threads may read side by side.
"""

import logging
import math
import os
import stat
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from draem_core.errors import ImageError

IMAGE_SUFFIXES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
"""Suffixes (lower case) that dataset listings count as pictures; ``read_image`` itself goes by content."""

MAX_IMAGE_PIXELS = 100_000_000
"""Default limit on height × width, checked from the header; see ``read_image`` for how to raise it."""

# Decoders grumble about metadata that we do not use (bad EXIF, odd tags). Silenced once, here: catching warnings
# around each read would change process-wide state under the feet of other threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
logging.getLogger("tifffile").addHandler(logging.NullHandler())

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
# The classes are called directly, not through Image.open: its pixel limit is a process-wide variable, and it
# would open two-picture phone JPEGs (MPO) as animations.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WEBP": WebPImageFile,
    "TIFF": TiffImageFile,
}
_SUBFILE_TYPE, _ORIENTATION, _MAX_SAMPLE_VALUE = 254, 274, 281  # TIFF tags; EXIF shares the orientation's number
_DEFLATE = (8, 32946)  # TIFF's two names for it
# How Pillow names 16-bit colour that it would cut to the high bytes → (name for the first byte, for the second).
_SIXTEEN_BIT_COLOUR: dict[str, tuple[str, str]] = {
    f"{channels};16{order}": (f"{channels};16B", f"{channels};16L")
    for channels in ("RGB", "RGBA", "RGBX")
    for order in "BLN"
}
_SIXTEEN_BIT_COLOUR["LA;16B"] = ("RGBA", "RGBA")  # four bytes a pixel: grey's two, then alpha's
_UNIT_TOLERANCE = 0.5 / 255  # resampled [0, 1] floats overshoot a little; half an 8-bit step is no other range


def read_image(source: str | Path | bytes, *, name: str | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Read a picture as (H, W, 3) uint8 RGB, C-contiguous, upright by its EXIF orientation.

    ``source`` is a path or the file's bytes; ``name`` stands for bytes in messages. PNG, JPEG, BMP, TIFF, WebP.

    * 16 bit is scaled, round(v·255/65535). A TIFF whose MaxSampleValue is 1023, 4095 … is scaled by that.
    * Floats in [0, 1] are scaled by 255; other floats, signed and 32-bit integers by their own finite minimum and
      maximum (a constant picture becomes black). NaN and infinities become 0.
    * Alpha is dropped, not composited: the stored colours are what the camera saw and what both upstreams read.
    * Grey, 1-bit, palette, CMYK and YCbCr are converted; colour profiles are not applied.

    The limit on H·W is ``max_pixels``, else DRAEM_MAX_IMAGE_MPIX (in millions), else ``MAX_IMAGE_PIXELS``; it is
    checked before any pixel is decoded. Raises ImageError for a missing, empty, damaged, too large, animated,
    many-page or unknown file.
    """
    with _opened(source, name) as (file, label):
        return _rgb8(_decode(file, label, _pixel_limit(max_pixels)), label)


def read_samples(source: str | Path | bytes, *, name: str | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Read the stored sample values, unscaled and upright: (H, W) or (H, W, 3), in the file's own type.

    For label masks, where 1 of 65535 means something. Palettes come as their colours, 1 bit as 0 and 255; alpha is
    dropped. Raises ImageError as ``read_image`` does.
    """
    with _opened(source, name) as (file, label):
        return np.ascontiguousarray(_decode(file, label, _pixel_limit(max_pixels)).samples)


def image_size(source: str | Path | bytes, *, name: str | None = None) -> tuple[int, int]:
    """(height, width) of the upright picture from its header alone. Raises ImageError."""
    with _opened(source, name) as (file, label):
        kind = _identify(file, label)
        if kind == "TIFF":
            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages.first
                height, width, turn = page.imagelength, page.imagewidth, _tiff_orientation(page)
        else:
            image = _open_plugin(file, kind, label, _pixel_limit(None))
            (width, height), turn = image.size, _exif_orientation(image)
        return (width, height) if turn >= 5 else (height, width)


def thumbnail(path: str | Path, side: int = 96) -> bytes:
    """A JPEG of the picture, at most ``side`` pixels wide and high, never enlarged. Raises ImageError.

    JPEG sources are decoded at a reduced scale, so lists stay quick. Nothing is cached here.
    """
    with _opened(path, None) as (file, label):
        rgb = _rgb8(_decode(file, label, _pixel_limit(None), draft=2 * side), label)
    small = Image.fromarray(rgb)
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of (H, W) grey or (H, W, 3) RGB uint8 pixels, lossless."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"encode_png takes uint8 (H, W) or (H, W, 3), not {pixels.dtype} {pixels.shape}")
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class _Decoded:
    """Upright samples, (H, W) or (H, W, 3); ``white`` is the value that means full scale, None where none does."""

    samples: np.ndarray
    white: int | None


@contextmanager
def _opened(source: str | Path | bytes, name: str | None) -> Iterator[tuple[BinaryIO, str]]:
    """Yield (file, label) and turn whatever goes wrong inside into an ImageError about ``label``."""
    label = name or ("the image" if isinstance(source, bytes) else str(source))
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
    """The format's key in _PLUGINS, from the first bytes; the file is left at its start."""
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


def _check_size(width: int, height: int, label: str, limit: int) -> None:
    if width <= 0 or height <= 0:
        raise ImageError(f"{label} has no pixels ({width} × {height}); export it again.")
    if width * height > limit:
        raise ImageError(
            f"{label} is {width} × {height} pixels ({width * height / 1e6:.1f} million), over the limit of "
            f"{limit / 1e6:g} million; shrink it or raise DRAEM_MAX_IMAGE_MPIX."
        )


def _decode(file: BinaryIO, label: str, limit: int, draft: int | None = None) -> _Decoded:
    kind = _identify(file, label)
    if kind == "TIFF":
        return _decode_tiff(file, label, limit)
    image = _open_plugin(file, kind, label, limit)
    if kind == "PNG":
        _check_png_data(file)
    if getattr(image, "is_animated", False):
        raise ImageError(f"{label} is animated; save the frame you want to inspect as a picture of its own.")
    if draft is not None:
        image.draft(None, (draft, draft))
    decoded = _from_pillow(image, file)
    return _Decoded(_upright(decoded.samples, _exif_orientation(image)), decoded.white)


def _open_plugin(file: BinaryIO, kind: str, label: str, limit: int) -> ImageFile.ImageFile:
    """Parse the header with Pillow and check the size; no pixel is decoded."""
    if kind == "WEBP":
        # Its plugin reserves the canvas as soon as it is made, so the size is read beforehand.
        width, height = _webp_size(file.read(30))
        file.seek(0)
        _check_size(width, height, label, limit)
    image = _PLUGINS[kind](file)
    _check_size(*image.size, label, limit)
    return image


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
    """(width, height) from the first 30 bytes of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
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
        return _valid_orientation(Image.Image.getexif(image).get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block is no reason to refuse good pixels
        return 1


def _tiff_orientation(page: Any) -> int:
    return _valid_orientation(page.tags.valueof(_ORIENTATION, default=1))


def _valid_orientation(value: object) -> int:
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF orientation 1–8: a transposition for 5–8, then flips of the rows and columns."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _from_pillow(image: ImageFile.ImageFile, file: BinaryIO) -> _Decoded:
    """Samples of a picture whose header Pillow has read; orientation is left to the caller."""
    args = image.tile[0].args if image.tile else None
    rawmode = args[0] if isinstance(args, tuple) else args
    if isinstance(rawmode, str) and rawmode in _SIXTEEN_BIT_COLOUR:
        return _Decoded(_sixteen_bit_colour(image, file, rawmode), 65535)
    if image.mode.startswith("I;16"):
        return _Decoded(np.asarray(image), 4095 if rawmode == "I;12" else 65535)
    if image.mode in ("I", "F"):
        return _Decoded(np.asarray(image), None)
    image.load()
    image.info.pop("transparency", None)  # else convert() would weave it into the colours
    if image.mode == "La":
        return _Decoded(np.asarray(image.convert("LA"))[..., 0], 255)
    grey = image.mode in ("1", "L", "LA")
    return _Decoded(np.asarray(image.convert("L" if grey else "RGB")), 255)


def _sixteen_bit_colour(image: ImageFile.ImageFile, file: BinaryIO, rawmode: str) -> np.ndarray:
    """All 16 bits, (H, W, 3) or (H, W): the file is unpacked twice, once for each byte of a sample."""
    big_endian = isinstance(image, PngImageFile) or sys.byteorder == "big"  # libtiff hands out native order
    planes = []
    for name in _SIXTEEN_BIT_COLOUR[rawmode]:
        file.seek(0)
        again = type(image)(file)
        again.tile = [
            tile._replace(args=(name, *tile.args[1:]) if isinstance(tile.args, tuple) else name) for tile in again.tile
        ]
        planes.append(np.asarray(again))
    first, second = planes
    if rawmode.startswith("LA"):
        first, second = first[..., 0], second[..., 1]
    else:
        first, second = first[..., :3], second[..., :3]
    high, low = (first, second) if big_endian else (second, first)
    return high.astype(np.uint16) << 8 | low


def _decode_tiff(file: BinaryIO, label: str, limit: int) -> _Decoded:
    """tifffile for plain grey and RGB of any depth, Pillow (libtiff) for the rest: LZW, JPEG, palette, CMYK, 1 bit."""
    with tifffile.TiffFile(file) as tiff:
        pages: Any = tiff.pages
        page = pages.first
        _check_size(page.imagewidth, page.imagelength, label, limit)
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
            _check_size(page.tilewidth, page.tilelength, label, limit)
        if _is_plain(page):
            samples, white = _tifffile_samples(page), _white(page)
            if page.photometric == 0:
                samples = _negative(samples, white)
            return _Decoded(_upright(samples, _tiff_orientation(page)), white)
    file.seek(0)
    return _from_pillow(TiffImageFile(file), file)  # Pillow turns TIFF upright while loading


def _is_plain(page: Any) -> bool:
    """Grey or RGB, whole bytes, and packed in a way that tifffile undoes without its optional codecs."""
    return (
        page.photometric in (0, 1, 2)
        and page.dtype is not None
        and page.bitspersample == page.dtype.itemsize * 8
        and (page.compression == 1 or (page.compression in _DEFLATE and page.predictor in (1, 2)))
    )


def _tifffile_samples(page: Any) -> np.ndarray:
    """(H, W) or (H, W, 3) as stored."""
    if page.compression in _DEFLATE:
        _check_inflated_size(page)
    samples = page.asarray(maxworkers=1)
    if samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1) if page.axes.startswith("S") else samples
        samples = samples[..., 0] if samples.shape[2] <= 2 else samples[..., :3]
    return samples


def _check_inflated_size(page: Any) -> None:
    """A few deflated bytes can swell a thousandfold, and tifffile would unpack them all."""
    file, whole = page.parent.filehandle, math.prod(page.chunks) * page.dtype.itemsize
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(zlib.decompressobj().decompress(file.read(length), whole + 1)) > whole:
            raise ValueError("a strip unpacks to more than the picture holds")


def _negative(samples: np.ndarray, white: int | None) -> np.ndarray:
    """Samples of a "white is zero" page, turned so that white is high; signed integers stay as they are."""
    if white is not None:
        return (white - np.minimum(samples, white)).astype(samples.dtype)
    return 1 - samples if samples.dtype.kind == "f" else samples


def _white(page: Any) -> int | None:
    """Full scale of unsigned 8 and 16 bit; None for floats, signed and wider integers."""
    if page.dtype.kind != "u" or page.dtype.itemsize > 2:
        return None
    full = int(np.iinfo(page.dtype).max)
    stated = page.tags.valueof(_MAX_SAMPLE_VALUE, default=full)
    stated = max(stated) if isinstance(stated, tuple) else stated
    # Cameras state their depth here (4095 for 12 bit); other writers the brightest pixel, which is no scale.
    is_depth = isinstance(stated, int) and 255 < stated < full and stated & (stated + 1) == 0
    return stated if is_depth else full


def _rgb8(decoded: _Decoded, label: str) -> np.ndarray:
    pixels = _scaled_to_uint8(decoded, label)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    # np.asarray of a Pillow image is read-only; callers get an array of their own.
    return np.require(pixels, requirements=["C", "W", "O"])


def _scaled_to_uint8(decoded: _Decoded, label: str) -> np.ndarray:
    samples, white = decoded.samples, decoded.white
    if samples.dtype == np.uint8 and white == 255:
        return samples
    if white is not None:  # a table keeps 100 megapixels of 16 bit out of float arithmetic
        values = np.arange(np.iinfo(samples.dtype).max + 1)
        return np.minimum(np.rint(values * (255 / white)), 255).astype(np.uint8)[samples]
    if samples.dtype.kind not in "iuf":
        raise ImageError(f"{label} holds {samples.dtype} samples; export it as 8 or 16 bit.")
    return _by_range(samples.astype(np.float64), samples.dtype.kind == "f", label)


def _by_range(samples: np.ndarray, is_float: bool, label: str) -> np.ndarray:
    finite = np.isfinite(samples)
    if not finite.any():
        raise ImageError(f"{label} holds no finite value, only NaN or infinity; export it again.")
    low, high = float(samples.min(where=finite, initial=np.inf)), float(samples.max(where=finite, initial=-np.inf))
    if is_float and low >= -_UNIT_TOLERANCE and high <= 1 + _UNIT_TOLERANCE:
        low, high = 0.0, 1.0
    span = (high - low) or 1.0
    if not math.isfinite(span):
        raise ImageError(f"{label} spans {low:g} to {high:g}, too wide to scale; export it as 8 or 16 bit.")
    share = np.where(finite, (np.where(finite, samples, low) - low) / span, 0.0)
    return np.rint(np.clip(share, 0.0, 1.0) * 255).astype(np.uint8)
