"""Applying a recipe from the command line: the masks of the app, names that stay apart, and an honest exit status."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage
from tiny_home import PICTURE, write_checkpoint

from draem_core import PostProcess, Predictor, load_checkpoint, read_image
from draem_core.apply import apply_recipe, find_sources, open_recipe
from draem_core.apply import run as apply_run
from draem_core.apply.drawing import OVERLAY_SIDE, UNSURE_OUTLINE, recipe_overlay
from draem_core.apply.regions import picture_regions
from draem_core.apply.weights import find_weights
from draem_core.commands.command_line import main
from draem_core.errors import ImageError, RecipeError
from draem_core.postprocess import find_regions, postprocessed_score, resize_nearest
from draem_core.recipe import Computation, Recipe, save_recipe
from draem_core.report.names import FileNames, safe_name
from draem_core.types import Region

ROOT = Path(__file__).resolve().parents[2]
FLOAT32 = Computation(device="cpu", asked="float32", precision="float32")


@pytest.fixture(scope="module")
def predictor(tiny_home):
    return Predictor(load_checkpoint(tiny_home / "checkpoints" / "alpha.safetensors"), "cpu", "float32")


@pytest.fixture(scope="module")
def pictures(tiny_home, predictor):
    """The test pictures of the tiles, and their scores at kernel 3 and area 4, rising."""
    paths = sorted((tiny_home / "datasets" / "tiles" / "test").rglob("*.png"))
    scores = {path: float(postprocessed_score(predictor.predict(read_image(path)).anomaly_map, 3, 4)) for path in paths}
    return sorted(paths, key=scores.get), sorted(scores.values())


def make(predictor, sensitivity, unsure_sensitivity=None, computation=FLOAT32):
    rule = PostProcess(sensitivity, 3, 4)
    return Recipe.of(predictor.card, rule, computation, unsure_sensitivity=unsure_sensitivity)


def between(scores, index):
    """A sensitivity at which the pictures from ``index`` on are flagged."""
    return 1 - (scores[index - 1] + scores[index]) / 2


def command(home, *arguments):
    """Run ``python -m draem_core apply`` with checkpoints from ``home``."""
    environment = {**os.environ, "DRAEM_HOME": str(home), "COLUMNS": "200"}
    words = [sys.executable, "-m", "draem_core", "apply", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, env=environment)


def in_this_process(monkeypatch, capsys, *arguments):
    """Run the same command without a new Python; return exit status and stderr."""
    monkeypatch.setattr(sys, "argv", ["draem_core", "apply", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def rows(out):
    with (out / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_gives_the_masks_of_the_app(tiny_home, predictor, pictures, tmp_path):
    paths, scores = pictures
    recipe = make(predictor, between(scores, 4), between(scores, 2))
    out = tmp_path / "out"
    done = command(tiny_home, save_recipe(recipe, tmp_path / "r.json"), tiny_home / "datasets/tiles/test", "--out", out)
    assert done.returncode == 1, done.stderr
    assert "2 OK, 2 unsure, 3 NG, 0 errors" in done.stdout
    table = rows(out)
    assert [Path(row["file"]) for row in table] == sorted(paths), "a folder's pictures in order"
    zones = {Path(row["file"]): row["zone"] for row in table}
    assert [zones[path] for path in paths] == ["OK"] * 2 + ["unsure"] * 2 + ["NG"] * 3
    threads_apart = 1e-6  # this process and the other may add up in another order
    for row in table:
        prediction = predictor.predict(read_image(row["file"]))
        mask = PostProcess(recipe.sensitivity, 3, 4).apply(prediction.anomaly_map)
        assert float(row["score"]) == pytest.approx(prediction.image_score, abs=threads_apart)
        assert float(row["peak"]) == pytest.approx(
            float(postprocessed_score(prediction.anomaly_map, 3, 4)), abs=threads_apart
        )
        np.testing.assert_array_equal(np.asarray(Image.open(out / row["mask"])), mask * np.uint8(255))
        full = np.asarray(Image.open(out / row["picture_mask"]))
        np.testing.assert_array_equal(full, resize_nearest(mask, PICTURE) * np.uint8(255))
        assert json.loads(row["map_regions"]) == [vars(region) for region in find_regions(mask)]
        assert [found["area"] for found in json.loads(row["picture_regions"])] == [
            region.area for region in find_regions(full > 0)
        ]
        assert int(row["regions"]) == len(find_regions(mask))
        assert (row["picture_height"], row["picture_width"]) == tuple(map(str, PICTURE))
        assert Image.open(out / row["overlay"]).size == PICTURE[::-1]
        assert row["normalised_score"] == row["error"] == ""
    assert (out / "masks" / "scratch" / "000.png").is_file()
    assert not (out / "verdicts.unfinished.csv").exists()


def test_exit_status_0_only_where_all_is_ok(tiny_home, predictor, pictures, tmp_path):
    paths, scores = pictures
    all_ok = save_recipe(make(predictor, 1 - scores[-1]), tmp_path / "ok.json")
    assert command(tiny_home, all_ok, *paths[:2], "--out", tmp_path / "out").returncode == 0
    assert [row["zone"] for row in rows(tmp_path / "out")] == ["OK", "OK"]


def test_unsure_is_not_ok(predictor, pictures, tmp_path):
    paths, scores = pictures
    summary = apply_recipe(
        make(predictor, 0, between(scores, 1)), predictor, find_sources(paths[:2], tmp_path), tmp_path
    )
    assert (summary.ok, summary.unsure, summary.ng, summary.exit_status) == (1, 1, 0, 1)


def test_an_unreadable_picture_is_named_and_the_rest_is_done(tiny_home, predictor, pictures, tmp_path):
    paths, scores = pictures
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:200])
    recipe = save_recipe(make(predictor, 1 - scores[-1]), tmp_path / "r.json")
    done = command(tiny_home, recipe, broken, tmp_path / "gone.png", paths[0], "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    table = rows(tmp_path / "out")
    assert [row["zone"] for row in table] == ["error", "error", "OK"]
    for row, name in zip(table, ("broken.png", "gone.png"), strict=False):
        assert name in row["error"]
        assert name in done.stderr
        assert row["score"] == row["regions"] == row["mask"] == ""


def test_other_weights_are_refused(tiny_home, predictor, pictures, tmp_path, monkeypatch, capsys):
    recipe = save_recipe(make(predictor, 0.5), tmp_path / "r.json")
    other = tiny_home / "checkpoints" / "beta.safetensors"
    options = ("--checkpoint", other, "--out", tmp_path / "out")
    status, said = in_this_process(monkeypatch, capsys, recipe, pictures[0][0], *options)
    assert status == 2
    assert "digest" in said
    assert said.count("\n") == 1, "one sentence"
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_is_none_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "r.json").write_text("{}")
    status, said = in_this_process(monkeypatch, capsys, tmp_path / "r.json", tmp_path, "--out", tmp_path / "out")
    assert status == 2
    assert "no recipe" in said


@pytest.mark.parametrize("failure", [RuntimeError("a fault of our own"), KeyboardInterrupt()])
def test_a_failure_is_never_taken_for_a_verdict(tmp_path, monkeypatch, capsys, failure):
    def fail(path):
        raise failure

    monkeypatch.setattr("draem_core.commands.command_line.load_recipe", fail)
    status, _ = in_this_process(monkeypatch, capsys, tmp_path / "r.json", tmp_path, "--out", tmp_path / "out")
    assert status == 2


def test_weights_are_found_by_their_digest_whatever_their_name(predictor, tmp_path):
    write_checkpoint(tmp_path / "a" / "alpha.safetensors", seed=7)  # the name, but not the weights
    moved = write_checkpoint(tmp_path / "b" / "deep" / "zeta.safetensors", seed=0)
    renamed = load_checkpoint(moved).card
    recipe = make(predictor, 0.5)
    wanted = recipe.checkpoint.model_copy(update={"digest": renamed.digest})
    assert find_weights(wanted, [tmp_path / "a", tmp_path / "b"]) == moved
    with pytest.raises(RecipeError, match="not among the 1 in"):
        find_weights(wanted, [tmp_path / "a"])


def test_the_weights_of_an_original_pair_are_found_by_both_files(predictor, tmp_path):
    (tmp_path / "run_.pckl").write_bytes(b"first half")
    (tmp_path / "run__seg.pckl").write_bytes(b"second half")
    digest = hashlib.sha256(b"first halfsecond half").hexdigest()
    wanted = make(predictor, 0.5).checkpoint.model_copy(update={"digest": digest})
    assert find_weights(wanted, [tmp_path]) == tmp_path / "run_.pckl"


def test_precision_is_the_recipes_unless_said_otherwise(tiny_home, predictor):
    alpha = tiny_home / "checkpoints" / "alpha.safetensors"
    short = Computation(device="cpu", asked="auto", precision="bfloat16")
    long = Computation(device="cpu", asked="auto", precision="float32")
    for computation in (short, long):
        opened = open_recipe(make(predictor, 0.5, computation=computation), alpha)
        assert opened.predictor.precision == computation.precision
        assert opened.notes == ()
    opened = open_recipe(make(predictor, 0.5, computation=short), alpha, precision="float32")
    assert opened.predictor.precision == "float32"
    assert "bfloat16" in opened.notes[0]
    assert "float32" in opened.notes[0]
    elsewhere = Computation(device="cuda:7", asked="auto", precision="float32")
    assert "cuda:7" in open_recipe(make(predictor, 0.5, computation=elsewhere), alpha).notes[0]


def test_names_that_are_alike_or_hostile_stay_apart_and_inside(predictor, pictures, tmp_path):
    paths, _ = pictures
    names = [
        "part.png",
        "part.PNG.jpg",
        "part.jpg",
        "Part.tif",
        "two  words.png",
        "quote\"'.png",
        "=1+1.png",
        "Öse ß 穴.png",
        "..png",
        "sub/../part.png",
        "sub/part.png",
        "-x.png",
        "line\nbreak.png",
        "l" * 240 + ".png",
    ]
    sources = []
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(paths[0].read_bytes())
        sources += find_sources([path], tmp_path)
    (tmp_path / "in" / "sub").mkdir(exist_ok=True)
    out = tmp_path / "out"
    assert apply_recipe(make(predictor, 0.5), predictor, sources, out).errors == 0
    table = rows(out)
    for column in ("mask", "picture_mask", "overlay"):
        written = [(out / row[column]).resolve() for row in table]
        assert len({str(path).casefold() for path in written}) == len(names)
        assert all(path.is_file() and path.is_relative_to(out.resolve()) for path in written)
    assert [row["file"] for row in table] == [str(source.path) for source in sources], "absolute paths are no formulas"


@given(st.lists(st.text(max_size=12) | st.sampled_from(["a.png", "A.jpg", "a-2.png", "../a.png", "..", "a.png/b"])))
def test_no_two_files_get_one_name_and_none_leads_out(given_names):
    names = FileNames()
    out = Path("/out")
    given = [names.next(name) for name in given_names]
    assert len({name.casefold() for name in given}) == len(given)
    files = [out / f"{name}.png" for name in given]
    for file in files:
        assert Path(os.path.normpath(file)) == file, "nothing to resolve"
        assert file.is_relative_to(out)
        assert "\0" not in str(file)
        assert not any(folder in files for folder in file.parents), "a folder is never also a file"


def test_names_keep_what_a_person_would_recognise():
    assert safe_name("scratch/000.png") == "scratch/000"
    assert safe_name("../../etc/passwd") == "etc/passwd"
    assert safe_name("C:\\line 1\\Öse (3).tif") == "C_/line 1/Öse (3)"
    assert safe_name("../..") == safe_name("") == "picture"


def test_folders_are_searched_in_order_and_results_left_out(tmp_path):
    for name in ("b/2.png", "b/10.png", "a.JPG", "notes.txt", ".hidden/x.png", "out/masks/a.png", "c/d/e.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_sources([tmp_path], leave_out=tmp_path / "out")
    assert [source.name for source in found] == ["a.JPG", "b/10.png", "b/2.png", "c/d/e.tif"]
    several = find_sources([tmp_path / "b", tmp_path / "c", tmp_path / "a.JPG"], tmp_path)
    assert [source.name for source in several] == ["b/10.png", "b/2.png", "c/d/e.tif", "a.JPG"]
    with pytest.raises(ImageError, match="holds no picture"):
        find_sources([tmp_path / "out"], leave_out=tmp_path / "out" / "masks")


MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: hnp.arrays(bool, shape))


@given(MASKS, st.tuples(st.integers(1, 40), st.integers(1, 40)))
@settings(max_examples=200, deadline=None)
def test_regions_on_the_picture_are_those_of_the_enlarged_mask(mask, size):
    found = picture_regions(mask, size)
    assert len(found) == len(find_regions(mask))
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    for label, box in enumerate(found, start=1):
        enlarged = resize_nearest(labels == label, size)
        ys, xs = np.nonzero(enlarged)
        if ys.size:
            extent = (int(ys.min()), int(xs.min()), int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1)
            assert box == Region(*extent, int(enlarged.sum()))
        else:
            assert box is None


def test_regions_a_reader_can_count():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 0] = mask[3, 3] = True
    assert picture_regions(mask, (8, 12)) == (Region(2, 0, 4, 3, 12), Region(6, 9, 2, 3, 6))
    assert picture_regions(mask, (1, 1)) == (None, None), "one pixel shows the map's (2, 2)"


def test_a_large_picture_has_a_smaller_overlay_with_the_unsure_outlined(predictor):
    recipe = make(predictor, 0.2, 0.6)
    anomaly_map = np.zeros((64, 96), np.float32)
    anomaly_map[10:40, 20:60] = 0.5  # unsure
    picture = np.full((30, 3 * OVERLAY_SIDE, 3), 90, np.uint8)
    drawn = recipe_overlay(recipe, picture, anomaly_map)
    assert drawn.shape == (10, OVERLAY_SIDE, 3)
    drawn = recipe_overlay(recipe, np.full((64, 96, 3), 90, np.uint8), anomaly_map)
    assert (drawn == UNSURE_OUTLINE).all(axis=2).sum() == 2 * 30 + 2 * 38


def test_what_was_done_before_a_full_disk_is_kept(tiny_home, predictor, pictures, tmp_path, monkeypatch, capsys):
    write, written = apply_run.write_atomically, []

    def disk_of_four_files(path, content):
        if len(written) == 4:
            raise OSError(28, "No space left on device", str(path))
        written.append(write(path, content))

    recipe, out = save_recipe(make(predictor, 0.5), tmp_path / "r.json"), tmp_path / "out"
    monkeypatch.setattr(apply_run, "write_atomically", disk_of_four_files)
    monkeypatch.setenv("DRAEM_HOME", str(tiny_home))
    status, said = in_this_process(monkeypatch, capsys, recipe, *pictures[0], "--out", out)
    assert status == 2
    assert "No space left" in said
    assert "verdicts.unfinished.csv" in said
    assert len((out / "verdicts.unfinished.csv").read_text().splitlines()) == 2
    assert not (out / "verdicts.csv").exists()
