"""How good a network is while it is being trained: on held-out good images with synthetic anomalies, and on real ones.

The two are kept apart by name. Synthetic anomalies are what the network was trained to find, so they alone may read 1.0
while real ones are missed; ``disagreement`` says so.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from draem_core import metrics
from draem_core.methods.draem import Draem
from draem_core.synthesis import synthesise
from draem_core.training.batches import random_crops
from draem_core.training.config import TrainConfig
from draem_core.training.evaluation import autocast, run_over
from draem_core.training.labelled import LabelledImages
from draem_core.training.losses import PARTS, draem_loss

VALIDATION_SEED = 20_260_101  # the same defects in every epoch of every run
MISLEADING_GAP = 0.1
FOUND = 0.8  # image AUROC; below it the validation promises nothing


@dataclass(frozen=True)
class ValidationMetrics:
    """Losses, and AUROCs of synthetic anomalies against the same images without; NaN where undefined."""

    l1: float
    l2: float
    ssim: float
    focal: float
    sspcab: float
    total: float
    image_auroc: float
    pixel_auroc: float


@dataclass(frozen=True)
class TestMetrics:
    """Figures of the labelled test set, raw maps, image score = the map's maximum; NaN where undefined."""

    __test__ = False  # no test class, whatever pytest reads into the name

    image_auroc: float
    image_f1max: float
    pixel_auroc: float


def validate(
    model: Draem,
    held_out: Tensor,
    textures: Tensor,
    config: TrainConfig,
    short: torch.dtype | None,
    predicted: Callable[[], tuple[Tensor, Tensor] | None],
) -> ValidationMetrics:
    """Evaluate the network on each held-out image twice, as it is and with a synthetic anomaly, always the same.

    Args:
        held_out: (N, 3, H, W) uint8, good, not trained on.
        textures: (M, 3, h, w) uint8 at the config's ``train_size``; images are cropped to that.
        predicted: returns SSPCAB's input and output of the latest forward pass, where there is that block.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(VALIDATION_SEED)
    sums, seen = torch.zeros(len(PARTS) + 1, dtype=torch.float64), 0
    maps: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    model.eval()
    with torch.no_grad():
        for part in held_out.split(max(1, config.batch_size // 2)):
            good = random_crops(part.to(device), config.train_size, generator).float() / 255
            bad = synthesise(
                good,
                textures,
                generator,
                clean_share=0.0,
                max_image_share=config.max_image_share,
                cutpaste_share=config.cutpaste_share,
            )
            truth = torch.cat((torch.zeros_like(bad.anomaly_mask), bad.anomaly_mask))
            shown = torch.cat((good, bad.corrupted)).contiguous(memory_format=torch.channels_last)
            with autocast(device, short):
                reconstruction, logits = model(shown)
            loss = draem_loss(
                torch.cat((good, good)),
                reconstruction,
                truth,
                logits,
                weights=config.loss_weights,
                focal_alpha=config.focal_alpha,
                predicted=predicted(),
            )
            sums += loss.parts.cpu().double() * len(shown)
            seen += len(shown)
            maps.extend(logits.float().softmax(dim=1)[:, 1].cpu().numpy())
            masks.extend(truth[:, 0].cpu().numpy() > 0)
    scores, labels = np.array([one.max() for one in maps]), np.array([one.any() for one in masks])
    l1, l2, ssim, focal, sspcab, total = (sums / seen).tolist()
    return ValidationMetrics(
        l1=l1,
        l2=l2,
        ssim=ssim,
        focal=focal,
        sspcab=sspcab,
        total=total,
        image_auroc=_auroc(scores, labels),
        pixel_auroc=metrics.pixel_auroc(maps, masks) if np.isfinite(scores).all() else math.nan,
    )


def evaluate(model: Draem, test: LabelledImages, batch_size: int, short: torch.dtype | None) -> TestMetrics:
    """Evaluate the network on the labelled test set; pixel metrics use the images that are good or have a mask."""
    maps = [one for _, _, found in run_over(model, test.images, batch_size, short) for one in found.cpu().numpy()]
    scores = np.array([one.max() for one in maps])
    annotated = [index for index, mask in enumerate(test.masks) if mask is not None]
    defined = bool(np.isfinite(scores).all())
    return TestMetrics(
        image_auroc=_auroc(scores, test.labels),
        image_f1max=metrics.image_f1max(scores, test.labels).f1 if defined else math.nan,
        pixel_auroc=metrics.pixel_auroc([maps[i] for i in annotated], [test.masks[i] for i in annotated])  # type: ignore[misc]
        if defined
        else math.nan,
    )


def disagreement(row: Mapping[str, float | None]) -> str | None:
    """Return a warning where synthetic anomalies are found much better than real ones, from a line of the metrics."""
    synthetic, real = row.get("validation_image_auroc"), row.get("test_image_auroc")
    if synthetic is None or real is None or not (synthetic > FOUND and synthetic - real > MISLEADING_GAP):
        return None
    return (
        f"Epoch {row['epoch']:.0f}: synthetic anomalies are found (validation image AUROC {synthetic:.3f}), "
        f"real ones are not (test {real:.3f}). Do not choose by the validation; try other anomaly sources, or CutPaste."
    )


def _auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    return metrics.image_auroc(scores, labels) if np.isfinite(scores).all() else math.nan
