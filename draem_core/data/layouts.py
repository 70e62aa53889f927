"""Dataset layouts: a folder is recognised by its names, and its pictures are put into groups of one split and kind.

Opens no picture, only the tables that VisA, Real-IAD and DAGM bring. Must not know which mask belongs to which picture.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from draem_core.data.folders import Folder, below, relative, scan, stem_of
from draem_core.formatting import counted

Split = Literal["train", "validation", "test"]

GOOD = "good"
"""The kind of every good picture, whatever its folder is called (good, ok, normal …)."""

FLAT = "pictures without labels"
"""The layout that any folder of pictures fits."""

KNOWN_LAYOUTS = (
    "MVTec AD (train/good, test/<kind>, ground_truth/<kind>; so MVTec AD 2, LOCO, MPDD, BTAD and 1-class VisA), "
    "VisA (Data/Images/Normal and Anomaly, Data/Masks/Anomaly), "
    "DAGM 2007 (Train, Test, Label), "
    "a good folder beside defect folders (so Real-IAD), "
    "or a flat folder of pictures"
)
"""The layouts in words, for a folder that fits none."""

_SPLITS: tuple[Split, ...] = ("train", "test")
_VALIDATION, _UNLABELLED_TESTS = ("validation", "val", "valid"), ("test_private", "test_private_mixed")
_NG_NAMES = frozenset({"ng", "bad", "ko", "nok", "not_good", "defect", "defects", "defective", "anomaly", "anomalous"})
_GOOD_NAMES = frozenset({"good", "ok", "normal", "defect_free", "anomaly_free", "no_defect", "non_defective"})
_MASK_NAMES = ("ground_truth", "groundtruth", "gt", "masks", "mask", "labels", "label")
_MASKS_IN_TEST = ("ground_truth", "groundtruth", "gt", "masks", "mask")  # label may well be a defect's name
_MASK_FOLDER_ENDING = re.compile(r"[_-](masks?|gt|ground_truth)$")
_MASK_ENDING = re.compile(r"[_-](mask|gt|label)$")
_HOLD_OUT = 5  # every fifth good picture tests where a layout has no split, as anomalib's Folder does by default


@dataclass(frozen=True)
class Group:
    """Pictures of one split and kind with the files that may be their masks; no pictures = masks of nothing.

    Both by the path below a folder of their own: a mask fits the picture of the same path, whatever its suffix, with
    an ending such as _mask or without; or it is one of several in a folder that is called as the picture is.
    """

    split: Split
    kind: str
    label: int | None
    pictures: dict[str, Path]
    masks: dict[str, Path]


@dataclass(frozen=True)
class Listing:
    """A folder's groups, and sentences about a split that does not fit the folder.

    is_held_out: the split was chosen. aside: files that are left out for a reason that needs no word, or has one in
    ``notes``.
    """

    groups: list[Group]
    notes: tuple[str, ...] = ()
    is_held_out: bool = False
    aside: frozenset[Path] = frozenset()


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
    listing = _kinds(images, "test", data.sub("masks"), skip=())
    if not any(group.pictures for group in listing.groups):
        return None
    return _by_table(root.path, listing) or _with_held_out(listing)


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
    train, beside = root.sub("train"), root.sub(*_MASK_NAMES)
    tests = [test for name in ("test", "test_public") if (test := root.sub(name)) is not None]
    truth = beside
    listings: list[Listing] = []
    if train:
        listings.append(_kinds(train, "train", truth=None, skip=("ground_truth",)))
        listings.append(Listing([Group("train", GOOD, 0, *_apart(train.pictures))]))
    for test in tests:
        truth = beside or test.sub(*_MASKS_IN_TEST)
        listings.append(_kinds(test, "test", truth, skip=("ground_truth",) if beside else _MASKS_IN_TEST))
        listings.append(Listing([Group("test", "", None, *_apart(test.pictures))]))
    listing = _joined(listings)
    pictures = [group for group in listing.groups if group.pictures]
    # train/cat and train/dog of a classification set are no defects of each other
    if not (any(group.label != 1 for group in pictures) or (pictures and truth is not None)):
        return None
    return _joined([listing, *_mvtec_extras(root)])


def _mvtec_extras(root: Folder) -> Iterable[Listing]:
    """Yield what MVTec AD 2 and LOCO have besides: good pictures to validate on, and tests without labels."""
    if validation := root.sub(*_VALIDATION):
        listing = _kinds(validation, "validation", validation.sub(*_MASKS_IN_TEST), skip=_MASKS_IN_TEST)
        yield listing
        yield Listing([Group("validation", GOOD, 0, *_apart(validation.pictures))])
    for name in _UNLABELLED_TESTS:
        if unlabelled := root.sub(name):
            yield Listing([Group("test", "", None, *_apart(below(unlabelled)))])


def _real_iad(root: Folder) -> Listing | None:
    """Read the split by the category's table, where it lies beside the folder of all categories, else None."""
    table, rows = _real_iad_table(root.path)
    if table is None or root.sub("ok") is None or root.sub("ng") is None:
        return None
    files = {name.lower(): (name, path) for name, path in below(root).items()}
    groups: dict[tuple[Split, str], Group] = {}
    named: set[str] = set()
    for split, kind, picture, mask in rows:
        named |= {picture, mask}
        if picture in files:
            name, path = files[picture]
            group = groups.setdefault((split, kind), Group(split, kind, int(kind != GOOD), {}, {}))
            group.pictures[name] = path
            if mask in files:
                group.masks[f"{stem_of(name)}.png"] = files[mask][1]
    if not groups:
        return None
    unnamed = [path for name, (_, path) in files.items() if name not in named]
    missing = len(named - files.keys() - {""})
    notes = []
    if unnamed:
        notes.append(f"{counted(len(unnamed), 'picture')} left out, as {table.name} does not name them.")
    if missing:
        notes.append(f"{counted(missing, 'file')} named in {table.name} but not there.")
    return Listing(list(groups.values()), tuple(notes), aside=frozenset(unnamed))


