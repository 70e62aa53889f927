"""What a run writes down about itself besides its weights: every step, each layer's state, the probes' pictures.

A review of the run then needs no weights. Watching never changes what is learned.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from draem_core.methods.draem import Draem
from draem_core.training.config import TrainConfig
from draem_core.training.evaluation import run_over
from draem_core.training.labelled import LabelledImages
from draem_core.training.layers import counting_live_channels, weight_spread
from draem_core.runs.probes import choose_probes, probe_metrics
from draem_core.training.reports import StepReport
from draem_core.runs.run_folder import RunFolder


class RunRecorder:
    """The watcher of one run, in the process that writes."""

    def __init__(
        self, config: TrainConfig, folder: RunFolder, short: torch.dtype | None, finished_epochs: int, steps: int
    ) -> None:
        """Go on with the folder's logs, ``steps`` into the epoch after the finished ones."""
        self._config, self._folder, self._short = config, folder, short
        self._logs = folder.logs(finished_epochs, steps)
        self._probes: LabelledImages | None = None

    def choose_probes(self, test: LabelledImages | None, good: Tensor, textures: Tensor) -> None:
        """Take the probes that the folder has, or choose them and store them there."""
        store = self._folder.probes
        if store.exists():
            self._probes = store.load()
        elif self._config.probes:
            self._probes = choose_probes(test, good, textures, self._config.probes)
            store.save_originals(self._probes)

    def after_step(self, report: StepReport) -> None:
        """Write the step down."""
        losses = (report.l1, report.l2, report.ssim, report.focal, report.sspcab, report.loss)
        self._logs.steps.append([(report.epoch, report.step, *losses, report.gradient_norm, report.learning_rate)])

    def after_epoch(self, epoch: int, model: Draem, norms: Mapping[str, float]) -> None:
        """Write the probes' pictures and figures and the layers' state, with each parameter's mean gradient norm."""
        with counting_live_channels(model) as live:
            self._show_probes(epoch, model)
        self._logs.layers.append(
            (
                *(epoch, layer, spread, norms.get(f"{layer}.weight")),
                float(live[layer].float().mean()) if layer in live else None,
            )
            for layer, spread in weight_spread(model).items()
        )

    def _show_probes(self, epoch: int, model: Draem) -> None:
        if self._probes is None or not len(self._probes):
            return
        shown = list(run_over(model, self._probes.images, self._config.batch_size, self._short))
        images, reconstructions, maps = (torch.cat(parts).cpu() for parts in zip(*shown, strict=True))
        self._folder.probes.save_epoch(epoch, reconstructions, maps, self._config.probe_side)
        self._logs.probes.append(
            (epoch, index, *probe_metrics(*pictures))
            for index, pictures in enumerate(zip(images, reconstructions, maps, strict=True))
        )
