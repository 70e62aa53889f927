"""A brush stroke that is prepared here, kept as if a browser had painted it.

Knows no Streamlit and no page; the words of a painting are those of ``pages/_ui/components/inside_view/paint.js``.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pages._ui.components.inside_view.painting import layer_size

_FINER = 4  # drawn larger and shrunk, for smooth edges


@dataclass(frozen=True)
class Stroke:
    """colour: "#rrggbb". width: as a share of the picture's longer side. points: (x, y) in shares of the picture."""

    colour: str
    width: float
    points: tuple[tuple[float, float], ...]


def painted(stroke: Stroke, pixels: np.ndarray, digest: str) -> dict[str, object]:
    """Return what a browser would have said after this stroke on a picture (h, w, 3) uint8; see ``read_painting``."""
    height, width = layer_size(pixels)
    size = max(height, width) * stroke.width
    points = [(round(x * width, 1), round(y * height, 1)) for x, y in stroke.points]
    drawn = {"tool": "brush", "size": size, "points": points, "colour": stroke.colour}
    return {
        "of": digest,
        "layer": _layer(stroke.colour, size, points, (height, width)),
        "stroke": 1,
        "strokes": [drawn],
    }


def _layer(colour: str, size: float, points: list[tuple[float, float]], shape: tuple[int, int]) -> str:
    """Draw round-ended lines on nothing, as a PNG in a data URL."""
    height, width = shape
    cover = Image.new("L", (width * _FINER, height * _FINER))
    draw, thick = ImageDraw.Draw(cover), size * _FINER
    large = [(x * _FINER, y * _FINER) for x, y in points]
    draw.line(large, fill=255, width=round(thick))
    for x, y in large:
        draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
    layer = Image.new("RGBA", (width, height), colour)
    layer.putalpha(cover.resize((width, height), Image.Resampling.BOX))
    buffer = io.BytesIO()
    layer.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
