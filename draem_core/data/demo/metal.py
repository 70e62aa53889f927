"""A turned steel flange under an inspection camera: grooves that shine in a bow tie, bore, step, bolt holes, chamfers.

Draws the sound part; what can go wrong with it comes in through the hooks of `MetalFault`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from draem_core.data.demo.camera import Camera
from draem_core.data.demo.canvas import WORLD, Array, Canvas, slow_waves, smoothstep, soft_noise

OUTER, CHAMFER, STEP, BORE = 109.0, 4.5, 53.0, 25.0
"""Radii and chamfer width in drawing units."""

BOLTS, BOLT_CIRCLE, BOLT_RADIUS, BOLT_CHAMFER = 4, 80.0, 8.5, 2.2

GROOVES = 2048
"""Entries of the table that holds the turning marks, from the axis outwards."""

SHINE = 9.0
"""How narrow the bow tie is (exponent of the highlight)."""


@dataclass(frozen=True, eq=False)
class Part:
    """What a fault needs to know of the picture; (fine, fine) arrays in drawing units and radians.

    x, y: on the part, from its axis. radius, angle: the same in polar form. face: 0 … 1, how much of the sample is
    metal and neither hole nor background. bolts: (BOLTS, 2) centres on the part. light: unit vector to the lamp.
    """

    canvas: Canvas
    x: Array
    y: Array
    radius: Array
    angle: Array
    face: Array
    bolts: Array
    light: tuple[float, float, float]


class MetalFault:
    """Something wrong with the part. Each hook gets a stage of the drawing and may return a changed one."""

    def relief(self, part: Part) -> tuple[Array | float, Array | float]:
        """Give the extra slope of the surface along x and y."""
        return 0.0, 0.0

    def surface(self, part: Part, light: Array) -> Array:
        """Change the light (fine, fine, 3) that the finished part sends to the camera."""
        return light


@dataclass(frozen=True, eq=False)
class MetalScene:
    """One good part as it lies under the camera; draws itself with or without a fault."""

    centre: tuple[float, float]
    scale: float
    turn: float
    light: tuple[float, float, float]
    colour: tuple[float, float, float]
    grooves: Array
    ripple: Array
    texture_seed: int
    camera: Camera

    @classmethod
    def draw(cls, rng: Generator) -> "MetalScene":
        """Everything that varies from one good picture to the next."""
        azimuth, elevation = np.radians(-60 + rng.uniform(-30, 30)), np.radians(rng.uniform(50, 60))
        warmth = 0.012 * rng.standard_normal()
        x, y = rng.uniform(-5, 5, 2)
        return cls(
            centre=(float(x), float(y)),
            scale=float(rng.uniform(0.98, 1.02)),
            turn=float(rng.uniform(0, 2 * np.pi)),
            light=(
                float(np.cos(elevation) * np.cos(azimuth)),
                float(np.cos(elevation) * np.sin(azimuth)),
                float(np.sin(elevation)),
            ),
            colour=(float(0.56 + warmth), 0.57, float(0.585 - warmth)),
            grooves=soft_noise(rng, (GROOVES,), 4.0) + 0.8 * soft_noise(rng, (GROOVES,), 9.0),
            ripple=soft_noise(rng, (GROOVES,), 14.0),
            texture_seed=int(rng.integers(2**32)),
            camera=Camera.draw(rng, uneven=0.08, blur=(0.5, 0.75)),
        )

    def render(self, canvas: Canvas, fault: MetalFault | None = None) -> Array:
        """Linear light (fine, fine, 3) that reaches the camera."""
        rng = np.random.default_rng(self.texture_seed)
        fault = fault or MetalFault()
        part = self._lay(canvas)
        grain = rng.standard_normal((canvas.fine, canvas.fine))
        table = self._table(canvas, rng, grain)
        metal = self._metal(part, fault, grain)
        light = table * (1 - part.face[..., None]) + metal[..., None] * np.array(self.colour) * part.face[..., None]
        return fault.surface(part, light)

    def _lay(self, canvas: Canvas) -> Part:
        x, y = (canvas.x - self.centre[0]) / self.scale, (canvas.y - self.centre[1]) / self.scale
        angles = self.turn + 2 * np.pi * np.arange(BOLTS) / BOLTS
        bolts = BOLT_CIRCLE * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        radius = np.hypot(x, y)
        edge = canvas.step / 2
        face = smoothstep(-edge, edge, OUTER - radius) * smoothstep(-edge, edge, radius - BORE)
        for bolt in bolts:
            face *= smoothstep(-edge, edge, np.hypot(x - bolt[0], y - bolt[1]) - BOLT_RADIUS)
        return Part(canvas, x, y, radius, np.arctan2(y, x), face, bolts, self.light)

    def _table(self, canvas: Canvas, rng: Generator, grain: Array) -> Array:
        """The matte table and the part's soft shadow on it; the holes look onto it too."""
        x, y = canvas.x - self.centre[0], canvas.y - self.centre[1]
        shadow = smoothstep(OUTER + 14, OUTER - 8, np.hypot(x + 9 * self.light[0], y + 9 * self.light[1]))
        tone = 0.034 * (1 + 0.12 * slow_waves(rng, canvas, 90.0) + 0.06 * grain) * (1 - 0.6 * shadow)
        table: Array = tone[..., None] * np.array([0.95, 1.0, 1.06])
        return table

    def _metal(self, part: Part, fault: MetalFault, grain: Array) -> Array:
        """How much of the lamp's light each sample of the part sends up."""
        slope_x, slope_y = fault.relief(part)
        cone_x, cone_y, turned = self._shape(part)
        slope_x, slope_y = slope_x + cone_x, slope_y + cone_y
        place = np.clip(part.radius / WORLD * 2 * GROOVES, 0, GROOVES - 1).astype(np.intp)
        groove, ripple = self.grooves[place], self.ripple[place]
        lx, ly, lz = self.light
        steep = np.sqrt(1 + slope_x**2 + slope_y**2)
        matte = np.maximum((lz - slope_x * lx - slope_y * ly) / steep, 0.0)
        # a groove shines where it runs at right angles to the half vector between lamp and camera
        half = np.array([lx, ly, lz + 1.0]) / np.sqrt(lx**2 + ly**2 + (lz + 1.0) ** 2)
        along_x, along_y = -np.sin(part.angle), np.cos(part.angle)
        rise = slope_x * along_x + slope_y * along_y
        aligned = (along_x * half[0] + along_y * half[1] + rise * half[2]) / np.sqrt(1 + rise**2)
        shine = np.clip(1 - (aligned * (2.7 + 0.15 * ripple)) ** 2, 0.0, 1.0) ** (SHINE / 4)
        marks = 1 + turned * (0.09 * groove + 0.05 * ripple) + 0.035 * grain
        lit: Array = (0.06 + 0.34 * matte + 0.62 * shine * (0.35 + 0.65 * turned)) * marks
        return lit

    def _shape(self, part: Part) -> tuple[Array, Array, Array]:
        """Slopes of chamfers and step along x and y, and where the face is turned (1) or chamfered (0)."""
        outwards = smoothstep(OUTER - CHAMFER - 0.4, OUTER - CHAMFER + 0.4, part.radius)
        inwards = smoothstep(BORE + CHAMFER + 0.4, BORE + CHAMFER - 0.4, part.radius)
        step = np.exp(-(((part.radius - STEP) / 1.3) ** 2))
        radial = -0.8 * outwards + 0.8 * inwards - 0.7 * step
        slope_x, slope_y = radial * np.cos(part.angle), radial * np.sin(part.angle)
        chamfered = np.maximum(np.maximum(outwards, inwards), step)
        for bolt in part.bolts:
            dx, dy = part.x - bolt[0], part.y - bolt[1]
            distance = np.maximum(np.hypot(dx, dy), 1e-6)
            rim = smoothstep(BOLT_RADIUS + BOLT_CHAMFER + 0.4, BOLT_RADIUS + BOLT_CHAMFER - 0.4, distance)
            slope_x, slope_y = slope_x + 0.8 * rim * dx / distance, slope_y + 0.8 * rim * dy / distance
            chamfered = np.maximum(chamfered, rim)
        return slope_x, slope_y, 1 - chamfered
