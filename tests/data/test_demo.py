"""The demo dataset: layout, sameness to the last bit, and masks that say exactly what a fault changed."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy import ndimage

from draem_core.data.datasets import mask_problems, open_dataset
from draem_core.data.demo import CATEGORIES, Category, draw_one, make_demo
from draem_core.data.demo.camera import Camera
from draem_core.data.demo.canvas import WORLD, Canvas, Curve, smoothstep, stream
from draem_core.data.demo.drawing import SPECK, VISIBLE, annotate, draw
from draem_core.data.demo.metal import BORE, OUTER, MetalScene

SEED = 5
KINDS = [(category, kind) for category in CATEGORIES for kind in category.faults]
EACH_KIND = pytest.mark.parametrize(
    ("category", "kind"), KINDS, ids=[f"{category.name}-{kind}" for category, kind in KINDS]
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good picture to train, one good to test, and of each defect the plainest (000) and the faintest (001)."""
    out = tmp_path_factory.mktemp("demo") / "set"
    make_demo(out, seed=SEED, good_train=1, good_test=1, per_defect=2)
    return out


def small_demo(out: Path, seed: int = 0, good_train: int = 2) -> list[Path]:
    return make_demo(out, seed=seed, good_train=good_train, good_test=1, per_defect=1, size=32)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def every_byte(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_layout_is_mvtec_with_the_counts_asked_for(demo: Path) -> None:
    assert sorted(path.name for path in demo.iterdir()) == ["README.txt", "fabric", "metal"]
    for category in CATEGORIES:
        home = demo / category.name
        assert len(category.faults) >= 4
        found = {path.relative_to(home).as_posix() for path in home.rglob("*.png")}
        expected = {"train/good/000.png", "test/good/000.png"}
        for kind in category.faults:
            expected |= {f"test/{kind}/000.png", f"test/{kind}/001.png"}
            expected |= {f"ground_truth/{kind}/000_mask.png", f"ground_truth/{kind}/001_mask.png"}
        assert found == expected


def test_our_own_reader_finds_nothing_wrong_with_it(demo: Path) -> None:
    for category in CATEGORIES:
        dataset = open_dataset(demo / category.name)
        assert mask_problems(dataset) == []
        assert {sample.kind for sample in dataset.samples} == {"good", *category.faults}


def test_pictures_are_rgb_and_masks_black_and_white(demo: Path) -> None:
    for path in demo.rglob("*.png"):
        picture = pixels(path)
        assert picture.dtype == np.uint8
        if "ground_truth" in path.parts:
            assert picture.shape == (256, 256)
            assert set(np.unique(picture)) == {0, 255}
            assert np.count_nonzero(picture) >= 50
        else:
            assert picture.shape == (256, 256, 3)
            assert 20 < picture.mean() < 235
            assert picture.std() > 10


def test_no_good_picture_is_like_another(demo: Path) -> None:
    for category in CATEGORIES:
        good = [pixels(path).astype(int) for path in sorted((demo / category.name).glob("*/good/*.png"))]
        assert len(good) == 2
        assert np.abs(good[0] - good[1]).mean() > 5


def test_good_pictures_of_one_split_differ_too() -> None:
    for category in CATEGORIES:
        good = [draw_one(category, "train", "good", index, 0.0, size=64).picture.astype(int) for index in range(6)]
        for i in range(6):
            for j in range(i):
                assert np.abs(good[i] - good[j]).mean() > 3


@EACH_KIND
def test_the_faintest_mask_is_where_the_sound_twin_differs(demo: Path, category: Category, kind: str) -> None:
    path = (category.name, "test", kind, 1)
    scene, canvas = category.scene(stream(SEED, *path, "scene")), Canvas(256)
    fault = category.faults[kind](stream(SEED, *path, "fault"), 0.0)
    levels = scene.camera.expose(scene.render(canvas, fault), canvas)
    change = np.abs(levels - scene.camera.expose(scene.render(canvas), canvas)).max(axis=2)
    home = demo / category.name
    mask = pixels(home / "ground_truth" / kind / "001_mask.png") > 0

    picture = scene.camera.digitise(levels, stream(SEED, *path, "sensor"))
    np.testing.assert_array_equal(pixels(home / "test" / kind / "001.png"), picture)

    labels, pieces = ndimage.label((change > VISIBLE) & ~mask, np.ones((3, 3)))
    assert np.bincount(labels.ravel())[1:].max(initial=0) < SPECK, f"{pieces} visible pieces lie outside the mask"
    solid = ndimage.binary_fill_holes(ndimage.binary_dilation(change > VISIBLE, np.ones((3, 3)), iterations=2))
    assert not (mask & ~solid).any(), "the mask reaches where nothing changed"
    assert (change > VISIBLE)[mask].mean() > 0.6
    assert change[mask].max() > 4 * scene.camera.noise, "too faint for an attentive person"


@EACH_KIND
def test_a_stronger_fault_changes_more(category: Category, kind: str) -> None:
    scene, canvas = category.scene(stream(SEED, kind)), Canvas(64)
    sound = scene.camera.expose(scene.render(canvas), canvas)

    def change(strength: float) -> float:
        fault = category.faults[kind](stream(SEED, kind, "fault"), strength)
        return float(np.abs(scene.camera.expose(scene.render(canvas, fault), canvas) - sound).sum())

    assert 0 < change(0.0) < change(1.0)


@pytest.mark.parametrize("kind", ["scratch", "dent", "corrosion"])
def test_faults_of_the_face_stay_on_the_metal(demo: Path, kind: str) -> None:
    for index in (0, 1):
        scene = MetalScene.draw(stream(SEED, "metal", "test", kind, index, "scene"))
        rows, columns = np.nonzero(pixels(demo / "metal" / "ground_truth" / kind / f"{index:03d}_mask.png"))
        centre_x, centre_y = scene.centre
        radius = np.hypot(columns + 0.5 - WORLD / 2 - centre_x, rows + 0.5 - WORLD / 2 - centre_y) / scene.scale
        assert radius.min() > BORE - 3
        assert radius.max() < OUTER + 3


def test_a_good_part_has_an_empty_mask_and_the_bytes_on_disk(demo: Path) -> None:
    for category in CATEGORIES:
        drawing = draw_one(category, "train", "good", 0, 0.0, seed=SEED)
        assert not drawing.mask.any()
        np.testing.assert_array_equal(pixels(demo / category.name / "train" / "good" / "000.png"), drawing.picture)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        small_demo(tmp_path / name, seed)
    one, two, other = (every_byte(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one.keys() == other.keys()
    pictures = [name for name in one if name.endswith(".png") and "ground_truth" not in name]
    assert len({one[name] for name in pictures} | {other[name] for name in pictures}) == 2 * len(pictures)


def test_a_picture_does_not_depend_on_how_many_are_drawn(tmp_path: Path) -> None:
    small_demo(tmp_path / "few", good_train=2)
    small_demo(tmp_path / "more", good_train=3)
    few, more = every_byte(tmp_path / "few"), every_byte(tmp_path / "more")
    assert len(more) == len(few) + 2
    assert all(more[name] == content for name, content in few.items() if name != "README.txt")


def test_a_complete_set_is_left_alone_and_another_order_is_drawn_anew(tmp_path: Path) -> None:
    out, seen = tmp_path / "set", []
    folders = make_demo(
        out,
        good_train=1,
        good_test=1,
        per_defect=1,
        size=32,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert folders == [out / "fabric", out / "metal"]
    total = 2 * 2 + len(KINDS)
    assert seen == [(done, total) for done in range(1, total + 1)]
    assert "seed 0" in (out / "README.txt").read_text(encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}

    def unexpected(done: int, total: int) -> None:
        raise AssertionError("drawn again")

    assert make_demo(out, good_train=1, good_test=1, per_defect=1, size=32, on_progress=unexpected) == folders
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    small_demo(out)
    assert len(list(out.glob("*/train/good/*.png"))) == 4


def test_an_interrupted_drawing_leaves_the_old_set_and_the_next_one_finishes(tmp_path: Path) -> None:
    class PowerCutError(Exception):
        pass

    def cut(done: int, total: int) -> None:
        if done == 3:
            raise PowerCutError

    out = tmp_path / "set"
    with pytest.raises(PowerCutError):
        make_demo(out, good_train=2, good_test=1, per_defect=1, size=32, on_progress=cut)
    assert not out.exists()
    small_demo(out)
    finished = every_byte(out)
    with pytest.raises(PowerCutError):
        make_demo(out, seed=1, good_train=2, good_test=1, per_defect=1, size=32, on_progress=cut)
    assert every_byte(out) == finished
    small_demo(out, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_twin_without_a_fault_is_the_same_shot() -> None:
    """Far from the fault a picture and its twin agree to the noise's last bit."""
    category = CATEGORIES[1]
    path = (category.name, "test", "burr", 0)
    drawing = draw_one(category, "test", "burr", 0, 1.0, seed=SEED, size=64)
    twin = draw(category.scene(stream(SEED, *path, "scene")), None, Canvas(64), SEED, *path)
    differs = (drawing.picture != twin.picture).any(axis=2)
    assert differs.any()
    near = ndimage.binary_dilation(drawing.mask, iterations=8)
    np.testing.assert_array_equal(drawing.picture[~near], twin.picture[~near])


def blank(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """(40, 40) grey levels, 20 inside the boxes (top, left, bottom, right) and 0 elsewhere."""
    change = np.zeros((40, 40))
    for top, left, bottom, right in boxes:
        change[top:bottom, left:right] = 20.0
    return change


def test_only_what_differs_by_more_than_visible_is_marked() -> None:
    change = np.full((40, 40), VISIBLE)
    assert not annotate(change).any()
    change[10:14, 10:14] = VISIBLE + 0.01
    assert annotate(change).sum() == 16


def test_gaps_of_four_are_closed_and_wider_ones_are_not() -> None:
    assert annotate(blank((10, 5, 20, 10), (10, 14, 20, 19))).sum() == 10 * 14
    assert annotate(blank((10, 5, 20, 10), (10, 15, 20, 20))).sum() == 10 * 10


def test_small_enclosed_holes_are_filled_and_large_ones_and_bays_stay_open() -> None:
    ring = blank((5, 5, 35, 35))
    ring[10:16, 10:16] = 0
    assert annotate(ring).sum() == 30 * 30
    ring[10:30, 10:30] = 0
    assert annotate(ring).sum() == 30 * 30 - 20 * 20, "a curl of chip is not filled"
    ring[10:30, 30:] = 0
    assert annotate(ring).sum() == 30 * 30 - 20 * 25


def test_specks_are_dropped_unless_there_is_nothing_else() -> None:
    assert annotate(blank((5, 5, 7, 7), (20, 20, 30, 30))).sum() == 100
    assert annotate(blank((5, 5, 7, 7))).sum() == 4
    assert annotate(blank((5, 5, 7, 8), (20, 20, 30, 30))).sum() == 106


def test_a_change_at_the_border_keeps_its_pixels() -> None:
    assert annotate(blank((0, 0, 5, 5), (35, 35, 40, 40))).sum() == 50


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float64, (24, 24), elements=st.sampled_from([0.0, 20.0]), fill=st.just(0.0)))
def test_annotate_loses_only_specks_and_invents_nothing_far_away(change: np.ndarray) -> None:
    mask = annotate(change)
    visible = change > VISIBLE
    labels, _ = ndimage.label(visible & ~mask, np.ones((3, 3)))
    assert np.bincount(labels.ravel())[1:].max(initial=0) < SPECK
    near = ndimage.binary_fill_holes(ndimage.binary_dilation(visible, np.ones((3, 3)), iterations=2))
    assert not (mask & ~near).any()
    assert mask.any() == visible.any()


def test_the_canvas_shrinks_by_means_and_centres_its_axes() -> None:
    canvas = Canvas(2)
    np.testing.assert_array_equal(canvas.axis, [-96.0, -32.0, 32.0, 96.0])
    fine = np.arange(16.0).reshape(4, 4, 1)
    np.testing.assert_array_equal(canvas.shrink(fine)[..., 0], [[2.5, 4.5], [10.5, 12.5]])


def test_a_curve_measures_signed_distance_and_place_along() -> None:
    canvas = Canvas(128)  # samples at -127.5, -126.5, …
    distance, along = Curve(np.array([[-10.0, 0.0], [10.0, 0.0]])).measure(canvas, reach=5.0)
    row, column = 128 + 2, 128 + 5  # x 5.5, y 2.5
    assert distance[row, column] == 2.5
    assert along[row, column] == pytest.approx(15.5 / 20)
    assert distance[128 - 3, column] == -2.5
    assert distance[128, 128 + 12] == pytest.approx(np.hypot(2.5, 0.5))
    assert np.isinf(distance[128 + 5, column])


def test_streams_differ_by_every_part_of_their_name() -> None:
    names: list[tuple[str | int, ...]] = [("a", "b", 0), ("a", "b", 1), ("b", "a", 0), ("a", "b", 0, "sensor")]
    draws = [stream(0, *name).random() for name in names] + [stream(1, *names[0]).random()]
    assert len(set(draws)) == len(draws)
    assert stream(0, *names[0]).random() == draws[0]


def test_smoothstep_by_hand() -> None:
    values = smoothstep(2.0, 4.0, np.array([1.0, 2.0, 2.5, 3.0, 4.0, 9.0]))
    np.testing.assert_allclose(values, [0, 0, 0.15625, 0.5, 1, 1])


def test_a_plain_camera_only_applies_gamma_and_the_noise_is_fair() -> None:
    camera = Camera(1.0, (1.0, 1.0, 1.0), (0.0, 0.0), vignette=0.0, blur=0.0, noise=2.0)
    canvas = Canvas(64)
    levels = camera.expose(np.full((128, 128, 3), 0.25), canvas)
    np.testing.assert_allclose(levels, 255 * 0.25 ** (1 / 2.2))
    noise = camera.digitise(levels, stream(0)) - levels
    assert abs(noise.mean()) < 0.1
    assert 1 < noise.std() < 2


def test_a_picture_takes_little_time() -> None:
    """All 420 pictures (540 drawings) take under a minute on an idle core: 0.11 s each, and here ten times that."""
    start = time.process_time()
    draw_one(CATEGORIES[0], "train", "good", 0, 0.0)
    draw_one(CATEGORIES[1], "train", "good", 0, 0.0)
    assert time.process_time() - start < 2 * 10 * 0.11
