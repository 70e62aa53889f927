"""What can go wrong with the cloth: hole, stain, missing yarn, thick yarn, foreign fibre.

Each is made by ``kind(rng, strength)``; strength 0 is barely visible, 1 obvious.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from draem_core.data.demo.canvas import Array, Curve, blotch, smoothstep, soft_noise, wandering_curve
from draem_core.data.demo.fabric import Cloth, FabricFault, YarnLayer, without, yarn_layer


def _between(weak: float, strong: float, strength: float) -> float:
    return weak + (strong - weak) * strength


def _place(rng: Generator, margin: float) -> tuple[float, float]:
    x, y = rng.uniform(-128 + margin, 128 - margin, 2)
    return float(x), float(y)


@dataclass(frozen=True, eq=False)
class Hole(FabricFault):
    """The cloth is torn: yarns end raggedly and the dark table shows."""

    place: tuple[float, float]
    radius: float
    depth: float
    seed: int

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Hole":
        radius = _between(7.0, 17.0, strength) * rng.uniform(0.9, 1.1)
        return cls(_place(rng, radius + 8), radius, _between(0.55, 0.95, strength), int(rng.integers(2**32)))

    def surface(self, cloth: Cloth, light: Array) -> Array:
        rng = np.random.default_rng(self.seed)
        torn = blotch(rng, cloth.canvas, *self.place, self.radius, roughness=0.3)
        frayed = torn + 0.25 * soft_noise(rng, light.shape[:2], (1.0, 2.0)) * (np.abs(torn) < 0.6)
        open_part = smoothstep(0.05, 0.3, frayed) * self.depth
        rim = np.exp(-((frayed / 0.18) ** 2)) * (torn > -0.9) * 0.35 * self.depth
        table = np.array([0.018, 0.02, 0.022])
        return light * (1 - rim[..., None]) * (1 - open_part[..., None]) + table * open_part[..., None]


@dataclass(frozen=True, eq=False)
class Stain(FabricFault):
    """Something was spilt: darker and of another tint, with the drying edge that stains have."""

    place: tuple[float, float]
    radius: float
    tint: tuple[float, float, float]
    seed: int

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "Stain":
        radius = rng.uniform(12, 26)
        oil = np.array([0.62, 0.55, 0.42]) if rng.random() < 0.5 else np.array([0.5, 0.42, 0.45])
        tint = 1 - (1 - oil) * _between(0.42, 1.0, strength)
        return cls(_place(rng, radius), radius, (tint[0], tint[1], tint[2]), int(rng.integers(2**32)))

    def surface(self, cloth: Cloth, light: Array) -> Array:
        rng = np.random.default_rng(self.seed)
        field = blotch(rng, cloth.canvas, *self.place, self.radius, roughness=0.22)
        soaked = smoothstep(0.0, 0.16, field)
        ring = np.exp(-(((field - 0.14) / 0.09) ** 2)) * (field > -0.5)
        share = np.clip(0.85 * soaked + 0.25 * ring, 0, 1.1)[..., None]
        changed: Array = light * (1 - share * (1 - np.array(self.tint)))
        return changed


@dataclass(frozen=True, eq=False)
class MissingYarn(FabricFault):
    """A yarn is missing over a length; its neighbours have closed some of the gap where it is hard to see."""

    is_warp: bool
    place: tuple[float, float]
    length: float
    closed: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "MissingYarn":
        closed = _between(0.5, 0.0, strength)
        return cls(bool(rng.random() < 0.5), _place(rng, 30), float(rng.uniform(60, 170)), closed)

    def weave(self, cloth: Cloth, warp: YarnLayer, weft: YarnLayer) -> tuple[YarnLayer, YarnLayer]:
        layer, crossing = (warp, weft) if self.is_warp else (weft, warp)
        row, column = _sample(cloth, self.place)
        yarn, start = layer.index[row, column], layer.along[row, column]
        reach = self.length / cloth.pitch / 2
        gone = (layer.index == yarn) & (np.abs(layer.along - start) < reach) & (np.abs(layer.side) > self.closed)
        sagging = replace(crossing, light=np.where(gone, 0.68, 1.0) * crossing.light)  # nothing holds them up
        left = without(layer, gone)
        return (left, sagging) if self.is_warp else (sagging, left)


@dataclass(frozen=True, eq=False)
class ThickYarn(FabricFault):
    """A slub: one yarn swells over a length and pushes itself over its neighbours."""

    is_warp: bool
    place: tuple[float, float]
    length: float
    swell: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "ThickYarn":
        swell = _between(0.45, 1.3, strength)
        return cls(bool(rng.random() < 0.5), _place(rng, 40), float(rng.uniform(50, 110)), swell)

    def weave(self, cloth: Cloth, warp: YarnLayer, weft: YarnLayer) -> tuple[YarnLayer, YarnLayer]:
        layer = warp if self.is_warp else weft
        row, column = _sample(cloth, self.place)
        yarn, start = float(layer.index[row, column]), layer.along[row, column]
        lx, ly, lz = cloth.light
        yarns, across = (cloth.warp_yarns, cloth.u) if self.is_warp else (cloth.weft_yarns, cloth.v)
        light, sign = ((lx, ly, lz), 1.0) if self.is_warp else ((ly, lx, lz), -1.0)
        bulge = np.exp(-(((layer.along - start) * cloth.pitch / self.length * 2) ** 4))
        swell = 1 + self.swell * bulge
        slub = yarn_layer(yarns, across, layer.along, sign, light, only=int(yarn), swell=swell)
        shows = slub.present & (bulge > 0.05)
        slub = replace(slub, height=slub.height + 0.9 * bulge, light=slub.light * (1 + 0.12 * bulge))
        merged = YarnLayer(
            index=np.where(shows, yarn, layer.index),
            side=np.where(shows, slub.side, layer.side),
            height=np.where(shows, slub.height, layer.height),
            present=layer.present | shows,
            light=np.where(shows, slub.light, layer.light),
            along=layer.along,
        )
        return (merged, weft) if self.is_warp else (warp, merged)


@dataclass(frozen=True, eq=False)
class ForeignFibre(FabricFault):
    """A fibre of another colour lies on the cloth, with its shadow."""

    shape: Curve
    width: float
    colour: tuple[float, float, float]
    opacity: float

    @classmethod
    def make(cls, rng: Generator, strength: float) -> "ForeignFibre":
        colours = ((0.30, 0.03, 0.03), (0.02, 0.02, 0.025), (0.75, 0.72, 0.62), (0.28, 0.16, 0.05))
        x, y = _place(rng, 40)
        return cls(
            wandering_curve(rng, x, y, float(rng.uniform(45, 95)), bend=float(rng.uniform(1.0, 3.5)), steps=40),
            width=_between(1.5, 2.6, strength),
            colour=colours[int(rng.integers(len(colours)))],
            opacity=_between(0.45, 0.95, strength),
        )

    def surface(self, cloth: Cloth, light: Array) -> Array:
        away = Curve(self.shape.points + np.array([1.6, 1.6]))
        shadow, _ = away.measure(cloth.canvas, 3 * self.width)
        light = light * (1 - 0.35 * self.opacity * smoothstep(1.6, 0.4, np.abs(shadow) / self.width))[..., None]
        distance, along = self.shape.measure(cloth.canvas, 2 * self.width)
        across = np.where(np.isfinite(distance), np.abs(distance), 1e3) / self.width
        share = self.opacity * smoothstep(1.1, 0.7, across)
        gloss = (0.75 + 0.35 * np.clip(1 - across, 0, 1)) * (1 + 0.08 * np.sin(60 * along))
        changed: Array = light * (1 - share[..., None]) + (share * gloss)[..., None] * np.array(self.colour)
        return changed


def _sample(cloth: Cloth, place: tuple[float, float]) -> tuple[int, int]:
    """The fine sample that lies nearest to a place in drawing units."""
    column, row = (int(np.argmin(np.abs(cloth.canvas.axis - value))) for value in place)
    return row, column


FABRIC_FAULTS: Mapping[str, Callable[[Generator, float], FabricFault]] = {
    "hole": Hole.make,
    "stain": Stain.make,
    "missing_yarn": MissingYarn.make,
    "thick_yarn": ThickYarn.make,
    "foreign_fibre": ForeignFibre.make,
}
