"""A picture onto the network's grid, pixel for pixel as the checkpoint's upstream did it in training.

Knows no network and no files.
"""

import numpy as np
import torch
from torch.nn import functional as F

from draem_core.types import ResizeFilter

_FRACTION_BITS = 11  # OpenCV's fixed point: weights of two neighbours add up to 2048


def resize_picture(picture: np.ndarray, size: tuple[int, int], resize_filter: ResizeFilter) -> np.ndarray:
    """Return the picture (h, w, C) uint8, stretched to ``size`` = (H, W), as float32 (H, W, C) in [0, 1].

    A picture that fits already keeps its values. "bilinear" is OpenCV's INTER_LINEAR on uint8, rounded back to
    uint8, as the original DRAEM resizes. The others are torchvision's Resize on float, as anomalib does:
    "bilinear_antialias" and "bicubic_antialias" with antialias=True, "bicubic" without. Bicubic values overshoot
    [0, 1] at edges and are not clipped, as there.
    """
    if picture.shape[:2] == size:
        return picture.astype(np.float32) / 255
    if resize_filter == "bilinear":
        return _opencv_linear(picture, size).astype(np.float32) / 255
    mode, _, antialias = resize_filter.partition("_")
    channels = range(picture.shape[2])  # one by one: as floats, all of a large picture would not fit the caches
    return np.stack([_interpolated(picture[..., one], size, mode, bool(antialias)) for one in channels], axis=2)


def _interpolated(channel: np.ndarray, size: tuple[int, int], mode: str, antialias: bool) -> np.ndarray:
    pixels = torch.from_numpy(np.ascontiguousarray(channel)).float().div_(255)
    return F.interpolate(pixels[None, None], size, mode=mode, antialias=antialias)[0, 0].numpy()


def _opencv_linear(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return what ``cv2.resize(picture, (W, H), interpolation=cv2.INTER_LINEAR)`` gives for uint8, bit for bit.

    In the integers that OpenCV (4.10 and 5.0 were compared) computes in: weights of 11 bits, and four bits dropped
    between the two passes. Rounding a float result instead moves one pixel in eight by 1.
    """
    top, bottom, up, down = _neighbours(picture.shape[0], size[0])
    left, right, near, far = _neighbours(picture.shape[1], size[1])
    rows = picture[:, left] * near[:, None] + picture[:, right] * far[:, None] >> 4
    mixed = (rows[top] * up[:, None, None] >> 16) + (rows[bottom] * down[:, None, None] >> 16)
    resized: np.ndarray = ((mixed + 2) >> 2).astype(np.uint8)
    return resized


def _neighbours(length: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each of ``wanted`` output places: both neighbours' indices in 0 … length-1 and their integer weights."""
    place = ((np.arange(wanted) + 0.5) * (length / wanted) - 0.5).astype(np.float32)
    first = np.floor(place)
    share = place - first
    one = np.float32(1 << _FRACTION_BITS)
    indices = (np.clip(first + step, 0, length - 1).astype(np.intp) for step in (0, 1))
    weights = (np.rint(part * one).astype(np.int32) for part in (1 - share, share))
    return *indices, *weights
