"""open_dataset on tiny trees of each layout, the masks on the map's grid, and what happens with odd folders."""

import builtins
import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from draem_core.data import datasets
from draem_core.data.datasets import Dataset, Sample, find_datasets, mask_problems, open_dataset, read_mask
from draem_core.data.folders import unreadable_names
from draem_core.data.images import encode_png
from draem_core.errors import DatasetError, ImageError

SHARED = Path(__file__).parents[3] / "shared" / "data"


def grow(root: Path, *names: str) -> Path:
    """Files that are no pictures at all: opening a dataset must not look inside."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not read")
    return root


def rows(dataset: Dataset) -> list[tuple[str, str, str, int | None, str | None]]:
    """(name, split, kind, label, mask below the root) of each sample, in the dataset's order."""
    return [
        (
            sample.name,
            sample.split,
            sample.kind,
            sample.label,
            sample.mask_path and sample.mask_path.relative_to(dataset.root).as_posix(),
        )
        for sample in dataset.samples
    ]


def sample_with_mask(path: Path, label: int | None = 1) -> Sample:
    return Sample(path, "test", "crack", label, path, "test/crack/000.png")


# --- layouts ------------------------------------------------------------------------------------------------------


def test_mvtec(tmp_path):
    root = grow(
        tmp_path / "bottle",
        "train/good/000.png",
        "train/good/001.png",
        "test/good/000.png",
        "test/crack/000.png",
        "test/broken large/001.png",
        "ground_truth/crack/000_mask.png",
        "ground_truth/broken large/001_mask.png",
        "license.txt",
    )
    dataset = open_dataset(root)
    assert (dataset.name, dataset.root, dataset.layout, dataset.warnings) == ("bottle", root, "MVTec AD", ())
    assert rows(dataset) == [
        ("train/good/000.png", "train", "good", 0, None),
        ("train/good/001.png", "train", "good", 0, None),
        ("test/good/000.png", "test", "good", 0, None),
        ("test/broken large/001.png", "test", "broken large", 1, "ground_truth/broken large/001_mask.png"),
        ("test/crack/000.png", "test", "crack", 1, "ground_truth/crack/000_mask.png"),
    ]
    assert dataset.kinds == ("good", "broken large", "crack")
    assert [sample.name for sample in dataset.train_good] == ["train/good/000.png", "train/good/001.png"]
    assert len(dataset.test) == 3


def test_btad_with_ok_and_ko_and_masks_of_another_suffix(tmp_path):
    root = grow(
        tmp_path / "03",
        "train/ok/0000.bmp",
        "test/ok/0001.bmp",
        "test/ko/0000.bmp",
        "ground_truth/ko/0000.png",
        "ground_truth/ok/0001.png",
    )
    dataset = open_dataset(root)
    assert rows(dataset) == [
        ("train/ok/0000.bmp", "train", "good", 0, None),
        ("test/ok/0001.bmp", "test", "good", 0, None),
        ("test/ko/0000.bmp", "test", "ko", 1, "ground_truth/ko/0000.png"),
    ]
    assert dataset.warnings == ()


def test_mpdd_with_several_kinds(tmp_path):
    root = grow(tmp_path / "bracket_black", "train/good/000.png", "test/good/000.png")
    for kind in ("hole", "scratches"):
        grow(root, f"test/{kind}/000.png", f"ground_truth/{kind}/000_mask.png")
    dataset = open_dataset(root)
    assert (dataset.layout, dataset.kinds, dataset.warnings) == ("MVTec AD", ("good", "hole", "scratches"), ())
    assert [sample.mask_path for sample in dataset.test if sample.label] == [
        root / f"ground_truth/{kind}/000_mask.png" for kind in ("hole", "scratches")
    ]


def test_visa_in_its_1_class_layout(tmp_path):
    names = "train/good/0.JPG", "test/good/1.JPG", "test/bad/2.JPG", "ground_truth/bad/2.png"
    assert rows(open_dataset(grow(tmp_path / "candle", *names)))[2] == (
        *("test/bad/2.JPG", "test", "bad", 1, "ground_truth/bad/2.png"),
    )


