"""What every drawing of the demo stands on: random streams, the pixel grid, soft noise, curves.

Knows nothing of fabrics, metal, cameras or files.
"""

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WORLD = 256.0
"""Side of the field of view in drawing units; one unit is one pixel of a 256×256 picture."""


def stream(seed: int, *path: str | int) -> Generator:
    """A random generator of its own for the thing that ``path`` names, so that nothing depends on drawing order."""
    keys = [crc32(part.encode()) if isinstance(part, str) else part for part in path]
    return np.random.default_rng([seed, *keys])


@dataclass(frozen=True)
class Canvas:
    """A square of ``size`` pixels, drawn ``supersampling`` times finer; coordinates run from −128 to 128 units."""

    size: int
    supersampling: int = 2

    @property
    def fine(self) -> int:
        return self.size * self.supersampling

    @property
    def step(self) -> float:
        """Units between two fine samples."""
        return WORLD / self.fine

    @cached_property
    def axis(self) -> Array:
        return (np.arange(self.fine, dtype=np.float64) + 0.5) * self.step - WORLD / 2

    @cached_property
    def x(self) -> Array:
        """(fine, fine), to the right."""
        return np.broadcast_to(self.axis, (self.fine, self.fine))

    @cached_property
    def y(self) -> Array:
        """(fine, fine), downwards."""
        return np.broadcast_to(self.axis[:, None], (self.fine, self.fine))

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns of the fine samples inside the box, cut at the picture's border."""
        edges = (np.array([top, bottom, left, right]) + WORLD / 2) / self.step
        low, high = np.floor(edges[::2]).astype(int), np.ceil(edges[1::2]).astype(int)
        low, high = np.clip(low, 0, self.fine), np.clip(high, 0, self.fine)
        return slice(low[0], high[0]), slice(low[1], high[1])

    def shrink(self, fine: Array) -> Array:
        """(fine, fine, C) → (size, size, C), each pixel the mean of its samples."""
        k = self.supersampling
        parts = [fine[row::k, column::k] for row in range(k) for column in range(k)]
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total / len(parts)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def slow_waves(rng: Generator, canvas: Canvas, shortest: float, terms: int = 3) -> Array:
    """A field about within ±1 whose waves are at least ``shortest`` units long; (fine, fine)."""
    field = np.zeros((canvas.fine, canvas.fine))
    for _ in range(terms):
        turns = 2 * np.pi / (shortest * rng.uniform(1.0, 2.5, 2))
        phase = rng.uniform(0, 2 * np.pi, 2)
        field += np.sin(turns[0] * canvas.axis + phase[0]) * np.sin(turns[1] * canvas.axis + phase[1])[:, None]
    waves: Array = field / terms**0.5
    return waves


def soft_noise(rng: Generator, shape: tuple[int, ...], sigma: float | tuple[float, ...]) -> Array:
    """White noise blurred by ``sigma`` samples per axis and brought back to unit deviation."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    normalised: Array = noise / max(float(noise.std()), 1e-12)
    return normalised


def blotch(rng: Generator, canvas: Canvas, x: float, y: float, radius: float, roughness: float) -> Array:
    """A patch with a ragged outline: about 1 at the centre, 0 at about ``radius`` and negative outside; (fine, fine).

    ``roughness`` is how much of the radius the outline wanders.
    """
    reach = radius * (1 + 2 * roughness)
    rows, columns = canvas.window(x - reach, y - reach, x + reach, y + reach)
    field = np.full((canvas.fine, canvas.fine), -1.0)
    dx, dy = canvas.x[rows, columns] - x, canvas.y[rows, columns] - y
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(0.7, 1.0)
    long, wide = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    distance = np.hypot(long, wide / stretch) / radius
    coarse = soft_noise(rng, (48, 48), 5.0)
    fine = soft_noise(rng, (48, 48), 1.6)
    place = 23.5 + np.stack([dy, dx]) / reach * 22.0
    wander = ndimage.map_coordinates(coarse + 0.45 * fine, place, order=1, mode="nearest")
    field[rows, columns] = 1.0 - distance + roughness * wander * np.minimum(distance, 1.0)
    return field


@dataclass(frozen=True, eq=False)
class Curve:
    """A polyline; ``points`` is (N, 2) as x, y in units."""

    points: Array

    def measure(self, canvas: Canvas, reach: float) -> tuple[Array, Array]:
        """Signed distance to the curve and place along it in [0, 1]; (fine, fine) each, ``inf`` beyond ``reach``."""
        shape = (canvas.fine, canvas.fine)
        distance, along = np.full(shape, np.inf), np.zeros(shape)
        count = len(self.points) - 1
        for k, ((x0, y0), (x1, y1)) in enumerate(zip(self.points[:-1], self.points[1:], strict=True)):
            box = canvas.window(min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach)
            dx, dy = canvas.x[box] - x0, canvas.y[box] - y0
            length = float(np.hypot(x1 - x0, y1 - y0))
            ex, ey = (x1 - x0) / length, (y1 - y0) / length
            t = np.clip(dx * ex + dy * ey, 0.0, length)
            gap = np.hypot(dx - t * ex, dy - t * ey)
            nearer = gap < np.abs(distance[box])
            signed = np.where(dy * ex - dx * ey < 0, -gap, gap)
            distance[box] = np.where(nearer, signed, distance[box])
            along[box] = np.where(nearer, (k + t / length) / count, along[box])
        distance[np.abs(distance) > reach] = np.inf
        return distance, along


def wandering_curve(rng: Generator, x: float, y: float, length: float, bend: float, steps: int = 24) -> Curve:
    """A curve of ``length`` units centred on (x, y) in a random direction that turns by about ``bend`` radians."""
    turning = bend * (rng.uniform(-1, 1) + np.cumsum(rng.standard_normal(steps)) / steps**0.5) / 2
    heading = rng.uniform(0, 2 * np.pi) + np.linspace(-0.5, 0.5, steps) * turning
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) * length / steps
    return Curve(path - path[steps // 2] + np.array([x, y]))
