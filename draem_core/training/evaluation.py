"""Running the network that is being trained over fixed images, without training it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from draem_core.devices import has_fast_bfloat16
from draem_core.models import Draem
from draem_core.training.config import TrainConfig


def short_float(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """Return the float that convolutions run in, or None for float32 throughout."""
    if config.precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else None
    return None if config.precision == "float32" else getattr(torch, config.precision)


def autocast(device: torch.device, short: torch.dtype | None) -> AbstractContextManager[None]:
    """Return the context in which the network computes in ``short``, where that is one."""
    return torch.autocast(device.type, short or torch.bfloat16, enabled=short is not None)


def run_over(
    model: Draem, images: Tensor, batch_size: int, short: torch.dtype | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (image, reconstruction, anomaly_map) for each batch of images (N, 3, H, W) uint8, in order.

    image and reconstruction are (B, 3, H, W) float32, the map (B, H, W) float32 in [0, 1], all on the model's device.
    The model is put into eval mode and left there.
    """
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        for part in images.split(batch_size):
            image = part.to(device).float() / 255
            with autocast(device, short):
                reconstruction, logits = model(image.contiguous(memory_format=torch.channels_last))
            yield image, reconstruction.float(), logits.float().softmax(dim=1)[:, 1]
