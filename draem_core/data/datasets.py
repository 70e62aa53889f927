"""Dataset layouts: a folder becomes a list of pictures with their split, defect kind, label and mask.

Goes by names alone and opens no picture, so 10,000 files take a fraction of a second; only ``read_mask`` and
``mask_problems`` read pixels. Must not know networks, maps or thresholds.
"""

import csv
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from draem_core.data.images import IMAGE_SUFFIXES, image_size, read_samples
from draem_core.errors import DatasetError, ImageError

Split = Literal["train", "test"]
_SPLITS: tuple[Split, ...] = ("train", "test")

GOOD = "good"
"""The kind of every good picture, whatever its folder is called (good, ok, normal …)."""

FIND_DEPTH = 4
"""How many folders below its root ``find_datasets`` looks."""

_GOOD_NAMES = frozenset({"good", "ok", "normal", "defect_free", "anomaly_free", "no_defect", "non_defective"})
_MASK_NAMES = ("ground_truth", "groundtruth", "gt", "masks", "mask", "labels", "label")
_MASK_ENDING = re.compile(r"[_-](mask|gt|label)$")
_HOLD_OUT = 5  # every fifth good picture tests where a layout has no split, as anomalib's Folder does by default
_KNOWN_LAYOUTS = (
    "MVTec AD (train/good, test/<kind>, ground_truth/<kind>; so MPDD, BTAD and 1-class VisA), "
    "VisA (Data/Images/Normal and Anomaly, Data/Masks/Anomaly), "
    "DAGM 2007 (Train, Test, Label), "
    "a good folder beside defect folders, "
    "or a flat folder of pictures"
)


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
        return tuple(sample for sample in self.samples if sample.split == "test")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The labelled kinds of the test pictures, "good" first, then in order."""
        return tuple(sorted({sample.kind for sample in self.test if sample.kind}, key=_good_first))


def open_dataset(path: str | Path) -> Dataset:
    """Read the names below ``path`` as the layout that they fit.

    Raises DatasetError where the folder is missing or fits no layout; it lists the layouts and the datasets inside.
    """
    try:
        root = Path(os.path.normpath(Path(path).expanduser().absolute()))
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "does not exist"
            raise DatasetError(f"{root} {what}; choose the folder of a dataset.")
        folder = _scan(root)
        if (fit := _fit(folder)) is not None:
            return _dataset(folder, *fit)
        inside = [str(found.relative_to(root)) for found in find_datasets(root)]
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(f"{path} cannot be listed ({error}); check the path and its permissions.") from error
    held = _some([*folder.folders]) or "no folders and no pictures"
    way_out = f"open a dataset inside it ({_some(inside)}), or " if inside else ""
    raise DatasetError(
        f"{root} fits no known layout (it holds {held}); {way_out}arrange it as one of: {_KNOWN_LAYOUTS}."
    )


def find_datasets(root: Path) -> list[Path]:
    """Every folder at or up to ``FIND_DEPTH`` levels below ``root`` that ``open_dataset`` opens, in order.

    Opens no picture and does not look inside a dataset (but for a flat one, whose folders are no part of it).
    Symbolic links to folders are not followed: none leads out of ``root``, and nothing is listed twice.
    """
    found: list[Path] = []
    queue = deque([(Path(root), 0)])
    while queue:
        path, depth = queue.popleft()
        try:
            folder = _scan(path)
            fit = _fit(folder)
        except OSError:
            continue  # a folder that may not be listed is no dataset for this user
        if fit is not None:
            found.append(path)
        if depth < FIND_DEPTH and (fit is None or fit[0] == _FLAT):
            queue.extend((child, depth + 1) for child in folder.folders.values() if not child.is_symlink())
    return sorted(found)


def read_mask(sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
    """The true mask as bool (H, W) = ``shape``, the map's grid.

    Nearest neighbour by pixel centres: row i shows the mask's row floor((i + 0.5)·h / H). A good sample is all
    False; None where there is no mask. Any value above 0 is defect: 0/1, 0/255 and label values alike, and the
    grey rim of an anti-aliased mask too. Only in JPEG masks, whose black is never quite 0, the line is at 127.
    A mask of another size than its picture is stretched over it. Raises ImageError where the file is broken.
    """
    if sample.label == 0:
        return np.zeros(shape, dtype=bool)
    if sample.mask_path is None:
        return None
    mask = _read_defect_pixels(sample.mask_path)
    rows, columns = (_nearest(source, target) for source, target in zip(mask.shape, shape, strict=True))
    return mask[rows[:, None], columns]


def mask_problems(dataset: Dataset) -> list[str]:
    """Sentences about masks that are broken, empty or of another size than their picture; opens every mask."""
    broken, empty, resized = [], [], []
    for sample in dataset.samples:
        if sample.mask_path is None or sample.label == 0:
            continue
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
        f"{_count(len(names), noun)} {consequence}: {_some(names)}."
        for names, noun, consequence in (
            (broken, "mask", "that cannot be read, left out of pixel figures"),
            (empty, "mask", "without a single defect pixel, though the picture is labelled defective"),
            (resized, "mask", "of another size than its picture, stretched over it"),
        )
        if names
    ]


def _read_defect_pixels(path: Path) -> np.ndarray:
    samples = read_samples(path)
    defect: np.ndarray = samples > (127 if path.suffix.lower() in (".jpg", ".jpeg") else 0)
    return np.any(defect, axis=2) if defect.ndim == 3 else defect


def _nearest(source: int, target: int) -> np.ndarray:
    """(target,) source index under each target pixel's centre, in whole-number arithmetic."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except ImageError:
        return None  # scoring reports broken pictures; here only masks are judged


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _good_first(kind: str) -> tuple[bool, str]:
    return kind != GOOD, kind


