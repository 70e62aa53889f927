"""What somebody painted on a picture: a layer of its own that the browser sends, and the picture under it.

The layer comes from outside and is not trusted. Knows no network and no Streamlit.
"""

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from draem_core.postprocess import resize_nearest

LAYER_SIDE = 512  # longest side of the layer in pixels; a larger picture gets it enlarged
_MAX_TEXT = 8_000_000  # characters; the largest layer of noise takes 1.4 million
_PREFIX = "data:image/png;base64,"
_OPAQUE = 128  # of 255: from here on a pixel counts as painted


@dataclass(frozen=True, eq=False)
class Painting:
    """A layer over a picture.

    layer: (h, w, 4) uint8 RGBA, of any size; None where nothing is painted.
    stroke: the browser's number of the last stroke that is in it.
    strokes: what the browser draws the layer from, and undoes; only it knows what they mean.
    """

    layer: np.ndarray | None = None
    stroke: int = 0
    strokes: tuple[object, ...] = ()

    def on(self, pixels: np.ndarray) -> np.ndarray:
        """Return a picture (h, w, 3) uint8 with the layer on it; the same array where nothing is painted."""
        if self.layer is None:
            return pixels
        size = pixels.shape[1], pixels.shape[0]
        layer = Image.fromarray(self.layer).resize(size, Image.Resampling.BILINEAR)
        below = Image.fromarray(pixels)
        below.paste(layer.convert("RGB"), mask=layer.getchannel("A"))
        return np.asarray(below)

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return where it was painted, bool (H, W) on the map's grid."""
        if self.layer is None:
            return np.zeros(shape, bool)
        height, width = shape
        return resize_nearest(self.layer[..., 3] >= _OPAQUE, (height, width))

    @property
    def digest(self) -> str:
        """Of what is painted; empty where nothing is."""
        return "" if self.layer is None else hashlib.blake2b(self.layer.tobytes(), digest_size=16).hexdigest()


def layer_size(pixels: np.ndarray) -> tuple[int, int]:
    """Return (height, width) of the layer for a picture (h, w, 3)."""
    shrink = max(1.0, max(pixels.shape[:2]) / LAYER_SIDE)
    return max(1, round(pixels.shape[0] / shrink)), max(1, round(pixels.shape[1] / shrink))


def read_painting(answer: object, picture_digest: str, size: tuple[int, int]) -> Painting:
    """Read what the browser sent: {"of": the picture's digest, "layer": a PNG as data URL or "", "stroke": number,
    "strokes": a list}.

    An answer of another picture, of another ``size`` (height, width) or that is no such thing paints nothing.
    """
    if not isinstance(answer, dict) or answer.get("of") != picture_digest:
        return Painting()
    text, stroke = answer.get("layer"), answer.get("stroke")
    number = int(stroke) if isinstance(stroke, int | float) and 0 <= stroke < 2**53 else 0
    strokes = tuple(sent) if isinstance(sent := answer.get("strokes"), list) else ()
    if not isinstance(text, str) or not text.startswith(_PREFIX) or len(text) > _MAX_TEXT:
        return Painting(None, number, strokes)
    try:
        with Image.open(io.BytesIO(base64.b64decode(text[len(_PREFIX) :], validate=True)), formats=["PNG"]) as opened:
            if opened.size != (size[1], size[0]):
                return Painting(None, number, strokes)
            layer = np.asarray(opened.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return Painting(None, number, strokes)
    return Painting(layer if layer[..., 3].any() else None, number, strokes)
