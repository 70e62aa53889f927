"""Perlin noise for a whole batch at once: the shapes of synthetic anomalies.

Every sample has its own two scales and its own rotation. What chance decides is drawn first, as a ``NoiseDraw``; the
noise follows from it alone. Knows nothing of textures or images.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_OCTAVE = 6  # scales are 2^0 … 2^5 cells a side (DRAEM, section 3.3)
MAX_TURN = math.pi / 2  # radians, either way


@dataclass(frozen=True, eq=False)
class NoiseDraw:
    """What chance decides of B noise pictures.

    scales: (B, 2) int64, lattice cells along height and width.
    angles: (B,) float32 radians, by which the noise is rotated about the picture's centre.
    directions: (B, side²) float32 radians, side = the largest scale + 1: where the gradient at lattice point
        (row, column) points, at row·side + column; 0 is to the right, π/2 is down.
    """

    scales: Tensor
    angles: Tensor
    directions: Tensor

    @property
    def side(self) -> int:
        """Lattice points kept along either axis."""
        return math.isqrt(self.directions.shape[1])


def random_scales(count: int, generator: torch.Generator) -> Tensor:
    """Return lattice cells per axis, 2^randint(0, 6): (count, 2) int64 on the generator's device."""
    octaves = torch.randint(0, MAX_OCTAVE, (count, 2), generator=generator, device=generator.device)
    return 2**octaves


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """Return angles (count,) in radians, evenly between −π/2 and π/2."""
    return (torch.rand(count, generator=generator, device=generator.device) - 0.5) * (2 * MAX_TURN)


def random_directions(scales: Tensor, generator: torch.Generator) -> Tensor:
    """Return the gradients' directions for lattices of these scales (B, 2); see ``NoiseDraw``."""
    side = int(scales.max()) + 1
    return torch.rand(len(scales), side * side, generator=generator, device=generator.device) * (2 * math.pi)


def draw_noise(count: int, generator: torch.Generator) -> NoiseDraw:
    """Draw scales, angles and directions of ``count`` noise pictures, at least one, as training does."""
    scales = random_scales(count, generator)
    angles = random_rotations(count, generator)
    return NoiseDraw(scales, angles, random_directions(scales, generator))


def perlin_noise(scales: Tensor, angles: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return ``gradient_noise`` of given scales (B, 2) and angles (B,), its gradients drawn from ``generator``."""
    return gradient_noise(NoiseDraw(scales, angles, random_directions(scales, generator)), size)


def gradient_noise(draw: NoiseDraw, size: tuple[int, int]) -> Tensor:
    """Return gradient noise (B, H, W) float32, roughly in [-1, 1], zero at the lattice points.

    Args:
        draw: rotated noise is 0 where it comes from outside of the picture, as when a noise picture is rotated.
        size: (H, W) in pixels.

    Source: K. Perlin, Improving noise (SIGGRAPH 2002), with the fade curve 6t⁵ - 15t⁴ + 10t³.
    """
    height, width = size
    scales, side = draw.scales, draw.side
    row, column, inside = _rotated_grid(draw.angles.to(draw.directions.device), size)
    position_row = row / height * scales[:, 0, None, None]
    position_column = column / width * scales[:, 1, None, None]
    cell_row, cell_column = position_row.floor(), position_column.floor()
    fraction_row, fraction_column = position_row - cell_row, position_column - cell_column

    gradient_row, gradient_column = draw.directions.sin(), draw.directions.cos()
    corner = (cell_row * side + cell_column).long().flatten(1)

    def influence(down: int, right: int) -> Tensor:
        index = corner + (down * side + right)
        slope_row = gradient_row.gather(1, index).view(-1, height, width)
        slope_column = gradient_column.gather(1, index).view(-1, height, width)
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
    slack = 1e-3  # a border pixel rotated onto a border pixel must not fall outside by rounding
    inside = (row >= -slack) & (row <= height - 1 + slack) & (column >= -slack) & (column <= width - 1 + slack)
    return row.clamp(0, height - 1), column.clamp(0, width - 1), inside