# --- listing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    """A folder's visible sub-folders and pictures by name, in order."""

    path: Path
    folders: dict[str, Path]
    pictures: dict[str, Path]

    def sub(self, *names: str) -> "_Folder | None":
        """The first sub-folder that has one of ``names`` in any case."""
        for name in names:
            for own, path in self.folders.items():
                if own.lower() == name:
                    return _scan(path)
        return None


def _scan(path: Path) -> _Folder:
    folders: list[str] = []
    pictures: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                elif _suffix(entry.name) in IMAGE_SUFFIXES and entry.is_file():
                    pictures.append(entry.name)
            except OSError:
                continue  # a link in a circle
    return _Folder(
        path, {name: path / name for name in sorted(folders)}, {name: path / name for name in sorted(pictures)}
    )


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()


def _stem(name: str) -> str:
    """The name without its suffix, in lower case: what a picture and its mask have in common."""
    return name.rpartition(".")[0].lower()


def _is_good(name: str) -> bool:
    return re.sub(r"[\s-]+", "_", name.lower()) in _GOOD_NAMES


# --- layouts: each reads a folder into groups, or says None where it does not fit ----------------------------------


@dataclass(frozen=True)
class _Group:
    """Pictures of one split and kind with the files that may be their masks; no pictures = masks of nothing."""

    split: Split
    kind: str
    label: int | None
    pictures: dict[str, Path]
    masks: dict[str, Path]


@dataclass(frozen=True)
class _Listing:
    groups: list[_Group]
    notes: tuple[str, ...] = ()


def _mvtec(root: _Folder) -> _Listing | None:
    train, test = root.sub("train"), root.sub("test", "test_public")
    truth = root.sub(*_MASK_NAMES) or (test.sub("ground_truth") if test else None)
    groups: list[_Group] = []
    if train:
        groups += _kinds(train, "train", truth=None, skip=("ground_truth",))
        groups.append(_Group("train", GOOD, 0, _apart(train.pictures)[0], {}))
    if test:
        groups += _kinds(test, "test", truth, skip=("ground_truth",))
        groups.append(_Group("test", "", None, *_apart(test.pictures)))
    pictures = [group for group in groups if group.pictures]
    # train/cat and train/dog of a classification set are no defects of each other
    fits = any(group.label != 1 for group in pictures) or (pictures and truth is not None)
    return _Listing(groups) if fits else None


def _good_and_defect_folders(root: _Folder) -> _Listing | None:
    groups = _kinds(root, "test", root.sub(*_MASK_NAMES), skip=_MASK_NAMES)
    return _with_held_out(groups) if any(group.label == 0 for group in groups) else None


