"""A folder of someone else's per-epoch checkpoints, turned into a review.

Runs every checkpoint over the same few probes, in the order of the epoch numbers in the file names, and writes what
``train`` would have written; a replay that was interrupted goes on where it stopped.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from draem_core.atomic import write_atomically
from draem_core.checkpoints import Checkpoint, list_checkpoints, load_checkpoint
from draem_core.disk import Stamp
from draem_core.data.datasets import Dataset, Sample, read_mask
from draem_core.data.images import read_image
from draem_core.errors import DatasetError, ImageError
from draem_core.inference import Predictor, network_input
from draem_core.report.cells import table_csv
from draem_core.launch.run_lock import run_lock
from draem_core.training.labelled import LabelledImages, few_of_each_kind
from draem_core.training.layers import counting_live_channels, weight_spread
from draem_core.runs.probes import choose, probe_metrics
from draem_core.runs.review import Review, load_review
from draem_core.runs.run_folder import RunFolder, RunFolderError, environment
from draem_core.types import Prediction

_NUMBER = re.compile(r"epoch\D{0,2}(\d+)|(?:^|[^a-z])ep?\D?(\d+)", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d+)\D*$")
LIVE_IMAGES = 4  # enough to tell a silent channel; each costs a float32 pass


@dataclass(frozen=True, eq=False)
class ProbeView:
    """What a checkpoint makes of a few pictures: a prediction of each, and (layer, std, live_share) of each layer."""

    predictions: tuple[Prediction, ...]
    layers: tuple[tuple[str, float, float | None], ...]


def review_from_checkpoints(
    folder: Path,
    dataset: Dataset,
    *,
    out: Path | None = None,
    probes: int = 8,
    probe_side: int = 128,
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> Review:
    """Return a review of the checkpoints in ``folder``, of any flavour; nothing but pictures and tables is written.

    Args:
        folder: its files' names hold epoch numbers (``epoch=14-step=990.ckpt``, ``epoch_0014.safetensors``,
            ``model_e14.pth``; otherwise the last number counts). Files without one are left out and noted.
        dataset: its labelled test images are the probes.
        out: where the review is written; default ``folder/review``.
        probes, probe_side: as in ``TrainConfig``.
        on_progress: called with (checkpoints done, checkpoints in all).

    Raises:
        RunFolderError: no checkpoint has an epoch number, or somebody else is writing to ``out``.
        DatasetError: no labelled test image can be read.
        CheckpointError: a checkpoint does not open.
    """
    out = out or folder / "review"
    found, notes = _by_epoch(folder, out)
    if not found:
        raise RunFolderError(f"{folder} holds no checkpoint with an epoch number in its name, such as epoch_0014.ckpt.")
    samples, pictures = _readable(dataset, probes)
    with run_lock(out):
        run = RunFolder(out)
        done = _already_done(out, found)
        described = {"environment": environment(), "notes": notes, "source": str(folder), "dataset": str(dataset.root)}
        write_atomically(out / "config.json", json.dumps(described, indent=2).encode())
        logs = run.logs(done[-1]["epoch"] if done else 0)
        for epoch, path in sorted(found.items())[len(done) :]:
            checkpoint = load_checkpoint(path)
            view = probe_checkpoint(checkpoint, Predictor(checkpoint, device=device), pictures)
            if not done:
                run.probes.save_originals(_probes(samples, view.predictions))
            reconstructions = _stacked([one.reconstruction for one in view.predictions]).permute(0, 3, 1, 2)
            maps = _stacked([one.anomaly_map for one in view.predictions])
            run.probes.save_epoch(epoch, reconstructions, maps, probe_side)
            logs.probes.append((epoch, *row) for row in prediction_metrics(view.predictions))
            logs.layers.append((epoch, layer, spread, None, live) for layer, spread, live in view.layers)
            done.append(
                {"epoch": epoch, "file": path.relative_to(folder).as_posix(), "fingerprint": _fingerprint(path)}
            )
            write_atomically(out / "metrics.csv", table_csv(pd.DataFrame(done)))
            if on_progress:
                on_progress(len(done), len(found))
    return load_review(out)


def probe_checkpoint(checkpoint: Checkpoint, predictor: Predictor, pictures: Sequence[np.ndarray]) -> ProbeView:
    """Run a checkpoint over pictures, (H, W, 3) uint8 RGB each of any size."""
    predictions = tuple(predictor.predict_batch(pictures, check_finite=False))  # a diverged epoch is shown as one
    with counting_live_channels(checkpoint.model) as live, torch.no_grad():
        for prediction in predictions[:LIVE_IMAGES]:
            checkpoint.model(network_input(checkpoint.card, prediction.image))
    spread = weight_spread(checkpoint.model)
    return ProbeView(
        predictions,
        tuple((name, std, float(live[name].float().mean()) if name in live else None) for name, std in spread.items()),
    )


def prediction_metrics(predictions: Sequence[Prediction]) -> list[tuple[float, ...]]:
    """Return a row of ``PROBE_COLUMNS`` without the epoch for each prediction; the score is by the card's rule."""
    rows = []
    for index, one in enumerate(predictions):
        image, reconstruction = (torch.from_numpy(picture).permute(2, 0, 1) for picture in (one.image, one.reconstruction))
        _, *rest = probe_metrics(image, reconstruction, torch.from_numpy(one.anomaly_map))
        rows.append((index, one.image_score, *rest))
    return rows


