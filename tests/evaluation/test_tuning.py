"""Counting a scored dataset once and reading the counts ever after: what is counted, what is noticed, what is told."""

import os
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from brightness import BrightnessPredictor, make_category, save

from draem_core.data.datasets import open_dataset, read_mask
from draem_core.errors import Cancelled, DatasetError, ScoringError
from draem_core.evaluation.settings_grid import SettingsGrid
from draem_core.evaluation.tuning import TuningSet, count_settings
from draem_core.scoring import ScoredDataset, score_dataset
from draem_core.sweep import SweepMetrics, ThresholdSweep


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A category of five good pictures and four with a spot, and the folder that it was scored and counted into."""
    folder = tmp_path_factory.mktemp("tuning")
    return make_category(folder / "thing"), folder / "out"


@pytest.fixture(scope="module")
def scored(place: tuple[Path, Path]) -> ScoredDataset:
    root, out = place
    return score_dataset(BrightnessPredictor(), open_dataset(root), out)


@pytest.fixture(scope="module")
def tuning(scored: ScoredDataset, place: tuple[Path, Path]) -> TuningSet:
    return count_settings(scored, place[1])


def whole(scored: ScoredDataset, samples: tuple) -> tuple[SettingsGrid, tuple[SweepMetrics, ...]]:
    """Count without shares, threads or files."""
    rows = [scored.samples.index(sample) for sample in samples]
    maps = [scored.maps[row] for row in rows]
    truths = [read_mask(sample, scored.maps.shape[1:]) for sample in samples]
    labels = [bool(sample.label) for sample in samples]
    sweep = ThresholdSweep.from_maps(maps, truths, labels=labels)
    return SettingsGrid.from_maps(maps, truths, labels), sweep.metrics


def assert_same(grid: SettingsGrid, other: SettingsGrid) -> None:
    for field in fields(grid):
        one, two = getattr(grid, field.name), getattr(other, field.name)
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12, err_msg=field.name)


def numbers(metrics: tuple[SweepMetrics, ...]) -> np.ndarray:
    return np.array([[*one.values()] for one in (flat(metric) for metric in metrics)], float)


def flat(metrics: SweepMetrics) -> dict[str, float]:
    values = asdict(metrics)
    f1max = {f"{name} {part}": value for name in ("pixel_f1max", "image_f1max") for part, value in values[name].items()}
    return {name: value for name, value in values.items() if not isinstance(value, dict)} | f1max


def test_counts_are_those_of_the_whole(scored: ScoredDataset, tuning: TuningSet) -> None:
    grid, metrics = whole(scored, tuning.samples)
    assert_same(tuning.grid, grid)
    np.testing.assert_allclose(numbers(tuning.metrics), numbers(metrics), rtol=1e-12)
    assert tuning.samples == scored.samples
    assert tuning.unlabelled == 0
    np.testing.assert_array_equal(tuning.rows, np.arange(9))


def test_a_second_call_reads_what_the_first_one_counted(
    scored: ScoredDataset, tuning: TuningSet, place: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr(SettingsGrid, "from_maps", refuse)
    told: list[tuple[int, int]] = []
    again = count_settings(scored, place[1], on_progress=lambda done, total: told.append((done, total)))
    assert_same(again.grid, tuning.grid)
    np.testing.assert_array_equal(numbers(again.metrics), numbers(tuning.metrics))
    assert again.grid.kernel_sizes == tuning.grid.kernel_sizes
    assert again.grid.min_areas == tuning.grid.min_areas
    assert again.grid.at(0.5, 3, 4) == tuning.grid.at(0.5, 3, 4)
    assert again.key == tuning.key
    assert not told


def test_progress_names_every_image_once(scored: ScoredDataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    count_settings(scored, counted_apart(scored, tmp_path), on_progress=lambda done, total: told.append((done, total)))
    assert sorted(told) == [(done, 9) for done in range(1, 10)]


def counted_apart(scored: ScoredDataset, folder: Path) -> Path:
    """Return a folder of the same maps without counts."""
    np.save(folder / "maps.npy", scored.maps)
    return folder


def test_a_changed_mask_is_noticed(tmp_path: Path) -> None:
    root = make_category(tmp_path / "thing", good=1, spots=1)
    out = tmp_path / "out"
    scored = score_dataset(BrightnessPredictor(), open_dataset(root), out)
    before = count_settings(scored, out)
    mask = np.zeros((32, 32), np.uint8)
    mask[20:25, 20:30] = 255
    path = root / "ground_truth/spot/0_mask.png"
    save(path, mask)
    os.utime(path, ns=(1, 1))
    after = count_settings(scored, out)
    assert after.key != before.key
    assert (before.grid.defect_total, after.grid.defect_total) == (7 * 12, 5 * 10)
    assert_same(after.grid, whole(scored, scored.samples)[0])


@pytest.mark.parametrize("content", [b"", b"PK no archive", None], ids=["empty", "no archive", "half"])
def test_a_corrupt_file_of_counts_is_counted_again(
    scored: ScoredDataset, tuning: TuningSet, tmp_path: Path, place: tuple[Path, Path], content: bytes | None
) -> None:
    stored = (place[1] / "counts.npz").read_bytes()
    folder = counted_apart(scored, tmp_path)
    os.utime(folder / "maps.npy", ns=(7, (place[1] / "maps.npy").stat().st_mtime_ns))
    (folder / "counts.npz").write_bytes(stored[: len(stored) // 2] if content is None else content)
    told: list[int] = []
    again = count_settings(scored, folder, on_progress=lambda done, total: told.append(done))
    assert_same(again.grid, tuning.grid)
    assert len(told) == 9
    told.clear()
    count_settings(scored, folder, on_progress=lambda done, total: told.append(done))
    assert not told, "what was counted again is kept"


def test_a_flipped_bit_in_the_counts_is_counted_again(scored: ScoredDataset, tuning: TuningSet, tmp_path: Path) -> None:
    folder = counted_apart(scored, tmp_path)
    count_settings(scored, folder)
    content = bytearray((folder / "counts.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / "counts.npz").write_bytes(bytes(content))
    assert_same(count_settings(scored, folder).grid, tuning.grid)


def test_unlabelled_images_are_left_out(scored: ScoredDataset, tmp_path: Path) -> None:
    unsure = (1, 6)
    samples = tuple(replace(one, label=None) if row in unsure else one for row, one in enumerate(scored.samples))
    half = replace(scored, samples=samples)
    tuning = count_settings(half, counted_apart(scored, tmp_path))
    kept = [row for row in range(9) if row not in unsure]
    assert tuning.unlabelled == 2
    np.testing.assert_array_equal(tuning.rows, kept)
    assert tuning.samples == tuple(scored.samples[row] for row in kept)
    assert_same(tuning.grid, whole(scored, tuning.samples)[0])


def test_without_any_label_there_is_nothing_to_tune(scored: ScoredDataset, tmp_path: Path) -> None:
    unlabelled = replace(scored, samples=tuple(replace(one, label=None) for one in scored.samples))
    with pytest.raises(DatasetError, match=r"No image of this dataset has a label.*`good`"):
        count_settings(unlabelled, tmp_path)


def test_a_missing_mask_leaves_the_image_and_drops_its_pixels(tmp_path: Path) -> None:
    root = make_category(tmp_path / "thing", good=1, spots=2)
    scored = score_dataset(BrightnessPredictor(), open_dataset(root), tmp_path / "out")
    (root / "ground_truth/spot/0_mask.png").write_bytes(b"no picture")
    grid = count_settings(scored, tmp_path / "out").grid
    assert grid.image_labels.tolist() == [False, True, True]
    assert grid.defect_total + grid.good_total == 2 * 32 * 32
    assert grid.region_images.tolist() == [2]


def test_cancel_leaves_nothing_behind(scored: ScoredDataset, tmp_path: Path) -> None:
    folder = counted_apart(scored, tmp_path)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Cancelled, match=r"Stopped after counting [34] of 9 images"):
        count_settings(scored, folder, cancelled=cancelled)
    assert [path.name for path in folder.iterdir()] == ["maps.npy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(scored: ScoredDataset, tmp_path: Path) -> None:
    folder = counted_apart(scored, tmp_path)
    folder.chmod(0o500)
    with pytest.raises(ScoringError, match=r"counts\.npz cannot be written"):
        count_settings(scored, folder)


def test_a_full_disk_is_told(scored: ScoredDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    folder = counted_apart(scored, tmp_path)
    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(
        ScoringError, match=r"counts\.npz cannot be written \(No space left on device\): free some space"
    ):
        count_settings(scored, folder)
    assert [path.name for path in folder.iterdir()] == ["maps.npy"]


def test_the_rule_for_masks_is_known_to_the_counts_and_to_the_results(tmp_path: Path) -> None:
    """A scratch of 64 × 64 that 32 × 32 maps look past: rows 1, 3, 5 … are met, row 8 is not."""
    root, out = make_category(tmp_path / "thing", good=2, spots=1), tmp_path / "out"
    thin = np.zeros((64, 64), np.uint8)
    thin[8, 10:30] = 255
    save(root / "ground_truth/spot/0_mask.png", thin)
    dataset = open_dataset(root)
    rules = ("nearest", "any")
    results = {rule: score_dataset(BrightnessPredictor(), dataset, out, mask_downscaling=rule) for rule in rules}
    assert [results[rule].metrics["lost_regions"] for rule in rules] == [1, 0]
    assert any("no pixel on the map's 32 × 32 grid" in problem for problem in results["nearest"].problems)
    assert not any("grid" in problem for problem in results["any"].problems)
    sets = {rule: count_settings(results[rule], out, mask_downscaling=rule) for rule in rules}
    assert sets["nearest"].key != sets["any"].key
    assert [sets[rule].grid.defect_total for rule in rules] == [0, 10]
    for rule in rules:
        assert sets[rule].grid.region_images.tolist() == [2]
        assert sets[rule].mask_downscaling == rule
        assert (out / ("counts.npz" if rule == "nearest" else "counts_any.npz")).exists()
    everything = sets["nearest"].grid.at(1.0, 1, 0)
    assert (everything.regions_found, everything.regions_total) == (0, 1)  # nothing finds it
    assert (sets["any"].grid.at(1.0, 1, 0).regions_found, sets["nearest"].metrics[0].aupro) == (1, 0.0)
    again = score_dataset(BrightnessPredictor(), dataset, out)
    assert again.metrics == results["nearest"].metrics