def _good_and_defect_folders(root: Folder) -> Listing | None:
    if not any(_is_good(name) for name in root.folders):
        return None
    listing = _kinds(root, "test", root.sub(*_MASK_NAMES), skip=_MASK_NAMES)
    return _with_held_out(listing) if any(group.label == 0 for group in listing.groups) else None


def _flat(root: Folder) -> Listing | None:
    pictures, masks = _apart(root.pictures)
    if not pictures:
        return None
    truth = root.sub(*_MASKS_IN_TEST)
    return Listing([Group("test", "", None, pictures, (below(truth) if truth else {}) | masks)])


# The most particular first. Each reads a folder into groups, or says None where it does not fit.
_LAYOUTS: tuple[tuple[str, Callable[[Folder], Listing | None]], ...] = (
    ("VisA", _visa),
    ("DAGM 2007", _dagm),
    ("MVTec AD", _mvtec),
    ("Real-IAD", _real_iad),
    ("good and defect folders", _good_and_defect_folders),
    (FLAT, _flat),
)


@dataclass(frozen=True)
class _Kind:
    """A kind's pictures and own masks, as in ``Group``; places: the folders of a truth folder that are the kind's."""

    name: str
    pictures: dict[str, Path]
    masks: dict[str, Path]
    places: tuple[tuple[str, ...], ...]

    @property
    def is_good(self) -> bool:
        return _is_good(self.name)


