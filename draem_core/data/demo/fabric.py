"""A plain-woven cloth under an inspection camera, yarn by yarn: crimp, tone, twist, slack, dye lot.

Draws the sound cloth; what can go wrong with it comes in through the hooks of `FabricFault`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from draem_core.data.demo.camera import Camera
from draem_core.data.demo.canvas import Array, Canvas, Mask, slow_waves, smoothstep, soft_noise

YARNS = 40
"""Yarns that are drawn for each direction; the picture shows about half of them. Even, so that the weave closes."""

SAMPLES = 4
"""Table entries per yarn spacing for what changes along a yarn."""

DYE_LOTS = (
    ((0.46, 0.47, 0.44), (0.235, 0.315, 0.375)),
    ((0.43, 0.46, 0.45), (0.205, 0.30, 0.39)),
    ((0.48, 0.47, 0.42), (0.265, 0.315, 0.345)),
)
"""Warp and weft colour (linear RGB reflectance) of each lot."""


@dataclass(frozen=True, eq=False)
class Yarns:
    """All yarns of one direction. Tables are (YARNS,) or (YARNS, YARNS * SAMPLES), the second along the yarn.

    ``shift`` and ``radius`` are in yarn spacings, ``tone`` multiplies the colour, ``phase`` turns the twist.
    """

    shift: Array
    radius: Array
    tone: Array
    phase: Array
    colour: tuple[float, float, float]

    @classmethod
    def draw(cls, rng: Generator, colour: tuple[float, float, float]) -> "Yarns":
        along = (YARNS, YARNS * SAMPLES)
        wobble = soft_noise(rng, along, (0.0, 5.0))
        thickness = soft_noise(rng, along, (0.0, 7.0))
        fading = soft_noise(rng, along, (0.0, 9.0))
        return cls(
            shift=0.035 * rng.standard_normal((YARNS, 1)) + 0.022 * wobble,
            radius=0.46 * (1 + 0.05 * rng.standard_normal((YARNS, 1)).clip(-2, 2) + 0.035 * thickness),
            tone=1 + 0.05 * rng.standard_normal((YARNS, 1)).clip(-2, 2) + 0.03 * fading,
            phase=rng.uniform(0, 2 * np.pi, YARNS),
            colour=colour,
        )


@dataclass(frozen=True, eq=False)
class YarnLayer:
    """One direction's yarns seen from above; (fine, fine) each.

    index: which yarn is nearest. side: place across it, −1 … 1 on the yarn. height: above the cloth's middle.
    present: the yarn is there. light: what it reflects of white light, before its colour. along: place on the yarn.
    """

    index: Array
    side: Array
    height: Array
    present: Mask
    light: Array
    along: Array


@dataclass(frozen=True, eq=False)
class Cloth:
    """What a fault needs to know of the picture: the canvas and each sample's place on the cloth in yarn spacings."""

    canvas: Canvas
    u: Array
    v: Array
    pitch: float
    light: tuple[float, float, float]
    warp_yarns: Yarns
    weft_yarns: Yarns


class FabricFault:
    """Something wrong with the cloth. Each hook gets a stage of the drawing and may return a changed one."""

    def weave(self, cloth: Cloth, warp: YarnLayer, weft: YarnLayer) -> tuple[YarnLayer, YarnLayer]:
        """Change the yarns before they are laid over one another."""
        return warp, weft

    def surface(self, cloth: Cloth, light: Array) -> Array:
        """Change the light (fine, fine, 3) that the finished cloth sends to the camera."""
        return light


