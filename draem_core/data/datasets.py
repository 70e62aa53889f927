"""Datasets: a folder becomes a list of pictures with their split, defect kind, label and mask.

Goes by names alone and opens no picture, so 10,000 files take a fraction of a second; only ``read_mask`` and
``mask_problems`` read pixels. Must not know networks, maps or thresholds.
"""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from draem_core.data.folders import Folder, listing, relative, scan, stem_of
from draem_core.data.images import image_size, read_samples
from draem_core.data.layouts import FLAT, GOOD, KNOWN_LAYOUTS, Listing, Split, recognise
from draem_core.data.wording import as_text, count, is_text, some
from draem_core.errors import DatasetError, ImageError

FIND_DEPTH = 4
"""How many folders below its root ``find_datasets`` looks."""


@dataclass(frozen=True)
class Sample:
    """One picture of a dataset.

    kind: "good", the defect's name, or "" where unlabelled. label: 0 good, 1 anomalous, None unlabelled.
    name: the path below the dataset's root with forward slashes, e.g. ``test/crack/000.png``; unique and stable.
    """

    path: Path
    split: Split
    kind: str
    label: int | None
    mask_path: Path | None
    name: str


@dataclass(frozen=True)
class Dataset:
    """A category: its samples (train first, then test; good first, then kinds and names in order) and what is odd.

    ``warnings`` are sentences about missing, empty and orphan masks and about splits that had to be made up.
    """

    name: str
    root: Path
    layout: str
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()

    @property
    def train_good(self) -> tuple[Sample, ...]:
        """What a network may train on."""
        return tuple(sample for sample in self.samples if sample.split == "train" and sample.label == 0)

    @property
    def test(self) -> tuple[Sample, ...]:
        """What a network is judged on, labelled or not."""
        return tuple(sample for sample in self.samples if sample.split == "test")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The labelled kinds of the test pictures, "good" first, then in order."""
        return tuple(sorted({sample.kind for sample in self.test if sample.kind}, key=_good_first))


def open_dataset(path: str | Path) -> Dataset:
    """Read the names below ``path`` as the layout that they fit.

    Raises:
        DatasetError: the folder is missing, or fits no layout; the message lists the layouts and the datasets inside.
    """
    if not is_text(path):
        raise DatasetError(f"The name {as_text(path)} is no UTF-8; rename the folder.")
    try:
        root = Path(os.path.normpath(Path(path).expanduser().absolute()))
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "does not exist"
            raise DatasetError(f"{root} {what}; choose the folder of a dataset.")
        with listing(root) as gate:
            folder = scan(root)
            if (fit := recognise(folder)) is not None:
                dataset = _dataset(folder, *fit)
                return replace(dataset, warnings=(*dataset.warnings, *gate.notes()))
        inside = [str(found.relative_to(root)) for found in find_datasets(root)]
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(f"{path} cannot be listed ({error}); check the path and its permissions.") from error
    held = "; ".join([some([*folder.folders]) or "no folders and no pictures", *gate.notes()]).removesuffix(".")
    way_out = f"open a dataset inside it ({some(inside)}), or " if inside else ""
    raise DatasetError(
        f"{root} fits no known layout (it holds {held}); {way_out}arrange it as one of: {KNOWN_LAYOUTS}."
    )


def find_datasets(root: Path) -> list[Path]:
    """Return every folder at or up to ``FIND_DEPTH`` levels below ``root`` that ``open_dataset`` opens, in order.

    Opens no picture and does not look inside a dataset (but for a flat one, whose folders are no part of it).
    Symbolic links to folders are not followed: none leads out of ``root``, and nothing is listed twice.
    """
    found: list[Path] = []
    queue = deque([(Path(root), 0)])
    while queue:
        path, depth = queue.popleft()
        try:
            folder = scan(path)
            fit = recognise(folder)
        except OSError:
            continue  # a folder that may not be listed is no dataset for this user
        if fit is not None:
            found.append(path)
        if depth < FIND_DEPTH and (fit is None or fit[0] == FLAT):
            queue.extend((child, depth + 1) for child in folder.folders.values() if not child.is_symlink())
    return sorted(found)


def read_mask(sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the true mask as bool (H, W) = ``shape``, the map's grid.

    Nearest neighbour by pixel centres: row i shows the mask's row floor((i + 0.5)·h / H). A good sample is all
    False; None where there is no mask. Any value above 0 is defect: 0/1, 0/255 and label values alike, and the
    grey rim of an anti-aliased mask too. Only in JPEG masks, whose black is never quite 0, the line is at 127.
    A mask of another size than its picture is stretched over it.

    Raises:
        ImageError: the mask's file is broken.
    """
    if sample.label == 0:
        return np.zeros(shape, dtype=bool)
    if sample.mask_path is None:
        return None
    mask = _read_defect_pixels(sample.mask_path)
    rows, columns = (_nearest(source, target) for source, target in zip(mask.shape, shape, strict=True))
    return mask[rows[:, None], columns]


