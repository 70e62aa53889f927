"""Dataset layouts: a folder is recognised by its names, and its pictures are put into groups of one split and kind.

Opens no picture, only the two tables that VisA and DAGM bring. Must not know which mask belongs to which picture.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from draem_core.data.folders import Folder, relative, scan, stem_of
from draem_core.data.wording import count

Split = Literal["train", "test"]

GOOD = "good"
"""The kind of every good picture, whatever its folder is called (good, ok, normal …)."""

FLAT = "pictures without labels"
"""The layout that any folder of pictures fits."""

KNOWN_LAYOUTS = (
    "MVTec AD (train/good, test/<kind>, ground_truth/<kind>; so MPDD, BTAD and 1-class VisA), "
    "VisA (Data/Images/Normal and Anomaly, Data/Masks/Anomaly), "
    "DAGM 2007 (Train, Test, Label), "
    "a good folder beside defect folders, "
    "or a flat folder of pictures"
)
"""The layouts in words, for a folder that fits none."""

_SPLITS: tuple[Split, ...] = ("train", "test")
_GOOD_NAMES = frozenset({"good", "ok", "normal", "defect_free", "anomaly_free", "no_defect", "non_defective"})
_MASK_NAMES = ("ground_truth", "groundtruth", "gt", "masks", "mask", "labels", "label")
_MASKS_IN_TEST = ("ground_truth", "groundtruth", "gt", "masks", "mask")  # label may well be a defect's name
_MASK_FOLDER_ENDING = re.compile(r"[_-](masks?|gt|ground_truth)$")
_MASK_ENDING = re.compile(r"[_-](mask|gt|label)$")
_HOLD_OUT = 5  # every fifth good picture tests where a layout has no split, as anomalib's Folder does by default


@dataclass(frozen=True)
class Group:
    """Pictures of one split and kind with the files that may be their masks; no pictures = masks of nothing."""

    split: Split
    kind: str
    label: int | None
    pictures: dict[str, Path]
    masks: dict[str, Path]


@dataclass(frozen=True)
class Listing:
    """A folder's groups, and sentences about a split that had to be made up or that does not fit the folder."""

    groups: list[Group]
    notes: tuple[str, ...] = ()


def recognise(folder: Folder) -> tuple[str, Listing] | None:
    """Return (layout, listing) by the first layout that the folder fits, or None where it fits none."""
    for name, read in _LAYOUTS:
        if (listing := read(folder)) is not None:
            return name, listing
    return None


def _visa(root: Folder) -> Listing | None:
    data = root.sub("data")
    images = data.sub("images") if data else None
    if data is None or images is None:
        return None
    groups = _kinds(images, "test", data.sub("masks"), skip=())
    if not any(group.pictures for group in groups):
        return None
    return _by_table(root.path, groups) or _with_held_out(groups)


def _dagm(root: Folder) -> Listing | None:
    shared = root.sub("label", "labels")
    unclaimed = shared.pictures if shared else {}
    groups: list[Group] = []
    sides: tuple[tuple[Split, Folder | None], ...] = (("train", root.sub("train")), ("test", root.sub("test")))
    for split, folder in sides:
        if folder is None or not folder.pictures:
            continue
        labels = folder.sub("label", "labels") or (shared.sub(split) if shared else None) or shared
        if labels is None:
            continue
        stems = {stem_of(name) for name in folder.pictures}
        is_own = labels is not shared  # else the label folder may serve both splits
        masks = {name: path for name, path in labels.pictures.items() if is_own or _picture_stem(name) in stems}
        unclaimed = {name: path for name, path in unclaimed.items() if is_own or name not in masks}
        defective = {_picture_stem(name) for name in masks} | _dagm_defects(labels)
        good = {name: path for name, path in folder.pictures.items() if stem_of(name) not in defective}
        bad = {name: path for name, path in folder.pictures.items() if stem_of(name) in defective}
        groups += [Group(split, GOOD, 0, good, {}), Group(split, "defect", 1, bad, masks)]
    return Listing([*groups, Group("test", "defect", 1, {}, unclaimed)]) if groups else None


def _mvtec(root: Folder) -> Listing | None:
    train, test = root.sub("train"), root.sub("test", "test_public")
    beside = root.sub(*_MASK_NAMES)
    truth = beside or (test.sub(*_MASKS_IN_TEST) if test else None)
    groups: list[Group] = []
    if train:
        groups += _kinds(train, "train", truth=None, skip=("ground_truth",))
        groups.append(Group("train", GOOD, 0, _apart(train.pictures)[0], {}))
    if test:
        groups += _kinds(test, "test", truth, skip=("ground_truth",) if beside else _MASKS_IN_TEST)
        groups.append(Group("test", "", None, *_apart(test.pictures)))
    pictures = [group for group in groups if group.pictures]
    # train/cat and train/dog of a classification set are no defects of each other
    fits = any(group.label != 1 for group in pictures) or (pictures and truth is not None)
    return Listing(groups) if fits else None


def _good_and_defect_folders(root: Folder) -> Listing | None:
    groups = _kinds(root, "test", root.sub(*_MASK_NAMES), skip=_MASK_NAMES)
    return _with_held_out(groups) if any(group.label == 0 for group in groups) else None


def _flat(root: Folder) -> Listing | None:
    group = Group("test", "", None, *_apart(root.pictures))
    return Listing([group]) if group.pictures else None


