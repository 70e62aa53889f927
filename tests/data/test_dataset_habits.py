"""Datasets as people have them: masks beside pictures, folders in folders, MVTec AD 2, LOCO, Real-IAD."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draem_core.data import matching
from draem_core.data.datasets import Dataset, open_dataset, read_mask

SHAPE = 16, 24


def grow(root: Path, *names: str) -> Path:
    """Files that are no pictures at all: opening must not look inside."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not read")
    return root


def picture(path: Path, shape: tuple[int, int] = SHAPE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(90, 130, (*shape, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path, quality=95)


def mask(path: Path, shape: tuple[int, int] = SHAPE) -> None:
    """10 pixels of defect."""
    pixels = np.zeros(shape, np.uint8)
    pixels[3:5, 4:9] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def masks_of(dataset: Dataset) -> dict[str, list[str]]:
    """Below the root, by the name of each defect picture."""
    return {
        one.name: [path.relative_to(dataset.root).as_posix() for path in one.mask_paths]
        for one in dataset.samples
        if one.label != 0
    }


def kinds_of(dataset: Dataset) -> dict[str, str]:
    return {one.name: one.kind for one in dataset.samples}


# --- masks beside pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "good"), [("NG", "OK/{}.jpg"), ("test/bad", "train/good/{}.jpg"), ("", ""), ("NG/crack", "OK/{}.jpg")]
)
@pytest.mark.parametrize("ending", ["", "_mask"])
def test_a_mask_beside_its_picture_is_no_picture(tmp_path: Path, folder: str, good: str, ending: str) -> None:
    for index in range(3):
        picture(tmp_path / folder / f"{index}.jpg")
        mask(tmp_path / folder / f"{index}{ending}.png")
        if good:
            picture(tmp_path / good.format(index))
    dataset = open_dataset(tmp_path)
    start = f"{folder}/" if folder else ""
    expected = {f"{start}{index}.jpg": [f"{start}{index}{ending}.png"] for index in range(3)}
    assert masks_of(dataset) == expected
    assert all(read_mask(one, SHAPE).sum() == 10 for one in dataset.samples if one.label != 0)
    assert not [warning for warning in dataset.warnings if "split" not in warning]


def test_an_anti_aliased_or_jpeg_mask_beside_is_one_too(tmp_path: Path) -> None:
    smooth = np.zeros((64, 64), np.uint8)
    smooth[20:44, 20:44] = 255
    for index, name in enumerate(("0.png", "1.jpg")):
        shown = tmp_path / "test/bad" / f"{index}.bmp"
        picture(shown, (64, 64))
        image = Image.fromarray(smooth)
        (image.resize((63, 63)).resize((64, 64), Image.Resampling.BICUBIC) if index == 0 else image).save(
            tmp_path / "test/bad" / name, quality=75
        )
    grow(tmp_path, "test/good/9.png")
    assert masks_of(open_dataset(tmp_path)) == {
        "test/bad/0.bmp": ["test/bad/0.png"],
        "test/bad/1.bmp": ["test/bad/1.jpg"],
    }


def test_names_that_occur_twice_and_are_no_masks_are_said(tmp_path: Path) -> None:
    """Two pictures; a mask of another size; two files that cannot be read; and one pair that is clear."""
    for name in ("NG/0.jpg", "NG/0.png", "NG/1.jpg", "NG/3.jpg"):
        picture(tmp_path / name)
    mask(tmp_path / "NG/1.png", (8, 8))
    grow(tmp_path, "NG/2.jpg", "NG/2.png", "OK/0.jpg")
    mask(tmp_path / "NG/3.png")
    dataset = open_dataset(tmp_path)
    assert [one.name for one in dataset.samples if one.label] == [
        *("NG/0.jpg", "NG/0.png", "NG/1.jpg", "NG/1.png", "NG/2.jpg", "NG/2.png", "NG/3.jpg")
    ]
    assert dataset.warnings[-1] == (
        "3 stems occur twice in a folder, and none of the files is plainly a mask; all are taken for pictures: "
        "NG/0.jpg, NG/1.jpg, NG/2.jpg."
    )


def test_blank_masks_beside_good_pictures_are_no_pictures_and_stay_on_their_side(tmp_path: Path) -> None:
    for index in range(6):
        picture(tmp_path / f"good/{index}.jpg")
        Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / f"good/{index}.png")
    picture(tmp_path / "dent/0.jpg")
    dataset = open_dataset(tmp_path)
    assert [one.name for one in dataset.samples if one.split == "test"] == ["good/0.jpg", "good/5.jpg", "dent/0.jpg"]
    assert dataset.warnings[0].endswith("every fifth good picture (2 of 6) tests, the rest train.")