@dataclass(frozen=True, eq=False)
class FabricScene:
    """One good piece of cloth as it lies under the camera; draws itself with or without a fault."""

    pitch: float
    turn: float
    skew: float
    offset: tuple[float, float]
    light: tuple[float, float, float]
    warp: Yarns
    weft: Yarns
    texture_seed: int
    camera: Camera

    @classmethod
    def draw(cls, rng: Generator) -> "FabricScene":
        """Everything that varies from one good picture to the next."""
        lot = DYE_LOTS[int(rng.integers(len(DYE_LOTS)))]
        dye = 1 + 0.03 * rng.standard_normal()
        warp, weft = (tuple(float(c * dye) for c in colour) for colour in lot)
        azimuth, elevation = np.radians(225 + rng.uniform(-25, 25)), np.radians(rng.uniform(48, 60))
        flat = np.cos(elevation)
        u, v = rng.uniform(0, YARNS, 2)
        return cls(
            pitch=float(rng.uniform(12.8, 13.8)),
            turn=float(np.radians(rng.uniform(-4, 4))),
            skew=float(np.radians(rng.uniform(-2, 2))),
            offset=(float(u), float(v)),
            light=(float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(np.sin(elevation))),
            warp=Yarns.draw(rng, (warp[0], warp[1], warp[2])),
            weft=Yarns.draw(rng, (weft[0], weft[1], weft[2])),
            texture_seed=int(rng.integers(2**32)),
            camera=Camera.draw(rng, uneven=0.1, blur=(0.45, 0.7)),
        )

    def render(self, canvas: Canvas, fault: FabricFault | None = None) -> Array:
        """Linear light (fine, fine, 3) that reaches the camera."""
        rng = np.random.default_rng(self.texture_seed)
        fault = fault or FabricFault()
        cloth = self._lay(canvas, rng)
        fuzz = rng.standard_normal((canvas.fine, canvas.fine))
        warp, weft = self._layers(cloth)
        warp, weft = fault.weave(cloth, warp, weft)
        return fault.surface(cloth, shade(cloth, warp, weft, fuzz))

    def _lay(self, canvas: Canvas, rng: Generator) -> Cloth:
        """Turn, skew and gently distort the cloth under the camera."""
        x = canvas.x + 2.2 * slow_waves(rng, canvas, 120.0)
        y = canvas.y + 2.2 * slow_waves(rng, canvas, 120.0)
        warp_turn, weft_turn = self.turn + self.skew, self.turn
        u = (x * np.cos(warp_turn) + y * np.sin(warp_turn)) / self.pitch + self.offset[0]
        v = (y * np.cos(weft_turn) - x * np.sin(weft_turn)) / self.pitch + self.offset[1]
        return Cloth(canvas, u, v, self.pitch, self.light, self.warp, self.weft)

    def _layers(self, cloth: Cloth) -> tuple[YarnLayer, YarnLayer]:
        lx, ly, lz = self.light
        warp = yarn_layer(self.warp, cloth.u, cloth.v, 1.0, (lx, ly, lz))
        weft = yarn_layer(self.weft, cloth.v, cloth.u, -1.0, (ly, lx, lz))
        return warp, weft


def yarn_layer(
    yarns: Yarns,
    across: Array,
    along: Array,
    sign: float,
    light: tuple[float, float, float],
    only: int | None = None,
    swell: Array | float = 1.0,
) -> YarnLayer:
    """One direction's yarns as round strands that wave up and down through the weave.

    ``light`` is (across, along, up). With ``only``, that one yarn is looked at everywhere, not each sample's nearest;
    ``swell`` multiplies its radius.
    """
    index = np.floor(across) if only is None else np.full(across.shape, float(only))
    row = index.astype(np.intp) % YARNS
    column = np.floor(along * SAMPLES).astype(np.intp) % (YARNS * SAMPLES)
    side = (across - index - 0.5 - yarns.shift[row, column]) / (yarns.radius[row, column] * swell)
    parity = sign * (1.0 - 2.0 * (row % 2))
    crimp, slope = parity * np.sin(np.pi * along), parity * np.cos(np.pi * along)
    arch = np.sqrt(np.clip(1.0 - side * side, 0.0, 1.0))
    tilt_across, tilt_along = 0.9 * np.clip(side, -1, 1), -0.75 * slope
    lit = light[0] * tilt_across + light[1] * tilt_along + light[2]
    lit = np.maximum(lit, 0.0) / np.sqrt(1.0 + tilt_across**2 + tilt_along**2)
    twist = np.sin(2 * np.pi * (2.6 * along + 0.55 * side) + yarns.phase[row])
    return YarnLayer(
        index=index,
        side=side,
        height=0.55 * crimp + 0.45 * arch * swell,
        present=np.abs(side) < 1.0,
        light=(0.22 + 0.95 * lit) * (1.0 + 0.09 * twist) * yarns.tone[row, column],
        along=along,
    )


def shade(cloth: Cloth, warp: YarnLayer, weft: YarnLayer, fuzz: Array) -> Array:
    """Lay the two directions over one another; what lies deep gets less light, gaps least. (fine, fine, 3)."""
    warp_height = np.where(warp.present, warp.height, -1.0)
    weft_height = np.where(weft.present, weft.height, -1.0)
    on_top = warp_height >= weft_height
    height = np.maximum(warp_height, weft_height)
    depth = 0.3 + 0.7 * smoothstep(-0.75, 0.6, height)
    light = np.where(on_top, warp.light, weft.light) * depth * (1.0 + 0.05 * fuzz)
    gap = height <= -1.0
    light = np.where(gap, 0.16, light)
    colours = np.where(on_top[..., None], np.array(cloth.warp_yarns.colour), np.array(cloth.weft_yarns.colour))
    return light[..., None] * colours


def without(layer: YarnLayer, gone: Mask) -> YarnLayer:
    """The layer with its yarns taken away where ``gone``."""
    return replace(layer, present=layer.present & ~gone)
