"""Small networks in memory whose every stage is alive, for tests that look inside. Knows no pytest and no files."""

import numpy as np
import torch
from torch import nn

from draem_core import Card, Checkpoint, Predictor
from draem_core.methods.draem import Draem

WIDTHS = (8, 4)
SIZE = (64, 32)


def small_checkpoint(
    *, sspcab: bool = False, color_order: str = "RGB", concat_order: str = "image_first"
) -> Checkpoint:
    """Return an untrained checkpoint with settled batch-norm, so that the signal reaches the end."""
    torch.manual_seed(0)
    model = Draem(WIDTHS, sspcab=sspcab, concat_order=concat_order)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    with torch.no_grad():
        for _ in range(20):
            model.train()(torch.rand(2, 3, *SIZE))
    card = Card(
        name="small",
        flavour="ours",
        widths=WIDTHS,
        input_size=SIZE,
        resize_filter="bilinear_antialias",
        color_order=color_order,
        concat_order=concat_order,
        sspcab=sspcab,
        score_rule="max",
    )
    return Checkpoint(model.eval().requires_grad_(False), card, files=())


def small_predictor(**fields: object) -> Predictor:
    """Return ``small_checkpoint(**fields)``, ready on the CPU in float32."""
    return Predictor(small_checkpoint(**fields), device="cpu", precision="float32")


def noise_picture(seed: int = 0) -> np.ndarray:
    """Return a picture of the network's own size, so that no resizing comes between."""
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