def test_windows_names_in_capitals(tmp_path):
    root = grow(
        tmp_path,
        "Train/Good/A.PNG",
        "Test/Good/B.JPG",
        "Test/Crack/C.BMP",
        "Ground_Truth/crack/c_MASK.Png",
        "Thumbs.db",
    )
    assert rows(open_dataset(root)) == [
        ("Train/Good/A.PNG", "train", "good", 0, None),
        ("Test/Good/B.JPG", "test", "good", 0, None),
        ("Test/Crack/C.BMP", "test", "Crack", 1, "Ground_Truth/crack/c_MASK.Png"),
    ]


def test_mvtec_ad_2_keeps_its_ground_truth_inside_the_test_folder(tmp_path):
    root = grow(
        tmp_path,
        "train/good/0.png",
        "test_public/good/1.png",
        "test_public/bad/2.png",
        "test_public/ground_truth/bad/2_mask.png",
    )
    assert rows(open_dataset(root))[1:] == [
        ("test_public/good/1.png", "test", "good", 0, None),
        ("test_public/bad/2.png", "test", "bad", 1, "test_public/ground_truth/bad/2_mask.png"),
    ]


def test_pictures_lying_in_train_are_good_and_in_test_unlabelled(tmp_path):
    dataset = open_dataset(grow(tmp_path, "train/0.png", "test/1.png"))
    assert rows(dataset) == [("train/0.png", "train", "good", 0, None), ("test/1.png", "test", "", None, None)]
    assert dataset.kinds == ()


def test_classes_without_a_good_one_are_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="fits no known layout"):
        open_dataset(grow(tmp_path, "train/cat/0.png", "train/dog/0.png", "test/cat/1.png"))
    assert len(open_dataset(grow(tmp_path, "ground_truth/cat/1_mask.png")).test) == 1  # masks make it one


def test_good_and_defect_folders_hold_out_every_fifth(tmp_path):
    root = grow(tmp_path, *(f"OK/{index}.jpg" for index in range(7)), "dent/a.jpg", "dent/b.jpg", "scratch/a.jpg")
    dataset = open_dataset(root)
    assert dataset.layout == "good and defect folders"
    assert [sample.name for sample in dataset.train_good] == [f"OK/{index}.jpg" for index in (1, 2, 3, 4, 6)]
    assert [(sample.name, sample.kind) for sample in dataset.test] == [
        ("OK/0.jpg", "good"),
        ("OK/5.jpg", "good"),
        ("dent/a.jpg", "dent"),
        ("dent/b.jpg", "dent"),
        ("scratch/a.jpg", "scratch"),
    ]
    assert dataset.warnings == (
        "No train/test split is given: every fifth good picture (2 of 7) tests, the rest train.",
        "No defect picture has a mask: pixel metrics are undefined, image metrics are not.",
    )


@pytest.mark.parametrize(
    "mask", ["masks/dent/a.png", "masks/a.png", "ground_truth/DENT/a_mask.png", "dent/a_mask.png", "gt/dent/a_gt.tif"]
)
def test_masks_of_plain_folders_wherever_they_lie(tmp_path, mask):
    dataset = open_dataset(grow(tmp_path, "good/0.png", "dent/a.jpg", mask))
    assert rows(dataset) == [
        ("good/0.png", "test", "good", 0, None),
        ("dent/a.jpg", "test", "dent", 1, mask),
    ]


def test_masks_of_several_kinds_in_one_folder_go_to_the_only_picture_of_that_name(tmp_path):
    """crack/2 and hole/2 both could own masks/2; good/4 may have an empty mask; nothing is called 9."""
    pictures = "good/0.png", "good/4.png", "crack/1.png", "crack/2.png", "hole/2.png", "hole/3.png"
    dataset = open_dataset(grow(tmp_path, *pictures, *(f"masks/{stem}.png" for stem in ("1", "2", "3_mask", "4", "9"))))
    assert {sample.name: sample.mask_path and sample.mask_path.name for sample in dataset.test if sample.label} == {
        "crack/1.png": "1.png",
        "crack/2.png": None,
        "hole/2.png": None,
        "hole/3.png": "3_mask.png",
    }
    assert dataset.warnings[1:] == (
        "2 of 4 defect pictures without a mask, left out of pixel metrics: crack/2.png, hole/2.png.",
        "2 masks that fit no picture: masks/2.png, masks/9.png.",
    )