# The most particular first. Each reads a folder into groups, or says None where it does not fit.
_LAYOUTS: tuple[tuple[str, Callable[[Folder], Listing | None]], ...] = (
    ("VisA", _visa),
    ("DAGM 2007", _dagm),
    ("MVTec AD", _mvtec),
    ("good and defect folders", _good_and_defect_folders),
    (FLAT, _flat),
)


def _kinds(folder: Folder, split: Split, truth: Folder | None, skip: Iterable[str]) -> list[Group]:
    """Return one group for each sub-folder that holds pictures, and ones of masks alone that are nobody's."""
    names = {name.lower() for name in folder.folders}
    owners = {name: _owner(name, names) for name in folder.folders}
    kinds = [name for name, owner in owners.items() if owner is None and name.lower() not in skip]
    found = {name: files for name in kinds if (files := _apart(scan(folder.folders[name]).pictures))[0]}
    defects = {name: files for name, files in found.items() if not _is_good(name)}
    common, nobodys = _shared_out(truth.pictures if truth else {}, found, defects)
    groups: list[Group] = []
    for name, (pictures, masks) in found.items():
        if name not in defects:
            groups.append(Group(split, GOOD, 0, pictures, {}))
            continue
        masks = masks | common[name]
        masks |= own.pictures if truth and (own := truth.sub(name.lower())) else {}
        for other in (other for other, owner in owners.items() if owner == name.lower()):
            masks |= scan(folder.folders[other]).pictures
        groups.append(Group(split, name, 1, pictures, masks))
    lower = {name.lower() for name in defects}
    for name, path in truth.folders.items() if truth else ():
        if name.lower() not in lower and not _is_good(name):
            groups.append(Group(split, name, 1, {}, scan(path).pictures))
    return [*groups, Group(split, "", 1, {}, nobodys)] if nobodys else groups


def _owner(name: str, names: set[str]) -> str | None:
    """Return the folder, in lower case, whose masks the folder ``name`` holds, as bad_mask beside bad; else None."""
    owner = _MASK_FOLDER_ENDING.sub("", name.lower())
    return owner if owner != name.lower() and owner in names else None


def _shared_out(
    masks: dict[str, Path], found: dict[str, tuple[dict[str, Path], dict[str, Path]]], defects: Iterable[str]
) -> tuple[dict[str, dict[str, Path]], dict[str, Path]]:
    """Return the masks of a common folder by the kind that has a picture of that name, and those of no picture.

    Where several kinds of defect have one, nobody can tell whose it is: none gets it.
    """
    by_kind: dict[str, dict[str, Path]] = {name: {} for name in defects}
    if len(by_kind) == 1:
        return dict.fromkeys(by_kind, masks), {}
    stems = {kind: {stem_of(name) for name in pictures} for kind, (pictures, _) in found.items()}
    nobodys: dict[str, Path] = {}
    for name, path in masks.items():
        holders = [kind for kind in stems if stems[kind] & {_picture_stem(name), stem_of(name)}]
        defective = [kind for kind in holders if kind in by_kind]
        if len(defective) == 1:
            by_kind[defective[0]][name] = path
        elif defective or not holders:
            nobodys[name] = path
    return by_kind, nobodys


def _apart(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return (pictures, masks) of a folder where 000_mask.png may lie beside 000.png."""
    stems = {stem_of(name) for name in files}
    masks = {name: path for name, path in files.items() if stem_of(name) != _picture_stem(name) in stems}
    return {name: path for name, path in files.items() if name not in masks}, masks


def _picture_stem(mask_name: str) -> str:
    return _MASK_ENDING.sub("", stem_of(mask_name))


def _is_good(name: str) -> bool:
    return re.sub(r"[\s-]+", "_", name.lower()) in _GOOD_NAMES


def _with_held_out(groups: list[Group]) -> Listing:
    """Split where the layout does not: every fifth good picture by name tests with the defects, the others train."""
    good = [group for group in groups if group.label == 0]
    listed = [group for group in groups if group.label != 0]
    tests = 0
    for group in good:
        test = dict(list(group.pictures.items())[::_HOLD_OUT])
        train = {name: path for name, path in group.pictures.items() if name not in test}
        listed += [Group("train", GOOD, 0, train, {}), Group("test", GOOD, 0, test, {})]
        tests += len(test)
    total = sum(len(group.pictures) for group in good)
    note = f"No train/test split is given: every fifth good picture ({tests} of {total}) tests, the rest train."
    return Listing(listed, (note,))


def _by_table(root: Path, groups: list[Group]) -> Listing | None:
    """Return the groups split by VisA's 1cls.csv beside the category; None where it names none of their pictures."""
    table = _visa_table(root)
    splits = {
        path: table.pop(below)
        for group in groups
        for path in group.pictures.values()
        if (below := relative(path, root).lower()) in table
    }
    if not splits:
        return None
    listed = [
        Group(
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
        notes.append(f"{count(left_out, 'picture')} left out, as split_csv/1cls.csv does not name them.")
    if table:
        notes.append(f"{count(len(table), 'picture')} named in split_csv/1cls.csv but not there.")
    return Listing(listed, tuple(notes))


def _visa_table(root: Path) -> dict[str, Split]:
    """Return {path below the category in lower case: its split}; empty without a readable table."""
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


def _dagm_defects(folder: Folder) -> set[str]:
    """Return stems of the pictures for which a Labels.txt names a label file, whether or not that file is there."""
    try:
        text = (folder.path / "Labels.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {word.lower().split("_label.")[0] for word in text.split() if "_label." in word.lower()}
