"""How far a running training is, from what it writes down: cheap enough to ask every second. Reads, never writes."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from draem_core.training.batches import hold_out
from draem_core.training.config import TrainConfig
from draem_core.training.reports import STEP_COLUMNS

_TAIL = 64 * 1024  # bytes, some 600 steps
_TIMED_EPOCHS = 5  # epochs


@dataclass(frozen=True)
class RunProgress:
    """``done`` epochs of ``epochs`` are finished; the next one is at ``step`` of ``steps`` (None: not known yet).

    seconds_left: an estimate with validation and tests; None before a step was timed.
    """

    done: int
    epochs: int
    step: int
    steps: int | None
    seconds_left: float | None

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]."""
        part = min(1.0, self.step / self.steps) if self.steps else 0.0
        return min(1.0, (self.done + part) / self.epochs)


def steps_per_epoch(config: TrainConfig, images: int) -> int:
    """Return how many steps one process makes in an epoch over ``images`` good training images."""
    kept, _ = hold_out(torch.empty(images, 0), config.validation_share, config.seed)
    return math.ceil(len(kept) / config.batch_size)


def read_progress(folder: Path, config: TrainConfig, images: int | None) -> RunProgress:
    """Return how far the run in ``folder`` is; ``images``: the good training images, where they are known."""
    done = len(read_history(folder))
    steps = steps_per_epoch(config, images) if images else None
    newest = read_newest_steps(folder)
    step = int(newest["step"].iloc[-1]) if len(newest) and int(newest["epoch"].iloc[-1]) == done + 1 else 0
    return RunProgress(done, config.epochs, step, steps, _seconds_left(folder, config, done, step, steps))


def read_history(folder: Path) -> list[Mapping[str, float | None]]:
    """Return the finished epochs' rows of ``metrics.csv``, empty where there are none."""
    try:
        table = pd.read_csv(folder / "metrics.csv")
    except (OSError, ValueError):
        return []
    rows: list[Mapping[str, float | None]] = table.to_dict("records")
    return rows


def read_newest_steps(folder: Path) -> pd.DataFrame:
    """Return the last some hundred rows of ``steps.csv``, with STEP_COLUMNS."""
    try:
        with (folder / "steps.csv").open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode()
    except OSError:
        text = ""
    whole = text[text.find("\n") + 1 : text.rfind("\n") + 1]  # neither the header nor half a line
    return pd.read_csv(io.StringIO(whole), names=list(STEP_COLUMNS))


def _seconds_left(folder: Path, config: TrainConfig, done: int, step: int, steps: int | None) -> float | None:
    """Estimate from the files' times: ``layers.csv`` is written when an epoch begins, ``steps.csv`` at each step."""
    epoch = _seconds_per_epoch(folder)
    into = _modified(folder / "steps.csv") - _modified(folder / "layers.csv") if step else 0.0
    if epoch is None:
        if not step or not steps or into <= 0:
            return None
        epoch = into / step * steps
    left = config.epochs - done
    return max(0.0, left * epoch - min(into, epoch)) if left > 0 else 0.0


def _seconds_per_epoch(folder: Path) -> float | None:
    """Return the wall time from one epoch's probe pictures to the next one's; the median is blind to a pause."""
    sheets = sorted((folder / "probes").glob("epoch_*_map.png"))[-_TIMED_EPOCHS - 1 :]
    times = [_modified(sheet) for sheet in sheets]
    gaps = [after - before for before, after in pairwise(times)]
    if gaps:
        return median(gaps)
    seconds = [row["seconds"] for row in read_history(folder)[-_TIMED_EPOCHS:]]
    return median(one for one in seconds if one is not None) if seconds else None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
