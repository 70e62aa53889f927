"""DRAEM's three losses, by part: L2 and SSIM for the repaint, focal for the map (DRAEM, equations 1, 2 and 5)."""

from dataclasses import dataclass

from kornia.losses import focal_loss
from kornia.metrics import ssim
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW = 11
FOCAL_GAMMA = 2.0


@dataclass(frozen=True, eq=False)
class DraemLoss:
    """Scalar tensors: mean squared error, 1 - SSIM in [0, 2], focal loss (γ = 2), and their sum.

    The focal loss is kornia's and anomalib's: a mean over pixels and both classes, half of the original code's.
    """

    l2: Tensor
    ssim: Tensor
    focal: Tensor

    @property
    def total(self) -> Tensor:
        """The training objective: the plain sum of the three."""
        return self.l2 + self.ssim + self.focal


def draem_loss(image: Tensor, reconstruction: Tensor, anomaly_mask: Tensor, logits: Tensor) -> DraemLoss:
    """Return the loss by part, computed in float32.

    Args:
        image: (B, 3, H, W) the clean image, the reconstruction's target.
        reconstruction: (B, 3, H, W) of the corrupted image.
        anomaly_mask: (B, 1, H, W) of 0 and 1, where the input was corrupted.
        logits: (B, 2, H, W), channel 1 = anomalous.
    """
    image, reconstruction, logits = image.float(), reconstruction.float(), logits.float()
    # alpha=None: both classes weigh 1. kornia reads alpha=1 as [0, 1], which drops every normal pixel.
    focal = focal_loss(logits, anomaly_mask[:, 0].long(), alpha=None, gamma=FOCAL_GAMMA, reduction="mean")
    return DraemLoss(
        l2=F.mse_loss(reconstruction, image),
        ssim=1 - ssim_map(image, reconstruction).mean(),
        focal=focal,
    )


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of each pixel, (B, C, H, W) in [-1, 1], for images in [0, 1].

    Gaussian window of 11 pixels and σ 1.5, reflected border (Wang et al., Image quality assessment,
    IEEE TIP 2004, equation 13), by kornia.
    """
    return ssim(first, second, window_size=SSIM_WINDOW)
