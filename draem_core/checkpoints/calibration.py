"""anomalib's thresholds and ranges among a checkpoint's tensors, by the names that its versions gave them.

2.x keeps them in its post-processor, 1.2 in a collection of metrics, 0.x to 1.1 in one range for maps and scores alike.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from draem_core.checkpoints.reading import Place
from draem_core.types import Calibration

_NAMES: dict[str, tuple[str, ...]] = {
    "pixel_threshold": ("post_processor._pixel_threshold", "post_processor.pixel_threshold", "pixel_threshold.value"),
    "pixel_min": ("post_processor.pixel_min", "normalization_metrics.anomaly_maps.min", "normalization_metrics.min"),
    "pixel_max": ("post_processor.pixel_max", "normalization_metrics.anomaly_maps.max", "normalization_metrics.max"),
    "image_threshold": ("post_processor._image_threshold", "post_processor.image_threshold", "image_threshold.value"),
    "image_min": ("post_processor.image_min", "normalization_metrics.pred_scores.min", "normalization_metrics.min"),
    "image_max": ("post_processor.image_max", "normalization_metrics.pred_scores.max", "normalization_metrics.max"),
}
_OF_1_2 = "normalization_metrics.anomaly_maps.min"
_OF_0_TO_1_1 = (
    "image_threshold.value",
    "pixel_threshold.value",
    "normalization_metrics.min",
    "normalization_metrics.max",
)
# of its method "cdf", whose thresholds are no raw map values but standardised ones
_STANDARDISED = ("image_mean", "image_std", "pixel_mean", "pixel_std")

_CDF = (
    "Its thresholds were measured on scores that anomalib standardised (method cdf) and are not read: they are no raw "
    "map values."
)
_IMAGENET = (
    "anomalib up to 1.1 normalised pictures by ImageNet's mean and deviation unless told otherwise, and this file does "
    "not say; here they stay in [0, 1]. Where it was trained so, a JSON file beside the weights says it: "
    '"normalisation": {"mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}; '
    'and "resize_filter": "bilinear" for anomalib 0.x, which resized as OpenCV does.'
)


def calibration_in(tables: Mapping[Place, Mapping[str, Tensor]]) -> tuple[Calibration, dict[str, str]]:
    """Return the thresholds and ranges, None for what is absent or not finite, and the doubts by the card's field."""
    everything = {".".join((*place, name)): one for place, tensors in tables.items() for name, one in tensors.items()}
    standardised = any(name.endswith(_STANDARDISED) and "normalization_metrics." in name for name in everything)
    found = _by_ending(everything)
    doubts = {}
    if _OF_1_2 not in found and (standardised or any(name in found for name in _OF_0_TO_1_1)):
        doubts["normalisation"] = _IMAGENET
    if standardised:
        return Calibration(), doubts | {"calibration": _CDF}
    values = {}
    for field, candidates in _NAMES.items():
        known = (found[name] for name in candidates if name in found)
        values[field] = next((value for value in known if value is not None), None)
    return Calibration(**values), doubts


def _by_ending(everything: Mapping[str, Tensor]) -> dict[str, float | None]:
    """Return the values by the ends of their names, whatever prefix stands in front; the shortest name counts."""
    wanted = {name for candidates in _NAMES.values() for name in candidates}
    found: dict[str, float | None] = {}
    for name, tensor in sorted(everything.items(), key=lambda item: len(item[0])):
        parts = name.split(".")
        for ending in {".".join(parts[-2:]), ".".join(parts[-3:])} & wanted:
            found.setdefault(ending, _number(tensor))
    return found


def _number(tensor: Tensor) -> float | None:
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and tensor.is_floating_point()
    if not is_plain or tensor.numel() != 1 or not tensor.isfinite().all():
        return None
    return float(tensor)
