"""The curves of a run for TensorBoard, where that is installed; the run folder's CSV files hold the same figures."""

from pathlib import Path

from draem_core.errors import DraemError
from draem_core.training.reports import EpochReport, StepReport


class TensorBoardLog:
    """Callbacks that write scalars: ``step/…`` by step since the run began, ``epoch/…`` by epoch."""

    def __init__(self, folder: Path) -> None:
        """Open the log in ``folder``.

        Raises:
            DraemError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter  # optional: only this flag needs it
        except ImportError as error:
            raise DraemError(
                "--tensorboard needs the package tensorboard, which is not installed. "
                "Install it (pip install tensorboard), or leave the flag out: metrics.csv has the same curves."
            ) from error
        self._writer = SummaryWriter(str(folder))

    def step(self, report: StepReport) -> None:
        """Write a step's losses, gradient norm and learning rate."""
        place = (report.epoch - 1) * report.steps + report.step
        for name in ("loss", "l1", "l2", "ssim", "focal", "sspcab", "gradient_norm", "learning_rate"):
            self._writer.add_scalar(f"step/{name}", getattr(report, name), place)

    def epoch(self, report: EpochReport) -> None:
        """Write an epoch's figures, those that were taken."""
        for name, value in report.row().items():
            if value is not None and name != "epoch":
                self._writer.add_scalar(f"epoch/{name}", value, report.epoch)
        self._writer.flush()
