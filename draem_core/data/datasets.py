"""Datasets: a folder becomes a list of pictures with their split, defect kind, label and mask.

Goes by names and opens no picture, so 10,000 files take a fraction of a second; only where a folder holds several
files of one name are these opened, to tell masks from pictures. ``read_mask`` and ``mask_problems`` read pixels. Must
not know networks, maps or thresholds.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from draem_core.data.folders import Folder, listing, relative, scan, stem_of
from draem_core.data.images import image_size
from draem_core.data.layouts import FLAT, GOOD, KNOWN_LAYOUTS, Listing, Split, recognise
from draem_core.data.left_out import left_out
from draem_core.data.masks import lost_regions, orientation, read_defect_pixels, regions_below_a_pixel, to_grid
from draem_core.data.matching import Masks, told_apart
from draem_core.errors import DatasetError, ImageError
from draem_core.formatting import as_text, counted, is_text, some
from draem_core.grid_mask import GridMask, MaskDownscaling

FIND_DEPTH = 4
"""How many folders below its root ``find_datasets`` looks."""

STRONG_REDUCTION = 8
"""A picture that is this many times as high or wide as the map is said to be reduced strongly."""

_NEARLY_ALL = 0.9  # a mask that marks more of the picture is more likely inverted or opaque than right
_SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Sample:
    """One picture of a dataset.

    kind: "good", the defect's name, or "" where unlabelled. label: 0 good, 1 anomalous, None unlabelled.
    name: the path below the dataset's root with forward slashes, e.g. ``test/crack/000.png``; unique and stable.
    more_masks: the other files of a mask that comes in several, as MVTec LOCO's do.
    """

    path: Path
    split: Split
    kind: str
    label: int | None
    mask_path: Path | None
    name: str
    more_masks: tuple[Path, ...] = ()

    @property
    def mask_paths(self) -> tuple[Path, ...]:
        """All files of the mask; none where there is no mask."""
        return () if self.mask_path is None else (self.mask_path, *self.more_masks)


@dataclass(frozen=True)
class Dataset:
    """A category: its samples (train, validation, test; good first, then kinds and names in order) and what is odd.

    ``warnings`` are sentences about missing, empty and orphan masks, about splits that had to be chosen here, and about
    pictures that are left out.
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
        """What a network is evaluated on, labelled or not."""
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


def read_mask(sample: Sample, shape: tuple[int, int], downscaling: MaskDownscaling = "nearest") -> np.ndarray | None:
    """Return the true mask as bool (H, W) = ``shape``, the map's grid.

    A good sample is all False; None where there is no mask. See `read_defect_pixels` for what counts as defect and
    `to_grid` for how it comes to the grid. A mask of another size than its picture is stretched over it.

    Raises:
        ImageError: the mask's file is broken.
    """
    mask = read_full_mask(sample, shape)
    return None if mask is None else to_grid(mask, shape, downscaling)


def read_truth(sample: Sample, shape: tuple[int, int], downscaling: MaskDownscaling = "nearest") -> GridMask | None:
    """Return what `read_mask` does, with the number of defects that have no pixel on the grid. Raises ImageError."""
    mask = read_full_mask(sample, shape)
    if mask is None:
        return None
    return GridMask(to_grid(mask, shape, downscaling), lost_regions(mask, shape, downscaling))


def read_full_mask(sample: Sample, good_shape: tuple[int, int]) -> np.ndarray | None:
    """Return the true mask on its own grid, bool (h, w); a good sample is all False and has ``good_shape``.

    None where there is no mask. Raises ImageError where its file is broken.
    """
    if sample.label == 0:
        return np.zeros(good_shape, dtype=bool)
    return read_defect_pixels(*sample.mask_paths) if sample.mask_path is not None else None


def mask_problems(
    dataset: Dataset,
    on_mask: Callable[[], object] = lambda: None,
    grid: tuple[int, int] | None = None,
    downscaling: MaskDownscaling = "nearest",
) -> list[str]:
    """Return sentences about masks that are broken, empty, nearly full, turned, or of another size than their picture.

    With ``grid``, (H, W) of the map, also about those that lose defects on the way there. Opens every mask.
    ``on_mask`` is called before each; what it raises ends the work.
    """
    broken, empty, full, turned, resized = [], [], [], [], []
    vanished, thinned, small = [], [], []
    for sample in dataset.samples:
        if sample.mask_path is None or sample.label == 0:
            continue
        on_mask()
        try:
            mask = read_defect_pixels(*sample.mask_paths)
        except ImageError:
            broken.append(sample.name)
            continue
        if not mask.any():
            empty.append(sample.name)
        elif mask.mean() > _NEARLY_ALL:
            full.append(sample.name)
        if (tag := orientation(sample.path)) != 1 and tag != orientation(sample.mask_path):
            turned.append(sample.name)
        if _size_or_none(sample.path) not in (None, mask.shape):
            resized.append(sample.name)
        if grid is None or not mask.any():
            continue
        if not to_grid(mask, grid, downscaling).any():
            vanished.append(sample.name)
        elif lost_regions(mask, grid, downscaling):
            thinned.append(sample.name)
        if regions_below_a_pixel(mask, grid):
            small.append(sample.name)
    on_grid = "" if grid is None else f"on the map's {grid[0]} × {grid[1]} grid"
    lost = 'count as missed, their pixels as good (mask downscaling "any" keeps them)'
    return [
        f"{counted(len(names), noun)} {consequence}: {some(names)}."
        for names, noun, consequence in (
            (broken, "mask", "that cannot be read, left out of pixel metrics"),
            (empty, "mask", "without a single defect pixel, though the picture is labelled defective"),
            (
                full,
                "mask",
                f"{_verb(full, 'marks', 'mark')} more than {100 * _NEARLY_ALL:g} % of the picture as defect, as an "
                "inverted mask or one on a white ground would; check what is marked",
            ),
            (
                turned,
                "picture",
                f"{_verb(turned, 'is', 'are')} turned by an orientation tag that the mask does not have; check that "
                "the mask fits the upright picture",
            ),
            (resized, "mask", "of another size than its picture, stretched over it"),
            (vanished, "mask", f"{_verb(vanished, 'has', 'have')} no pixel {on_grid}; the defects {lost}"),
            (thinned, "mask", f"{_verb(thinned, 'has', 'have')} defects without a pixel {on_grid}; these {lost}"),
            (small, "picture", f"{_verb(small, 'has', 'have')} defects smaller than one pixel of the map"),
        )
        if names
    ]


