"""Exact counts over a whole dataset for every threshold and kernel size, from one grey opening per kernel.

Opening and threshold commute, so histograms of the opened maps hold every mask's counts; they add up shard by shard.
Knows no files, no networks and no pages.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import zip_longest

import numpy as np

from draem_core.evaluation.histogram import SLIDER, HistogramAccumulator
from draem_core.grid_mask import GridMask
from draem_core.metrics import UNDEFINED_F1MAX, Counts, F1Max, Ranking, area_under
from draem_core.postprocess import PostProcess, checked_map

KERNEL_SIZES = tuple(range(1, 32, 2))
FPR_LIMIT = 0.3


@dataclass(frozen=True)
class SweepMetrics:
    """What does not depend on the threshold: how well the opened maps rank defect over good, NaN where undefined."""

    pixel_auroc: float
    pixel_ap: float
    pixel_f1max: F1Max
    aupro: float
    image_auroc: float
    image_ap: float
    image_f1max: F1Max


@dataclass(frozen=True)
class Readout(SweepMetrics):
    """What one setting does to a dataset. ``pixel`` counts images with ground truth only, ``image`` counts all."""

    sensitivity: float
    threshold: float
    kernel_size: int
    pixel: Counts
    image: Counts
    regions_found: int
    regions_total: int


@dataclass(frozen=True, eq=False)
class SweepTables:
    """Counts for K kernel sizes at S sensitivities, plain arrays to hand to a browser.

    pixel_tp, pixel_fp, image_tp, image_fp, regions_found: (K, S) int64; fn and tn follow from the totals.
    metrics: one for each kernel size.
    """

    sensitivities: np.ndarray
    kernel_sizes: tuple[int, ...]
    pixel_tp: np.ndarray
    pixel_fp: np.ndarray
    image_tp: np.ndarray
    image_fp: np.ndarray
    regions_found: np.ndarray
    defect_pixels: int
    good_pixels: int
    defect_images: int
    good_images: int
    regions_total: int
    metrics: tuple[SweepMetrics, ...]


@dataclass(frozen=True, eq=False)
class ThresholdSweep:
    """A dataset's counts for each kernel size (K of them) at each of T thresholds.

    thresholds: (T,) float32, rising. Bin b of a histogram holds the pixels above exactly b of them.
    defect_pixels, good_pixels: (K, T + 1) int64 histograms of the opened maps, images with ground truth only.
    overlap: (K, T + 1) float64, as defect_pixels, each pixel weighing 1 / its region's area.
    image_scores: (K, M) float32, the highest value of each opened map; −∞ where the kernel does not fit.
    image_labels: (M,) bool, True = defect.
    region_scores: (K, R) float32, the highest opened value inside each 8-connected true region; −∞ for one that has
        no pixel on the map's grid.
    region_images: (R,) int64, the image that a region lies in.

    Pixel counts are exact at every threshold listed: ``SLIDER``, ``LOGIT_SLIDER`` and some 40,000 in all. Image and
    region counts and the image metrics are exact throughout. Pixel AUROC, AP, F1max and AUPRO take values between two
    neighbouring thresholds for ties, which moves them by 1e-5 or so on twenty maps and by less on more.
    """

    kernel_sizes: tuple[int, ...]
    min_area: int
    thresholds: np.ndarray
    defect_pixels: np.ndarray
    good_pixels: np.ndarray
    overlap: np.ndarray
    image_scores: np.ndarray
    image_labels: np.ndarray
    region_scores: np.ndarray
    region_images: np.ndarray

    @classmethod
    def from_maps(
        cls,
        maps: Iterable[np.ndarray],
        gt_masks: Iterable[np.ndarray | GridMask | None],
        kernel_sizes: Sequence[int] = KERNEL_SIZES,
        min_area: int = 0,
        labels: Iterable[bool | None] | None = None,
    ) -> "ThresholdSweep":
        """Count maps (H, W) float, one after the other: a generator or a memory map is never held as a whole.

        Args:
            maps: raw anomaly maps; sizes may differ.
            gt_masks: for each map a mask of its shape, nonzero = anomalous (all zero for a good image), or None:
                then the image counts at image level only. A `GridMask` also brings regions that count as missed.
            kernel_sizes: squares to open with, each ≥ 1.
            min_area: regions with fewer pixels are removed after opening. Kernel sizes whose square is smaller take
                some 40 ms for each 256×256 map then, fifty times the rest.
            labels: for each map whether the image is defect; None leaves it to whether its mask has a pixel.

        Raises:
            ValueError: a map holds NaN, shapes or lengths differ, or an image has neither mask nor label.
        """
        sizes = tuple(sorted(set(kernel_sizes)))
        if not sizes:
            raise ValueError("kernel_sizes is empty; name at least one, such as 1")
        for size in sizes:
            PostProcess(kernel_size=size, min_area=min_area)  # refuses a setting that no mask can have
        tally = HistogramAccumulator(sizes, min_area)
        for anomaly_map, truth, label, lost_regions in checked_images(maps, gt_masks, labels):
            tally.add(anomaly_map, truth, label, lost_regions)
        return cls(
            kernel_sizes=sizes,
            min_area=min_area,
            thresholds=tally.thresholds,
            defect_pixels=tally.defect_pixels,
            good_pixels=tally.good_pixels,
            overlap=tally.overlap,
            image_scores=np.concatenate(tally.image_scores, axis=1),
            image_labels=np.array(tally.image_labels, bool),
            region_scores=np.concatenate(tally.region_scores, axis=1),
            region_images=np.concatenate(tally.region_images),
        )

    @classmethod
    def merge(cls, shards: Sequence["ThresholdSweep"]) -> "ThresholdSweep":
        """Return the sweep of all shards' images together, in the shards' order.

        Raises ValueError where there is no shard, or they were made with different settings.
        """
        if not shards:
            raise ValueError("there is no sweep to merge")
        first = shards[0]
        for shard in shards[1:]:
            if (shard.kernel_sizes, shard.min_area) != (first.kernel_sizes, first.min_area):
                raise ValueError(
                    f"sweeps of kernels {first.kernel_sizes}, min_area {first.min_area} and of kernels "
                    f"{shard.kernel_sizes}, min_area {shard.min_area} do not add up; make them with one setting"
                )
        offsets = np.cumsum([0] + [shard.image_labels.size for shard in shards[:-1]])
        return cls(
            kernel_sizes=first.kernel_sizes,
            min_area=first.min_area,
            thresholds=first.thresholds,
            defect_pixels=reduce(np.add, (shard.defect_pixels for shard in shards)),
            good_pixels=reduce(np.add, (shard.good_pixels for shard in shards)),
            overlap=reduce(np.add, (shard.overlap for shard in shards)),
            image_scores=np.concatenate([shard.image_scores for shard in shards], axis=1),
            image_labels=np.concatenate([shard.image_labels for shard in shards]),
            region_scores=np.concatenate([shard.region_scores for shard in shards], axis=1),
            region_images=np.concatenate(
                [shard.region_images + offset for shard, offset in zip(shards, offsets, strict=True)]
            ),
        )

    def at(self, sensitivity: float, kernel_size: int) -> Readout:
        """Return what ``PostProcess(sensitivity, kernel_size, min_area)`` does to the dataset.

        Raises ValueError for a kernel size that was not swept, or a sensitivity between two positions: ``nearest``
        gives one that is exact.
        """
        row = self._row(kernel_size)
        position = int(self._position(np.array([sensitivity]))[0])
        tp = int(self.defect_pixels[row, position + 1 :].sum())
        fp = int(self.good_pixels[row, position + 1 :].sum())
        flagged = self.flagged_images(sensitivity, kernel_size)
        image_tp, image_fp = int((flagged & self.image_labels).sum()), int((flagged & ~self.image_labels).sum())
        return Readout(
            **vars(self.metrics[row]),
            sensitivity=sensitivity,
            threshold=float(self.thresholds[position]),
            kernel_size=kernel_size,
            pixel=Counts(tp, fp, self._defect_total - tp, self._good_total - fp),
            image=Counts(
                image_tp,
                image_fp,
                int(self.image_labels.sum()) - image_tp,
                int((~self.image_labels).sum()) - image_fp,
            ),
            regions_found=int(self.found_regions(sensitivity, kernel_size).sum()),
            regions_total=self.region_images.size,
        )

    def tables(self, sensitivities: np.ndarray = SLIDER) -> SweepTables:
        """Return the counts of all kernel sizes at (S,) sensitivities, each as exact as ``at``. Same errors."""
        positions = self._position(np.asarray(sensitivities, np.float64))
        chosen = self.thresholds[positions]
        labels = self.image_labels
        return SweepTables(
            sensitivities=np.asarray(sensitivities, np.float64),
            kernel_sizes=self.kernel_sizes,
            pixel_tp=_above(self.defect_pixels)[:, positions + 1],
            pixel_fp=_above(self.good_pixels)[:, positions + 1],
            image_tp=_scores_above(self.image_scores[:, labels], chosen),
            image_fp=_scores_above(self.image_scores[:, ~labels], chosen),
            regions_found=_scores_above(self.region_scores, chosen),
            defect_pixels=self._defect_total,
            good_pixels=self._good_total,
            defect_images=int(labels.sum()),
            good_images=int((~labels).sum()),
            regions_total=self.region_images.size,
            metrics=self.metrics,
        )

    def flagged_images(self, sensitivity: float, kernel_size: int) -> np.ndarray:
        """Return the verdict on each image, (M,) bool, exact at any sensitivity."""
        flagged: np.ndarray = self.image_scores[self._row(kernel_size)] > np.float32(1 - sensitivity)
        return flagged

    def found_regions(self, sensitivity: float, kernel_size: int) -> np.ndarray:
        """Return for each true region whether the mask touches it, (R,) bool, exact at any sensitivity."""
        found: np.ndarray = self.region_scores[self._row(kernel_size)] > np.float32(1 - sensitivity)
        return found

    def nearest(self, sensitivity: float) -> float:
        """Return the sensitivity closest to this one at which pixel counts are exact."""
        return 1 - float(self.thresholds[np.argmin(np.abs(self.thresholds - np.float64(1 - sensitivity)))])

    @cached_property
    def metrics(self) -> tuple[SweepMetrics, ...]:
        """The threshold-free metrics, one for each kernel size."""
        return tuple(self._metrics_of(row) for row in range(len(self.kernel_sizes)))

    def _metrics_of(self, row: int) -> SweepMetrics:
        images = Ranking.of_images(self.image_scores[row], self.image_labels)
        auroc = ap = aupro = np.nan
        f1max = UNDEFINED_F1MAX
        if self.region_images.size and self._good_total:
            aupro = 0.0  # should all regions be without a pixel on the grid: each is missed at every threshold
        if self._defect_total and self._good_total:
            # From here on thresholds fall: index i counts what lies in the i + 1 highest bins.
            tp, fp = np.cumsum(self.defect_pixels[row, ::-1]), np.cumsum(self.good_pixels[row, ::-1])
            rates = np.append(0, fp / self._good_total)
            precision = tp / np.maximum(tp + fp, 1)
            auroc = area_under(rates, np.append(0, tp / self._defect_total))
            ap = float(np.sum(self.defect_pixels[row, ::-1] * precision) / self._defect_total)
            overlap = np.cumsum(self.overlap[row, ::-1]) / self.region_images.size
            aupro = area_under(rates, np.append(0, overlap), FPR_LIMIT)
            f1 = (2 * tp / (tp + fp + self._defect_total))[:-1]  # the last bin lies above no threshold
            best = int(np.argmax(f1))
            f1max = F1Max(
                f1=float(f1[best]),
                threshold=float(self.thresholds[-1 - best]),
                precision=float(precision[best]) if tp[best] + fp[best] else np.nan,
                recall=float(tp[best] / self._defect_total),
            )
        return SweepMetrics(auroc, ap, f1max, aupro, images.auroc(), images.average_precision(), images.f1max())

    @cached_property
    def _defect_total(self) -> int:
        return int(self.defect_pixels[0].sum())

    @cached_property
    def _good_total(self) -> int:
        return int(self.good_pixels[0].sum())

    def _row(self, kernel_size: int) -> int:
        if kernel_size not in self.kernel_sizes:
            raise ValueError(f"kernel size {kernel_size} was not swept; there are {self.kernel_sizes}")
        return self.kernel_sizes.index(kernel_size)

    def _position(self, sensitivities: np.ndarray) -> np.ndarray:
        """Return the index of each sensitivity's threshold, or raise ValueError where there is none."""
        wanted = (1 - sensitivities).astype(np.float32)
        found = np.minimum(np.searchsorted(self.thresholds, wanted), self.thresholds.size - 1)
        wrong = np.flatnonzero(self.thresholds[found] != wanted)
        if wrong.size:
            sensitivity = float(sensitivities[wrong[0]])
            raise ValueError(
                f"pixel counts at sensitivity {sensitivity} are not in the sweep; "
                f"the nearest that are: {self.nearest(sensitivity)}"
            )
        return found


