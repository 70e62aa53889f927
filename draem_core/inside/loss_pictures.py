"""The loss at one image, part by part and pixel by pixel: where the training objective would push.

Each picture's mean is that part of ``draem_loss``. Knows no network.
"""

from dataclasses import dataclass

import numpy as np
import torch
from kornia.losses import focal_loss
from torch import Tensor

from draem_core.training.losses import FOCAL_GAMMA, ssim_map
from draem_core.types import Prediction


@dataclass(frozen=True, eq=False)
class LossPictures:
    """(H, W) float32 each, unweighted: squared error, 1 − SSIM in [0, 2], focal loss; means over colours or classes."""

    l2: np.ndarray
    ssim: np.ndarray
    focal: np.ndarray


def loss_pictures(prediction: Prediction, clean_image: np.ndarray, gt_mask: np.ndarray) -> LossPictures:
    """Return the parts of the loss for a prediction.

    Args:
        clean_image: (H, W, 3) float32 RGB in [0, 1], what the reconstruction should be: the image before it was painted
            on, or the prediction's own.
        gt_mask: (H, W) bool, where it was painted on.
    """
    clean, reconstruction = _batch(clean_image), _batch(prediction.reconstruction)
    truth = torch.from_numpy(gt_mask.astype(np.int64))[None]
    logits = torch.from_numpy(prediction.logits)[None]
    focal = focal_loss(logits, truth, alpha=None, gamma=FOCAL_GAMMA, reduction="none")
    return LossPictures(
        l2=_mean(torch.square(reconstruction - clean)),
        ssim=_mean(1 - ssim_map(clean, reconstruction)),
        focal=_mean(focal),
    )


def _batch(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def _mean(values: Tensor) -> np.ndarray:
    """Return (1, C, H, W) as a mean over C, (H, W)."""
    return values[0].mean(dim=0).numpy()
