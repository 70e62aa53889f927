"""The camera of the demo pictures: uneven light, vignetting, defocus, exposure, white balance, noise.

Turns linear light into 8-bit pictures; does not know what it photographs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from draem_core.data.demo.canvas import WORLD, Array, Canvas

GAMMA = 2.2


@dataclass(frozen=True)
class Camera:
    """One shot's settings. ``slope`` is the light's relative change from centre to border in x and y."""

    exposure: float
    balance: tuple[float, float, float]
    slope: tuple[float, float]
    vignette: float
    blur: float
    noise: float

    @classmethod
    def draw(cls, rng: Generator, *, uneven: float, blur: tuple[float, float]) -> "Camera":
        """A camera as it stands on one day; ``uneven`` bounds the light's slope, ``blur`` is in units (sigma)."""
        red, green, blue = 1.0 + rng.uniform(-0.02, 0.02, 3)
        slope_x, slope_y = rng.uniform(-uneven, uneven, 2)
        return cls(
            exposure=float(rng.uniform(0.92, 1.08)),
            balance=(float(red), float(green), float(blue)),
            slope=(float(slope_x), float(slope_y)),
            vignette=float(rng.uniform(0.08, 0.2)),
            blur=float(rng.uniform(*blur)),
            noise=float(rng.uniform(1.2, 2.2)),
        )

    def expose(self, light: Array, canvas: Canvas) -> Array:
        """Linear light (fine, fine, 3) → grey levels (size, size, 3) in [0, 255], not rounded and without noise."""
        image = canvas.shrink(light)
        axis = (np.arange(canvas.size) + 0.5) / canvas.size * 2 - 1
        fall = 1.0 - self.vignette * 0.5 * (axis**2 + axis[:, None] ** 2)
        fall *= 1.0 + self.slope[0] * axis + self.slope[1] * axis[:, None]
        image *= (self.exposure * fall)[..., None] * np.array(self.balance)
        sigma = self.blur * canvas.size / WORLD
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0.0), mode="nearest")
        exposed: Array = 255.0 * np.clip(image, 0.0, 1.0) ** (1.0 / GAMMA)
        return exposed

    def digitise(self, levels: Array, rng: Generator) -> NDArray[np.uint8]:
        """Add sensor noise (stronger in the light, a little common to the channels) and round to 8 bit."""
        height, width, _ = levels.shape
        grain = 0.8 * rng.standard_normal((height, width, 3)) + 0.6 * rng.standard_normal((height, width, 1))
        amount = self.noise * (0.55 + 0.45 * np.sqrt(levels / 255.0))
        return np.clip(np.rint(levels + amount * grain), 0, 255).astype(np.uint8)
