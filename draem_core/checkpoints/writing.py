"""Write our own checkpoint format: a ``.safetensors`` file whose metadata holds the card as JSON."""

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from draem_core.atomic import write_atomically
from draem_core.checkpoints.files import refusal, shorten
from draem_core.disk import remedy
from draem_core.methods.draem import Draem
from draem_core.types import Card

STORED_TYPES = (torch.float32, torch.float16, torch.bfloat16)


def save_checkpoint(path: str | Path, model: Draem, card: Card, dtype: torch.dtype = torch.float32) -> Path:
    """Write network and card to ``path`` (``.safetensors``) whole or not at all; return the path.

    ``dtype`` (float32, float16, bfloat16) is what kernels are stored in. Biases and batch-norm values are few and
    their range is wide, so they stay float32. ``parameters`` and ``digest`` are found anew on load and not stored.

    Raises:
        CheckpointError: the file cannot be written; an older one of that name is untouched.
        ValueError: another suffix or dtype, or a card that describes another network.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name} must end in .safetensors")
    if dtype not in STORED_TYPES:
        raise ValueError(f"dtype must be one of {STORED_TYPES}, not {dtype}")
    layers = model.state_dict()
    _check_card(model, layers, card)
    stored = {name: _for_disk(tensor, dtype) for name, tensor in layers.items()}
    metadata = {"card": card.model_dump_json(exclude={"parameters", "digest"})}
    try:
        return write_atomically(path, save(stored, metadata))
    except OSError as error:
        reason = shorten(error.strerror or error)
        raise refusal(path, f"could not be written to {path.absolute().parent} ({reason})", remedy(error)) from error


def _check_card(model: Draem, layers: dict[str, Tensor], card: Card) -> None:
    widths = (
        layers["reconstructive_subnetwork.encoder.block1.0.weight"].shape[0],
        layers["discriminative_subnetwork.encoder_segment.block1.0.weight"].shape[0],
    )
    sspcab = "reconstructive_subnetwork.encoder.block5.masked_conv1.weight" in layers
    network = (widths, sspcab, model.concat_order)
    described = (card.widths, card.sspcab, card.concat_order)
    if network != described:
        raise ValueError(f"the card describes (widths, sspcab, concat_order) {described}, the network is {network}")


def _for_disk(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if tensor.is_floating_point():
        tensor = tensor.to(dtype if tensor.ndim > 1 else torch.float32)
    return tensor.detach().cpu().contiguous()