def _visa(root: _Folder) -> _Listing | None:
    data = root.sub("data")
    images = data.sub("images") if data else None
    if data is None or images is None:
        return None
    groups = _kinds(images, "test", data.sub("masks"), skip=())
    if not any(group.pictures for group in groups):
        return None
    return _by_table(root.path, groups) or _with_held_out(groups)


def _dagm(root: _Folder) -> _Listing | None:
    shared = root.sub("label", "labels")
    unclaimed = shared.pictures if shared else {}
    groups: list[_Group] = []
    sides: tuple[tuple[Split, _Folder | None], ...] = (("train", root.sub("train")), ("test", root.sub("test")))
    for split, folder in sides:
        if folder is None or not folder.pictures:
            continue
        labels = folder.sub("label", "labels") or (shared.sub(split) if shared else None) or shared
        if labels is None:
            continue
        stems = {_stem(name) for name in folder.pictures}
        is_own = labels is not shared  # else the label folder may serve both splits
        masks = {name: path for name, path in labels.pictures.items() if is_own or _picture_stem(name) in stems}
        unclaimed = {name: path for name, path in unclaimed.items() if is_own or name not in masks}
        defective = {_picture_stem(name) for name in masks} | _dagm_defects(labels)
        good = {name: path for name, path in folder.pictures.items() if _stem(name) not in defective}
        bad = {name: path for name, path in folder.pictures.items() if _stem(name) in defective}
        groups += [_Group(split, GOOD, 0, good, {}), _Group(split, "defect", 1, bad, masks)]
    return _Listing([*groups, _Group("test", "defect", 1, {}, unclaimed)]) if groups else None


def _flat(root: _Folder) -> _Listing | None:
    group = _Group("test", "", None, *_apart(root.pictures))
    return _Listing([group]) if group.pictures else None


_FLAT = "pictures without labels"
_LAYOUTS: tuple[tuple[str, Callable[[_Folder], _Listing | None]], ...] = (
    ("VisA", _visa),
    ("DAGM 2007", _dagm),
    ("MVTec AD", _mvtec),
    ("good and defect folders", _good_and_defect_folders),
    (_FLAT, _flat),
)


def _fit(folder: _Folder) -> tuple[str, _Listing] | None:
    """(layout, listing) of the first layout that the folder fits."""
    for name, read in _LAYOUTS:
        if (listing := read(folder)) is not None:
            return name, listing
    return None


def _kinds(folder: _Folder, split: Split, truth: _Folder | None, skip: Iterable[str]) -> list[_Group]:
    """One group for each sub-folder that holds pictures, and one of masks alone where a kind has no pictures."""
    apart = {name: _apart(_scan(path).pictures) for name, path in folder.folders.items() if name.lower() not in skip}
    found = {name: files for name, files in apart.items() if files[0]}
    defects = {name.lower() for name in found if not _is_good(name)}
    # With one kind of defect the masks may lie in the mask folder itself.
    common = truth.pictures if truth and len(defects) == 1 else {}
    groups: list[_Group] = []
    for name, (pictures, beside) in found.items():
        if _is_good(name):
            groups.append(_Group(split, GOOD, 0, pictures, {}))
        else:
            own = truth.sub(name.lower()) if truth else None
            groups.append(_Group(split, name, 1, pictures, beside | common | (own.pictures if own else {})))
    for name, path in truth.folders.items() if truth else ():
        if name.lower() not in defects and not _is_good(name):
            groups.append(_Group(split, name, 1, {}, _scan(path).pictures))
    return groups


