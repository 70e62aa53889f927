"""Perlin noise for a whole batch at once: the shapes of synthetic anomalies.

Every sample has its own two scales and its own rotation. Knows nothing of textures or images.
"""

import math

import torch
from torch import Tensor

MAX_OCTAVE = 6  # scales are 2^0 … 2^5 cells a side (DRAEM, section 3.3)


def random_scales(count: int, generator: torch.Generator) -> Tensor:
    """Return lattice cells per axis, 2^randint(0, 6): (count, 2) int64 on the generator's device."""
    octaves = torch.randint(0, MAX_OCTAVE, (count, 2), generator=generator, device=generator.device)
    return 2**octaves


def perlin_noise(scales: Tensor, angles: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return gradient noise (B, H, W) float32, roughly in [-1, 1], zero at the lattice points.

    Args:
        scales: (B, 2) int, lattice cells along height and width.
        angles: (B,) radians; the noise is turned about the picture's centre, and what comes from
            outside of it is 0, as when a noise picture is rotated.
        size: (H, W) in pixels.
        generator: draws the gradients; its device is where all of this runs.

    Source: K. Perlin, Improving noise (SIGGRAPH 2002), with the fade curve 6t⁵ - 15t⁴ + 10t³.
    """
    height, width = size
    device, batch = generator.device, len(scales)
    row, column, inside = _rotated_grid(angles.to(device), size)
    position_row = row / height * scales[:, 0, None, None]
    position_column = column / width * scales[:, 1, None, None]
    cell_row, cell_column = position_row.floor(), position_column.floor()
    fraction_row, fraction_column = position_row - cell_row, position_column - cell_column

    side = int(scales.max()) + 1
    direction = torch.rand(batch, side * side, generator=generator, device=device) * (2 * math.pi)
    gradient_row, gradient_column = direction.sin(), direction.cos()
    corner = (cell_row * side + cell_column).long().flatten(1)

    def influence(down: int, right: int) -> Tensor:
        index = corner + (down * side + right)
        slope_row = gradient_row.gather(1, index).view(batch, height, width)
        slope_column = gradient_column.gather(1, index).view(batch, height, width)
        return slope_row * (fraction_row - down) + slope_column * (fraction_column - right)

    fade_row, fade_column = _fade(fraction_row), _fade(fraction_column)
    upper = torch.lerp(influence(0, 0), influence(0, 1), fade_column)
    lower = torch.lerp(influence(1, 0), influence(1, 1), fade_column)
    return math.sqrt(2) * torch.lerp(upper, lower, fade_row) * inside


def _fade(fraction: Tensor) -> Tensor:
    return fraction**3 * (fraction * (fraction * 6 - 15) + 10)


def _rotated_grid(angles: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows and columns (B, H, W) of the source pixels, kept inside, and where they were inside."""
    height, width = size
    rows = torch.arange(height, device=angles.device, dtype=torch.float32)[:, None] - (height - 1) / 2
    columns = torch.arange(width, device=angles.device, dtype=torch.float32)[None, :] - (width - 1) / 2
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    row = cosine * rows - sine * columns + (height - 1) / 2
    column = sine * rows + cosine * columns + (width - 1) / 2
    slack = 1e-3  # a border pixel turned onto a border pixel must not fall outside by rounding
    inside = (row >= -slack) & (row <= height - 1 + slack) & (column >= -slack) & (column <= width - 1 + slack)
    return row.clamp(0, height - 1), column.clamp(0, width - 1), inside
