"""Time ThresholdSweep on a dataset of drawn maps against the loop that people write, and compare their counts.

SettingsGrid, which counts every minimum area too and so feeds the Tune page, is timed beside it, in one thread.

Run from the project's root: ``python -m benchmarks.sweep [--maps N]``. The loop takes hours on 1,000 maps, so it is
timed on a few maps and thresholds spread over the whole, and scaled; scikit-learn's share is scaled linearly too.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from draem_core.evaluation.settings_grid import MIN_AREAS, SettingsGrid
from draem_core.metrics import Counts, count
from draem_core.sweep import KERNEL_SIZES, ThresholdSweep

SIDE = 256
LOOP_THRESHOLDS = 100
SAMPLED_MAPS = 4
SAMPLED_SENSITIVITIES = (0.03, 0.2, 0.4, 0.6, 0.8, 0.97)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=1000, help="how many 256×256 maps (default 1000)")
    number = max(parser.parse_args().maps, SAMPLED_MAPS)
    with tempfile.TemporaryDirectory() as folder:
        maps, masks = draw_dataset(Path(folder), number)
        started = time.perf_counter()
        readout = ThresholdSweep.from_maps(maps, masks).at(sensitivity=0.5, kernel_size=3)
        sweep_seconds = time.perf_counter() - started
        peak = peak_memory()
        started = time.perf_counter()
        outcome = SettingsGrid.from_maps(maps, masks).at(sensitivity=0.5, kernel_size=3, min_area=0)
        grid_seconds, grid_peak = time.perf_counter() - started, peak_memory()
        sample = np.linspace(0, number - 1, SAMPLED_MAPS).astype(int)
        loop_seconds, differences = time_loop(np.array(maps[sample]), np.array(masks[sample]), number)
    print(f"{number} maps of {SIDE}×{SIDE}, {len(KERNEL_SIZES)} kernel sizes {KERNEL_SIZES[0]}…{KERNEL_SIZES[-1]}")
    print(f"sweep, every sensitivity   {sweep_seconds:10.1f} s   peak memory {peak:.2f} GiB")
    same = (outcome.pixel, outcome.image, outcome.regions_found) == (
        readout.pixel,
        readout.image,
        readout.regions_found,
    )
    print(
        f"grid, {len(MIN_AREAS)} areas as well    {grid_seconds:10.1f} s   peak memory {grid_peak:.2f} GiB"
        f"   counts {'equal' if same else 'differ'}"
    )
    print(f"loop, {LOOP_THRESHOLDS} thresholds       {loop_seconds:10.0f} s   (scaled from {SAMPLED_MAPS} maps)")
    print(f"ratio                      {loop_seconds / sweep_seconds:10.0f} ×")
    print(f"settings with other counts {differences:10d}   of {len(KERNEL_SIZES) * len(SAMPLED_SENSITIVITIES)}")
    print(f"at sensitivity 0.5, kernel 3: pixel F1 {readout.pixel.f1:.4f}, AUROC {readout.pixel_auroc:.4f}")


def peak_memory() -> float:
    """Return the most memory (GiB) that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def draw_dataset(folder: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Write maps float32 and masks bool, (number, SIDE, SIDE), to memory maps: the second half has defects.

    The maps crowd at 0 and 1 as DRAEM's do, with noise blobs, so that openings have something to remove.
    """
    rng = np.random.default_rng(0)
    shape = (number, SIDE, SIDE)
    maps = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.float32, shape)
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.bool_, shape)
    for index in range(number):
        noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3)
        if index >= number // 2:
            for _ in range(2):
                top, left = rng.integers(0, SIDE - 50, 2)
                height, width = rng.integers(5, 50, 2)
                masks[index, top : top + height, left : left + width] = True
        odds = 4 * noise / noise.std() - 6 + masks[index] * rng.uniform(2, 14)
        maps[index] = 1 / (1 + np.exp(-odds))
    return maps, masks


def time_loop(maps: np.ndarray, masks: np.ndarray, number: int) -> tuple[float, int]:
    """Return the loop's seconds for ``number`` maps, scaled from these few, and how many settings count differently."""
    sweep = ThresholdSweep.from_maps(maps, masks)
    opening_seconds, differences = 0.0, 0
    for kernel_size in KERNEL_SIZES:
        for sensitivity in SAMPLED_SENSITIVITIES:
            started = time.perf_counter()
            pixel, image = loop_once(maps, masks, np.float32(1 - sensitivity), kernel_size)
            opening_seconds += time.perf_counter() - started
            readout = sweep.at(sensitivity, kernel_size)
            differences += (pixel, image) != (readout.pixel, readout.image)
    started = time.perf_counter()
    roc_auc_score(masks.ravel(), maps.ravel())
    auroc_seconds = time.perf_counter() - started
    settings_share = LOOP_THRESHOLDS / len(SAMPLED_SENSITIVITIES)
    return (opening_seconds * settings_share + auroc_seconds) * number / len(maps), differences


def loop_once(maps: np.ndarray, masks: np.ndarray, threshold: np.float32, kernel_size: int) -> tuple[Counts, Counts]:
    """Threshold, open and count every map at one setting."""
    structure = np.ones((kernel_size, kernel_size))
    pixel = image = Counts(0, 0, 0, 0)
    for one, truth in zip(maps, masks, strict=True):
        mask = ndimage.binary_opening(one > threshold, structure=structure)
        pixel += count(mask, truth)
        image += count(mask.any(), truth.any())
    return pixel, image


if __name__ == "__main__":
    main()
