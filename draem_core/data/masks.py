"""Masks: which pixels of a mask's file mean defect, and what is left of them on the map's grid.

Goes by what the file holds, not by what it is called. Knows single files; must not know datasets or labels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from draem_core.data.images import image_size, read_samples
from draem_core.data.samples import ORIENTATION_TAG, valid_orientation
from draem_core.errors import ImageError
from draem_core.grid_mask import MaskDownscaling
from draem_core.postprocess import EIGHT_CONNECTED

_LOSSY_LINE = 127  # lossy black is never quite 0
_LOSSY_TIFF = frozenset({6, 7, 33003, 33004, 33005, 34712, 34892, 50001, 50002})  # JPEG, JPEG 2000, WebP, JPEG XL
_FEW_VALUES = 16
_NEAR, _NEARLY_ALL = 8, 0.98  # an anti-aliased or lossy mask: nearly all pixels are near its darkest or brightest


def read_defect_pixels(*paths: Path) -> np.ndarray:
    """Return what the files of one mask mark, bool (H, W): a pixel is defect where any of them says so.

    Any value above 0 is defect: 0/1, 0/255 and label values alike, and the grey rim of an anti-aliased mask too. In
    files with lossy compression (JPEG, lossy WebP, JPEG in TIFF), whatever they are called, the line is at 127.
    Alpha counts where it varies and the colours do not.

    Raises:
        ImageError: a file is broken, or the files have different sizes.
    """
    first, *others = (_of_file(path) for path in paths)
    for path, mask in zip(paths[1:], others, strict=True):
        if mask.shape != first.shape:
            raise ImageError(
                f"{path} has {mask.shape[1]} × {mask.shape[0]} pixels, the other files of the same mask "
                f"{first.shape[1]} × {first.shape[0]}; export them at one size."
            )
        first = first | mask
    return first


def to_grid(mask: np.ndarray, shape: tuple[int, int], rule: MaskDownscaling = "nearest") -> np.ndarray:
    """Return a mask (h, w) bool on the map's grid, bool (H, W) = ``shape``.

    nearest: row i shows the mask's row floor((i + 0.5)·h / H), columns likewise. any: a pixel of the map is defect
    where any part of a defect pixel lies in it, row i covering the mask from i·h / H to (i + 1)·h / H.
    """
    if rule == "nearest":
        rows, columns = (_nearest(source, target) for source, target in zip(mask.shape, shape, strict=True))
        shown: np.ndarray = mask[rows[:, None], columns]
        return shown
    return _any_along(_any_along(mask, shape[0]).T, shape[1]).T


def lost_regions(mask: np.ndarray, shape: tuple[int, int], rule: MaskDownscaling = "nearest") -> int:
    """Return how many 8-connected regions of a mask (h, w) bool have no pixel left on the map's grid."""
    if rule == "any" or mask.shape == shape:
        return 0
    labels, total = ndimage.label(mask, structure=EIGHT_CONNECTED)
    kept = np.bincount(to_grid(labels, shape).ravel(), minlength=total + 1)[1:]
    return int((kept == 0).sum())


def regions_below_a_pixel(mask: np.ndarray, shape: tuple[int, int]) -> int:
    """Return how many 8-connected regions of a mask (h, w) bool have a smaller area than one pixel of the map."""
    labels, _ = ndimage.label(mask, structure=EIGHT_CONNECTED)
    areas = np.bincount(labels.ravel())[1:]
    return int((areas * (shape[0] * shape[1]) < mask.size).sum())


def masks_among(files: Sequence[Path]) -> list[Path]:
    """Return which files of one name are masks of the one that is a picture; none where that cannot be told.

    A mask is as large as the picture and plainer: it has few values, or greys near two of them. Opens every file.
    """
    try:
        plain = {path: _plainness(path) for path in files}
        picture = min(files, key=lambda path: plain[path])
        masks = [path for path in files if path != picture]
        told_apart = all(plain[path] > plain[picture] and image_size(path) == image_size(picture) for path in masks)
    except ImageError:
        return []
    return masks if told_apart else []


