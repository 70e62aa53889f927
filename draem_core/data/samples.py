"""Decoded samples, whichever decoder they come from: upright, with the value that means white, and as RGB uint8.

Knows depths, ranges and orientations; must not know files, formats or decoders.
"""

import math
from dataclasses import dataclass

import numpy as np

from draem_core.errors import ImageError

ORIENTATION_TAG = 274
"""The number of the orientation in TIFF and in EXIF alike."""

_UNIT_TOLERANCE = 0.5 / 255  # resampled [0, 1] floats overshoot a little; half an 8-bit step is no other range


@dataclass(frozen=True, eq=False)
class Decoded:
    """Upright samples, (H, W) or (H, W, 3); ``white`` is the value that means full scale, None where none does."""

    samples: np.ndarray
    white: int | None


def check_size(width: int, height: int, label: str, limit: int) -> None:
    """Raise ImageError where a picture has no pixel, or more than ``limit``."""
    if width <= 0 or height <= 0:
        raise ImageError(f"{label} has no pixels ({width} × {height}); export it again.")
    if width * height > limit:
        raise ImageError(
            f"{label} is {width} × {height} pixels ({width * height / 1e6:.1f} million), over the limit of "
            f"{limit / 1e6:g} million; shrink it or raise DRAEM_MAX_IMAGE_MPIX."
        )


def valid_orientation(value: object) -> int:
    """Return an orientation tag's value, or 1 (upright) where it is none of 1–8."""
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF orientation 1–8: a transposition for 5–8, then flips of the rows and columns."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def rgb8(decoded: Decoded, label: str) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, C-contiguous and writable, scaled as ``read_image`` says.

    Raises ImageError where the samples have no finite value or no known scale.
    """
    pixels = _scaled_to_uint8(decoded, label)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    # np.asarray of a Pillow image is read-only; callers get an array of their own.
    return np.require(pixels, requirements=["C", "W", "O"])


def _scaled_to_uint8(decoded: Decoded, label: str) -> np.ndarray:
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
