"""The training loop: plain torch, watched through callbacks, resumable after a kill at any moment.

Every epoch draws its randomness from (seed, epoch) alone, so a resumed run repeats what an uninterrupted
one would have done.
"""

import itertools
import math
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from draem_core.errors import DraemError
from draem_core.inference.devices import pick_device
from draem_core.launch.run_lock import run_lock
from draem_core.runs.recorder import RunRecorder
from draem_core.runs.run_folder import RunFolder
from draem_core.synthesis import synthesise
from draem_core.training.batches import batches, hold_out, random_crops
from draem_core.training.build import card_of_run, new_network, new_optimizer, tap_sspcab
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.training.distributed import Distributed, join_distributed
from draem_core.training.epoch_state import EpochState
from draem_core.training.evaluation import autocast, half_dtype
from draem_core.training.labelled import LabelledImages
from draem_core.training.layers import first_broken, gradient_norms, norm_of
from draem_core.training.losses import PARTS, DraemLoss, draem_loss
from draem_core.training.reports import Clock, EpochReport, StepReport
from draem_core.training.schedule import learning_rate, patience_is_spent
from draem_core.training.validation import evaluate, validate

GRADIENT_NORM_LIMIT = 1.0
SMALLEST_SCALE = 2.0**-14  # of float16's gradients; below it, overflow is no accident


class TrainingStopped(DraemError):  # noqa: N818, it was asked for
    """Training was asked to stop and did; the message says where. The next call with the same folder goes on there."""


class TrainingError(DraemError):
    """Training cannot go on; the message says at which epoch and step, in which part, and what to try."""


