"""Decoded samples, whichever decoder they come from: upright, with the value that means white, and as RGB uint8.

Knows depths, ranges and orientations; must not know files, formats or decoders.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from draem_core.errors import ImageError

ORIENTATION_TAG = 274
"""The number of the orientation in TIFF and in EXIF alike."""

_UNIT_TOLERANCE = 0.5 / 255  # resampled [0, 1] floats overshoot a little; half an 8-bit step is no other range
_PIECE = 2**18  # pixels that are scaled at once


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

    Works piece by piece: besides the samples and the result it takes a few megabytes. Raises ImageError where the
    samples have no finite value or no known scale.
    """
    samples = decoded.samples
    if samples.dtype == np.uint8 and decoded.white == 255 and samples.ndim == 3:
        return np.require(samples, requirements=["C", "W", "O"])
    to_uint8 = _scaler(decoded, label)
    pixels = np.empty((*samples.shape[:2], 3), np.uint8)
    for piece in _chunks(samples):
        scaled = to_uint8(samples[piece])
        pixels[piece] = scaled if scaled.ndim == 3 else scaled[..., None]
    return pixels


def _chunks(samples: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield slices of at most ``_PIECE`` pixels that cover the picture."""
    height, width = samples.shape[:2]
    columns = min(width, _PIECE)
    rows = max(1, _PIECE // columns)
    for top, left in product(range(0, height, rows), range(0, width, columns)):
        yield slice(top, top + rows), slice(left, left + columns)


def _scaler(decoded: Decoded, label: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from some of the samples to uint8."""
    samples, white = decoded.samples, decoded.white
    if white is not None:
        values = np.arange(np.iinfo(samples.dtype).max + 1)
        lookup: Callable[[np.ndarray], np.ndarray] = (
            np.minimum(np.rint(values * (255 / white)), 255).astype(np.uint8).__getitem__
        )
        return lookup
    if samples.dtype.kind not in "iuf":
        raise ImageError(f"{label} holds {samples.dtype} samples; export it as 8 or 16 bit.")
    low, high = _finite_range(samples)
    if low > high:
        raise ImageError(f"{label} holds no finite value, only NaN or infinity; export it again.")
    if samples.dtype.kind == "f" and low >= -_UNIT_TOLERANCE and high <= 1 + _UNIT_TOLERANCE:
        low, high = 0.0, 1.0
    span = (high - low) or 1.0
    if not math.isfinite(span):
        raise ImageError(f"{label} spans {low:g} to {high:g}, too wide to scale; export it as 8 or 16 bit.")

    def by_range(piece: np.ndarray) -> np.ndarray:
        share = (np.where(np.isfinite(piece), piece, low).astype(np.float64) - low) / span
        share[~np.isfinite(piece)] = 0.0
        return np.rint(np.clip(share, 0.0, 1.0) * 255).astype(np.uint8)

    return by_range


def _finite_range(samples: np.ndarray) -> tuple[float, float]:
    """Return the lowest and the highest finite sample; (inf, -inf) where there is none."""
    low, high = math.inf, -math.inf
    for piece in _chunks(samples):
        part = samples[piece]
        finite = part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high