@pytest.mark.parametrize("masks", ["test/masks/{}.png", "test/bad_mask/{}.png", "test/gt/bad/{}_mask.png"])
def test_masks_among_the_test_pictures_are_no_defects_of_their_own(tmp_path, masks):
    mask = masks.format(1)
    dataset = open_dataset(grow(tmp_path, "train/good/0.png", "test/good/0.png", "test/bad/1.png", mask))
    assert rows(dataset)[1:] == [
        ("test/good/0.png", "test", "good", 0, None),
        ("test/bad/1.png", "test", "bad", 1, mask),
    ]
    assert dataset.warnings == ()


def test_a_defect_called_label_or_mask_stays_one(tmp_path):
    masks = "ground_truth/label/0_mask.png", "ground_truth/mask/0_mask.png"
    dataset = open_dataset(grow(tmp_path, "test/good/0.png", "test/label/0.png", "test/mask/0.png", *masks))
    assert dataset.kinds == ("good", "label", "mask")
    assert dataset.warnings == ()


def test_two_good_folders_with_the_same_names_lose_nothing(tmp_path):
    dataset = open_dataset(grow(tmp_path, "good/0.png", "good/1.png", "ok/0.png", "ok/1.png"))
    assert {sample.name for sample in dataset.samples} == {"good/0.png", "good/1.png", "ok/0.png", "ok/1.png"}


VISA = ("Data/Images/Normal/000.JPG", "Data/Images/Normal/001.JPG", "Data/Images/Anomaly/000.JPG")


def test_visa_with_its_split_file(tmp_path):
    root = grow(tmp_path / "candle", *VISA, "Data/Images/Normal/002.JPG", "Data/Masks/Anomaly/000.png")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text(
        "object,split,label,image,mask\n"
        "candle,train,normal,candle/Data/Images/Normal/001.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/000.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/777.JPG,\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png\n"
        "candle,test,anomaly,candle/../../../etc/secret.png,\n"
        "pcb1,train,normal,pcb1/Data/Images/Normal/000.JPG,\n"
    )
    dataset = open_dataset(root)
    assert dataset.layout == "VisA"
    assert rows(dataset) == [
        ("Data/Images/Normal/001.JPG", "train", "good", 0, None),
        ("Data/Images/Normal/000.JPG", "test", "good", 0, None),
        ("Data/Images/Anomaly/000.JPG", "test", "Anomaly", 1, "Data/Masks/Anomaly/000.png"),
    ]
    assert dataset.warnings == (
        "1 picture left out, as split_csv/1cls.csv does not name them.",
        "2 pictures named in split_csv/1cls.csv but not there.",
    )
    assert find_datasets(tmp_path) == [root]


@pytest.mark.parametrize(
    "table", [None, b"object,split\n", b"\xff\xfe\x00broken", b"image\nother/Data/Images/Normal/0.JPG\n"]
)
def test_visa_without_a_usable_split_file(tmp_path, table):
    root = grow(tmp_path / "candle", *VISA, "Data/Masks/Anomaly/000.png")
    if table is not None:
        (tmp_path / "split_csv").mkdir()
        (tmp_path / "split_csv" / "1cls.csv").write_bytes(table)
    dataset = open_dataset(root)
    assert [(sample.split, sample.kind) for sample in dataset.samples] == [
        ("train", "good"),
        ("test", "good"),
        ("test", "Anomaly"),
    ]
    assert "No train/test split is given" in dataset.warnings[0]


DAGM_PICTURES = ("Train/0576.PNG", "Train/0577.PNG", "Test/0001.PNG", "Test/0002.PNG")


