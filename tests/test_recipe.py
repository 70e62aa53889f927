"""Recipes: what is saved comes back, every number fits the others, and whatever is wrong is one sentence."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draem_core.errors import RecipeError
from draem_core.evaluation.calibration import normalised_pixel
from draem_core.postprocess import PostProcess
from draem_core.recipe import (
    Computation,
    Measured,
    Recipe,
    check_card,
    load_recipe,
    parse_recipe,
    raw_sensitivity,
    recipe_json,
    save_recipe,
    zone_of,
)
from draem_core.types import Calibration, Card
from draem_core.version import __version__

CALIBRATION = Calibration(pixel_threshold=0.5, pixel_min=0.1, pixel_max=0.9)
CARD = Card(
    name="bracket",
    flavour="ours",
    widths=(8, 4),
    input_size=(64, 96),
    resize_filter="bilinear_antialias",
    color_order="RGB",
    concat_order="image_first",
    score_rule="max",
    digest="0123456789abcdef" * 4,
)
CALIBRATED = CARD.model_copy(update={"calibration": CALIBRATION})
COMPUTATION = Computation(device="cpu", asked="auto", precision="bfloat16")
MEASURED = Measured(
    dataset="bracket",
    good=20,
    defect=12,
    tuned_on_these=True,
    figures={"image_f1": 0.75, "aupro": np.nan, "regions": np.int64(7)},
)


def make(card=CARD, sensitivity=0.25, **more):
    return Recipe.of(card, PostProcess(sensitivity, 5, 12), COMPUTATION, measured=(MEASURED,), **more)


def changed(recipe, **entries):
    """The recipe's file with entries changed by hand; ``checkpoint__digest`` reaches inside."""
    content = json.loads(recipe_json(recipe))
    for name, value in entries.items():
        *outer, last = name.split("__")
        place = content
        for part in outer:
            place = place[part]
        place[last] = value
    return json.dumps(content).encode()


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_what_is_saved_comes_back(one, other, calibrated):
    low, high = sorted((one, other))
    recipe = make(CALIBRATED if calibrated else CARD, low, unsure_sensitivity=high)
    assert parse_recipe(recipe_json(recipe), "r.json") == recipe
    assert np.float32(recipe.pixel_threshold) == recipe.post_process.threshold
    assert recipe.post_process == PostProcess(low, 5, 12)


def test_a_recipe_on_disk(tmp_path):
    recipe = make(unsure_sensitivity=0.5, note="Schicht 2 – „Ränder“")
    path = save_recipe(recipe, tmp_path / "new" / "recipe.json")
    assert load_recipe(path) == recipe
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_recipe(path) == recipe, "an editor on Windows has put a mark in front"
    assert [file.name for file in path.parent.iterdir()] == ["recipe.json"]


def test_numbers_that_a_reader_can_compute():
    recipe = make(CALIBRATED, unsure_sensitivity=0.5)
    assert (recipe.pixel_threshold, recipe.unsure_threshold) == (0.75, 0.5)
    assert recipe.normalised_pixel_threshold == pytest.approx((0.75 - 0.5) / 0.8 + 0.5)
    assert recipe.normalised_unsure_threshold == 0.5
    assert [recipe.zone(score) for score in (-np.inf, 0.5, 0.6, 0.75, 0.76)] == ["OK", "OK", "unsure", "unsure", "NG"]
    assert make().zone(0.7) == "OK", "without zones there is no unsure"
    assert recipe.measured[0].figures == {"image_f1": 0.75, "aupro": None, "regions": 7}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_zones_are_masks_of_two_thresholds(one, other, value):
    low, high = sorted((one, other))
    recipe, anomaly_map = make(sensitivity=low, unsure_sensitivity=high), np.full((5, 5), value, np.float32)
    flagged = [PostProcess(sensitivity, 5, 12).apply(anomaly_map).any() for sensitivity in (low, high)]
    expected = "NG" if flagged[0] else "unsure" if flagged[1] else "OK"
    assert (
        recipe.zone(np.float32(value))
        == expected
        == zone_of(np.float32(value), recipe.pixel_threshold, recipe.unsure_threshold)
    )


