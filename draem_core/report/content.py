"""What an export tells: a recipe, the checkpoint, and each image with its score and verdict.

Knows no format, no Streamlit and no disk.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from draem_core.metrics import Counts
from draem_core.recipe import Recipe, Zone
from draem_core.types import Card

GOOD, DEFECT, UNLABELLED = "good", "defect", "unlabelled"


@dataclass(frozen=True)
class ReportImage:
    """One image.

    name: unique, e.g. ``test/crack/000.png``. kind: "good", the defect's name, or "". label: 0 good, 1 defect, None.
    score: the image score in [0, 1]. postprocessed_score: at the recipe's kernel and
    area, float32 or −∞.
    """

    name: str
    kind: str
    label: int | None
    score: float
    postprocessed_score: float

    @property
    def group(self) -> str:
        """ "good", "defect" or "unlabelled"."""
        return UNLABELLED if self.label is None else DEFECT if self.label else GOOD


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that the exports need; zones and counts follow from it.

    card: of the recipe's checkpoint. warnings: sentences for the reader. thumbnail: the JPEG or PNG bytes of an image
    by its index, may raise ImageError. mask: its mask (H, W) bool on the map's grid.
    """

    recipe: Recipe
    card: Card
    images: tuple[ReportImage, ...]
    thumbnail: Callable[[int], bytes]
    mask: Callable[[int], np.ndarray]
    warnings: tuple[str, ...] = ()

    @cached_property
    def zones(self) -> tuple[Zone, ...]:
        """Each image's verdict."""
        return tuple(self.recipe.zone(image.postprocessed_score) for image in self.images)

    @cached_property
    def groups(self) -> dict[str, Counter[Zone]]:
        """How many good, defect and unlabelled images lie in each zone; only groups that have images."""
        found = {group: Counter[Zone]() for group in (GOOD, DEFECT, UNLABELLED)}
        for image, zone in zip(self.images, self.zones, strict=True):
            found[image.group][zone] += 1
        return {group: zones for group, zones in found.items() if zones}

    @cached_property
    def counts(self) -> Counts:
        """The confusion matrix of the labelled images: NG counts as flagged, unsure does not."""
        good, defect = (self.groups.get(group, Counter()) for group in (GOOD, DEFECT))
        ng_defects, ng_good = defect["NG"], good["NG"]
        return Counts(tp=ng_defects, fp=ng_good, fn=defect.total() - ng_defects, tn=good.total() - ng_good)

    def most_wrong(self, limit: int) -> list[int]:
        """Return up to ``limit`` indices, the labelled images that lie furthest on the wrong side first.

        After the wrong ones come those that are right by the least; without labels, the highest scores.
        """
        threshold = self.recipe.pixel_threshold
        signs = [1.0 if image.label is None else 1.0 - 2 * image.label for image in self.images]
        wrongness = [
            sign * (image.postprocessed_score - threshold) for sign, image in zip(signs, self.images, strict=True)
        ]
        labelled = any(image.label is not None for image in self.images)
        chosen = [index for index, image in enumerate(self.images) if image.label is not None or not labelled]
        return sorted(chosen, key=lambda index: -wrongness[index])[:limit]
