"""Run the network once over a dataset's test images: maps and scores to disk, metrics from them.

Knows the order of work (decode ahead, infer, write); what a figure means is the business of ``metrics``.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from draem_core import metrics
from draem_core.atomic import write_atomically
from draem_core.data.datasets import Dataset, Sample, mask_problems, read_mask
from draem_core.data.images import read_image
from draem_core.errors import DatasetError, ImageError
from draem_core.inference import Predictor

METRIC_NAMES = (
    *("image_auroc", "image_ap", "image_f1max"),
    *("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro"),
)


@dataclass(frozen=True, eq=False)
class ScoredDataset:
    """A dataset's test images after one pass of the network.

    samples: those that could be read, in the dataset's order.
    maps: (N, H, W) float32 memory map of their raw anomaly maps, in ``maps.npy``.
    scores: (N,) float32 image scores.
    metrics: what ``metrics.json`` holds.
    problems: a sentence for each image or mask that could not be used.
    """

    samples: tuple[Sample, ...]
    maps: np.ndarray
    scores: np.ndarray
    metrics: dict[str, Any]
    problems: tuple[str, ...]


def score_dataset(
    predictor: Predictor,
    dataset: Dataset,
    out: Path,
    *,
    batch_size: int = 8,
    on_progress: Callable[[int], None] | None = None,
) -> ScoredDataset:
    """Score every test image and write ``maps.npy``, ``scores.csv`` and ``metrics.json`` into ``out``.

    An image that cannot be read is skipped and named in ``problems``.

    Args:
        on_progress: called with the number of images done so far.

    Raises:
        DatasetError: the dataset has no test image that can be read.
        OSError: ``out`` cannot be written.
    """
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    maps = np.lib.format.open_memmap(
        out / "maps.npy", mode="w+", dtype=np.float32, shape=(len(dataset.test), *predictor.card.input_size)
    )
    samples: list[Sample] = []
    scores: list[float] = []
    problems = mask_problems(dataset)
    done = 0
    for group in _decoded_ahead(dataset.test, batch_size):
        readable = [(sample, image) for sample, image in group if not isinstance(image, ImageError)]
        problems += [str(image) for _, image in group if isinstance(image, ImageError)]
        for (sample, _), prediction in zip(readable, predictor.predict_batch([i for _, i in readable]), strict=True):
            maps[len(samples)] = prediction.anomaly_map
            samples.append(sample)
            scores.append(prediction.image_score)
        done += len(group)
        if on_progress:
            on_progress(done)
    if not samples:
        raise DatasetError(f"{dataset.root} has no test image that can be read. Put pictures into its test folder.")
    maps.flush()
    scored = np.asarray(scores, dtype=np.float32)
    seconds = time.perf_counter() - started
    figures = {**measure(samples, maps[: len(samples)], scored), "seconds": round(seconds, 3)}
    table = pd.DataFrame(
        {
            "file": [sample.name for sample in samples],
            "kind": [sample.kind for sample in samples],
            "label": pd.array([sample.label for sample in samples], dtype="Int64"),
            "image_score": scored,
        }
    )
    write_atomically(out / "scores.csv", table.to_csv(index=False).encode())
    write_atomically(out / "metrics.json", json.dumps(figures, indent=2, allow_nan=False).encode())
    return ScoredDataset(tuple(samples), maps[: len(samples)], scored, figures, tuple(problems))


def measure(samples: Sequence[Sample], maps: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Return every figure of METRIC_NAMES, ``images``, ``per_defect`` with the same names, and ``undefined``.

    Args:
        samples: N test images.
        maps: (N, H, W) float32 raw anomaly maps.
        scores: (N,) image scores.

    Image figures use the labelled images, pixel figures those that are good or have a mask. A figure that
    is not defined is None, its reason in ``undefined``. The thresholds of the F1max stand beside them; they
    were chosen on these same images.
    """
    masks = [_truth(sample, (maps.shape[1], maps.shape[2])) for sample in samples]
    whole = _figures(samples, maps, scores, masks)
    good = [index for index, sample in enumerate(samples) if sample.label == 0]
    per_defect = {}
    for kind in sorted({sample.kind for sample in samples if sample.label == 1}):
        chosen = good + [index for index, sample in enumerate(samples) if sample.label == 1 and sample.kind == kind]
        row = _figures([samples[i] for i in chosen], maps[chosen], scores[chosen], [masks[i] for i in chosen])
        per_defect[kind] = {**row, "images": len(chosen) - len(good)}
    undefined = _reasons(samples, masks) if any(whole[name] is None for name in METRIC_NAMES) else {}
    return {**whole, "images": len(samples), "undefined": undefined, "per_defect": per_defect}


def _truth(sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the ground truth on the map's grid; None where there is none or it cannot be read."""
    try:
        return read_mask(sample, shape)
    except ImageError:
        return None  # ``mask_problems`` names it


def _figures(
    samples: Sequence[Sample], maps: np.ndarray, scores: np.ndarray, masks: Sequence[np.ndarray | None]
) -> dict[str, Any]:
    labelled = [index for index, sample in enumerate(samples) if sample.label is not None]
    images = metrics.Ranking.of_images(scores[labelled], np.array([samples[index].label for index in labelled], int))
    truths = {index: mask for index, mask in enumerate(masks) if mask is not None}
    annotated = [maps[index] for index in truths]
    pixels = metrics.Ranking.of_pixels(annotated, list(truths.values()))
    image_best, pixel_best = images.f1max(), pixels.f1max()
    figures = {
        "image_auroc": images.auroc(),
        "image_ap": images.average_precision(),
        "image_f1max": image_best.f1,
        "image_f1max_threshold": image_best.threshold,
        "pixel_auroc": pixels.auroc(),
        "pixel_ap": pixels.average_precision(),
        "pixel_f1max": pixel_best.f1,
        "pixel_f1max_threshold": pixel_best.threshold,
        "aupro": metrics.aupro(annotated, list(truths.values())),
    }
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _reasons(samples: Sequence[Sample], masks: Sequence[np.ndarray | None]) -> dict[str, str]:
    """Return why image and pixel figures are undefined, by "image" and "pixel"."""
    labels = np.array([sample.label for sample in samples if sample.label is not None])
    found = {
        "image": metrics.undefined_reason(labels, "image"),
        "pixel": metrics.undefined_reason([mask for mask in masks if mask is not None], "pixel"),
    }
    return {level: reason for level, reason in found.items() if reason}


Decoded = tuple[Sample, np.ndarray | ImageError]


def _decoded_ahead(samples: Sequence[Sample], batch_size: int) -> Iterator[list[Decoded]]:
    """Yield batches of decoded pictures while the next one is being decoded."""

    def decode(sample: Sample) -> Decoded:
        try:
            return sample, read_image(sample.path)
        except ImageError as error:
            return sample, error

    batches = [samples[start : start + batch_size] for start in range(0, len(samples), batch_size)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        ahead = [pool.submit(decode, sample) for sample in batches[0]] if batches else []
        for following in [*batches[1:], ()]:
            now, ahead = ahead, [pool.submit(decode, sample) for sample in following]
            yield [future.result() for future in now]
