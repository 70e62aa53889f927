"""Exact counts over a dataset for every setting of the three sliders together: sensitivity, kernel size, minimum area.

``ThresholdSweep`` knows many more thresholds, but one minimum area. Here each opened map becomes a component tree,
which holds all areas at once. Plain arrays that add up shard by shard; knows no files, networks or pages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from draem_core.evaluation.component_tree import ComponentTree, component_tree
from draem_core.evaluation.histogram import TrueRegions
from draem_core.grid_mask import GridMask
from draem_core.metrics import Counts
from draem_core.postprocess import opening
from draem_core.sweep import KERNEL_SIZES, checked_images

LOGIT_SPAN, LOGIT_STEP = 16, 0.05


def _area_steps(most: int) -> tuple[int, ...]:
    steps = [0]
    while steps[-1] < most:
        steps.append(min(most, max(steps[-1] + 1, int(steps[-1] * 1.06 + 0.5))))
    return tuple(steps)


def _logit_stops() -> np.ndarray:
    """Return the sensitivities at which the logit slider stops: four digits of whichever end is nearer."""
    places = np.arange(-LOGIT_SPAN / LOGIT_STEP, LOGIT_SPAN / LOGIT_STEP + 1) * LOGIT_STEP
    near = [float(f"{1 / (1 + np.exp(abs(place))):.4g}") for place in places]
    return np.array([end if place < 0 else round(1 - end, 12) for place, end in zip(places, near, strict=True)])


# Where the sliders stop. The browser's sliders are told of them.
MIN_AREAS = _area_steps(4096)
EVEN_STOPS = np.arange(1001) / 1000
LOGIT_STOPS = _logit_stops()
STOPS = np.unique(np.concatenate([EVEN_STOPS, LOGIT_STOPS]))


@dataclass(frozen=True)
class Outcome:
    """What one setting does to a dataset.

    pixel: of the images with ground truth. image: of all with a label. false_blobs: 8-connected regions of the masks
    that touch no true region. regions_found: true regions that a mask touches.
    """

    sensitivity: float
    kernel_size: int
    min_area: int
    pixel: Counts
    image: Counts
    regions_found: int
    regions_total: int
    false_blobs: int


@dataclass(frozen=True, eq=False)
class SettingsGrid:
    """Counts at each of K kernel sizes × A minimum areas × S sensitivities, for M images with R true regions.

    Stored as differences, which are mostly 0; ``table`` sums them up.

    sensitivities: (S,) float64, rising. A pixel is flagged at stop i where its value > float32(1 − sensitivities[i]).
    defect_pixels, good_pixels, false_blobs: (K, A, S + 1) int64: what begins (+) and ends (−) to be flagged at each
        stop, in regions whose area lies from this minimum area to below the next.
    overlap: (K, A, S + 1) float64, as defect_pixels, each pixel weighing 1 / its true region's area.
    image_stops: (K, A, M) uint16, the first stop at which the image is flagged, S where it never is.
    region_stops: (K, A, R) uint16, the first stop at which the mask touches the true region, S for never.
    image_labels: (M,) bool, True = defect. region_images: (R,) int64, the image that a region lies in.
    defect_total, good_total: pixels of the images with ground truth.
    """

    kernel_sizes: tuple[int, ...]
    min_areas: tuple[int, ...]
    sensitivities: np.ndarray
    defect_pixels: np.ndarray
    good_pixels: np.ndarray
    false_blobs: np.ndarray
    overlap: np.ndarray
    image_stops: np.ndarray
    region_stops: np.ndarray
    image_labels: np.ndarray
    region_images: np.ndarray
    defect_total: int
    good_total: int

    @classmethod
    def from_maps(
        cls,
        maps: Iterable[np.ndarray],
        gt_masks: Iterable[np.ndarray | GridMask | None],
        labels: Iterable[bool | None] | None = None,
        *,
        kernel_sizes: Sequence[int] = KERNEL_SIZES,
        min_areas: Sequence[int] = MIN_AREAS,
        sensitivities: np.ndarray = STOPS,
    ) -> "SettingsGrid":
        """Count maps (H, W) float, one after the other; maps, gt_masks and labels as for ``ThresholdSweep.from_maps``.

        Raises:
            ValueError: as there; min_areas does not rise from 0, or sensitivities does not rise within [0, 1].
        """
        areas, stops = np.asarray(min_areas), np.asarray(sensitivities, np.float64)
        if areas.size == 0 or areas[0] != 0 or (np.diff(areas) <= 0).any():
            raise ValueError(f"min_areas is {tuple(min_areas)}; it must rise from 0")
        if stops.size == 0 or stops[0] < 0 or stops[-1] > 1 or (np.diff(stops) <= 0).any():
            raise ValueError("sensitivities must rise and lie in [0, 1]")
        sizes = tuple(sorted(set(kernel_sizes)))
        thresholds = (1 - stops[::-1]).astype(np.float32)
        shape = (len(sizes), areas.size, stops.size + 1)
        defect, good, blobs = (np.zeros(shape, np.int64) for _ in range(3))
        overlap = np.zeros(shape)
        image_stops = [np.empty((*shape[:2], 0), np.uint16)]
        region_stops = [np.empty((*shape[:2], 0), np.uint16)]
        image_labels: list[bool] = []
        region_images = [np.empty(0, np.int64)]
        defect_total = good_total = 0
        for anomaly_map, truth, label, lost_regions in checked_images(maps, gt_masks, labels):
            levels = np.searchsorted(thresholds, anomaly_map).astype(np.uint16)
            regions = TrueRegions.of(truth if truth is not None else np.zeros(anomaly_map.shape, bool))
            firsts = np.empty((*shape[:2], 1 + regions.starts.size), np.uint16)
            for row, size in enumerate(sizes):
                tree = component_tree(opening(levels, size), regions.pixels, regions.weights)
                bucket = np.searchsorted(areas, tree.area, side="right") - 1
                firsts[row] = stops.size - _highest(tree, bucket, areas.size, regions)
                if truth is not None:
                    _add(tree, bucket, (defect[row], good[row], blobs[row], overlap[row]))
            image_stops.append(firsts[:, :, :1])
            region_stops += [firsts[:, :, 1:], np.full((*shape[:2], lost_regions), stops.size, np.uint16)]
            region_images.append(np.full(regions.starts.size + lost_regions, len(image_labels)))
            image_labels.append(label)
            if truth is not None:
                defect_total += int(truth.sum())
                good_total += int((~truth).sum())
        return cls(
            kernel_sizes=sizes,
            min_areas=tuple(int(area) for area in areas),
            sensitivities=stops,
            defect_pixels=defect,
            good_pixels=good,
            false_blobs=blobs,
            overlap=overlap,
            image_stops=np.concatenate(image_stops, axis=2),
            region_stops=np.concatenate(region_stops, axis=2),
            image_labels=np.array(image_labels, bool),
            region_images=np.concatenate(region_images),
            defect_total=defect_total,
            good_total=good_total,
        )

    @classmethod
    def merge(cls, shards: Sequence["SettingsGrid"]) -> "SettingsGrid":
        """Return the grid of all shards' images together, in the shards' order.

        Raises ValueError where there is no shard, or they were made for different sliders.
        """
        if not shards:
            raise ValueError("there is no grid to merge")
        first = shards[0]
        for shard in shards[1:]:
            same = shard.kernel_sizes == first.kernel_sizes and shard.min_areas == first.min_areas
            if not same or not np.array_equal(shard.sensitivities, first.sensitivities):
                raise ValueError("grids of different sliders do not add up; make them with the same stops")
        offsets = np.cumsum([0] + [shard.image_labels.size for shard in shards[:-1]])
        return cls(
            kernel_sizes=first.kernel_sizes,
            min_areas=first.min_areas,
            sensitivities=first.sensitivities,
            defect_pixels=sum((shard.defect_pixels for shard in shards[1:]), first.defect_pixels),
            good_pixels=sum((shard.good_pixels for shard in shards[1:]), first.good_pixels),
            false_blobs=sum((shard.false_blobs for shard in shards[1:]), first.false_blobs),
            overlap=sum((shard.overlap for shard in shards[1:]), first.overlap),
            image_stops=np.concatenate([shard.image_stops for shard in shards], axis=2),
            region_stops=np.concatenate([shard.region_stops for shard in shards], axis=2),
            image_labels=np.concatenate([shard.image_labels for shard in shards]),
            region_images=np.concatenate(
                [shard.region_images + offset for shard, offset in zip(shards, offsets, strict=True)]
            ),
            defect_total=sum(shard.defect_total for shard in shards),
            good_total=sum(shard.good_total for shard in shards),
        )

    def at(self, sensitivity: float, kernel_size: int, min_area: int) -> Outcome:
        """Return what ``PostProcess(sensitivity, kernel_size, min_area)`` does to the dataset.

        Raises ValueError for a setting between two stops; ``nearest`` gives one that is a stop.
        """
        stop, row, column = self.place(sensitivity, kernel_size, min_area)
        tp, fp = (int(self.table(part, kernel_size, min_area)[stop]) for part in (self.defect_pixels, self.good_pixels))
        flagged = self.image_stops[row, column] <= stop
        hits = int((flagged & self.image_labels).sum())
        alarms = int((flagged & ~self.image_labels).sum())
        defects = int(self.image_labels.sum())
        return Outcome(
            sensitivity=sensitivity,
            kernel_size=kernel_size,
            min_area=min_area,
            pixel=Counts(tp, fp, self.defect_total - tp, self.good_total - fp),
            image=Counts(hits, alarms, defects - hits, self.image_labels.size - defects - alarms),
            regions_found=int((self.region_stops[row, column] <= stop).sum()),
            regions_total=self.region_images.size,
            false_blobs=int(self.table(self.false_blobs, kernel_size, min_area)[stop]),
        )

    def table(self, part: np.ndarray, kernel_size: int, min_area: int) -> np.ndarray:
        """Return one of the four difference arrays as counts (S,) at every sensitivity."""
        _, row, column = self.place(self.sensitivities[0], kernel_size, min_area)
        return np.cumsum(part[row, column:].sum(axis=0))[:-1]

    def place(self, sensitivity: float, kernel_size: int, min_area: int) -> tuple[int, int, int]:
        """Return the indices (stop, kernel, area) of a setting, or raise ValueError where there is no such stop."""
        stop = int(np.searchsorted(self.sensitivities, sensitivity))
        if stop == self.sensitivities.size or self.sensitivities[stop] != sensitivity:
            raise ValueError(f"sensitivity {sensitivity} is no stop; the nearest is {self.nearest(sensitivity)}")
        if kernel_size not in self.kernel_sizes:
            raise ValueError(f"kernel size {kernel_size} is not in the grid; there are {self.kernel_sizes}")
        if min_area not in self.min_areas:
            raise ValueError(f"minimum area {min_area} is no stop; the nearest is {self.nearest_area(min_area)}")
        return stop, self.kernel_sizes.index(kernel_size), self.min_areas.index(min_area)

    def nearest(self, sensitivity: float) -> float:
        """Return the stop closest to a sensitivity."""
        return float(self.sensitivities[np.argmin(np.abs(self.sensitivities - sensitivity))])

    def nearest_area(self, min_area: int) -> int:
        """Return the stop closest to a minimum area."""
        return min(self.min_areas, key=lambda area: abs(area - min_area))

    @cached_property
    def thresholds(self) -> np.ndarray:
        """(S,) float32, falling: the raw map value of each sensitivity."""
        return (1 - self.sensitivities).astype(np.float32)

    def postprocessed_scores(self, kernel_size: int, min_area: int) -> np.ndarray:
        """Return for each image (M,) float32 a value just above the threshold of the first stop that flags it.

        An image is flagged at sensitivity s, a stop, exactly where its score > float32(1 − s); −∞ where none does.
        """
        _, row, column = self.place(self.sensitivities[0], kernel_size, min_area)
        firsts = self.image_stops[row, column]
        above = np.append(np.nextafter(self.thresholds, np.float32(np.inf)), np.float32(-np.inf))
        scores: np.ndarray = above[firsts]
        return scores


def _add(tree: ComponentTree, bucket: np.ndarray, sums: tuple[np.ndarray, ...]) -> None:
    """Add a tree's nodes to the four difference arrays (A, S + 1) of one kernel size."""
    columns = sums[0].shape[1]
    begin, end = columns - 1 - tree.level, columns - 1 - tree.until
    values = (tree.truth, tree.area - tree.truth, tree.truth == 0, tree.weight)
    for total, value in zip(sums, values, strict=True):
        np.add.at(total, (bucket, begin), value)
        np.subtract.at(total, (bucket, end), value)


