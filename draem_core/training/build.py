"""What a run begins with and leaves: the network, its optimizer, the card of its checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from draem_core.checkpoints import load_checkpoint
from draem_core.inference.devices import describe_machine
from draem_core.methods.draem import Draem
from draem_core.methods.draem.sspcab import SSPCAB
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.types import Card


def new_network(config: TrainConfig, device: torch.device, start_from: Path | None) -> Draem:
    """Return the network to begin with: random weights by the config's seed, or those of ``start_from``.

    Raises:
        ConfigError: ``start_from`` has other widths, or SSPCAB where the config has none, or takes normalised input.
        CheckpointError: ``start_from`` does not open.
    """
    torch.manual_seed(config.seed)
    model = Draem(config.widths, config.sspcab)
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.apply(_original_initialisation)
    if start_from:
        _take_weights(model, start_from)
    return model


def new_optimizer(config: TrainConfig, model: Draem) -> torch.optim.Optimizer:
    """Return Adam, or AdamW with the config's weight decay."""
    fused = next(model.parameters()).device.type != "mps"
    if config.optimizer == "adamw":
        decay = config.weight_decay
        return torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=decay, fused=fused)
    return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=fused)


def tap_sspcab(model: Draem) -> Callable[[], tuple[Tensor, Tensor] | None]:
    """Return a function that gives SSPCAB's (input, output) of the latest forward pass; None without that block."""
    block = model.reconstructive_subnetwork.encoder.block5
    latest: list[tuple[Tensor, Tensor]] = []

    def keep(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        latest[:] = [(inputs[0], output)]

    if isinstance(block, SSPCAB):
        block.register_forward_hook(keep)
    return lambda: latest[0] if latest else None


def card_of_run(config: TrainConfig, model: Draem, history: list[dict[str, Any]], images: int) -> Card:
    """Return the card of the checkpoint after ``history``'s last epoch."""
    return Card(
        name=config.out.name,
        flavour="ours",
        widths=config.widths,
        input_size=config.input_size,
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order=model.concat_order,
        sspcab=config.sspcab,
        score_rule="max",  # as anomalib: a small defect must not drown in a mean
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        training={
            "category": config.data.name,
            "images": images,
            "epoch": len(history),
            "epochs": config.epochs,
            "loss": history[-1]["total"],
            "seconds": round(sum(row["seconds"] for row in history)),
            "machine": describe_machine(),
            "seed": config.seed,
        },
    )


def _original_initialisation(module: nn.Module) -> None:
    """Weights N(0, 0.02), batch-norm N(1, 0.02), as the original code has it."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _take_weights(model: Draem, path: Path) -> None:
    start = load_checkpoint(path)
    if start.card.normalisation:
        raise ConfigError(
            f"{path.name} cannot be started from: it was trained on normalised pictures ({start.card.normalisation}), "
            "and training here takes them in [0, 1]. Start from another checkpoint, or from random weights."
        )
    try:
        model.load_state_dict(start.model.state_dict())
    except RuntimeError as error:
        block = "with SSPCAB" if start.card.sspcab else "without SSPCAB"
        raise ConfigError(
            f"{path.name} cannot be started from: its networks' widths are {start.card.widths}, {block}. "
            f"Train with the same --width, {block}."
        ) from error