def test_the_normalised_slider_means_the_raw_one():
    assert raw_sensitivity(0.5, CALIBRATION) == 0.5
    assert raw_sensitivity(0.25, CALIBRATION) == pytest.approx(1 - (0.5 + 0.25 * 0.8))
    for normalised in (0.1, 0.3, 0.9):
        raw = 1 - raw_sensitivity(normalised, CALIBRATION)
        assert normalised_pixel(raw, CALIBRATION) == pytest.approx(1 - normalised)
    assert raw_sensitivity(0.5, Calibration()) is None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"pixel_threshold": 0.7500001}, "pixel_threshold is 0.7500001"),
        ({"sensitivity": 0.3}, "float32"),
        ({"sensitivity": 1.5}, "sensitivity"),
        ({"sensitivity": "0.25"}, "sensitivity"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": 3.5}, "kernel_size"),
        ({"kernel_size": True}, "kernel_size"),
        ({"min_area": -1}, "min_area"),
        ({"unsure_sensitivity": None}, "both"),
        ({"unsure_sensitivity": 0.125, "unsure_threshold": 0.875}, "below the sensitivity"),
        ({"normalised_pixel_threshold": 0.5}, "normalised_pixel_threshold"),
        ({"normalize": True}, "not calibrated"),
        ({"checkpoint__digest": "abc"}, "digest"),
        ({"checkpoint__flavour": "theirs"}, "flavour"),
        ({"measured": [{**MEASURED.model_dump(), "good": -1}]}, "good"),
        ({"measured": [{**MEASURED.model_dump(), "figures": {"f1": "high"}}]}, "figures"),
        ({"measured": MEASURED.model_dump()}, "measured"),
        ({"created": "2026-11-22T04:00:00"}, "created"),
        ({"surprise": 1}, "surprise"),
        ({"checkpoint__surprise": 1}, "surprise"),
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": {"a": 1}}, "version"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(entries, said):
    with pytest.raises(RecipeError, match=said) as refused:
        parse_recipe(changed(make(unsure_sensitivity=0.5), **entries), "line 3.json")
    message = str(refused.value)
    assert "line 3.json" in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"null",
        b"[1]",
        b"{}",
        b'{"version": 1}',
        b"[" * 100_000,
        recipe_json(make()).replace(b"0.25", b"NaN"),
        recipe_json(make()).replace(b"0.75", b"1e999"),
        recipe_json(make())[:-10],
        b" " * 2**20 + recipe_json(make()),
    ],
)
def test_what_is_no_recipe_is_refused(content, tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"r\.json"):
        load_recipe(path)


def test_no_such_file(tmp_path):
    with pytest.raises(RecipeError, match=r"gone\.json cannot be read"):
        load_recipe(tmp_path / "gone.json")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)


def test_a_recipe_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecipeError, match="could not be written"):
        save_recipe(make(), tmp_path / "file" / "recipe.json")


def test_an_unsure_zone_above_ng_is_no_setting():
    with pytest.raises(RecipeError, match="below the sensitivity"):
        make(sensitivity=0.5, unsure_sensitivity=0.25)


def test_only_the_recipes_own_weights_fit():
    recipe = make(CALIBRATED)
    check_card(recipe, CALIBRATED)
    check_card(recipe, CARD.model_copy(update={"name": "renamed"}))
    with pytest.raises(RecipeError, match="ffff"):
        check_card(recipe, CARD.model_copy(update={"digest": "f" * 64}))
    with pytest.raises(RecipeError, match="color_order BGR"):
        check_card(recipe, CARD.model_copy(update={"color_order": "BGR"}))


def test_the_version_is_the_projects():
    assert Recipe.model_fields["app_version"].default == __version__
