"""DRAEM's losses by part: L2, SSIM (or L1) for the reconstruction, focal for the map (DRAEM, eq. 1, 2, 5), SSPCAB's.

Tensors in, scalars out; knows no network and no schedule.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from kornia.losses import focal_loss
from kornia.metrics import ssim
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, model_validator
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW = 11
FOCAL_GAMMA = 2.0
PARTS = ("l1", "l2", "ssim", "focal", "sspcab")


class LossWeights(BaseModel):
    """What each part weighs in the total; a part of weight 0 is watched, but trains nothing.

    The defaults are DRAEM's. The reconstruction may be trained by any mix of l1, l2 and ssim. ``sspcab`` is λ of the
    block's own loss (Ristea et al., CVPR 2022, equation 4).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    l1: NonNegativeFloat = 0.0
    """Mean |error| of the reconstruction: sharper edges than squares give. Only watched where its weight is 0."""
    l2: NonNegativeFloat = 1.0
    """Mean squared error of the reconstruction, as the original has it."""
    ssim: NonNegativeFloat = 1.0
    """1 − structural similarity of the reconstruction to the good image: texture and contrast."""
    focal: NonNegativeFloat = 1.0
    """Of the anomaly map: a cross-entropy that counts what is already right for little."""
    sspcab: NonNegativeFloat = 0.1
    """Error of the block's own prediction, λ; without that block it is 0."""

    @model_validator(mode="after")
    def _something_is_trained(self) -> "LossWeights":
        if not any((self.l1, self.l2, self.ssim, self.focal)):
            raise ValueError("one of l1, l2, ssim and focal must weigh more than 0, or nothing is learned")
        return self


DRAEM_WEIGHTS = LossWeights()


@dataclass(frozen=True, eq=False)
class DraemLoss:
    """Scalar tensors, unweighted: mean |error|, mean squared error, 1 - SSIM in [0, 2], focal loss (γ = 2), and the
    mean squared error between SSPCAB's input and output (0 without that block).

    The focal loss is kornia's and anomalib's: a mean over pixels and both classes, half of the original code's.
    """

    l1: Tensor
    l2: Tensor
    ssim: Tensor
    focal: Tensor
    sspcab: Tensor
    weights: LossWeights = DRAEM_WEIGHTS

    @property
    def total(self) -> Tensor:
        """The training objective: the weighted sum of the parts; by default plain l2 + ssim + focal."""
        weighted = [getattr(self.weights, name) * getattr(self, name) for name in PARTS if getattr(self.weights, name)]
        total: Tensor = sum(weighted[1:], start=weighted[0])
        return total

    @property
    def parts(self) -> Tensor:
        """(6,) float32, detached: the parts in the order of ``PARTS``, then the total."""
        return torch.stack([*(getattr(self, name) for name in PARTS), self.total]).detach()


def draem_loss(
    image: Tensor,
    reconstruction: Tensor,
    anomaly_mask: Tensor,
    logits: Tensor,
    *,
    weights: LossWeights = DRAEM_WEIGHTS,
    focal_alpha: float | None = None,
    predicted: tuple[Tensor, Tensor] | None = None,
) -> DraemLoss:
    """Return the loss by part, computed in float32.

    Args:
        image: (B, 3, H, W) the clean image, the reconstruction's target.
        reconstruction: (B, 3, H, W) of the corrupted image.
        anomaly_mask: (B, 1, H, W) of 0 and 1, where the input was corrupted.
        logits: (B, 2, H, W), channel 1 = anomalous.
        focal_alpha: None weighs both classes 1. A number α weighs anomalous pixels α and good ones 1 - α; 1 ignores
            every good pixel, and the map drifts to "anomalous everywhere".
        predicted: SSPCAB's (input, output), each (B, C, h, w).
    """
    image, reconstruction, logits = image.float(), reconstruction.float(), logits.float()
    with _trained(weights.l1):
        l1 = F.l1_loss(reconstruction, image)
    with _trained(weights.l2):
        l2 = F.mse_loss(reconstruction, image)
    with _trained(weights.ssim):
        dissimilarity = 1 - ssim_map(image, reconstruction).mean()
    with _trained(weights.focal):
        truth = anomaly_mask[:, 0].long()
        focal = focal_loss(logits, truth, alpha=focal_alpha, gamma=FOCAL_GAMMA, reduction="mean")
    with _trained(weights.sspcab):
        sspcab = F.mse_loss(predicted[1].float(), predicted[0].float()) if predicted else torch.zeros_like(l2)
    return DraemLoss(l1, l2, dissimilarity, focal, sspcab, weights)


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of each pixel, (B, C, H, W) in [-1, 1], for images in [0, 1].

    Gaussian window of 11 pixels and σ 1.5, reflected border (Wang et al., Image quality assessment,
    IEEE TIP 2004, equation 13), by kornia.
    """
    return ssim(first, second, window_size=SSIM_WINDOW)


def _trained(weight: float) -> AbstractContextManager[object]:
    """Keep the graph only of what weighs something: a part of weight 0 costs no backward pass."""
    return nullcontext() if weight else torch.no_grad()
