"""Maps and masks as pictures on the image's own pixels, in the colours that the viewer has too.

Nothing drawn here ever enters a metric. Every picture is (H, W, 3) uint8 RGB.
"""

import matplotlib
import numpy as np
from PIL import Image

from draem_core.data.images import encode_png
from draem_core.postprocess import PostProcess, resize_nearest
from draem_core.types import Prediction

COLORMAP = np.round(matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
"""(256, 3) uint8: the colours of probability 0 … 1, perceptually even, the same in every picture."""

HIT = (255, 255, 255)
FALSE_ALARM = (254, 97, 0)
MISSED = (100, 143, 255)


def heatmap(anomaly_map: np.ndarray) -> np.ndarray:
    """Colour a raw map (H, W) in [0, 1] on the fixed scale: bin floor(256·p)."""
    return COLORMAP[np.minimum(255, (anomaly_map * 256).astype(np.int64))]


def show_reconstruction(reconstruction: np.ndarray) -> np.ndarray:
    """Clip a reconstruction (H, W, 3) float to [0, 1] and return it as a picture."""
    shown: np.ndarray = np.rint(np.clip(reconstruction, 0, 1) * 255).astype(np.uint8)
    return shown


def resize_smooth(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture bilinearly to ``size`` = (height, width)."""
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def overlay(image: np.ndarray, anomaly_map: np.ndarray, opacity: float) -> np.ndarray:
    """Lay the heatmap over the image with ``opacity`` in [0, 1]."""
    colours = resize_smooth(heatmap(anomaly_map), image.shape[:2]).astype(np.float32)
    return np.rint(image * (1 - opacity) + colours * opacity).astype(np.uint8)


def mask_picture(mask: np.ndarray) -> np.ndarray:
    """Draw a mask (H, W) bool: white where flagged, black elsewhere."""
    return np.repeat(np.where(mask, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2)


def difference(mask: np.ndarray, gt_mask: np.ndarray) -> np.ndarray:
    """Draw hits white, false alarms orange, misses blue on black; both masks (H, W) bool."""
    picture = np.zeros((*mask.shape, 3), np.uint8)
    picture[mask & gt_mask] = HIT
    picture[mask & ~gt_mask] = FALSE_ALARM
    picture[~mask & gt_mask] = MISSED
    return picture


def panels(
    image: np.ndarray,
    prediction: Prediction,
    post_process: PostProcess,
    opacity: float,
    gt_mask: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the viewer's panels by name, each at the image's own size.

    Args:
        image: (h, w, 3) uint8 RGB, the picture's own pixels.
        gt_mask: (H, W) bool on the map's grid; with it there is a "difference" too.
    """
    size = (image.shape[0], image.shape[1])
    mask = post_process.apply(prediction.anomaly_map)
    drawn = {
        "original": image,
        "reconstruction": resize_smooth(show_reconstruction(prediction.reconstruction), size),
        "anomaly_map": resize_smooth(heatmap(prediction.anomaly_map), size),
        "mask": mask_picture(resize_nearest(mask, size)),
        "overlay": overlay(image, prediction.anomaly_map, opacity),
    }
    if gt_mask is not None:
        drawn["difference"] = difference(resize_nearest(mask, size), resize_nearest(gt_mask, size))
    return drawn


def as_png(pictures: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Encode pictures by name as PNG files."""
    return {f"{name}.png": encode_png(picture) for name, picture in pictures.items()}