def _highest(tree: ComponentTree, bucket: np.ndarray, areas: int, regions: TrueRegions) -> np.ndarray:
    """Return (A, 1 + R): the highest level with a region of each minimum area; anywhere, and touching each region."""
    highest = np.zeros((areas, 1 + regions.starts.size), np.int64)
    np.maximum.at(highest[:, 0], bucket, tree.level)
    ends = np.append(regions.starts, regions.pixels.size)
    _climb(highest, tree.node_of[regions.pixels], ends, tree.parent, tree.level, bucket)
    return np.maximum.accumulate(highest[::-1])[::-1]


@numba.njit(cache=True, nogil=True)
def _climb(
    highest: np.ndarray,
    nodes: np.ndarray,
    starts: np.ndarray,
    parent: np.ndarray,
    level: np.ndarray,
    bucket: np.ndarray,
) -> None:
    """Visit every node that touches a true region, once for each region, from its pixels down to the root."""
    seen = np.full(level.size, -1, np.int32)
    for region in range(starts.size - 1):
        for index in range(starts[region], starts[region + 1]):
            node = nodes[index]
            while node >= 0 and seen[node] != region:
                seen[node] = region
                if level[node] > highest[bucket[node], 1 + region]:
                    highest[bucket[node], 1 + region] = level[node]
                node = parent[node]