def _kinds(folder: Folder, split: Split, truth: Folder | None, skip: Iterable[str]) -> Listing:
    """Return one group for each kind that has pictures, and one of masks that are nobody's."""
    names = {name.lower() for name in folder.folders}
    owners = {name: _owner(name, names) for name in folder.folders}
    found: list[_Kind] = []
    nobodys: dict[str, Path] = {}
    for name, owner in owners.items():
        if owner is None and name.lower() not in skip:
            masks: dict[str, Path] = {}
            for other in (other for other, owner in owners.items() if owner == name.lower()):
                masks |= below(scan(folder.folders[other]))
            kinds, left = _kinds_in(name, scan(folder.folders[name]), masks)
            found += kinds
            nobodys |= left
    in_truth = below(truth) if truth else {}
    common = {name: path for name, path in in_truth.items() if "/" not in name}
    shared, unclear = _shared_out(common, found)
    groups: list[Group] = []
    taken: set[Path] = set()
    for kind, given in zip(found, shared, strict=True):
        if kind.is_good:
            groups.append(Group(split, GOOD, 0, kind.pictures, {}))
            taken |= set(kind.masks.values())
        else:
            free = {name: path for name, path in in_truth.items() if path not in taken}
            masks = kind.masks | given | _at(free, kind.places)
            groups.append(Group(split, kind.name, 1, kind.pictures, masks))
            taken |= set(masks.values())
    of_good = {path for kind in found if kind.is_good for path in kind.masks.values()}
    of_good |= {path for name, path in in_truth.items() if "/" in name and _is_good(name.partition("/")[0])}
    of_good |= {path for name, path in common.items() if name not in unclear}
    nobodys |= {name: path for name, path in in_truth.items() if path not in taken | of_good}
    if nobodys:
        groups.append(Group(split, "", 1, {}, nobodys))
    return Listing(groups, aside=frozenset(of_good - taken))


def _kinds_in(name: str, folder: Folder, masks: dict[str, Path]) -> tuple[list[_Kind], dict[str, Path]]:
    """Return the kinds in a kind's folder, and masks of none: itself with all below, or each sub-folder of NG."""
    pictures, own = _contents(folder)
    masks = masks | own
    kinds: list[_Kind] = []
    for inner in folder.folders if _is_ng(name) else ():
        start = f"{inner.lower()}/"
        if inside := _inside(pictures, start):
            places = ((name.lower(), inner.lower()), (inner.lower(),))
            kinds.append(_Kind(inner, inside, _inside(masks, start), places))
            pictures = {key: path for key, path in pictures.items() if not key.lower().startswith(start)}
            masks = {key: path for key, path in masks.items() if not key.lower().startswith(start)}
    if pictures:
        kinds.append(_Kind(name, pictures, masks, ((name.lower(),),)))
        masks = {}
    return kinds, masks


def _contents(folder: Folder) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return (pictures, masks) at any depth; what lies in a folder called mask, ground_truth … is masks.

    These go by their path without that folder: NG/line2/mask/0.png is the mask of NG/line2/0.jpg.
    """
    pictures: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for name, path in below(folder).items():
        *above, last = name.split("/")
        plain = [part for part in above if part.lower() not in _MASKS_IN_TEST]
        (pictures if len(plain) == len(above) else masks)["/".join([*plain, last])] = path
    pictures, beside = _apart(pictures)
    return pictures, masks | beside


def _at(files: dict[str, Path], places: tuple[tuple[str, ...], ...]) -> dict[str, Path]:
    """Return the files of a truth folder that lie in the first of ``places`` that has any, by their path below it."""
    return next((found for place in places if (found := _inside(files, "/".join(place) + "/"))), {})


def _inside(files: dict[str, Path], start: str) -> dict[str, Path]:
    """Return the files whose name begins with ``start``, a folder in lower case, by the rest of their name."""
    return {name[len(start) :]: path for name, path in files.items() if name.lower().startswith(start)}


def _owner(name: str, names: set[str]) -> str | None:
    """Return the folder, in lower case, whose masks the folder ``name`` holds, as bad_mask beside bad; else None."""
    owner = _MASK_FOLDER_ENDING.sub("", name.lower())
    return owner if owner != name.lower() and owner in names else None


def _shared_out(masks: dict[str, Path], found: list[_Kind]) -> tuple[list[dict[str, Path]], set[str]]:
    """Return the masks of a common folder for each kind that has a picture of that name, and names that are nobody's.

    Where several kinds of defect have one, nobody can tell whose it is: none gets it. A mask of a good picture goes
    to none either, and is not nobody's.
    """
    given: list[dict[str, Path]] = [{} for _ in found]
    defects = [place for place, kind in enumerate(found) if not kind.is_good]
    if len(defects) == 1:
        given[defects[0]] = masks
        return given, set()
    stems = [
        {stem for name in kind.pictures for stem in (stem_of(name), stem_of(name.rpartition("/")[2]))} for kind in found
    ]
    left: set[str] = set()
    for name, path in masks.items():
        holders = [place for place, own in enumerate(stems) if own & {_picture_stem(name), stem_of(name)}]
        defective = [place for place in holders if place in defects]
        if len(defective) == 1:
            given[defective[0]][name] = path
        elif defective or not holders:
            left.add(name)
    return given, left


def _apart(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return (pictures, masks) of a folder where 000_mask.png may lie beside 000.png."""
    stems = {stem_of(name) for name in files}
    masks = {name: path for name, path in files.items() if stem_of(name) != _picture_stem(name) in stems}
    return {name: path for name, path in files.items() if name not in masks}, masks


