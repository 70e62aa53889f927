"""The training loop: plain torch, watched through callbacks, resumable after a kill at any moment.

Every epoch draws its randomness from (seed, epoch) alone, so a resumed run repeats what an uninterrupted
one would have done.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from draem_core.checkpoints import load_checkpoint
from draem_core.devices import describe_machine, has_fast_bfloat16, pick_device
from draem_core.errors import DraemError
from draem_core.models import Draem
from draem_core.synthesis import synthesise
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.training.losses import DraemLoss, draem_loss
from draem_core.training.run_folder import RunFolder
from draem_core.types import Card

WARM_UP_SHARE = 0.03
GRADIENT_NORM_LIMIT = 1.0


class TrainingError(DraemError):
    """Training cannot go on; the message says at which epoch and why."""


@dataclass(frozen=True)
class StepReport:
    """Where a run stands after a step; ``seconds_left`` is an estimate from the steps since it was started."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    seconds_left: float


@dataclass(frozen=True)
class EpochReport:
    """Means over one finished epoch. ``seconds`` is this epoch's wall time, ``images`` how many it saw."""

    epoch: int
    l2: float
    ssim: float
    focal: float
    total: float
    learning_rate: float
    images: int
    seconds: float


def train(
    config: TrainConfig,
    images: Tensor,
    textures: Tensor,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Path:
    """Train, or go on where the run folder stopped, and return the last epoch's checkpoint.

    Args:
        config: what to do; its ``out`` is the run folder.
        images: (N, 3, H, W) uint8 RGB, good, at the config's input size.
        textures: (M, 3, h, w) uint8, the anomaly sources, at the config's ``train_size``.

    Raises:
        ConfigError: the folder holds a run of another config, or ``start_from`` has other widths.
        CheckpointError: ``start_from`` does not open.
        TrainingError: a loss is no longer finite.
    """
    device = pick_device(config.device)
    folder = RunFolder(config.out)
    state = folder.start(config)
    torch.manual_seed(config.seed)
    model = Draem(config.widths)
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.apply(_original_initialisation)
    if config.start_from and state is None:
        _take_weights(model, config.start_from)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=device.type != "mps")
    history: list[dict[str, Any]] = []
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history = state["history"]
    done = len(history)
    clock = _Clock(total=(config.epochs - done) * math.ceil(len(images) / config.batch_size))
    for epoch in range(done + 1, config.epochs + 1):
        started = time.perf_counter()
        rate = learning_rate(config, epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        means = _one_epoch(config, epoch, model, optimizer, images, textures, clock, on_step)
        report = EpochReport(epoch, *means, rate, len(images), time.perf_counter() - started)
        history.append(vars(report))
        snapshot = {
            "epoch": epoch,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": history,
        }
        folder.save_epoch(model, _card(config, model, history, len(images)), snapshot, config)
        if on_epoch:
            on_epoch(report)
    return folder.checkpoints / f"epoch_{config.epochs:04d}.safetensors"


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the learning rate of an epoch (from 1) by the config's schedule."""
    if config.schedule == "original":
        drops = sum(epoch > share * config.epochs for share in (0.8, 0.9))
        return config.learning_rate * 0.2**drops
    if config.schedule == "anomalib":
        return config.learning_rate * 0.1 ** sum(epoch > drop for drop in (400, 600))
    warm_up = max(1, round(WARM_UP_SHARE * config.epochs))
    if epoch <= warm_up:
        return config.learning_rate * epoch / (warm_up + 1)
    progress = (epoch - warm_up) / (config.epochs - warm_up + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _one_epoch(
    config: TrainConfig,
    epoch: int,
    model: Draem,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    textures: Tensor,
    clock: "_Clock",
    on_step: Callable[[StepReport], None] | None,
) -> tuple[float, float, float, float]:
    """Return the epoch's means of (l2, ssim, focal, total)."""
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=_uses_bfloat16(config, device))
    model.train()
    sums, steps = torch.zeros(4), math.ceil(len(images) / config.batch_size)
    for step, batch in enumerate(_batches(images, config, epoch), start=1):
        synthetic = synthesise(
            random_crops(batch.to(device), config.train_size, generator).float() / 255,
            textures,
            generator,
            clean_share=config.clean_share,
            rotate_share=config.rotate_share,
        )
        with autocast:
            reconstruction, logits = model(synthetic.corrupted.contiguous(memory_format=torch.channels_last))
        loss = draem_loss(synthetic.image, reconstruction, synthetic.anomaly_mask, logits)
        _refuse_non_finite(loss, epoch, step)
        optimizer.zero_grad()
        loss.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_LIMIT)
        optimizer.step()
        parts = torch.stack((loss.l2, loss.ssim, loss.focal, loss.total)).detach().cpu()
        sums += parts * len(batch)
        clock.tick()
        if on_step:
            on_step(StepReport(epoch, config.epochs, step, steps, float(parts[3]), clock.seconds_left))
    l2, ssim, focal, total = (sums / len(images)).tolist()
    return l2, ssim, focal, total


def random_crops(images: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return a random part of each image, (B, C, H, W) → (B, C, *size); the images themselves where they fit."""
    count, height, width = len(images), images.shape[2], images.shape[3]
    if (height, width) == size:
        return images
    device = images.device
    top = torch.randint(height - size[0] + 1, (count, 1), generator=generator, device=device)
    left = torch.randint(width - size[1] + 1, (count, 1), generator=generator, device=device)
    rows = (top + torch.arange(size[0], device=device))[:, :, None]
    columns = (left + torch.arange(size[1], device=device))[:, None, :]
    which = torch.arange(count, device=device)[:, None, None]
    return images[which, :, rows, columns].permute(0, 3, 1, 2)


def _batches(images: Tensor, config: TrainConfig, epoch: int) -> Iterator[Tensor]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch))
    yield from (images[part] for part in order.split(config.batch_size))


def _uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    return config.precision == "bfloat16" or (config.precision == "auto" and has_fast_bfloat16(device))


def _refuse_non_finite(loss: DraemLoss, epoch: int, step: int) -> None:
    if torch.isfinite(loss.total):
        return
    broken = [name for name in ("l2", "ssim", "focal") if not torch.isfinite(getattr(loss, name))]
    raise TrainingError(
        f"The {' and '.join(broken)} loss is not finite at epoch {epoch}, step {step}. "
        "The run folder keeps the last good epoch; start anew with a lower --learning-rate or --precision float32."
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
    try:
        model.load_state_dict(start.model.state_dict())
    except RuntimeError as error:
        raise ConfigError(
            f"{path.name} cannot be started from: its networks' widths are {start.card.widths}"
            f"{' with SSPCAB' if start.card.sspcab else ''}. Train with the same --width, without SSPCAB."
        ) from error


def _card(config: TrainConfig, model: Draem, history: list[dict[str, Any]], images: int) -> Card:
    return Card(
        name=config.out.name,
        flavour="ours",
        widths=config.widths,
        input_size=config.input_size,
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order=model.concat_order,
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


class _Clock:
    """Estimates the time left from the mean step so far, the first step left out when there are more."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._first = total, 0, time.perf_counter()

    def tick(self) -> None:
        self._done += 1
        if self._done == 1 and self._total > 1:
            self._after_first = time.perf_counter()

    @property
    def seconds_left(self) -> float:
        if self._done < 2:
            return (time.perf_counter() - self._first) * (self._total - self._done)
        mean = (time.perf_counter() - self._after_first) / (self._done - 1)
        return mean * (self._total - self._done)
