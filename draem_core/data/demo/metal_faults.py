"""What can go wrong with the turned part: scratch, dent, corrosion, burr, chip.

Each is made by ``kind(rng, strength)``; strength 0 is barely visible, 1 obvious.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from draem_core.data.demo.canvas import Array, Curve, blotch, smoothstep, soft_noise, wandering_curve
from draem_core.data.demo.metal import BOLT_RADIUS, BOLTS, BORE, CHAMFER, OUTER, STEP, MetalFault, Part


def _between(weak: float, strong: float, strength: float) -> float:
    return weak + (strong - weak) * strength


def _place_on_face(rng: Generator, margin: float) -> tuple[float, float]:
    """A point on the turned face, ``margin`` units from its borders."""
    inner = rng.random() < 0.35
    low, high = (BORE + CHAMFER, STEP) if inner else (STEP, OUTER - CHAMFER)
    radius = rng.uniform(min(low + margin, (low + high) / 2), max(high - margin, (low + high) / 2))
    angle = rng.uniform(0, 2 * np.pi)
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def _on_canvas(part: Part, x: float, y: float) -> tuple[float, float]:
    """Where a point of the part lies in the picture."""
    scale = float(part.x[0, 1] - part.x[0, 0]) / part.canvas.step
    return x / scale - float(part.x[0, 0]) / scale + part.canvas.axis[0], (
        y / scale - float(part.y[0, 0]) / scale + part.canvas.axis[0]
    )


@dataclass(frozen=True, eq=False)
class Scratch(MetalFault):
    """A groove with a raised lip across the turning marks."""

    place: tuple[float, float]
    shape: Curve
    width: float
    depth: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Scratch":
        place = _place_on_face(rng, 12)
        across = np.arctan2(place[1], place[0]) + np.radians(rng.uniform(-60, 60))  # along the marks none would see it
        path = wandering_curve(rng, 0.0, 0.0, float(rng.uniform(34, 74)), bend=0.5).points
        chord = path[-1] - path[0]
        turn = across - np.arctan2(chord[1], chord[0])
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return cls(
            place,
            Curve(path @ rotation),
            width=_between(1.6, 2.5, strength) * rng.uniform(0.9, 1.1),
            depth=_between(0.4, 0.9, strength),
        )

    def surface(self, part: Part, light: Array) -> Array:
        centre = np.array(_on_canvas(part, *self.place))
        distance, along = Curve(self.shape.points + centre).measure(part.canvas, 5 * self.width)
        taper = np.sqrt(np.clip(4 * along * (1 - along), 0, 1))
        across = np.where(np.isfinite(distance), distance, 1e3) / self.width
        groove = np.exp(-(across**2)) * taper
        lip = np.exp(-((across - 1.5) ** 2) / 0.6) * taper
        change = self.depth * part.face * (0.55 * lip - 0.8 * groove)
        return light * (1 + change)[..., None]


@dataclass(frozen=True, eq=False)
class Dent(MetalFault):
    """A shallow bowl that turns the highlight aside."""

    place: tuple[float, float]
    radius: float
    stretch: float
    turn: float
    depth: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Dent":
        radius = rng.uniform(6.5, 11)
        depth = _between(0.2, 1.0, strength) * radius
        return cls(_place_on_face(rng, radius), radius, rng.uniform(0.75, 1.0), rng.uniform(0, np.pi), depth)

    def relief(self, part: Part) -> tuple[Array, Array]:
        dx, dy = part.x - self.place[0], part.y - self.place[1]
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        long, wide = (dx * cosine + dy * sine) / self.radius, (dy * cosine - dx * sine) / (self.radius * self.stretch)
        bowl = self.depth * np.exp(-(long**2 + wide**2)) * 2 / self.radius
        slope_long, slope_wide = bowl * long, bowl * wide / self.stretch
        return slope_long * cosine - slope_wide * sine, slope_long * sine + slope_wide * cosine


@dataclass(frozen=True, eq=False)
class Corrosion(MetalFault):
    """A rusty patch with a ragged edge and pits."""

    place: tuple[float, float]
    radius: float
    cover: float
    seed: int

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Corrosion":
        radius = rng.uniform(9, 17)
        return cls(_place_on_face(rng, radius * 0.6), radius, _between(0.3, 0.95, strength), int(rng.integers(2**32)))

    def surface(self, part: Part, light: Array) -> Array:
        rng = np.random.default_rng(self.seed)
        x, y = _on_canvas(part, *self.place)
        patch = smoothstep(0.0, 0.3, blotch(rng, part.canvas, x, y, self.radius, roughness=0.35))
        pits = 1 - 0.28 * np.clip(soft_noise(rng, light.shape[:2], 2.0), 0, 2)
        rust = light * np.array([0.72, 0.44, 0.26]) * pits[..., None]
        share = (self.cover * patch * part.face)[..., None]
        changed: Array = light * (1 - share) + rust * share
        return changed


@dataclass(frozen=True, eq=False)
class Burr(MetalFault):
    """A ragged sliver of metal that stands over an edge: of the bore, of a bolt hole, or of the rim."""

    where: str
    bolt: int
    angle: float
    length: float
    reach: float
    bright: float
    seed: int

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Burr":
        return cls(
            where=str(rng.choice(["bore", "bolt", "rim"])),
            bolt=int(rng.integers(BOLTS)),
            angle=float(rng.uniform(0, 2 * np.pi)),
            length=float(rng.uniform(17, 28)),
            reach=_between(3.4, 6.5, strength),
            bright=_between(0.22, 0.6, strength),
            seed=int(rng.integers(2**32)),
        )

    def surface(self, part: Part, light: Array) -> Array:
        centre = part.bolts[self.bolt] if self.where == "bolt" else np.zeros(2)
        edge, sign = {"bore": (BORE, -1.0), "bolt": (BOLT_RADIUS, -1.0), "rim": (OUTER, 1.0)}[self.where]
        dx, dy = part.x - centre[0], part.y - centre[1]
        turn = np.angle(np.exp(1j * (np.arctan2(dy, dx) - self.angle)))
        half = min(self.length / edge / 2, 1.3)
        rng = np.random.default_rng(self.seed)
        ragged = soft_noise(rng, (256,), 3.0)
        place = np.clip((turn / half + 1) * 127.5, 0, 255).astype(np.intp)
        height = self.reach * np.clip(1 - (turn / half) ** 2, 0, 1) * (0.8 + 0.25 * ragged[place])
        beyond = sign * (np.hypot(dx, dy) - edge)
        sliver = smoothstep(-1.6, -0.6, beyond) * smoothstep(0.35, -0.35, beyond - np.maximum(height, 0.0))
        sliver *= (np.abs(turn) < half) & (height > 0.4)
        shine = self.bright * (0.75 + 0.25 * np.cos(turn / half * 5 + beyond))
        changed: Array = light * (1 - sliver[..., None]) + (shine * sliver)[..., None] * np.array([1.0, 0.99, 0.97])
        return changed


@dataclass(frozen=True, eq=False)
class Chip(MetalFault):
    """A curl of swarf that lies on the part and casts a shadow."""

    place: tuple[float, float]
    shape: Curve
    width: float
    bright: float
    shade: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Chip":
        return cls(
            _place_on_face(rng, 14),
            wandering_curve(rng, 0.0, 0.0, rng.uniform(22, 44), bend=float(rng.uniform(2.5, 5.0))),
            width=rng.uniform(1.9, 3.0),
            bright=_between(0.12, 0.75, strength),
            shade=_between(0.3, 0.7, strength),
        )

    def surface(self, part: Part, light: Array) -> Array:
        centre = np.array(_on_canvas(part, *self.place))
        away = -np.array(part.light[:2]) * 4.0
        shadow, _ = Curve(self.shape.points + centre + away).measure(part.canvas, 3 * self.width)
        light = light * (1 - self.shade * smoothstep(1.5, 0.3, np.abs(shadow) / self.width))[..., None]
        distance, along = Curve(self.shape.points + centre).measure(part.canvas, 2 * self.width)
        across = np.clip(np.where(np.isfinite(distance), distance, 1e3) / self.width, -9, 9)
        body = smoothstep(1.1, 0.8, np.abs(across))[..., None]
        gleam = 0.5 + 0.5 * np.sin(9 * along + 1.6 * across)
        tone = light.mean() * 0.25 + self.bright * gleam * np.clip(1 - 0.6 * np.abs(across), 0, 1)
        changed: Array = light * (1 - body) + tone[..., None] * np.array([1.0, 0.97, 0.9]) * body
        return changed


METAL_FAULTS: Mapping[str, Callable[[Generator, float], MetalFault]] = {
    "scratch": Scratch.make,
    "dent": Dent.make,
    "corrosion": Corrosion.make,
    "burr": Burr.make,
    "chip": Chip.make,
}
