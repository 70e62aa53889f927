"""A finished or running training, as a page shows it epoch by epoch; read from the run folder, without weights.

Small tables are loaded at once, pictures when they are asked for. Never changes the folder.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from draem_core import metrics as figures
from draem_core.formatting import is_text
from draem_core.training.config import ConfigError, TrainConfig, recorded_config
from draem_core.runs.csv_log import read_csv_log
from draem_core.training.labelled import LabelledImages
from draem_core.training.layers import LAYER_COLUMNS
from draem_core.runs.probes import PROBE_COLUMNS, ProbeStore
from draem_core.training.reports import STEP_COLUMNS
from draem_core.runs.run_folder import RunFolder, RunFolderError
from draem_core.training.schedule import BEST_BY, best_epochs


@dataclass(frozen=True, eq=False)
class Review:
    """What a run wrote down about itself.

    config: None where the folder holds someone else's checkpoints.
    metrics: one row an epoch, columns as in ``metrics.csv``; what was not taken is NaN.
    steps, layers, probe_table: the columns STEP_COLUMNS, LAYER_COLUMNS, PROBE_COLUMNS.
    probes: P images with names, kinds, labels and masks, at the network's input size; None without any.
    epochs: those that have their pictures, rising; what a slider runs over.
    checkpoints: the weights that are still there, by epoch; of a replay, someone else's files.
    data: the dataset's folder that the run was trained on, or replayed on; None where nothing tells.
    stopped: the sentence with which the run broke off, if it did.
    notes: sentences about what could not be reviewed.
    """

    name: str
    folder: Path
    config: TrainConfig | None
    environment: Mapping[str, str]
    metrics: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    probe_table: pd.DataFrame
    probes: LabelledImages | None
    epochs: tuple[int, ...]
    checkpoints: Mapping[int, Path]
    data: Path | None = None
    stopped: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def picture_size(self) -> tuple[int, int]:
        """(h, w) of the pictures below. Raises ValueError without an epoch to show."""
        if not self.epochs:
            raise ValueError("this run has no pictures yet; `epochs` is empty")
        height, width = self.maps(self.epochs[0]).shape[1:]
        return height, width

    def originals(self) -> np.ndarray:
        """Return the probes at the size of the other pictures, (P, h, w, 3) uint8."""
        assert self.probes is not None
        shrunk = F.adaptive_avg_pool2d(self.probes.images.float(), self.picture_size).round()
        return shrunk.byte().permute(0, 2, 3, 1).numpy()

    def truths(self) -> np.ndarray:
        """Return the annotated masks at that size, (P, h, w) bool; all False where there is none."""
        assert self.probes is not None
        shape = self.probes.images.shape[2:]
        masks = [np.zeros(shape, bool) if mask is None else mask for mask in self.probes.masks]
        return F.adaptive_max_pool2d(torch.from_numpy(np.stack(masks)).float(), self.picture_size).numpy() > 0

    def reconstructions(self, epoch: int) -> np.ndarray:
        """Return an epoch's reconstructions, clipped, (P, h, w, 3) uint8."""
        return self._sheet(f"epoch_{epoch:04d}_reconstruction")

    def maps(self, epoch: int) -> np.ndarray:
        """Return an epoch's raw anomaly maps, (P, h, w) uint8 where 255 is 1.0; averaged where they are shrunk."""
        return self._sheet(f"epoch_{epoch:04d}_map")

    def scores(self) -> pd.DataFrame:
        """Return the image scores, one row an epoch, one column a probe's name; exact, from the whole map."""
        table = self.probe_table.pivot_table(index="epoch", columns="probe", values="score")
        names = self.probes.names if self.probes else ()
        return table.rename(columns=dict(enumerate(names)))

    def probe_aurocs(self) -> pd.Series:
        """Return the image AUROC of the probes by epoch; NaN where it is undefined."""
        labels = self.probes.labels if self.probes else np.zeros(0, bool)
        return self.scores().apply(lambda row: figures.image_auroc(row.to_numpy(), labels), axis=1)

    def best_epochs(self) -> dict[str, int]:
        """Return the best epoch by each rule that has figures, in the order of ``BEST_BY``."""
        return best_epochs(self.metrics.to_dict("records"), BEST_BY)

    def _sheet(self, name: str) -> np.ndarray:
        return ProbeStore(self.folder / "probes").contact_sheet(name, len(self.probes) if self.probes else 0)