@pytest.mark.parametrize("label", ["{}/Label/{}_label.PNG", "Label/{}/{}_label.PNG", "Label/{1}_label.PNG"])
def test_dagm_wherever_its_labels_lie(tmp_path, label):
    masks = label.format("Train", "0577"), label.format("Test", "0002")
    dataset = open_dataset(grow(tmp_path / "Class1", *DAGM_PICTURES, *masks))
    assert dataset.layout == "DAGM 2007"
    assert rows(dataset) == [
        ("Train/0576.PNG", "train", "good", 0, None),
        ("Train/0577.PNG", "train", "defect", 1, masks[0]),
        ("Test/0001.PNG", "test", "good", 0, None),
        ("Test/0002.PNG", "test", "defect", 1, masks[1]),
    ]
    assert dataset.warnings == ()
    assert [sample.name for sample in dataset.train_good] == ["Train/0576.PNG"]


def test_dagm_defects_named_in_labels_txt_only_have_a_missing_mask(tmp_path):
    root = grow(tmp_path, *DAGM_PICTURES, "Test/Label/0002_label.PNG")
    (root / "Test/Label/Labels.txt").write_text(
        "1\n1\t1\t0001.PNG\t0\t0001_label.PNG\n2\t1\t0002.PNG\t0\t0002_label.PNG\n"
    )
    dataset = open_dataset(root)
    assert [(sample.name, sample.label) for sample in dataset.test] == [("Test/0001.PNG", 1), ("Test/0002.PNG", 1)]
    assert dataset.warnings == (
        "1 of 2 defect pictures without a mask, left out of pixel metrics: Test/0001.PNG.",
        "2 pictures in Train are left out: the layout (DAGM 2007) has no place for them.",
    )


def test_a_flat_folder_has_no_labels(tmp_path):
    dataset = open_dataset(grow(tmp_path / "line 3", "b.png", "a.jpg", "notes.txt", ".hidden.png", "a_mask.png"))
    assert dataset.layout == "pictures without labels"
    assert rows(dataset) == [("a.jpg", "test", "", None, "a_mask.png"), ("b.png", "test", "", None, None)]
    assert (dataset.kinds, dataset.train_good) == ((), ())


# --- odd folders --------------------------------------------------------------------------------------------------


def test_names_with_spaces_quotes_unicode_and_no_utf8(tmp_path):
    names = ['a "b".png', "it's, 1.png", "größe 日本.png", "=1+1.png", "back\\slash.png"]
    root = grow(tmp_path / "päth mit 'quotes'", *(f"test/good/{name}" for name in names))
    odd = os.fsdecode(b"\xff.png")
    (root / "test/good" / odd).write_bytes(b"")
    (root / "test" / os.fsdecode(b"k\xfcnd")).mkdir()
    dataset = open_dataset(root)
    assert {sample.name for sample in dataset.samples} == {f"test/good/{name}" for name in names}
    assert dataset.warnings == (r"2 names are no UTF-8 and left out: k\xfcnd, \xff.png; rename them.",)
    assert all(sample.path.exists() for sample in dataset.samples)
    assert all(sample.name.encode("utf-8") for sample in dataset.samples)


