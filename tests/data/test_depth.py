"""12 bits in 16-bit files: scaled alike by a setting, never by one picture, and noted where the setting is missing."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from small_networks import small_predictor

from draem_core.data.datasets import open_dataset
from draem_core.data.depth import depth_note
from draem_core.data.images import read_image, read_samples, read_with_highest, thumbnail
from draem_core.data.pictures import load_pictures
from draem_core.errors import ImageError
from draem_core.scoring import score_dataset
from draem_core.scoring.keys import network_key
from pages._ui.common import library

TWELVE = np.array([[0, 1024, 2048, 4095]], np.uint16)


def png(samples: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(samples).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("write", [png, tiff])
def test_the_setting_scales_every_16_bit_picture_by_the_same_white(write, monkeypatch):
    assert read_image(write(TWELVE))[0, :, 0].tolist() == [0, 4, 8, 16]
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    assert read_image(write(TWELVE))[0, :, 0].tolist() == [0, 64, 128, 255]  # v · 255 / 4095
    assert read_image(write(TWELVE // 4))[0, :, 0].tolist() == [0, 16, 32, 64]  # a dark picture stays dark
    assert read_samples(write(TWELVE)).tolist() == TWELVE.tolist()  # label masks are no pictures


def test_the_setting_leaves_8_bit_and_stated_depths_alone(monkeypatch):
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    assert read_image(png(np.array([[0, 16, 255]], np.uint8)))[0, :, 0].tolist() == [0, 16, 255]
    stated = tiff(np.array([[0, 1023]], np.uint16), extratags=[(281, "H", 1, 1023, True)])
    assert read_image(stated)[0, :, 0].tolist() == [0, 255]


def test_a_thumbnail_is_as_bright_as_the_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(png(np.full((8, 8), 4095, np.uint16)))
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    assert np.asarray(Image.open(BytesIO(thumbnail(path)))).min() > 250


def test_a_picture_above_the_set_depth_is_refused_not_clipped(monkeypatch):
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    with pytest.raises(
        ImageError, match=r"odd holds values up to 4,096, but DRAEM_BIT_DEPTH=12 allows no more than 4,095"
    ):
        read_image(png(TWELVE + 1), name="odd")


@pytest.mark.parametrize("nonsense", ["7", "17", "twelve", "12.0", "-12", "²"])
def test_a_setting_that_is_no_depth_is_said(nonsense, monkeypatch):
    monkeypatch.setenv("DRAEM_BIT_DEPTH", nonsense)
    with pytest.raises(ImageError, match="not a number of bits from 8 to 16"):
        read_image(png(TWELVE))


def test_only_open_questions_have_a_highest_value(monkeypatch):
    assert read_with_highest(png(TWELVE))[1] == 4095
    assert read_with_highest(png(TWELVE.astype(np.uint8)))[1] is None
    assert read_with_highest(tiff(TWELVE, extratags=[(281, "H", 1, 4095, True)]))[1] is None
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    assert read_with_highest(png(TWELVE))[1] is None


@pytest.mark.parametrize(
    ("highest", "bits"),
    [([255], 8), ([256], 10), ([1023], 10), ([None, 4095, 3], 12), ([4096], 14), ([16383], 14)],
)
def test_the_note_names_the_least_depth_that_holds_all(highest, bits):
    note = depth_note(highest, "a.png holds")
    assert note.startswith(f"a.png holds values up to {max(h for h in highest if h):,} of 65,535, as {bits}-bit")
    assert f"DRAEM_BIT_DEPTH={bits}" in note


@pytest.mark.parametrize("highest", [[], [None], [0], [16384], [65535], [100, 65535]])
def test_no_note_where_one_picture_is_bright_or_none_is_asked(highest):
    assert depth_note(highest, "a.png holds") is None


def test_an_uploaded_picture_brings_its_note():
    assert library.uploaded_picture("part.png", png(TWELVE)).note.startswith("part.png holds values up to 4,095 of")
    assert library.uploaded_picture("part.png", png(TWELVE * 16)).note == ""


def test_training_pictures_bring_one_note(tmp_path):
    paths = []
    for index, top in enumerate((1000, 4000)):
        paths.append(tmp_path / f"{index}.png")
        paths[-1].write_bytes(png(np.full((32, 32), top, np.uint16)))
    notes: list[str] = []
    load_pictures(paths, (32, 32), notes.append)
    assert [note.split(" of 65")[0] for note in notes] == ["The set of training pictures holds values up to 4,000"]


def dataset_of(folder: Path, tops: list[int]) -> Path:
    (folder / "train/good").mkdir(parents=True)
    (folder / "test/good").mkdir(parents=True)
    for index, top in enumerate(tops):
        samples = np.linspace(0, top, 64 * 64).reshape(64, 64).astype(np.uint16)
        (folder / f"test/good/{index}.png").write_bytes(png(samples))
    return folder


def test_a_scored_dataset_says_so_each_time_and_is_scored_anew_by_the_setting(tmp_path, monkeypatch):
    dataset = open_dataset(dataset_of(tmp_path / "data", [1000, 4000]))
    predictor = small_predictor()
    for _ in range(2):  # scored, then read back
        dark = score_dataset(predictor, dataset, tmp_path / "out")
        assert dark.problems[0].startswith("The set of test pictures holds values up to 4,000 of 65,535, as 12-bit")
    before, key = dark.scores.copy(), network_key(predictor)
    monkeypatch.setenv("DRAEM_BIT_DEPTH", "12")
    assert network_key(predictor) != key
    bright = score_dataset(predictor, dataset, tmp_path / "out12")
    assert not any("4,000" in problem for problem in bright.problems)
    assert not np.array_equal(bright.scores, before)


def test_a_dataset_with_one_bright_picture_has_no_note(tmp_path):
    dataset = open_dataset(dataset_of(tmp_path / "data", [1000, 65535]))
    predictor = small_predictor()
    assert score_dataset(predictor, dataset, tmp_path / "out").problems == ()