def epoch_in(name: str) -> int | None:
    """Return the epoch number in a file's name without its ending, or None."""
    match = _NUMBER.search(name) or _LAST_NUMBER.search(name)
    return int(next(group for group in match.groups() if group)) if match else None


def _by_epoch(folder: Path, out: Path) -> tuple[dict[int, Path], list[str]]:
    found: dict[int, Path] = {}
    notes = []
    for path in list_checkpoints(folder):
        epoch = epoch_in(path.stem)
        if out in path.parents:
            continue
        if epoch is None:
            notes.append(f"{path.name} has no epoch number in its name and was left out.")
        elif epoch in found:
            notes.append(f"{path.name} is of epoch {epoch} like {found[epoch].name}, and was left out.")
        else:
            found[epoch] = path
    return found, notes


def _readable(dataset: Dataset, count: int) -> tuple[list[Sample], list[np.ndarray]]:
    few = few_of_each_kind(dataset.test, count)
    chosen = choose([sample.kind for sample in few], np.array([sample.label == 1 for sample in few], bool), count)
    samples, pictures = [], []
    for sample in (few[index] for index in chosen):
        try:
            pictures.append(read_image(sample.path))
        except ImageError:
            continue
        samples.append(sample)
    if not samples:
        raise DatasetError(f"{dataset.root} has no labelled test image that can be read; choose another dataset.")
    return samples, pictures


def _probes(samples: Sequence[Sample], predictions: Sequence[Prediction]) -> LabelledImages:
    size = predictions[0].anomaly_map.shape
    masks = []
    for sample in samples:
        try:
            masks.append(read_mask(sample, (size[0], size[1])))
        except ImageError:
            masks.append(None)
    images = (_stacked([one.image for one in predictions]).clamp(0, 1) * 255).round().byte().permute(0, 3, 1, 2)
    return LabelledImages(
        tuple(sample.name for sample in samples),
        tuple(sample.kind for sample in samples),
        np.array([sample.label == 1 for sample in samples]),
        images,
        tuple(masks),
    )


def _already_done(out: Path, found: dict[int, Path]) -> list[dict[str, Any]]:
    """Return the rows of an earlier replay that still hold, from the first epoch on."""
    file = out / "metrics.csv"
    rows = pd.read_csv(file).to_dict("records") if file.is_file() else []
    held: list[dict[str, Any]] = []
    for row, (epoch, path) in zip(rows, sorted(found.items()), strict=False):
        if row.get("epoch") != epoch or row.get("fingerprint") != _fingerprint(path):
            break
        held.append({str(name): value for name, value in row.items()})
    return held


def _fingerprint(path: Path) -> str:
    stamp = Stamp.of(path)
    return f"{stamp.size}-{stamp.mtime_ns}"


def _stacked(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures))