def find_reviews(root: Path) -> list[Path]:
    """Return the run folders at or below ``root`` that have at least one finished epoch, sorted by name.

    Names that are no UTF-8 are left out.
    """
    found = {path.parent for path in root.rglob("metrics.csv")} if root.is_dir() else set()
    visible = (folder for folder in found if not any(part.startswith(".") for part in folder.parts))
    return sorted(folder for folder in visible if is_text(folder))


def load_review(path: Path) -> Review:
    """Read a run folder, of a training that is finished, stopped or going on.

    Raises:
        RunFolderError: it is no run folder, has no finished epoch yet, or is damaged.
    """
    folder = RunFolder(path)
    if not (path / "metrics.csv").is_file():
        raise RunFolderError(
            f"{path} holds no finished epoch (no metrics.csv). Choose a folder that `train` wrote, or wait for its "
            "first epoch; a folder of someone else's checkpoints is turned into a review by review_from_checkpoints."
        )
    try:
        table = pd.read_csv(path / "metrics.csv")
        described = _described(path / "config.json")
        config = recorded_config(described["config"]) if described.get("config") else None
        dataset = config.data if config else described.get("dataset")
        probe_table = read_csv_log(path / "probes.csv", PROBE_COLUMNS)
        shown = set(folder.probes.epochs()) | set(probe_table["epoch"].astype(int))
        probes, epochs, lost = _pictured(folder.probes, shown & set(table["epoch"].astype(int)))
        return Review(
            name=path.name,
            folder=path,
            config=config,
            environment=described.get("environment", {}),
            metrics=table,
            steps=read_csv_log(path / "steps.csv", STEP_COLUMNS),
            layers=read_csv_log(path / "layers.csv", LAYER_COLUMNS),
            probe_table=probe_table,
            probes=probes,
            epochs=epochs,
            checkpoints={epoch: file for epoch, file in _weights(folder, table, described) if file.is_file()},
            data=Path(dataset) if dataset else None,
            stopped=folder.stop_file.read_text(encoding="utf-8").strip() if folder.stop_file.is_file() else None,
            notes=(*described.get("notes", ()), *lost),
        )
    except (ValueError, KeyError, ConfigError) as error:
        raise RunFolderError(f"{path} is damaged and cannot be reviewed ({error}). Train it anew.") from error


def _pictured(store: ProbeStore, wanted: Collection[int]) -> tuple[LabelledImages | None, tuple[int, ...], list[str]]:
    """Return the probes, which of the ``wanted`` epochs have whole pictures, and a sentence on what has not."""
    if not store.exists():
        return None, (), []
    try:
        probes = store.load()
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError) as error:
        return None, (), [f"The probe images in {store.folder} are damaged, so no picture is shown ({error})."]
    damaged = store.damaged(wanted)
    epochs = tuple(sorted(set(wanted) - set(damaged)))
    return probes, epochs, [_left_out(damaged, store.folder)] if damaged else []


def _left_out(epochs: Sequence[int], folder: Path) -> str:
    named = ", ".join(map(str, epochs[:5])) + (f" and {len(epochs) - 5} more" if len(epochs) > 5 else "")
    which = f"epoch {named} are" if len(epochs) == 1 else f"epochs {named} are"
    return f"The pictures of {which} missing or damaged in {folder} and left out; the curves show all epochs."


def _weights(folder: RunFolder, table: pd.DataFrame, described: Mapping[str, Any]) -> Iterator[tuple[int, Path]]:
    """Yield where the weights of each epoch are, or were: in the run folder, of a replay in its source."""
    source = described.get("source")
    files = table["file"] if source and "file" in table else [None] * len(table)
    for epoch, file in zip(table["epoch"].astype(int), files, strict=True):
        yield epoch, Path(source) / file if source and file else folder.checkpoint(epoch)


def _described(file: Path) -> dict[str, Any]:
    """Return what ``config.json`` holds, empty where there is none."""
    if not file.is_file():
        return {}
    described = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(described, dict):
        raise ValueError(f"{file.name} holds no table")
    return described
