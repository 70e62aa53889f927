"""Running the network that is being trained over fixed images, without training it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

from draem_core.inference.devices import has_fast_bfloat16
from draem_core.methods.draem import Draem
from draem_core.training.config import ConfigError, TrainConfig


def half_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """Return the float that convolutions run in, or None for float32 throughout.

    Raises:
        ConfigError: a short float was asked for by name, and the device cannot train in it.
    """
    if config.precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else None
    if config.precision == "float32":
        return None
    short: torch.dtype = getattr(torch, config.precision)
    _try_to_train(device, short)
    return short


def autocast(device: torch.device, short: torch.dtype | None) -> AbstractContextManager[None]:
    """Return the context in which the network computes in ``short``, where that is one."""
    return torch.autocast(device.type, short or torch.bfloat16, enabled=short is not None)


def _try_to_train(device: torch.device, short: torch.dtype) -> None:
    """Take one small convolution forth and back in ``short``; a processor without it is slow, but does it."""
    try:
        with autocast(device, short):
            image = torch.zeros(1, 3, 8, 8, device=device)
            F.conv2d(image, torch.zeros(4, 3, 3, 3, device=device, requires_grad=True)).float().sum().backward()
    except (RuntimeError, TypeError) as error:
        name = str(short).removeprefix("torch.")
        raise ConfigError(f"{device} cannot train in {name}: {error}. Take --precision auto or float32.") from error


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