def test_nothing_is_opened_where_no_name_occurs_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(matching, "masks_among", refuse)
    grow(tmp_path, "OK/0.jpg", "NG/0.jpg", "NG/0_mask.png", "NG/1.jpg", "masks/NG/1.png")
    assert masks_of(open_dataset(tmp_path)) == {"NG/0.jpg": ["NG/0_mask.png"], "NG/1.jpg": ["masks/NG/1.png"]}


# --- folders in folders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["mask/{}/{}.png", "mask/NG/{}/{}.png", "NG/mask/{}/{}.png", "NG/{}/masks/{}.png", "NG_mask/{}/{}_gt.png"]
)
def test_folders_of_ng_are_kinds(tmp_path: Path, place: str) -> None:
    grow(tmp_path, *(f"good/{index}.jpg" for index in range(6)))
    for kind in ("colour", "crack"):
        grow(tmp_path, *(f"NG/{kind}/{index}.jpg" for index in range(2)))
        grow(tmp_path, *(place.format(kind, index) for index in range(2)))
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("good", "colour", "crack")
    assert masks_of(dataset) == {
        f"NG/{kind}/{index}.jpg": [place.format(kind, index)] for kind in ("colour", "crack") for index in range(2)
    }
    assert len(dataset.warnings) == 1, dataset.warnings  # of the split


def test_pictures_beside_folders_of_ng_keep_their_own_kind(tmp_path: Path) -> None:
    grow(tmp_path, "OK/0.png", "NG/1.png", "NG/crack/deep/2.png", "masks/NG/1.png", "masks/NG/crack/deep/2.png")
    dataset = open_dataset(tmp_path)
    assert kinds_of(dataset) == {"OK/0.png": "good", "NG/1.png": "NG", "NG/crack/deep/2.png": "crack"}
    assert masks_of(dataset) == {"NG/1.png": ["masks/NG/1.png"], "NG/crack/deep/2.png": ["masks/NG/crack/deep/2.png"]}


def test_sub_folders_of_a_kind_belong_to_it(tmp_path: Path) -> None:
    grow(tmp_path, "train/good/0.png", "train/good/line2/0.png", "test/good/a/b/1.png", "test/dent/0.png")
    grow(tmp_path, "test/crack/shift1/000.png", "test/crack/shift2/000.png", "test/crack/shift2/001.png")
    grow(tmp_path, "ground_truth/crack/shift1/000_mask.png", "ground_truth/crack/shift2/000_mask.png")
    grow(tmp_path, "ground_truth/crack/001_mask.png", "ground_truth/crack/000_mask.png")
    dataset = open_dataset(tmp_path)
    assert [one.name for one in dataset.train_good] == ["train/good/0.png", "train/good/line2/0.png"]
    assert dataset.kinds == ("good", "crack", "dent")
    assert masks_of(dataset) == {
        "test/crack/shift1/000.png": ["ground_truth/crack/shift1/000_mask.png"],
        "test/crack/shift2/000.png": ["ground_truth/crack/shift2/000_mask.png"],
        "test/crack/shift2/001.png": ["ground_truth/crack/001_mask.png"],  # the only 001
        "test/dent/0.png": [],
    }
    assert dataset.warnings[1:] == ("1 mask that fit no picture: ground_truth/crack/000_mask.png.",)


def test_what_has_no_place_is_named_at_any_depth(tmp_path: Path) -> None:
    grow(tmp_path / "mvtec", "train/good/0.png", "test/good/0.png", "preview.png", "old/a/b/c/0.png", "old/a/1.png")
    assert open_dataset(tmp_path / "mvtec").warnings == (
        "3 pictures in the folder itself, old/a, old/a/b/c are left out: the layout (MVTec AD) has no place for them.",
    )
    grow(tmp_path / "flat", "0.png", "line 2/1.png")
    assert open_dataset(tmp_path / "flat").warnings == (
        "1 picture in line 2 is left out: the layout (pictures without labels) has no place for it.",
    )
    grow(tmp_path / "twice", "test/good/0.png", "test/dent/0.png", "ground_truth/dent/0.png", "ground_truth/dent/0.tif")
    assert open_dataset(tmp_path / "twice").warnings == ("1 mask that fit no picture: ground_truth/dent/0.tif.",)


def test_linked_folders_inside_are_named(tmp_path: Path) -> None:
    root = grow(tmp_path / "root", "good/0.png", "dent/0.png")
    (root / "dent/again").symlink_to(root, target_is_directory=True)
    assert open_dataset(root).warnings[-1] == "1 folder not entered, as a link: dent/again."


# --- known datasets -----------------------------------------------------------------------------------------------


