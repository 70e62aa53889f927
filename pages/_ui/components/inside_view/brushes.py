"""What one can paint with besides a colour: textures and Perlin shapes, those that training draws its anomalies from.

Knows no Streamlit and no picture.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from draem_core.data.textures import BUILT_IN, CROPS_PER_PICTURE, load_textures
from draem_core.synthesis.anomalies import perlin_masks

_SIDE = 128  # pixels of a texture and of a shape
_TEXTURES = {"brick": "brick", "grass": "grass", "gravel": "gravel", "coins": "coins", "retina": "retina"}
_PATTERNS = {"stripes": 0, "checks": 1, "cloud": 2}  # the kinds that stand behind the pictures, four by four
_SHAPES, _AREAS = 6, (0.03, 0.3)  # how many shapes, and the shares of a picture that one may cover


@dataclass(frozen=True)
class Brushes:
    """textures: JPEG as data URL by name. shapes: PNG as data URL, white and opaque where the shape is."""

    textures: dict[str, str]
    shapes: tuple[str, ...]


def make_brushes(seed: int = 0) -> Brushes:
    """Take some of the built-in anomaly sources, and draw shapes as `draem_core.synthesis` does."""
    sources = load_textures(None, (_SIDE, _SIDE), seed)
    first_pattern = CROPS_PER_PICTURE * len(BUILT_IN)
    rows = {name: CROPS_PER_PICTURE * BUILT_IN.index(source) for name, source in _TEXTURES.items()}
    rows |= {name: first_pattern + kind for name, kind in _PATTERNS.items()}
    textures = {name: _url(sources[row].permute(1, 2, 0).numpy(), "JPEG") for name, row in rows.items()}
    masks = perlin_masks(60, (_SIDE, _SIDE), torch.Generator().manual_seed(seed))[:, 0]
    fitting = [mask for mask in masks if _AREAS[0] <= float(mask.mean()) <= _AREAS[1]][:_SHAPES]
    return Brushes(textures, tuple(_url(_white_where(mask.numpy()), "PNG") for mask in fitting))


def _white_where(mask: np.ndarray) -> np.ndarray:
    return np.repeat((mask * 255).astype(np.uint8)[..., None], 4, axis=2)


def _url(pixels: np.ndarray, kind: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
