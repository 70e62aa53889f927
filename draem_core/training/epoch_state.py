"""What adds up over an epoch's steps; saved in its midst, a run goes on there to the last bit. Knows no network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from draem_core.training.losses import PARTS


@dataclass
class Midst:
    """How far an epoch is.

    steps, seen: finished steps, and the images in them.
    sums: (6,) float64, the losses' sums over these images, in the order of ``PARTS``, then the total.
    norms: of each parameter, the sum of its gradient norms over ``norm_steps`` steps.
    seconds: how long that took.
    chance: the state of the generator on ``device`` ("cpu", "cuda" …) when the run was stopped; None until then.
    """

    steps: int = 0
    seen: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(len(PARTS) + 1, dtype=torch.float64))
    norms: dict[str, Tensor] = field(default_factory=dict)
    norm_steps: int = 0
    seconds: float = 0.0
    chance: Tensor | None = None
    device: str = ""

    def add(self, losses: Tensor, images: int) -> None:
        """Count a step over ``images`` with these losses, (6,) float32."""
        self.sums = self.sums + losses.double() * images
        self.seen += images
        self.steps += 1

    def add_norms(self, norms: Mapping[str, Tensor]) -> None:
        """Count a step's gradient norms."""
        self.norm_steps += 1
        for name, norm in norms.items():
            self.norms[name] = self.norms[name].to(norm.device) + norm if name in self.norms else norm.clone()

    def mean_norms(self) -> dict[str, float]:
        """Return each parameter's mean gradient norm over the steps so far."""
        return {name: float(norm) / self.norm_steps for name, norm in self.norms.items()}

    def generator(self, device: torch.device, seed: int) -> torch.Generator:
        """Return the epoch's generator as it stood; on another kind of device, as at the epoch's beginning."""
        generator = torch.Generator(device).manual_seed(seed)
        if self.chance is not None and self.device == device.type:
            generator.set_state(self.chance)
        return generator

    def as_state(self, seconds: float, generator: torch.Generator) -> dict[str, Any]:
        """Return what ``torch.save`` can write and ``Midst(**state)`` takes."""
        norms = {name: norm.cpu() for name, norm in self.norms.items()}
        chance = {"chance": generator.get_state(), "device": generator.device.type}
        return asdict(self) | {"norms": norms, "seconds": seconds} | chance