def test_a_dataset_whose_own_name_is_no_utf8_is_refused_and_not_found(tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    grow(odd, "train/good/0.png", "test/good/1.png")
    grow(tmp_path / "fine", "train/good/0.png", "test/good/1.png")
    assert find_datasets(tmp_path) == [tmp_path / "fine"]
    assert unreadable_names(tmp_path) == [os.fsdecode(b"caf\xe9")]
    with pytest.raises(DatasetError, match=r"caf\\xe9 is no UTF-8; rename the folder"):
        open_dataset(odd)


def test_links_out_of_the_dataset_are_left_out_and_those_within_stay(tmp_path):
    outside = grow(tmp_path / "secret", "a.png", "b.png")
    root = grow(tmp_path / "cable", "train/good/0.png", "test/good/1.png", "test/cut/2.png", "test/cut/3.png")
    grow(root, "masks.txt")
    (root / "ground_truth/cut").mkdir(parents=True)
    (root / "test/good/linked.png").symlink_to(outside / "a.png")
    (root / "test/kind").symlink_to(outside)
    (root / "ground_truth/cut/2_mask.png").symlink_to(outside / "b.png")
    (root / "test/good/dangling.png").symlink_to(outside / "none.png")
    (root / "test/good/inside.png").symlink_to(root / "train/good/0.png")
    dataset = open_dataset(root)
    assert [(sample.name, sample.mask_path) for sample in dataset.test] == [
        ("test/good/1.png", None),
        ("test/good/inside.png", None),
        ("test/cut/2.png", None),
        ("test/cut/3.png", None),
    ]
    said = next(warning for warning in dataset.warnings if "link" in warning)
    assert said == (
        "4 links that lead out of the dataset's folder left out: 2_mask.png, dangling.png, kind and 1 more; "
        "copy what they lead to into it."
    )


def test_a_dataset_reached_by_a_link_is_whole(tmp_path):
    root = grow(tmp_path / "cable", "train/good/0.png", "test/good/1.png")
    (tmp_path / "link").symlink_to(root)
    assert (len(open_dataset(tmp_path / "link").samples), open_dataset(tmp_path / "link").warnings) == (2, ())


def test_paths_may_be_text_relative_or_with_dots(tmp_path, monkeypatch):
    grow(tmp_path / "cable", "train/good/0.png", "test/good/1.png")
    monkeypatch.chdir(tmp_path / "cable")
    for path in (".", "../cable", "test/..", str(tmp_path / "cable")):
        dataset = open_dataset(path)
        assert (dataset.name, dataset.root) == ("cable", tmp_path / "cable")


def test_what_is_no_dataset_says_so_and_lists_the_layouts(tmp_path):
    def refusal(path: Path | str) -> str:
        with pytest.raises(DatasetError) as caught:
            open_dataset(path)
        return str(caught.value)

    assert refusal(tmp_path / "none").endswith("does not exist; choose the folder of a dataset.")
    assert "is a file, not a folder" in refusal(grow(tmp_path, "a.txt") / "a.txt")
    message = refusal(grow(tmp_path / "odd", "first/a.png", "second/b.png"))
    for layout in ("MVTec AD", "VisA", "DAGM 2007", "good folder", "flat folder"):
        assert layout in message
    (tmp_path / "empty").mkdir()
    assert "no folders and no pictures" in refusal(tmp_path / "empty")
    grow(tmp_path / "mvtec", "bottle/train/good/0.png", "cable/train/good/0.png")
    assert "open a dataset inside it (bottle, cable), or arrange it as" in refusal(tmp_path / "mvtec")
    assert "cannot be listed" in refusal("~no-such-user-here/data")


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    grow(tmp_path / "a", "train/good/0.png")
    locked = grow(tmp_path / "b", "train/good/0.png") / "train"
    scan = os.scandir

    def denied(path: Path) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(datasets.os, "scandir", denied)  # root may list anything, so chmod proves nothing here
    with pytest.raises(DatasetError, match=r"b cannot be listed .*check the path and its permissions"):
        open_dataset(tmp_path / "b")
    assert find_datasets(tmp_path) == [tmp_path / "a"]


def test_missing_empty_and_orphan_masks_are_counted(tmp_path):
    root = grow(
        tmp_path,
        "train/good/0.png",
        *(f"test/crack/{index}.png" for index in range(3)),
        "ground_truth/crack/0_mask.png",
        "ground_truth/crack/9_mask.png",
        "ground_truth/hole/1_mask.png",
    )
    (root / "ground_truth/crack/1_mask.png").touch()
    dataset = open_dataset(root)
    assert [sample.mask_path is not None for sample in dataset.test] == [True, False, False]
    assert dataset.warnings == (
        "2 of 3 defect pictures without a mask, left out of pixel metrics: test/crack/1.png, test/crack/2.png.",
        "1 mask empty (0 bytes) and counted as missing: ground_truth/crack/1_mask.png.",
        "2 masks that fit no picture: ground_truth/crack/9_mask.png, ground_truth/hole/1_mask.png.",
    )


# --- find_datasets ------------------------------------------------------------------------------------------------


def test_find_sees_categories_down_to_four_levels_and_not_inside_them(tmp_path):
    grow(tmp_path, "mvtec/bottle/train/good/0.png", "mvtec/bottle/test/crack/0.png", "mvtec/preview.png")
    grow(tmp_path, "flat/a.png", "1/2/3/4/a.png", "1/2/3/4b/5/a.png", ".cache/a.png", "text/readme.txt")
    found = [path.relative_to(tmp_path).as_posix() for path in find_datasets(tmp_path)]
    # a stray picture beside categories makes their folder a flat one, and must not hide them
    assert found == ["1/2/3/4", "flat", "mvtec", "mvtec/bottle"]
    for path in find_datasets(tmp_path):
        assert open_dataset(path).samples
    assert find_datasets(tmp_path / "flat") == [tmp_path / "flat"]
    assert find_datasets(tmp_path / "none") == []


def test_find_follows_no_link_but_open_does(tmp_path):
    outside = grow(tmp_path / "outside", "train/good/0.png")
    root = grow(tmp_path / "root", "real/train/good/0.png")
    (root / "escape").symlink_to(outside, target_is_directory=True)
    (root / "again").symlink_to(root / "real", target_is_directory=True)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "circle").symlink_to(root / "circle")
    assert find_datasets(root) == [root / "real"]
    assert open_dataset(root / "escape").name == "escape"
    (root / "real/train/good/gone.png").symlink_to(root / "nothing")
    assert len(open_dataset(root / "real").samples) == 1


