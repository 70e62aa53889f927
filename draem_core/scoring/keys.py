"""Digests that say whether results on disk are the ones that would be computed now.

Knows what changes a map and what changes a metric; must not know how results are stored.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from draem_core.data.datasets import Dataset
from draem_core.data.depth import bit_depth
from draem_core.disk import Stamp
from draem_core.grid_mask import MaskDownscaling
from draem_core.inference import Predictor

FORMAT = 1
"""Raise it when the code comes to give other maps, scores or metrics from the same files."""

METRICS_FORMAT = 2
"""Raise it when the code comes to give other metrics or problems from the same maps."""

# a card without normalisation leaves that field out, so that its key stays what it was before there was one
_MAP_FIELDS = {"digest", "input_size", "resize_filter", "normalisation", "color_order", "concat_order", "score_rule"}


def network_key(predictor: Predictor) -> str:
    """Return 32 hex digits of all that turns a picture into its map: weights, preprocessing, precision, device type.

    A set bit depth (see `depth`) is part of it.
    """
    card = predictor.card.model_dump(mode="json", include=_MAP_FIELDS)
    depth = [] if bit_depth() == 16 else [bit_depth()]
    return _digest([FORMAT, card, predictor.precision, predictor.device.type, *depth])


def score_key(predictor: Predictor, dataset: Dataset) -> str:
    """Return 32 hex digits that name a folder for the results of this network on the dataset in this place.

    The pictures' content is no part of it: ``score_dataset`` compares that picture by picture, so that one changed
    file is rescored alone and in the same folder.
    """
    return _digest([network_key(predictor), str(dataset.root)])


def metrics_key(network: str, dataset: Dataset, digests: Mapping[str, str], mask_downscaling: MaskDownscaling) -> str:
    """Return 32 hex digits of all that the metrics and problems follow from.

    That is the network's key, the test pictures' names, labels and content, the masks' stamps, and the rule by which
    masks come to the map's grid. ``digests`` holds a digest by name for each picture whose file could be read.
    """
    pictures = [(one.name, one.kind, one.label, digests.get(one.name)) for one in dataset.test]
    masks = [(one.name, [_mask_stamp(path) for path in one.mask_paths]) for one in dataset.samples if one.mask_paths]
    return _digest([METRICS_FORMAT, network, pictures, masks, mask_downscaling])


def content_digest(content: bytes) -> str:
    """Return 32 hex digits of a file's bytes."""
    return blake2b(content, digest_size=16).hexdigest()


def _mask_stamp(path: Path) -> tuple[int, int] | None:
    stamp = Stamp.of_or_none(path)
    return None if stamp is None else (stamp.size, stamp.mtime_ns)


def _digest(parts: list[object]) -> str:
    return content_digest(json.dumps(parts, sort_keys=True).encode())