def orientation(path: Path) -> int:
    """Return the orientation tag, 1–8, by the file's header; 1 (upright) where there is none or it is broken."""
    try:
        with Image.open(path) as image:
            tags: Any = getattr(image, "tag_v2", None)  # not image.getexif(): for PNG that decodes all pixels
            value = (Image.Image.getexif(image) if tags is None else tags).get(ORIENTATION_TAG, 1)
    except Exception:  # a broken header is told where the pixels are read
        return 1
    return valid_orientation(value)


def _of_file(path: Path) -> np.ndarray:
    samples = read_samples(path)
    colours = samples.reshape(*samples.shape[:2], -1)
    if (colours == colours[0, 0]).all():
        alpha = _varying_alpha(path)
        if alpha is not None and alpha.shape == samples.shape[:2]:
            return alpha > 0
    defect: np.ndarray = samples > (_LOSSY_LINE if _is_lossy(path) else 0)
    return np.any(defect, axis=2) if defect.ndim == 3 else defect


def _varying_alpha(path: Path) -> np.ndarray | None:
    """Return the alpha of a file that was read before, (H, W) uint8, upright; None where it has none or a constant."""
    try:
        with Image.open(path) as image:
            if not image.has_transparency_data:
                return None
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
    except Exception:  # the colours are good, and what is left unread is that they say nothing
        return None
    return None if (alpha == alpha[0, 0]).all() else alpha


def _is_lossy(path: Path) -> bool:
    """Return whether the pixels of a file that was read before went through a lossy compression."""
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(b"\xff\xd8\xff"):
            return True
        if head.startswith(b"RIFF"):
            while len(chunk := file.read(8)) == 8:
                if chunk[:4] in (b"VP8 ", b"VP8L"):
                    return chunk[:4] == b"VP8 "
                size = int.from_bytes(chunk[4:], "little")
                file.seek(size + size % 2, 1)
            return False
        if head.startswith((b"II", b"MM")):
            file.seek(0)
            with tifffile.TiffFile(file) as tiff:
                return int(tiff.pages.first.compression) in _LOSSY_TIFF
    return False


def _plainness(path: Path) -> int:
    """Return 2 for a file of few values, 1 for greys near two of them, as an anti-aliased mask has, 0 for a picture."""
    samples = read_samples(path)
    channels = [samples] if samples.ndim == 2 else [samples[..., channel] for channel in range(samples.shape[2])]
    if all(_has_few_values(channel) for channel in channels):
        return 2
    if not all(np.abs(channel.astype(float) - channels[0]).max() <= _NEAR for channel in channels[1:]):
        return 0
    grey = channels[0].astype(float)
    low, high = grey.min(), grey.max()
    near = _NEAR * (high - low) / 255
    return int(high - low > 4 * _NEAR and (np.minimum(grey - low, high - grey) <= near).mean() >= _NEARLY_ALL)


def _has_few_values(channel: np.ndarray) -> bool:
    return all(np.unique(part).size <= _FEW_VALUES for part in (channel[::16, ::16], channel))


def _any_along(mask: np.ndarray, target: int) -> np.ndarray:
    """Return bool (target, w): row i is where any of the rows (h, w) is that its share of the height touches."""
    source = mask.shape[0]
    starts = np.arange(target) * source // target
    ends = -(-(np.arange(target) + 1) * source // target)
    sums = np.zeros((source + 1, mask.shape[1]), np.int32)
    np.cumsum(mask, axis=0, out=sums[1:])
    touched: np.ndarray = sums[ends] > sums[starts]
    return touched


def _nearest(source: int, target: int) -> np.ndarray:
    """Return (target,) source indices, the one under each target pixel's centre, in whole-number arithmetic."""
    return (2 * np.arange(target) + 1) * source // (2 * target)