def test_of_ten_thousand_files_none_is_opened_and_each_folder_is_listed_a_few_times(tmp_path, monkeypatch):
    root = tmp_path / "big"
    for folder, count, ending in (
        ("train/good", 3000, ""),
        ("test/good", 3000, ""),
        ("test/crack", 2000, ""),
        ("ground_truth/crack", 2000, "_mask"),
    ):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            os.close(os.open(root / folder / f"{index:05}{ending}.png", os.O_CREAT | os.O_WRONLY))
    for index in range(2000):
        (root / "ground_truth/crack" / f"{index:05}_mask.png").write_bytes(b"1")
    opened: list[object] = []
    listed: list[object] = []

    def counted(calls, function):
        def count(path, *arguments, **options):
            calls.append(path)
            return function(path, *arguments, **options)

        return count

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", counted(opened, io.open))  # what Path.open calls
        patch.setattr(builtins, "open", counted(opened, open))
        patch.setattr(os, "scandir", counted(listed, os.scandir))
        dataset = open_dataset(root)
        assert find_datasets(tmp_path) == [root]
    assert len(dataset.samples) == 8000
    assert sum(sample.mask_path is not None for sample in dataset.samples) == 2000
    assert [path for path in opened if str(path).endswith(".png")] == []
    assert len(set(listed)) == 9  # tmp_path, big, train, good, test, good, crack, ground_truth, crack
    assert len(listed) < 50


# --- masks --------------------------------------------------------------------------------------------------------


def test_nearest_neighbour_by_pixel_centres(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(encode_png(np.array([[0, 255, 0, 0]], np.uint8)))
    # centres of 2 pixels over 4 fall on columns floor(1) and floor(3); of 8 over 4 on 0 0 1 1 2 2 3 3
    assert read_mask(sample_with_mask(path), (1, 2)).tolist() == [[True, False]]
    assert read_mask(sample_with_mask(path), (1, 8)).astype(int).tolist() == [[0, 0, 1, 1, 0, 0, 0, 0]]
    assert read_mask(sample_with_mask(path), (2, 4)).astype(int).tolist() == [[0, 1, 0, 0]] * 2


@settings(max_examples=60, deadline=None)
@given(
    mask=arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    shape=st.tuples(st.integers(1, 15), st.integers(1, 15)),
)
def test_read_mask_is_the_slow_loop(mask, shape, tmp_path_factory):
    path = tmp_path_factory.mktemp("mask") / "m.png"
    path.write_bytes(encode_png(mask.astype(np.uint8)))
    got = read_mask(sample_with_mask(path), shape)
    (height, width), (rows_, columns) = mask.shape, shape
    slow = [
        [mask[int((i + 0.5) * height / rows_), int((j + 0.5) * width / columns)] for j in range(columns)]
        for i in range(rows_)
    ]
    np.testing.assert_array_equal(got, np.array(slow), strict=True)


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[0, 1], [0, 0]], np.uint8),
        np.array([[0, 255], [0, 0]], np.uint8),
        np.array([[0, 3], [0, 0]], np.uint8),
        np.array([[0, 40], [0, 0]], np.uint8),
        np.array([[0, 1], [0, 0]], np.uint16),
        np.array([[[0, 0, 0], [200, 0, 0]], [[0, 0, 0], [0, 0, 0]]], np.uint8),
    ],
    ids=["0/1", "0/255", "label", "anti-aliased", "16-bit", "colour"],
)
def test_anything_above_zero_is_defect(tmp_path, pixels):
    expected = [[False, True], [False, False]]
    for suffix in (".png", ".tif"):
        path = tmp_path / f"mask{suffix}"
        if suffix == ".png":
            Image.fromarray(pixels).save(path)
        else:
            tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
        assert read_mask(sample_with_mask(path), (2, 2)).tolist() == expected


