"""What adds up over an epoch's steps; saved between two of them, a run resumes there to the last bit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from draem_core.training.losses import PARTS


@dataclass
class EpochState:
    """How far an epoch is.

    steps, seen: finished steps, and the images in them.
    sums: (6,) float64, the losses' sums over these images, in the order of ``PARTS``, then the total.
    norms: of each parameter, the sum of its gradient norms over ``norm_steps`` steps.
    seconds: how long that took.
    rng_state: the state of the generator on ``device`` ("cpu", "cuda" …) when the run was stopped; None until then.
    """

    steps: int = 0
    seen: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(len(PARTS) + 1, dtype=torch.float64))
    norms: dict[str, Tensor] = field(default_factory=dict)
    norm_steps: int = 0
    seconds: float = 0.0
    rng_state: Tensor | None = None
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
        if self.rng_state is not None and self.device == device.type:
            generator.set_state(self.rng_state)
        return generator

    def as_state(self, seconds: float, generator: torch.Generator) -> dict[str, Any]:
        """Return what ``torch.save`` can write and ``from_state`` takes."""
        norms = {name: norm.cpu() for name, norm in self.norms.items()}
        rng = {"rng_state": generator.get_state(), "device": generator.device.type}
        return asdict(self) | {"norms": norms, "seconds": seconds} | rng

    @classmethod
    def from_state(cls, run_state: Mapping[str, Any]) -> "EpochState":
        """Return what a run's state holds of an unfinished epoch, a fresh one where it holds none.

        States written before 0.2 hold it as ``midst``, with ``chance`` for ``rng_state``.
        """
        saved = dict(run_state.get("epoch_state") or run_state.get("midst") or {})
        if "chance" in saved:
            saved["rng_state"] = saved.pop("chance")
        return cls(**saved)
