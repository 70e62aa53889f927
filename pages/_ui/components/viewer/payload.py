"""One image and its map as the viewer's payload. Knows no Streamlit and no settings."""

from typing import Any

import numpy as np
from PIL import Image

from pages._ui.components.shared import payload

SHOWN_SIDE = 2048  # longest side in pixels that is sent to the browser; hovering still names the picture's own


def pack(
    image: np.ndarray,
    reconstruction: np.ndarray,
    anomaly_map: np.ndarray,
    *,
    colormap: np.ndarray,
    image_score: float,
    score_rule: str,
    title: str,
    gt_mask: np.ndarray | None = None,
) -> bytes:
    """The viewer's payload for one image. Cache it: an unchanged payload costs nothing on a rerun.

    image: (h, w, 3) uint8 RGB, the picture's own pixels, any size and aspect.
    reconstruction: (H, W, 3) float RGB on the map's grid, clipped to [0, 1] to be shown.
    anomaly_map: (H, W) float32 in [0, 1], raw. gt_mask: (H, W) bool on the map's grid.
    colormap: (256, 3) uint8, the colours of [0, 1]. score_rule: in words, such as "max of the map".

    Raises ValueError where a shape or a range is not so.
    """
    _check(image, reconstruction, anomaly_map, gt_mask, colormap)
    arrays = {
        "map": anomaly_map.astype(np.float32) + np.float32(0),  # −0 becomes 0: the browser sorts floats by their bits
        "picture": _shrink(image),
        "reconstruction": np.rint(np.clip(reconstruction, 0, 1) * 255).astype(np.uint8),
        "colormap": colormap.astype(np.uint8),
    }
    if gt_mask is not None:
        arrays["truth"] = gt_mask.astype(np.uint8)
    header: dict[str, Any] = {
        "title": title,
        "score": float(image_score),
        "rule": score_rule,
        "picture": {"width": image.shape[1], "height": image.shape[0]},
    }
    header["digest"] = payload.digest_of(header, arrays)
    return payload.pack(header, arrays)


def _shrink(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = SHOWN_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def _check(
    image: np.ndarray,
    reconstruction: np.ndarray,
    anomaly_map: np.ndarray,
    gt_mask: np.ndarray | None,
    colormap: np.ndarray,
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image is {image.dtype} {image.shape}; the viewer takes uint8 (height, width, 3)")
    if reconstruction.shape != (*anomaly_map.shape, 3):
        raise ValueError(f"reconstruction is {reconstruction.shape}, but the map is {anomaly_map.shape}")
    if gt_mask is not None and gt_mask.shape != anomaly_map.shape:
        raise ValueError(f"gt_mask is {gt_mask.shape}, but the map is {anomaly_map.shape}")
    if colormap.shape != (256, 3):
        raise ValueError(f"colormap is {colormap.shape}; the viewer takes (256, 3)")
    if not ((anomaly_map >= 0) & (anomaly_map <= 1)).all():
        raise ValueError("anomaly_map has values outside [0, 1] or NaN; the viewer takes raw probabilities")
