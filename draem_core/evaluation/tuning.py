"""What tuning thresholds needs of a scored dataset: the counts of every setting, kept beside the maps.

Knows how the counting is shared out and stored; what is counted is the business of ``settings_grid`` and ``sweep``.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from draem_core.atomic import write_atomically
from draem_core.data.datasets import Sample, read_truth
from draem_core.disk import Stamp, remedy
from draem_core.errors import Cancelled, DatasetError, ImageError, ScoringError
from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.grid_mask import GridMask, MaskDownscaling
from draem_core.metrics import F1Max
from draem_core.scoring import ScoredDataset
from draem_core.sweep import SweepMetrics, ThresholdSweep

FORMAT = 2  # raise it when the same maps come to give other counts
_FILES: dict[MaskDownscaling, str] = {"nearest": "counts.npz", "any": "counts_any.npz"}
_WORKERS = 4  # each holds some 120 MB of counts


@dataclass(frozen=True, eq=False)
class TuningSet:
    """A scored dataset's labelled images with the counts of every setting.

    key: hex digits of all that the counts follow from.
    rows: (M,) int64, the images' places in the ``ScoredDataset``, in whose order they are.
    samples: those M images. unlabelled: how many were left out.
    grid: counts by sensitivity, kernel size and minimum area.
    metrics: for each kernel size of the grid, what does not depend on the threshold.
    mask_downscaling: the rule by which masks came to the map's grid.
    """

    key: str
    rows: np.ndarray
    samples: tuple[Sample, ...]
    unlabelled: int
    grid: SettingsGrid
    metrics: tuple[SweepMetrics, ...]
    mask_downscaling: MaskDownscaling = "nearest"


def count_settings(
    scored: ScoredDataset,
    folder: Path,
    *,
    mask_downscaling: MaskDownscaling = "nearest",
    on_progress: Callable[[int, int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TuningSet:
    """Count every setting over the labelled images of ``scored``, or read what was counted before in ``folder``.

    folder: where ``scored`` lies; its ``maps.npy`` and the masks decide whether the stored counts still hold.
    mask_downscaling: how masks come to the map's grid, see `to_grid`; each rule's counts have a file of their own.
    on_progress: called with (images done, images in all).

    Raises:
        Cancelled: ``cancelled`` said so; nothing of the counting stays.
        DatasetError: no image has a label.
        ScoringError: the counts cannot be written.
    """
    rows = np.array([row for row, sample in enumerate(scored.samples) if sample.label is not None], np.int64)
    if not rows.size:
        raise DatasetError(
            "No image of this dataset has a label, so there is nothing to tune against. Sort the test images into a "
            "folder `good` and a folder for each kind of defect."
        )
    samples = tuple(scored.samples[row] for row in rows)
    key, file = _key(samples, folder, mask_downscaling), folder / _FILES[mask_downscaling]
    counts = _read(file, key)
    if counts is None:
        tell = on_progress or (lambda done, total: None)
        counts = _count(scored.maps, rows, samples, mask_downscaling, tell, cancelled)
        _write(file, key, *counts)
    return TuningSet(key, rows, samples, len(scored.samples) - rows.size, *counts, mask_downscaling)


Counted = tuple[SettingsGrid, tuple[SweepMetrics, ...]]


def _count(
    maps: np.ndarray,
    rows: np.ndarray,
    samples: Sequence[Sample],
    mask_downscaling: MaskDownscaling,
    on_progress: Callable[[int, int], object],
    cancelled: Callable[[], bool] | None,
) -> Counted:
    done: list[int] = []  # one entry for each image; appending is atomic

    def opened(places: np.ndarray) -> Iterator[np.ndarray]:
        for place in places:
            if cancelled and cancelled():
                raise Cancelled(f"Stopped after counting {len(done)} of {rows.size} images; start again when you like.")
            yield maps[rows[place]]
            done.append(place)
            on_progress(len(done), rows.size)

    def count(places: np.ndarray) -> tuple[SettingsGrid, ThresholdSweep]:
        def truths() -> Iterator[GridMask | None]:  # read twice, for the masks of a large dataset fit no memory
            return (_truth(samples[place], (maps.shape[1], maps.shape[2]), mask_downscaling) for place in places)

        labels = [bool(samples[place].label) for place in places]
        grid = SettingsGrid.from_maps(opened(places), truths(), labels)
        sweep = ThresholdSweep.from_maps((maps[rows[place]] for place in places), truths(), labels=labels)
        return grid, sweep

    workers = max(1, min(_WORKERS, os.cpu_count() or 1, rows.size))
    with ThreadPoolExecutor(workers) as pool:
        shards = list(pool.map(count, np.array_split(np.arange(rows.size), workers)))
    grid = SettingsGrid.merge([shard for shard, _ in shards])
    return grid, ThresholdSweep.merge([shard for _, shard in shards]).metrics


def _truth(sample: Sample, shape: tuple[int, int], mask_downscaling: MaskDownscaling) -> GridMask | None:
    try:
        return read_truth(sample, shape, mask_downscaling)
    except ImageError:
        return None  # the scored dataset's ``problems`` name it


def _key(samples: Sequence[Sample], folder: Path, mask_downscaling: MaskDownscaling) -> str:
    def stamp(path: Path | None) -> list[int]:
        found = Stamp.of_or_none(path) if path else None
        return [found.size, found.mtime_ns] if found else []

    parts = [
        [sample.name, sample.label, sample.kind, [stamp(path) for path in sample.mask_paths]] for sample in samples
    ]
    facts = [FORMAT, mask_downscaling, stamp(folder / "maps.npy"), parts]
    return blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def _write(path: Path, key: str, grid: SettingsGrid, metrics: tuple[SweepMetrics, ...]) -> None:
    arrays: dict[str, Any] = {field.name: np.asarray(getattr(grid, field.name)) for field in fields(grid)}
    facts = json.dumps({"key": key, "figures": [asdict(one) for one in metrics]})
    try:
        write_atomically(path, lambda file: np.savez_compressed(file, facts=np.array(facts), **arrays))
    except OSError as error:
        raise ScoringError(f"{path} cannot be written ({error.strerror}): {remedy(error)}.") from error


def _read(path: Path, key: str) -> Counted | None:
    """Return what ``_write`` wrote, None where it is of other maps or masks, or cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            if facts["key"] != key:
                return None
            arrays = {field.name: stored[field.name] for field in fields(SettingsGrid)}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
    plain = {"kernel_sizes": tuple, "min_areas": tuple, "defect_total": int, "good_total": int}
    arrays |= {name: kind(arrays[name].tolist()) for name, kind in plain.items()}
    return SettingsGrid(**arrays), tuple(_metrics(one) for one in facts["figures"])


def _metrics(values: dict[str, Any]) -> SweepMetrics:
    f1max = {name: F1Max(**values[name]) for name in ("pixel_f1max", "image_f1max")}
    return SweepMetrics(**{**values, **f1max})