def test_one_bit_palette_and_transparent_masks(tmp_path):
    grey = Image.fromarray(np.array([[0, 255], [0, 0]], np.uint8))
    palette = Image.fromarray(np.array([[1, 0], [1, 1]], np.uint8)).convert("P")
    palette.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white: colours count, not indices
    opaque = grey.convert("RGBA")
    for image in (grey.convert("1"), palette, opaque):
        image.save(tmp_path / "mask.png")
        assert read_mask(sample_with_mask(tmp_path / "mask.png"), (2, 2)).tolist() == [[False, True], [False, False]]


def test_jpeg_masks_ignore_the_rings_of_compression(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 21:45] = 255
    path = tmp_path / "mask.jpg"
    Image.fromarray(mask).save(path, quality=60)
    assert (np.asarray(Image.open(path)) > 0).sum() > 600  # the rings are there
    np.testing.assert_array_equal(read_mask(sample_with_mask(path), (64, 64)), mask > 0)


def test_good_missing_and_broken_masks(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    good = Sample(path, "test", "good", 0, path, "test/good/0.png")  # its mask is not even opened
    mask = read_mask(good, (3, 5))
    assert (mask.dtype, mask.shape, mask.any()) == (np.bool_, (3, 5), np.False_)
    assert read_mask(Sample(path, "test", "crack", 1, None, "a"), (3, 5)) is None
    assert read_mask(Sample(path, "test", "", None, None, "a"), (3, 5)) is None
    with pytest.raises(ImageError, match=r"mask\.png is damaged"):
        read_mask(sample_with_mask(path), (3, 5))


def test_mask_problems_are_sentences(tmp_path):
    root = grow(tmp_path, "train/good/0.png")
    masks = {"0": np.eye(4, 6), "1": np.zeros((4, 6)), "2": np.eye(8, 12), "3": None}
    for name, mask in masks.items():
        for folder in ("test/crack", "ground_truth/crack"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / f"test/crack/{name}.png").write_bytes(encode_png(np.zeros((4, 6, 3), np.uint8)))
        data = b"rubbish" if mask is None else encode_png(mask.astype(np.uint8))
        (root / f"ground_truth/crack/{name}_mask.png").write_bytes(data)
    dataset = open_dataset(root)
    assert dataset.warnings == ()
    assert mask_problems(dataset) == [
        "1 mask that cannot be read, left out of pixel metrics: test/crack/3.png.",
        "1 mask without a single defect pixel, though the picture is labelled defective: test/crack/1.png.",
        "1 mask of another size than its picture, stretched over it: test/crack/2.png.",
    ]


# --- real ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "train", "test", "kinds"),
    [
        ("hazelnut_toy/hazelnut", 28, 23, ("good", "colour")),
        ("magnetic_tile/magnetic_tile", 240, 230, ("good", "blowhole", "break", "crack", "fray", "uneven")),
    ],
)
def test_real_datasets(folder, train, test, kinds):
    if not (SHARED / folder).is_dir():
        pytest.skip(f"{SHARED / folder} is not here")
    dataset = open_dataset(SHARED / folder)
    assert (len(dataset.train_good), len(dataset.test), dataset.kinds, dataset.warnings) == (train, test, kinds, ())
    assert mask_problems(dataset) == []
    defect = next(sample for sample in dataset.test if sample.label == 1)
    mask = read_mask(defect, (256, 256))
    assert 0 < mask.mean() < 0.7