def reduction_problems(
    samples: Iterable[Sample], grid: tuple[int, int], on_picture: Callable[[], object] = lambda: None
) -> list[str]:
    """Return a sentence about pictures that are much larger than the map's ``grid`` (H, W); opens their headers only.

    ``on_picture`` is called before each; what it raises ends the work.
    """
    reduced: dict[str, float] = {}
    for sample in samples:
        on_picture()
        if (times := reduction(_size_or_none(sample.path) or grid, grid)) > STRONG_REDUCTION:
            reduced[sample.name] = times
    if not reduced:
        return []
    return [
        f"{counted(len(reduced), 'picture')} {_verb(reduced, 'is', 'are')} reduced more than {STRONG_REDUCTION} times, "
        f"up to {max(reduced.values()):.3g} times a side, to the map's {grid[0]} × {grid[1]} grid, where small defects "
        f"vanish: {some([*reduced])}."
    ]


def reduction(size: tuple[int, int], grid: tuple[int, int]) -> float:
    """Return how many times a picture of ``size`` (height, width) is reduced to the map's ``grid``, the larger side."""
    return max(size[0] / grid[0], size[1] / grid[1])


def _dataset(folder: Folder, layout: str, listing: Listing) -> Dataset:
    root = folder.path
    samples: list[Sample] = []
    orphans: list[Path] = []
    hollow: list[Path] = []
    twice: list[str] = []
    known = set(listing.aside)
    for group in listing.groups:
        known |= {*group.pictures.values(), *group.masks.values()}
        pictures, beside, unclear = told_apart(group.pictures)
        twice += [relative(pictures[name], root) for name in unclear]
        masks = Masks({**group.masks, **beside}, pictures)
        for name, path in pictures.items():
            own = masks.take(stem_of(name))
            filled = [mask for mask in own if mask.stat().st_size > 0]
            hollow += [mask for mask in own if mask not in filled]
            first = filled[0] if filled and group.label != 0 else None
            sample = Sample(path, group.split, group.kind, group.label, first, relative(path, root))
            samples.append(replace(sample, more_masks=tuple(filled[1:])) if first else sample)
        orphans += masks.left
    samples.sort(key=lambda sample: (_SPLIT_ORDER[sample.split], _good_first(sample.kind), sample.name))
    warnings = [
        *listing.notes,
        *_split_notes(samples, listing.is_held_out),
        *_mask_warnings(samples, orphans, hollow, root),
        *_name_warnings(twice),
        *left_out(folder, layout, known),
    ]
    return Dataset(root.name, root, layout, tuple(samples), tuple(warnings))


def _split_notes(samples: list[Sample], is_held_out: bool) -> list[str]:
    notes = []
    if is_held_out:
        good = [sample for sample in samples if sample.label == 0]
        tests = sum(sample.split == "test" for sample in good)
        notes.append(
            f"No train/test split is given: every fifth good picture ({tests} of {len(good)}) tests, the rest train."
        )
    if validation := sum(sample.split == "validation" for sample in samples):
        notes.append(f"{counted(validation, 'validation picture')} listed, neither trained on nor tested.")
    return notes


def _name_warnings(twice: list[str]) -> list[str]:
    """Say which names stand for two pictures, as far as can be told."""
    if not twice:
        return []
    return [
        f"{counted(len(twice), 'stem')} {_verb(twice, 'occurs', 'occur')} twice in a folder, and none of the files is "
        f"plainly a mask; all are taken for pictures: {some(twice)}."
    ]


def _verb(counted: Sized, one: str, many: str) -> str:
    return one if len(counted) == 1 else many


def _mask_warnings(samples: list[Sample], orphans: list[Path], hollow: list[Path], root: Path) -> list[str]:
    defective = [sample for sample in samples if sample.split == "test" and sample.label == 1]
    missing = [sample.name for sample in defective if sample.mask_path is None]
    warnings = []
    if missing and len(missing) == len(defective):
        warnings.append("No defect picture has a mask: pixel metrics are undefined, image metrics are not.")
    elif missing:
        warnings.append(
            f"{len(missing)} of {len(defective)} defect pictures without a mask, left out of pixel metrics: "
            f"{some(missing)}."
        )
    for files, consequence in ((hollow, "empty (0 bytes) and counted as missing"), (orphans, "that fit no picture")):
        if files:
            names = some([relative(path, root) for path in sorted(files)])
            warnings.append(f"{counted(len(files), 'mask')} {consequence}: {names}.")
    return warnings


def _good_first(kind: str) -> tuple[bool, str]:
    return kind != GOOD, kind


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except ImageError:
        return None  # scoring reports broken pictures; here only masks are looked at
