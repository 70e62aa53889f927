"""A dataset's counts at every setting as the tuner's payload. Knows no Streamlit and no settings.

The tables are a payload of their own, compressed by zlib: most of their differences are 0.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.sweep import FPR_LIMIT, Figures
from pages._ui.components.shared import payload


@dataclass(frozen=True)
class Entry:
    """One image of the gallery. ``thumbnail`` is a data URL, or empty."""

    name: str
    kind: str
    thumbnail: str


def pack(
    title: str,
    grid: SettingsGrid,
    metrics: Sequence[Figures],
    entries: Sequence[Entry],
    digest: str,
    *,
    pixel_reason: str = "",
) -> bytes:
    """The tuner's payload for one scored dataset. Cache it: an unchanged payload costs nothing on a rerun.

    metrics: one for each kernel size of the grid. entries: one for each image of the grid, in its order.
    digest: changes when anything in here does. pixel_reason: why pixel metrics are undefined, where they are.

    Raises ValueError where they are not as many.
    """
    if len(metrics) != len(grid.kernel_sizes) or len(entries) != grid.image_labels.size:
        raise ValueError(f"{len(metrics)} metrics and {len(entries)} entries do not fit the grid")
    pixels = np.int32 if grid.defect_total + grid.good_total <= np.iinfo(np.int32).max else np.float64
    arrays: dict[str, np.ndarray] = {
        "defectPixels": grid.defect_pixels.astype(pixels),
        "goodPixels": grid.good_pixels.astype(pixels),
        "falseBlobs": grid.false_blobs.astype(np.int32),
        "overlap": grid.overlap.astype(np.float64),
        "sensitivities": grid.sensitivities.astype(np.float64),
        "imageStops": grid.image_stops,
        "regionStops": grid.region_stops,
        "regionImages": grid.region_images.astype(np.int32),
        "labels": grid.image_labels.astype(np.uint8),
    }
    header = {
        "digest": digest,
        "title": title,
        "kernelSizes": grid.kernel_sizes,
        "minAreas": grid.min_areas,
        "defectTotal": grid.defect_total,
        "goodTotal": grid.good_total,
        "pixelReason": pixel_reason,
        "fprLimit": FPR_LIMIT,
        "images": [asdict(entry) for entry in entries],
        "metrics": [_shown(one) for one in metrics],
    }
    tables = zlib.compress(payload.pack({}, arrays), 1)
    return payload.pack(header, {"tables": payload.as_array(tables)})


def _shown(metrics: Figures) -> dict[str, float | None]:
    """The metrics by name, None where undefined: JSON has no NaN."""
    names = ("pixel_auroc", "pixel_ap", "aupro", "image_auroc", "image_ap")
    values = {name: getattr(metrics, name) for name in names}
    values |= {"pixel_f1max": metrics.pixel_f1max.f1, "image_f1max": metrics.image_f1max.f1}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
