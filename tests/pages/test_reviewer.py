"""What Python sends to the Epochs page's reviewer and reads back; the browser's side is tested in tests/browser."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from payloads import unpack
from PIL import Image
from tiny_runs import write_noise_run

from draem_core.render import COLORMAP
from draem_core.runs.review import Review, load_review
from draem_core.runs.run_folder import RunFolderError
from pages._ui.components.reviewer import ReviewSettings, nearest_epoch, pack
from pages._ui.components.reviewer.payload import MAX_EPOCHS, shown_epochs
from pages._ui.components.shared.settings import read_settings
from pages._ui.epochs.exports import animation, strip

EPOCHS, PROBES, SIDE = 3, 4, 16


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise_run(tmp_path_factory.mktemp("runs") / "noise", EPOCHS, PROBES, SIDE, layers=2)


@pytest.fixture(scope="module")
def review(run: Path) -> Review:
    return load_review(run)


def unpacked(payload: bytes) -> tuple[dict, list[np.ndarray]]:
    """What run.js makes of a payload: the header, and each sheet as (h, P·w) or (h, P·w, 3), in the epochs' order."""
    header, arrays = unpack(payload)
    epochs = [f"{what} {epoch}" for epoch in header["epochs"] for what in ("reconstruction", "map")]
    assert list(arrays) == ["original", "contours", *epochs]
    return header, [np.asarray(Image.open(io.BytesIO(sheet))) for sheet in arrays.values()]


def side_by_side(pictures: np.ndarray) -> np.ndarray:
    return np.concatenate(list(pictures), axis=1)


# --- pictures -------------------------------------------------------------------------------------------------------


def test_every_epochs_sheets_come_back(review: Review) -> None:
    header, sheets = unpacked(pack(review))
    assert header["epochs"] == [1, 2, 3]
    assert header["side"] == {"width": SIDE, "height": SIDE}
    assert len(sheets) == 2 + 2 * EPOCHS
    np.testing.assert_array_equal(sheets[0], side_by_side(review.originals()))
    for place, epoch in enumerate(review.epochs):
        np.testing.assert_array_equal(sheets[2 + 2 * place], side_by_side(review.reconstructions(epoch)))
        np.testing.assert_array_equal(sheets[3 + 2 * place], side_by_side(review.maps(epoch)))


def test_contours_are_the_outermost_pixels_of_each_mask(review: Review) -> None:
    _, sheets = unpacked(pack(review))
    contour = np.zeros((SIDE, SIDE), np.uint8)
    contour[4:8, 4:8] = 255
    contour[5:7, 5:7] = 0
    empty = np.zeros_like(contour)
    np.testing.assert_array_equal(sheets[1][..., 0], np.concatenate([empty, empty, contour, contour], axis=1))


def test_contours_close_at_the_pictures_edge(review: Review) -> None:
    probes = review.probes
    assert probes is not None
    whole = replace(review, probes=replace(probes, masks=(np.ones((SIDE, SIDE), bool),) + (None,) * (PROBES - 1)))
    _, sheets = unpacked(pack(whole))
    inner = np.zeros((SIDE, SIDE), bool)
    inner[1:-1, 1:-1] = True
    np.testing.assert_array_equal(sheets[1][:, :SIDE, 0] == 0, inner)
    assert not sheets[1][:, SIDE:].any()


def test_probes_scores_and_colours(review: Review) -> None:
    header, _ = unpacked(pack(review))
    assert [probe["label"] for probe in header["probes"]] == [0, 0, 1, 1]
    assert header["probes"][3] == {"name": "test/spot/3.png", "kind": "spot", "label": 1}
    np.testing.assert_array_equal(header["scores"], review.scores().to_numpy())
    np.testing.assert_array_equal(header["aurocs"], review.probe_aurocs().to_numpy())
    np.testing.assert_array_equal(header["colormap"], COLORMAP.ravel())


def test_a_sheet_that_is_damaged_missing_or_of_another_size_leaves_the_other_epochs(run: Path, tmp_path: Path) -> None:
    def half(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:200])

    def other(path: Path) -> None:
        Image.new("L", (8, 8)).save(path)

    for number, damage in enumerate((half, other, Path.unlink, lambda path: path.write_bytes(b"no picture"))):
        copy = shutil.copytree(run, tmp_path / str(number))
        before = load_review(copy)
        damage(copy / "probes" / "epoch_0002_reconstruction.png")
        with pytest.raises(RunFolderError, match=r"pictures of epoch 2 in .*probes are missing or damaged"):
            pack(before)
        found = load_review(copy)
        assert found.epochs == (1, 3)
        assert unpacked(pack(found))[0]["epochs"] == [1, 3]
        assert found.notes[0].startswith("The pictures of epoch 2 are missing or damaged in ")
        assert len(strip(found, "reconstruction")) > 1000


# --- figures --------------------------------------------------------------------------------------------------------