def test_mvtec_ad_2_is_read_whole(tmp_path: Path) -> None:
    grow(tmp_path, "train/good/0.png", "validation/good/1.png", "validation/good/2.png")
    grow(tmp_path, "test_public/good/3.png", "test_public/bad/4.png", "test_public/ground_truth/bad/4_mask.png")
    grow(tmp_path, "test_private/5.png", "test_private_mixed/6.png")
    dataset = open_dataset(tmp_path)
    assert [(one.name, one.split, one.kind, one.label) for one in dataset.samples] == [
        ("train/good/0.png", "train", "good", 0),
        ("validation/good/1.png", "validation", "good", 0),
        ("validation/good/2.png", "validation", "good", 0),
        ("test_public/good/3.png", "test", "good", 0),
        ("test_private/5.png", "test", "", None),
        ("test_private_mixed/6.png", "test", "", None),
        ("test_public/bad/4.png", "test", "bad", 1),
    ]
    assert len(dataset.train_good) == 1
    assert masks_of(dataset)["test_public/bad/4.png"] == ["test_public/ground_truth/bad/4_mask.png"]
    assert dataset.warnings == ("2 validation pictures listed, neither trained on nor tested.",)


def test_mvtec_loco_adds_up_its_masks(tmp_path: Path) -> None:
    grow(tmp_path, "train/good/0.png", "validation/good/0.png", "test/good/0.png")
    for kind in ("logical_anomalies", "structural_anomalies"):
        picture(tmp_path / f"test/{kind}/000.png")
        picture(tmp_path / f"test/{kind}/001.png")
        mask(tmp_path / f"ground_truth/{kind}/000/000.png")
        mask(tmp_path / f"ground_truth/{kind}/001/000.png")
    more = np.zeros(SHAPE, np.uint8)
    more[10, :6] = 3
    Image.fromarray(more).save(tmp_path / "ground_truth/logical_anomalies/000/001.png")
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("good", "logical_anomalies", "structural_anomalies")
    start = "ground_truth/logical_anomalies"
    found = masks_of(dataset)
    assert found["test/logical_anomalies/000.png"] == [f"{start}/000/000.png", f"{start}/000/001.png"]
    assert found["test/logical_anomalies/001.png"] == [f"{start}/001/000.png"]
    pixels = [read_mask(one, SHAPE).sum() for one in dataset.test if one.label]
    assert pixels == [16, 10, 10, 10]
    assert dataset.warnings == ("1 validation picture listed, neither trained on nor tested.",)


def real_iad(folder: Path) -> Path:
    """A category with two pictures of one part, one of which does not show the defect."""
    root = folder / "realiad_1024/audiojack"
    for index in range(5):
        picture(root / f"OK/S000{index}/a_OK_C1.jpg")
    for view in ("C1", "C2"):
        picture(root / f"NG/HS/S0001/a_NG_HS_{view}.jpg")
    mask(root / "NG/HS/S0001/a_NG_HS_C1.png")
    return root


def test_real_iad_without_its_table(tmp_path: Path) -> None:
    dataset = open_dataset(real_iad(tmp_path))
    assert (dataset.layout, dataset.kinds) == ("good and defect folders", ("good", "HS"))
    assert len(dataset.samples) == 7
    assert masks_of(dataset) == {
        "NG/HS/S0001/a_NG_HS_C1.jpg": ["NG/HS/S0001/a_NG_HS_C1.png"],
        "NG/HS/S0001/a_NG_HS_C2.jpg": [],
    }


@pytest.mark.parametrize("place", ["realiad_jsons", "realiad_jsons/realiad_jsons"])
def test_real_iad_by_its_table(tmp_path: Path, place: str) -> None:
    root = real_iad(tmp_path)

    def row(kind: str, path: str, mask_path: str | None = None) -> dict:
        return {"category": "audiojack", "anomaly_class": kind, "image_path": path, "mask_path": mask_path}

    table = tmp_path / place / "audiojack.json"
    table.parent.mkdir(parents=True)
    start = "NG/HS/S0001/a_NG_HS"
    content = {
        "meta": {"normal_class": "OK", "prefix": "audiojack/"},
        "train": [row("OK", f"OK/S000{index}/a_OK_C1.jpg") for index in range(3)],
        "test": [
            row("OK", "OK/S0003/a_OK_C1.jpg"),
            row("HS", f"{start}_C1.jpg", f"{start}_C1.png"),
            row("OK", f"{start}_C2.jpg"),
            row("OK", "../../secret.jpg"),
        ],
    }
    table.write_text(json.dumps(content))
    dataset = open_dataset(root)
    assert dataset.layout == "Real-IAD"
    assert [one.split for one in dataset.samples] == ["train"] * 3 + ["test"] * 3
    assert {one.name: one.label for one in dataset.test} == {
        "OK/S0003/a_OK_C1.jpg": 0,
        f"{start}_C1.jpg": 1,
        f"{start}_C2.jpg": 0,
    }
    assert masks_of(dataset) == {f"{start}_C1.jpg": [f"{start}_C1.png"]}
    assert dataset.warnings == (
        "1 picture left out, as audiojack.json does not name them.",
        "1 file named in audiojack.json but not there.",
    )
    table.write_text("{broken")
    assert open_dataset(root).layout == "good and defect folders"
