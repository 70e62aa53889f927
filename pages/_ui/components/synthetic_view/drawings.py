"""What is drawn over the stages' pictures, as SVG paths in the picture's pixels, and a mask's outline in a picture.

Knows no Streamlit and no stage.
"""

import math

import numpy as np
from scipy import ndimage
from torch import Tensor

from draem_core.synthesis.cutpaste import PatchDraw
from draem_core.synthesis.perlin import NoiseDraw

OUTLINE = (254, 97, 0)
_ARROW = 0.42  # of a cell's shorter side
_HEAD, _SPREAD = 0.4, 0.5  # of the arrow's length, and radians to either side


def lattice(draw: NoiseDraw, size: tuple[int, int]) -> str:
    """Return the lines between the cells of one noise picture."""
    height, width = size
    rows, columns = draw.scales[0].tolist()
    across = (f"M0 {row * height / rows:.1f}H{width}" for row in range(rows + 1))
    down = (f"M{column * width / columns:.1f} 0V{height}" for column in range(columns + 1))
    return "".join((*across, *down))


def arrows(draw: NoiseDraw, size: tuple[int, int]) -> str:
    """Return an arrow at each lattice point of one noise picture, where its gradient points: noise rises that way."""
    height, width = size
    rows, columns = draw.scales[0].tolist()
    length = _ARROW * min(height / rows, width / columns)
    directions = draw.directions[0].view(draw.side, draw.side).tolist()
    parts = []
    for row in range(rows + 1):
        for column in range(columns + 1):
            angle = directions[row][column]
            x, y = column * width / columns, row * height / rows
            tip = x + length * math.cos(angle), y + length * math.sin(angle)
            left, right = (
                (tip[0] - _HEAD * length * math.cos(angle + turn), tip[1] - _HEAD * length * math.sin(angle + turn))
                for turn in (_SPREAD, -_SPREAD)
            )
            parts.append(f"M{x:.1f} {y:.1f}L{_at(tip)}M{_at(left)}L{_at(tip)}L{_at(right)}")
    return "".join(parts)


def rectangle(draw: PatchDraw, centre: Tensor) -> str:
    """Return the rotated rectangle of one patch around ``centre`` (2,) = (row, column)."""
    row, column = centre.tolist()
    half_height, half_width = float(draw.half_height[0]), float(draw.half_width[0])
    cosine, sine = math.cos(float(draw.angle[0])), math.sin(float(draw.angle[0]))
    corners = [
        (
            column + 0.5 + along * half_height * sine + across * half_width * cosine,
            row + 0.5 + along * half_height * cosine - across * half_width * sine,
        )
        for along, across in ((-1, -1), (-1, 1), (1, 1), (1, -1))
    ]
    return f"M{'L'.join(map(_at, corners))}Z"


def way(draw: PatchDraw) -> str:
    """Return the line from where one patch is cut to where it goes."""
    (from_row, from_column), (to_row, to_column) = draw.source[0].tolist(), draw.target[0].tolist()
    return f"M{from_column + 0.5:.1f} {from_row + 0.5:.1f}L{to_column + 0.5:.1f} {to_row + 0.5:.1f}"


def outlined(picture: np.ndarray, mask: np.ndarray, width: int = 1) -> np.ndarray:
    """Return a picture (h, w, 3) uint8 with the inner edge of a mask (h, w) bool in orange."""
    drawn = picture.copy()
    drawn[mask & ~ndimage.binary_erosion(mask, iterations=width, border_value=1)] = OUTLINE
    return drawn


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