def checked_images(
    maps: Iterable[np.ndarray], gt_masks: Iterable[np.ndarray | GridMask | None], labels: Iterable[bool | None] | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None, bool, int]]:
    """Yield each map (H, W) float32 with its mask as bool, or None, its label, and how many true regions are lost."""
    end = object()
    sources = (maps, gt_masks) if labels is None else (maps, gt_masks, labels)
    for number, parts in enumerate(zip_longest(*sources, fillvalue=end)):
        if any(part is end for part in parts):
            raise ValueError(f"maps, gt_masks and labels must be equally many; one of them ends after {number}")
        one, given, label = (*parts, None)[:3]
        mask, lost_regions = (given.mask, given.lost_regions) if isinstance(given, GridMask) else (given, 0)
        anomaly_map = checked_map(one).astype(np.float32, copy=False)
        truth = None if mask is None else np.asarray(mask) != 0
        if truth is not None and truth.shape != anomaly_map.shape:
            raise ValueError(f"map {number} has shape {anomaly_map.shape}, its mask {truth.shape}; resize the mask")
        if label is None:
            if truth is None:
                raise ValueError(f"image {number} has neither mask nor label; leave it out or say whether it is defect")
            label = truth.any() or lost_regions > 0
        yield anomaly_map, truth, bool(label), lost_regions


def _above(histograms: np.ndarray) -> np.ndarray:
    """Return (K, T + 1) sums from each bin to the last."""
    return np.cumsum(histograms[:, ::-1], axis=1)[:, ::-1]


def _scores_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return (K, S) int64: how many of each row's scores (K, M) lie strictly above each threshold (S,)."""
    return np.stack([row.size - np.searchsorted(np.sort(row), thresholds, side="right") for row in scores])