def _apart(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """(pictures, masks) of a folder where 000_mask.png may lie beside 000.png."""
    stems = {_stem(name) for name in files}
    masks = {name: path for name, path in files.items() if _stem(name) != _picture_stem(name) in stems}
    return {name: path for name, path in files.items() if name not in masks}, masks


def _picture_stem(mask_name: str) -> str:
    return _MASK_ENDING.sub("", _stem(mask_name))


def _with_held_out(groups: list[_Group]) -> _Listing:
    """A split where the layout has none: every fifth good picture by name tests with the defects, the others train."""
    good = [group for group in groups if group.label == 0]
    listed = [group for group in groups if group.label != 0]
    tests = 0
    for group in good:
        test = dict(list(group.pictures.items())[::_HOLD_OUT])
        train = {name: path for name, path in group.pictures.items() if name not in test}
        listed += [_Group("train", GOOD, 0, train, {}), _Group("test", GOOD, 0, test, {})]
        tests += len(test)
    total = sum(len(group.pictures) for group in good)
    note = f"No train/test split is given: every fifth good picture ({tests} of {total}) tests, the rest train."
    return _Listing(listed, (note,))


def _by_table(root: Path, groups: list[_Group]) -> _Listing | None:
    """The groups split by VisA's 1cls.csv beside the category; None where it names none of their pictures."""
    table = _visa_table(root)
    splits = {
        path: table.pop(below)
        for group in groups
        for path in group.pictures.values()
        if (below := _relative(path, root).lower()) in table
    }
    if not splits:
        return None
    listed = [
        _Group(
            split,
            group.kind,
            group.label,
            {name: path for name, path in group.pictures.items() if splits.get(path) == split},
            group.masks if split == "test" else {},
        )
        for split in _SPLITS
        for group in groups
    ]
    notes = []
    if left_out := sum(len(group.pictures) for group in groups) - len(splits):
        notes.append(f"{_count(left_out, 'picture')} left out, as split_csv/1cls.csv does not name them.")
    if table:
        notes.append(f"{_count(len(table), 'picture')} named in split_csv/1cls.csv but not there.")
    return _Listing(listed, tuple(notes))


def _visa_table(root: Path) -> dict[str, Split]:
    """{path below the category in lower case: its split}; empty without a readable table."""
    splits: dict[str, Split] = {}
    try:
        with (root.parent / "split_csv" / "1cls.csv").open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                category, _, below = (row.get("image") or "").replace("\\", "/").partition("/")
                if category.lower() == root.name.lower():
                    splits[below.lower()] = "train" if row.get("split") == "train" else "test"
    except (OSError, csv.Error, UnicodeDecodeError):
        return {}
    return splits


def _dagm_defects(folder: _Folder) -> set[str]:
    """Stems of the pictures for which a Labels.txt names a label file, whether or not that file is there."""
    try:
        text = (folder.path / "Labels.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {word.lower().split("_label.")[0] for word in text.split() if "_label." in word.lower()}


# --- from groups to samples -----------------------------------------------------------------------------------------


def _dataset(folder: _Folder, layout: str, listing: _Listing) -> Dataset:
    root = folder.path
    samples: list[Sample] = []
    orphans: list[Path] = []
    hollow: list[Path] = []
    for group in listing.groups:
        masks = {_stem(name): path for name, path in reversed(group.masks.items())}
        for name, path in group.pictures.items():
            mask = _take_mask(masks, _stem(name)) if masks else None
            if mask is not None and mask.stat().st_size == 0:
                hollow.append(mask)
                mask = None
            samples.append(Sample(path, group.split, group.kind, group.label, mask, _relative(path, root)))
        orphans += masks.values()
    samples.sort(key=lambda sample: (sample.split == "test", _good_first(sample.kind), sample.name))
    warnings = [*listing.notes, *_mask_warnings(samples, orphans, hollow, root)]
    return Dataset(root.name, root, layout, tuple(samples), tuple(warnings))


def _take_mask(masks: dict[str, Path], stem: str) -> Path | None:
    """The mask of the picture ``stem``, taken out of ``masks``: 000_mask, 000_label, 000_gt or 000 itself."""
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
            f"{_some(missing)}."
        )
    for files, consequence in ((hollow, "empty (0 bytes) and counted as missing"), (orphans, "that fit no picture")):
        if files:
            names = _some([_relative(path, root) for path in sorted(files)])
            warnings.append(f"{_count(len(files), 'mask')} {consequence}: {names}.")
    return warnings


def _relative(path: Path, root: Path) -> str:
    """The path below ``root`` with forward slashes; bytes that are no UTF-8 are escaped, so that it can be written."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")