def mask_problems(dataset: Dataset, on_mask: Callable[[], object] = lambda: None) -> list[str]:
    """Return sentences about masks that are broken, empty or of another size than their picture; opens every mask.

    ``on_mask`` is called before each; what it raises ends the work.
    """
    broken, empty, resized = [], [], []
    for sample in dataset.samples:
        if sample.mask_path is None or sample.label == 0:
            continue
        on_mask()
        try:
            mask = _read_defect_pixels(sample.mask_path)
        except ImageError:
            broken.append(sample.name)
            continue
        if not mask.any():
            empty.append(sample.name)
        if _size_or_none(sample.path) not in (None, mask.shape):
            resized.append(sample.name)
    return [
        f"{count(len(names), noun)} {consequence}: {some(names)}."
        for names, noun, consequence in (
            (broken, "mask", "that cannot be read, left out of pixel figures"),
            (empty, "mask", "without a single defect pixel, though the picture is labelled defective"),
            (resized, "mask", "of another size than its picture, stretched over it"),
        )
        if names
    ]


def _dataset(folder: Folder, layout: str, listing: Listing) -> Dataset:
    root = folder.path
    samples: list[Sample] = []
    orphans: list[Path] = []
    hollow: list[Path] = []
    for group in listing.groups:
        masks = {stem_of(name): path for name, path in reversed(group.masks.items())}
        for name, path in group.pictures.items():
            mask = _take_mask(masks, stem_of(name)) if masks else None
            if mask is not None and mask.stat().st_size == 0:
                hollow.append(mask)
                mask = None
            samples.append(Sample(path, group.split, group.kind, group.label, mask, relative(path, root)))
        orphans += masks.values()
    samples.sort(key=lambda sample: (sample.split == "test", _good_first(sample.kind), sample.name))
    warnings = [*listing.notes, *_mask_warnings(samples, orphans, hollow, root)]
    return Dataset(root.name, root, layout, tuple(samples), tuple(warnings))


def _take_mask(masks: dict[str, Path], stem: str) -> Path | None:
    """Return the mask of the picture ``stem``, taken out of ``masks``: 000_mask, 000_label, 000_gt or 000 itself."""
    for ending in ("_mask", "_label", "_gt", "-mask", "-label", "-gt", ""):
        if (mask := masks.pop(stem + ending, None)) is not None:
            return mask
    return None


def _mask_warnings(samples: list[Sample], orphans: list[Path], hollow: list[Path], root: Path) -> list[str]:
    defective = [sample for sample in samples if sample.split == "test" and sample.label == 1]
    missing = [sample.name for sample in defective if sample.mask_path is None]
    warnings = []
    if missing and len(missing) == len(defective):
        warnings.append("No defect picture has a mask: pixel figures are undefined, image figures are not.")
    elif missing:
        warnings.append(
            f"{len(missing)} of {len(defective)} defect pictures without a mask, left out of pixel figures: "
            f"{some(missing)}."
        )
    for files, consequence in ((hollow, "empty (0 bytes) and counted as missing"), (orphans, "that fit no picture")):
        if files:
            names = some([relative(path, root) for path in sorted(files)])
            warnings.append(f"{count(len(files), 'mask')} {consequence}: {names}.")
    return warnings


def _good_first(kind: str) -> tuple[bool, str]:
    return kind != GOOD, kind


def _read_defect_pixels(path: Path) -> np.ndarray:
    samples = read_samples(path)
    defect: np.ndarray = samples > (127 if path.suffix.lower() in (".jpg", ".jpeg") else 0)
    return np.any(defect, axis=2) if defect.ndim == 3 else defect


def _nearest(source: int, target: int) -> np.ndarray:
    """Return (target,) source indices, the one under each target pixel's centre, in whole-number arithmetic."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except ImageError:
        return None  # scoring reports broken pictures; here only masks are judged
