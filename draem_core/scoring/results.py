"""The files that a scored dataset leaves for others: its table, its metrics, and how they are read again.

Knows what the files hold; must not know networks or how the maps came to be.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from draem_core.atomic import write_atomically
from draem_core.data.datasets import Dataset, Sample, mask_problems, reduction_problems
from draem_core.grid_mask import MaskDownscaling
from draem_core.report.cells import table_csv
from draem_core.scoring.keys import metrics_key
from draem_core.scoring.measure import Maps, measure
from draem_core.scoring.score_log import Record
from draem_core.scoring.store import COMPLETE, CSV, MAPS, METRICS, TABLE


@dataclass(frozen=True, eq=False)
class ScoredDataset:
    """A dataset's test images after one pass of the network.

    samples: those that could be scored, in the dataset's order.
    maps: (N, H, W) float32 read-only memory map of their raw anomaly maps, in ``maps.npy``.
    scores: (N,) float32 image scores.
    metrics: what ``metrics.json`` holds.
    problems: a sentence for each image or mask that could not be used.
    """

    samples: tuple[Sample, ...]
    maps: np.ndarray
    scores: np.ndarray
    metrics: dict[str, Any]
    problems: tuple[str, ...]


def read_results(
    out: Path, network: str, dataset: Dataset, records: Mapping[str, Record], mask_downscaling: MaskDownscaling
) -> ScoredDataset | None:
    """Return what `write_results` wrote, or None where a file is missing or anything has changed since.

    Args:
        network: the network's key.
        records: by name, of the test pictures whose file could be read; ``maps.npy`` holds their maps in order.
    """
    try:
        complete = json.loads((out / COMPLETE).read_bytes())
        metrics = json.loads((out / METRICS).read_bytes())
        maps = np.load(out / MAPS, mmap_mode="r")
    except (OSError, ValueError):
        return None
    key = _key(network, dataset, records, mask_downscaling)
    if complete["key"] != key or not all((out / name).exists() for name in (TABLE, CSV)):
        return None
    return _scored(dataset, maps, records, metrics, complete["mask_problems"])


def write_results(
    out: Path,
    network: str,
    dataset: Dataset,
    records: Mapping[str, Record],
    maps: Maps,
    on_image: Callable[[], object],
    mask_downscaling: MaskDownscaling,
) -> ScoredDataset:
    """Measure, and write ``scores.parquet``, ``scores.csv``, ``metrics.json``; at least one record has no problem.

    The CSV is the same table with names that a spreadsheet would take for formulas behind an apostrophe. ``maps``
    are those of ``maps.npy``, read one at a time; ``on_image`` is called before each map and mask, and what
    it raises ends the work. Raises OSError.
    """
    forget_results(out)
    samples, scores = _usable(dataset, records)
    seconds = sum(records[sample.name].seconds for sample in samples)
    metrics = {**measure(samples, maps, scores, on_image, mask_downscaling), "seconds": round(seconds, 3)}
    table = pd.DataFrame(
        {
            "file": [sample.name for sample in samples],
            "kind": [sample.kind for sample in samples],
            "label": pd.array([sample.label for sample in samples], dtype="Int64"),
            "image_score": scores,
        }
    )
    height, width = maps[0].shape
    of_masks = mask_problems(dataset, on_image, (height, width), mask_downscaling)
    of_masks += reduction_problems(samples, (height, width), on_image)
    write_atomically(out / TABLE, lambda file: table.to_parquet(file, index=False))
    write_atomically(out / CSV, table_csv(table))
    write_atomically(out / METRICS, json.dumps(metrics, indent=2, allow_nan=False).encode())
    complete = {"key": _key(network, dataset, records, mask_downscaling), "mask_problems": of_masks}
    write_atomically(out / COMPLETE, json.dumps(complete).encode())
    return _scored(dataset, np.load(out / MAPS, mmap_mode="r"), records, metrics, of_masks)


def forget_results(out: Path) -> None:
    """Remove the file without which nobody believes the others, until `write_results` is through. Raises OSError."""
    (out / COMPLETE).unlink(missing_ok=True)


def _scored(
    dataset: Dataset, maps: np.ndarray, records: Mapping[str, Record], metrics: dict[str, Any], of_masks: list[str]
) -> ScoredDataset:
    samples, scores = _usable(dataset, records)
    of_pictures = [record.problem for record in records.values() if record.problem]
    return ScoredDataset(samples, maps, scores, metrics, (*of_masks, *of_pictures))


def _usable(dataset: Dataset, records: Mapping[str, Record]) -> tuple[tuple[Sample, ...], np.ndarray]:
    """Return the test samples that have a map, and their scores (N,) float32."""
    samples = tuple(one for one in dataset.test if one.name in records and not records[one.name].problem)
    return samples, np.array([records[sample.name].score for sample in samples], np.float32)


def _key(network: str, dataset: Dataset, records: Mapping[str, Record], mask_downscaling: MaskDownscaling) -> str:
    digests = {name: record.digest for name, record in records.items()}
    return metrics_key(network, dataset, digests, mask_downscaling)