def test_curves_keep_their_gaps_and_leave_out_what_was_not_asked_for(review: Review) -> None:
    metrics = review.metrics.assign(
        total=[3.0, np.inf, 1.0], test_image_auroc=[np.nan, 0.5, np.nan], sspcab=0.0, validation_total=np.nan
    )
    header, _ = unpacked(pack(replace(review, metrics=metrics)))
    lines = {line["column"]: line["values"] for chart in header["charts"]["lines"].values() for line in chart}
    assert lines["total"] == [3.0, None, 1.0]
    assert lines["test_image_auroc"] == [None, 0.5, None]
    assert {"sspcab", "validation_total", "l1"}.isdisjoint(lines)
    assert header["charts"]["epochs"] == [1, 2, 3]


def test_what_was_not_taken_is_null(review: Review) -> None:
    without = replace(
        review,
        layers=review.layers.assign(gradient_norm=np.nan),
        probe_table=review.probe_table[review.probe_table["epoch"] != 2],
    )
    header, _ = unpacked(pack(without))
    assert header["scores"][1] == [None] * PROBES
    assert header["aurocs"][1] is None
    assert header["layers"]["gradient_norm"] is None
    assert len(header["layers"]["std"]["names"]) == 2
    empty = replace(review, layers=pd.DataFrame(columns=review.layers.columns))
    assert unpacked(pack(empty))[0]["layers"] == {"std": None, "gradient_norm": None}


def test_layers_are_rows_in_the_networks_order(review: Review) -> None:
    layers = unpacked(pack(review))[0]["layers"]["std"]
    assert layers["names"] == ["encoder.block0.0", "encoder.block1.0"]
    for row, name in enumerate(layers["names"]):
        expected = review.layers[review.layers["layer"] == name].sort_values("epoch")["std"]
        np.testing.assert_allclose(layers["values"][row], expected)


def test_the_digest_tells_runs_apart(review: Review) -> None:
    digest = unpacked(pack(review))[0]["digest"]
    assert unpacked(pack(review))[0]["digest"] == digest
    changes: list[Review] = [
        replace(review, epochs=(1, 2)),
        replace(review, name="other"),
        replace(review, metrics=review.metrics.assign(total=0.5)),
        replace(review, layers=review.layers.assign(std=0.5)),
    ]
    assert len({digest, *(unpacked(pack(one))[0]["digest"] for one in changes)}) == 5


# --- which epochs ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=1000, unique=True).map(sorted))
def test_long_runs_are_thinned_evenly(epochs: list[int]) -> None:
    shown = shown_epochs(epochs)
    assert len(shown) <= MAX_EPOCHS
    assert shown[-1] == epochs[-1]
    places = [epochs.index(one) for one in shown]
    assert len(set(np.diff(places))) <= 1
    assert len(shown) == len(epochs) or len(epochs) > MAX_EPOCHS


def test_a_thinned_run_says_so(review: Review, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not unpacked(pack(review))[0]["thinned"]
    monkeypatch.setattr("pages._ui.components.reviewer.payload.MAX_EPOCHS", 2)
    header, sheets = unpacked(pack(review))
    assert (header["epochs"], header["thinned"], len(sheets)) == ([1, 3], True, 6)
    assert [nearest_epoch(review, epoch) for epoch in (0, 1, 2, 3, 99)] == [3, 1, 1, 3, 3]
    np.testing.assert_array_equal(header["scores"], review.scores().loc[[1, 3]])


def test_an_epoch_before_the_first_is_the_first(review: Review) -> None:
    assert nearest_epoch(replace(review, epochs=(2, 3)), 1) == 2


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"epoch": -1}, {"other_epoch": -2}, {"wipe": 1.5}, {"measure": "mean"}, {"against": "x"}]
)
def test_settings_outside_their_range_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ReviewSettings(**change)


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("0159.-+einftrusald", max_size=6))


@given(st.dictionaries(st.sampled_from([*vars(ReviewSettings()), "revision"]), JUNK))
def test_junk_never_raises_and_never_leaves_the_range(values: dict) -> None:
    settings = read_settings(values, ReviewSettings())
    assert ReviewSettings(**vars(settings)) == settings


# --- exports --------------------------------------------------------------------------------------------------------


def test_an_animation_has_a_frame_for_each_epoch_even_where_nothing_changes(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "still")
    for what in ("map", "reconstruction"):
        for epoch in (2, 3):
            shutil.copy(copy / f"probes/epoch_0001_{what}.png", copy / f"probes/epoch_{epoch:04d}_{what}.png")
    with Image.open(io.BytesIO(animation(load_review(copy)))) as film:
        assert film.n_frames == EPOCHS
        assert film.width == PROBES * SIDE


def test_a_strip_is_a_picture_with_a_column_for_each_epoch(review: Review) -> None:
    few = strip(replace(review, epochs=(1,)), "reconstruction")
    all_of_them = strip(review, "anomaly map")
    widths = [Image.open(io.BytesIO(png)).width for png in (few, all_of_them)]
    assert widths[1] - widths[0] == pytest.approx(2 * 1.1 * 200, abs=2)