def _picture_stem(mask_name: str) -> str:
    return _MASK_ENDING.sub("", stem_of(mask_name))


def _is_good(name: str) -> bool:
    return re.sub(r"[\s-]+", "_", name.lower()) in _GOOD_NAMES


def _is_ng(name: str) -> bool:
    return re.sub(r"[\s-]+", "_", name.lower()) in _NG_NAMES


def _joined(listings: Iterable[Listing]) -> Listing:
    all_of = list(listings)
    return Listing(
        [group for one in all_of for group in one.groups],
        tuple(note for one in all_of for note in one.notes),
        any(one.is_held_out for one in all_of),
        frozenset().union(*(one.aside for one in all_of)),
    )


def _with_held_out(listing: Listing) -> Listing:
    """Split where the layout does not: every fifth good picture by name tests with the defects, the others train.

    Files of one name, as a picture and its mask, stay together.
    """
    good = [group for group in listing.groups if group.label == 0]
    listed = [group for group in listing.groups if group.label != 0]
    for group in good:
        stems = list(dict.fromkeys(stem_of(name) for name in group.pictures))
        held_out = set(stems[::_HOLD_OUT])
        test = {name: path for name, path in group.pictures.items() if stem_of(name) in held_out}
        train = {name: path for name, path in group.pictures.items() if name not in test}
        listed += [Group("train", GOOD, 0, train, {}), Group("test", GOOD, 0, test, {})]
    return Listing(listed, listing.notes, True, listing.aside)


def _by_table(root: Path, listing: Listing) -> Listing | None:
    """Return the groups split by VisA's 1cls.csv beside the category; None where it names none of their pictures."""
    table, groups = _visa_table(root), listing.groups
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
    left_out = {path for group in groups for path in group.pictures.values()} - splits.keys()
    if left_out:
        notes.append(f"{counted(len(left_out), 'picture')} left out, as split_csv/1cls.csv does not name them.")
    if table:
        notes.append(f"{counted(len(table), 'picture')} named in split_csv/1cls.csv but not there.")
    return Listing(listed, tuple(notes), aside=listing.aside | left_out)


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


def _real_iad_table(root: Path) -> tuple[Path | None, list[tuple[Split, str, str, str]]]:
    """Return the table of a category and its rows: split, kind, the paths of picture and mask in lower case ("": none).

    The table lies in realiad_jsons beside the folder of all categories, or one folder further in. (None, []) without.
    """
    name = f"{root.name}.json"
    for folder in (root.parent / "realiad_jsons", root.parent.parent / "realiad_jsons"):
        for table in (folder / name, folder / "realiad_jsons" / name):
            try:
                return table, list(_real_iad_rows(json.loads(table.read_bytes())))
            except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
                continue
    return None, []


def _real_iad_rows(content: Any) -> Iterable[tuple[Split, str, str, str]]:
    normal = str(content.get("meta", {}).get("normal_class", "OK"))
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        for row in content.get(split, []):
            kind = GOOD if row["anomaly_class"] == normal else str(row["anomaly_class"])
            yield split, kind, str(row["image_path"]).lower(), str(row.get("mask_path") or "").lower()


def _dagm_defects(folder: Folder) -> set[str]:
    """Return stems of the pictures for which a Labels.txt names a label file, whether or not that file is there."""
    try:
        text = (folder.path / "Labels.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {word.lower().split("_label.")[0] for word in text.split() if "_label." in word.lower()}
