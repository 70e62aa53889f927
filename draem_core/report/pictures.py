"""The gallery's pictures as data URLs: an image as it is, and with its mask laid over."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage

from draem_core.data.images import read_image
from draem_core.errors import ImageError
from draem_core.postprocess import resize_nearest
from draem_core.report.content import Report

SIDE = 240
"""The longest side of a gallery picture, in pixels."""

TINT = np.array([255, 61, 129], np.float32)  # the viewer's
_OPACITY = 0.45


@dataclass(frozen=True)
class GalleryPictures:
    """Two data URLs; both empty where the image cannot be read."""

    plain: str
    masked: str


def gallery_pictures(report: Report, indices: Sequence[int]) -> list[GalleryPictures]:
    """Return the pictures of the images with these indices."""
    return [_pictures(report, index) for index in indices]


def _pictures(report: Report, index: int) -> GalleryPictures:
    try:
        pixels = read_image(report.thumbnail(index), name=report.images[index].name)
    except (ImageError, OSError):
        return GalleryPictures("", "")
    small = Image.fromarray(pixels)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    plain = np.asarray(small)
    return GalleryPictures(_data_url(plain), _data_url(_tinted(plain, report.mask(index))))


def _tinted(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Tint what the mask (H, W) bool flags in a picture (h, w, 3) uint8, and outline it."""
    flagged = resize_nearest(mask, (picture.shape[0], picture.shape[1]))
    edge = flagged & ~ndimage.binary_erosion(flagged, border_value=1)
    drawn = picture.astype(np.float32)
    drawn[flagged] = drawn[flagged] * (1 - _OPACITY) + TINT * _OPACITY
    drawn[edge] = TINT
    return np.rint(drawn).astype(np.uint8)


def _data_url(pixels: np.ndarray) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