def train(
    config: TrainConfig,
    images: Tensor,
    textures: Tensor,
    *,
    test: LabelledImages | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Train, or go on where the run folder stopped, and return the last epoch's checkpoint.

    Under ``torchrun`` every process calls this; the first one alone writes and calls back.

    Args:
        config: what to do; its ``out`` is the run folder.
        images: (N, 3, H, W) uint8 RGB, good, at the config's input size.
        textures: (M, 3, h, w) uint8, the anomaly sources, at the config's ``train_size``.
        test: the labelled test set at the config's input size, to evaluate epochs on and to choose probes from.
        stop: asked after each step, except under torchrun; once it says yes, the state is saved and training ends.

    Raises:
        ConfigError: the folder holds a run of another config, or ``start_from`` has other widths.
        CheckpointError: ``start_from`` does not open, or a checkpoint cannot be written.
        RunFolderError: the run folder cannot be used, or another process trains in it.
        TrainingStopped: ``stop`` said yes.
        TrainingError: a loss, a gradient or a weight is no longer finite; the last good epoch is kept.
    """
    config = RunFolder(config.out).continued(config)
    with (
        join_distributed(pick_device(config.device)) as distributed,
        run_lock(config.out) if distributed.is_main else nullcontext(),
    ):
        trainer = _Trainer(config, images, textures, test, distributed, stop or (lambda: False))
        try:
            return trainer.run(on_step or (lambda _: None), on_epoch or (lambda _: None))
        except TrainingError as error:
            with suppress(OSError):  # the error itself is what matters
                trainer.folder.stop_file.write_text(f"{error}\n", encoding="utf-8")
            raise


class _Trainer:
    """One process's part of one run."""

    def __init__(
        self,
        config: TrainConfig,
        images: Tensor,
        textures: Tensor,
        test: LabelledImages | None,
        distributed: Distributed,
        stop: Callable[[], bool],
    ) -> None:
        self.config, self.distributed, self.textures, self.test, self.stop = config, distributed, textures, test, stop
        self.images, self.held_out = hold_out(images, config.validation_share, config.seed)
        mine = math.ceil(len(self.images) / distributed.size)
        self.steps = math.ceil(mine / config.batch_size)
        if mine % config.batch_size == 1 and config.train_size == (32, 32):
            raise ConfigError(
                f"{mine} images in batches of {config.batch_size} leave a last batch of one image of 32×32, "
                "which batch-norm cannot train on. Take another --batch-size."
            )
        self.folder = RunFolder(config.out)
        if distributed.is_main:
            self.folder.start(config)
        distributed.barrier()
        state = self.folder.load_state()
        self.half = half_dtype(config, distributed.device)
        self.model = new_network(config, distributed.device, start_from=None if state else config.start_from)
        self.optimizer = new_optimizer(config, self.model)
        self.scaler = torch.amp.GradScaler(distributed.device.type, enabled=self.half == torch.float16)
        self.history: list[dict[str, Any]] = []
        self.epoch_state = EpochState()
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state.get("scaler") or self.scaler.state_dict())
            self.history = state["history"]
            if distributed.size == 1:
                self.epoch_state = EpochState.from_state(state)
        self.predicted = tap_sspcab(self.model)
        self.network = distributed.wrap(self.model, some_unused=not config.loss_weights.focal)
        self.recorder: RunRecorder | None = None
        if distributed.is_main:
            self.recorder = RunRecorder(config, self.folder, self.half, len(self.history), self.epoch_state.steps)
            self.recorder.choose_probes(test, self.images, textures)

    def run(self, on_step: Callable[[StepReport], None], on_epoch: Callable[[EpochReport], None]) -> Path:
        """Train the epochs that are missing, save each, and return the last one's checkpoint."""
        clock = Clock(total=(self.config.epochs - len(self.history)) * self.steps - self.epoch_state.steps)
        while len(self.history) < self.config.epochs and not self._is_spent():
            if self.distributed.size == 1 and self.stop():  # while the images were read, or an epoch was evaluated
                raise TrainingStopped(f"Stopped after epoch {len(self.history)}. The same command goes on from there.")
            report = self._train_epoch(len(self.history) + 1, clock, on_step)
            if self.recorder:
                report = self._evaluated(report)
                self.recorder.after_epoch(report.epoch, self.model, self.epoch_state.mean_norms())
            self.epoch_state = EpochState()
            self.history.append(report.row())
            if self.distributed.is_main:
                self._save()
                on_epoch(report)
        return self.folder.checkpoint(len(self.history))

    def _train_epoch(self, epoch: int, clock: Clock, on_step: Callable[[StepReport], None]) -> EpochReport:
        config, distributed = self.config, self.distributed
        started, rate = time.perf_counter(), learning_rate(config, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seed = config.seed * 1_000_003 + epoch
        progress, before = self.epoch_state, self.epoch_state.seconds
        generator = progress.generator(distributed.device, seed + distributed.rank * 2**40)
        self.model.train()
        all_batches = batches(self.images, config.batch_size, seed, distributed.rank, distributed.size)
        for step, batch in enumerate(itertools.islice(all_batches, progress.steps, None), start=progress.steps + 1):
            loss = self._loss(batch, generator)
            parts = distributed.all_reduce_sum(loss.parts) / distributed.size
            _check_loss(parts, epoch, step)
            norms = self._descend(loss, epoch, step)
            progress.add(parts, len(batch))
            clock.tick()
            if self.recorder:
                l1, l2, ssim, focal, sspcab, total = parts.tolist()
                place = (epoch, config.epochs, step, self.steps, total, clock.seconds_left)
                report = StepReport(*place, l1, l2, ssim, focal, sspcab, float(norm_of(norms)), rate)
                self.recorder.after_step(report)
                if math.isfinite(report.gradient_norm):  # else the step was left out for overflow
                    progress.add_norms(norms)
                on_step(report)
            if distributed.size == 1 and self.stop():
                saved_state = progress.as_state(before + time.perf_counter() - started, generator)
                self.folder.save_state(self._state() | {"epoch_state": saved_state})
                raise TrainingStopped(
                    f"Stopped at epoch {epoch} after step {step} of {self.steps}. The same command goes on from there."
                )
        l1, l2, ssim, focal, sspcab, total = (progress.sums / progress.seen).tolist()
        seconds = before + time.perf_counter() - started
        return EpochReport(epoch, l1, l2, ssim, focal, sspcab, total, rate, progress.seen * distributed.size, seconds)

    def _loss(self, batch: Tensor, generator: torch.Generator) -> DraemLoss:
        config = self.config
        synthetic = synthesise(
            random_crops(batch.to(self.distributed.device), config.train_size, generator).float() / 255,
            self.textures,
            generator,
            clean_share=config.clean_share,
            rotate_share=config.rotate_share,
            cutpaste_share=config.cutpaste_share,
            max_image_share=config.max_image_share,
        )
        with autocast(self.distributed.device, self.half):
            shown = synthetic.corrupted.contiguous(memory_format=torch.channels_last)
            reconstruction, logits = self.network(shown)
        return draem_loss(
            synthetic.image,
            reconstruction,
            synthetic.anomaly_mask,
            logits,
            weights=config.loss_weights,
            focal_alpha=config.focal_alpha,
            predicted=self.predicted(),
        )

    def _descend(self, loss: DraemLoss, epoch: int, step: int) -> dict[str, Tensor]:
        """Take one step down the loss and return the gradients' norms, before clipping, by parameter."""
        self.optimizer.zero_grad()
        self.scaler.scale(loss.total).backward()
        self.scaler.unscale_(self.optimizer)
        norms = gradient_norms(self.model)
        whole = norm_of(norms)
        may_overflow = self.scaler.is_enabled() and self.scaler.get_scale() > SMALLEST_SCALE
        if not torch.isfinite(whole) and not may_overflow:
            _check_gradient(norms, epoch, step)
        nn.utils.clip_grads_with_norm_(self.model.parameters(), GRADIENT_NORM_LIMIT, whole)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norms

    def _evaluated(self, report: EpochReport) -> EpochReport:
        """Add the figures of held-out and test images, as the config asks for them."""
        config, epoch = self.config, report.epoch
        validation = test = None
        if len(self.held_out):
            validation = validate(self.model, self.held_out, self.textures, config, self.half, self.predicted)
        due = config.test_every and (epoch % config.test_every == 0 or epoch == config.epochs)
        if due and self.test is not None and len(self.test):
            test = evaluate(self.model, self.test, config.batch_size, self.half)
        return replace(report, validation=validation, test=test)

    def _save(self) -> None:
        state = self._state()
        card = card_of_run(self.config, self.model, self.history, len(self.images))
        self.folder.save_epoch(self.model, card, state, self.config)

    def _state(self) -> dict[str, Any]:
        """Return what a resumed run needs; raises TrainingError where a weight is not finite."""
        broken = first_broken(self.model)
        if broken:
            raise TrainingError(f"The weights {broken} are not finite after epoch {len(self.history)}. {_WAY_OUT}")
        return {
            "epoch": len(self.history),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history,
        }

    def _is_spent(self) -> bool:
        """Tell whether the first process, which alone validates, finds the patience spent."""
        spent = self.distributed.is_main and patience_is_spent(self.config, self.history)
        return bool(self.distributed.all_reduce_sum(torch.tensor(float(spent))))


_WAY_OUT = "The run folder keeps the last good epoch; start anew with a lower --learning-rate or --precision float32."


def _check_loss(parts: Tensor, epoch: int, step: int) -> None:
    if torch.isfinite(parts).all():
        return
    broken = [name for name, part in zip(PARTS, parts[:-1], strict=True) if not torch.isfinite(part)]
    named = f"{' and '.join(broken)} loss" if broken else "sum of the losses"
    raise TrainingError(f"The {named} is not finite at epoch {epoch}, step {step}. {_WAY_OUT}")


def _check_gradient(norms: dict[str, Tensor], epoch: int, step: int) -> None:
    broken = [name for name, norm in norms.items() if not torch.isfinite(norm)]
    named = f"{broken[-1]} and {len(broken) - 1} more" if len(broken) > 1 else "".join(broken) or "all layers together"
    raise TrainingError(f"The gradient of {named} is not finite at epoch {epoch}, step {step}. {_WAY_OUT}")
