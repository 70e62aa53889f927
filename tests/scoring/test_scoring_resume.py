"""Scoring that goes on: killed at any moment, cancelled, with a full disk, or with files that change."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brightness import CARD, SIDE, BrightnessPredictor, make_category, save, write_picture
from tiny_home import write_checkpoint

from draem_core import Predictor, load_checkpoint
from draem_core.data.datasets import open_dataset
from draem_core.errors import Cancelled, DatasetError, NonFiniteError, ScoringError
from draem_core.scoring import ScoredDataset, map_file, results, run, score_dataset, score_key
from draem_core.types import Prediction

ROOT = Path(__file__).resolve().parents[2]
NAMES = [*(f"test/good/{index}.png" for index in range(5)), *(f"test/spot/{index}.png" for index in range(4))]


@pytest.fixture
def category(tmp_path):
    return make_category(tmp_path / "thing")


def score(category: Path, out: Path, predictor: BrightnessPredictor | None = None, **options) -> list[float]:
    """Score in batches of two; return what the network saw."""
    predictor = predictor or BrightnessPredictor()
    score_dataset(predictor, open_dataset(category), out, batch_size=2, **options)
    return predictor.seen


def assert_same_files(out: Path, other: Path) -> None:
    """Two result folders hold the same, but for the seconds."""
    for name in ("maps.npy", "scores.csv", "scores.parquet"):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (out, other))
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


# --- nothing changed ----------------------------------------------------------------------------------------------


def test_a_second_call_reads_no_picture_and_writes_nothing(category, tmp_path, monkeypatch):
    first = score_dataset(BrightnessPredictor(), open_dataset(category), tmp_path / "out")
    before = files(tmp_path / "out")
    for module, name in ((run, "load_ahead"), (run, "load"), (results, "mask_problems"), (results, "measure")):
        monkeypatch.setattr(module, name, None)
    predictor, progress = BrightnessPredictor(), []
    report = lambda done, total: progress.append((done, total))  # noqa: E731
    again = score_dataset(predictor, open_dataset(category), tmp_path / "out", on_progress=report)
    assert predictor.seen == []
    assert progress == [(9, 9)]
    assert files(tmp_path / "out") == before
    assert (again.samples, again.metrics, again.problems) == (first.samples, first.metrics, first.problems)
    np.testing.assert_array_equal(again.maps, first.maps)
    np.testing.assert_array_equal(again.scores, first.scores)


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "metrics.json", "complete.json"])
def test_a_file_that_was_deleted_is_written_again_without_the_network(category, tmp_path, name):
    score(category, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "before")
    (tmp_path / "out" / name).unlink()
    assert score(category, tmp_path / "out") == []
    assert_same_files(tmp_path / "out", tmp_path / "before")


def test_maps_that_were_deleted_or_damaged_are_scored_again(category, tmp_path):
    score(category, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "before")
    (tmp_path / "out/maps.npy").unlink()
    assert len(score(category, tmp_path / "out")) == 9
    assert_same_files(tmp_path / "out", tmp_path / "before")
    content = bytearray((tmp_path / "out/maps.npy").read_bytes())
    content[128 + 4 * SIDE * SIDE * 3] ^= 1  # one bit of the fourth map
    (tmp_path / "out/maps.npy").write_bytes(content)
    (tmp_path / "out/complete.json").unlink()
    assert len(score(category, tmp_path / "out")) == 1
    assert_same_files(tmp_path / "out", tmp_path / "before")


# --- files that change --------------------------------------------------------------------------------------------


def test_a_touched_file_is_not_scored_again_and_a_changed_one_alone(category, tmp_path):
    score(category, tmp_path / "out")
    os.utime(category / "test/good/1.png", ns=(1, 1))
    assert score(category, tmp_path / "out") == []
    assert score(category, tmp_path / "out") == []
    changed = np.full((SIDE, SIDE, 3), 77, np.uint8)
    save(category / "test/good/2.png", changed)
    assert score(category, tmp_path / "out") == [77.0]
    assert np.load(tmp_path / "out/maps.npy")[2, 0, 0] == np.float32(77) / 255
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_pictures_added_removed_and_renamed(category, tmp_path):
    score(category, tmp_path / "out")
    write_picture(category / "test/good/10.png", np.random.default_rng(5))  # sorts between 1 and 2
    (category / "test/good/3.png").unlink()
    (category / "test/spot/0.png").rename(category / "test/spot/9.png")
    (category / "ground_truth/spot/0_mask.png").rename(category / "ground_truth/spot/9_mask.png")
    assert len(score(category, tmp_path / "out")) == 2
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")
    (category / "test/good/10.png").unlink()
    assert score(category, tmp_path / "out") == []
    left = [*NAMES[:3], NAMES[4], *NAMES[6:], "test/spot/9.png"]
    assert pd.read_csv(tmp_path / "out/scores.csv")["file"].tolist() == left


def test_a_picture_that_comes_back_after_a_kill_has_its_map(category, tmp_path, monkeypatch):
    """Killed between the maps and the metrics of fewer pictures, the metrics of all of them are no longer believed."""
    score(category, tmp_path / "out")
    picture = category / "test/good/1.png"
    picture.rename(tmp_path / "aside.png")
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_results", None)
        with pytest.raises(TypeError):
            score(category, tmp_path / "out")
    (tmp_path / "aside.png").rename(picture)
    score(category, tmp_path / "out")
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_a_mask_that_changes_changes_the_metrics_only(category, tmp_path):
    score(category, tmp_path / "out")
    before = json.loads((tmp_path / "out/metrics.json").read_text())
    save(category / "ground_truth/spot/0_mask.png", np.zeros((SIDE, SIDE), np.uint8))
    result = score_dataset(BrightnessPredictor(), open_dataset(category), tmp_path / "out")
    assert result.metrics["pixel_auroc"] != before["pixel_auroc"]
    assert result.metrics["image_auroc"] == before["image_auroc"]
    assert "without a single defect pixel" in result.problems[0]
    assert score(category, tmp_path / "out") == []


def test_a_picture_that_breaks_heals_or_vanishes_while_scoring(category, tmp_path):
    whole = (category / "test/good/2.png").read_bytes()
    (category / "test/good/2.png").write_bytes(whole[:200])
    dataset = open_dataset(category)
    (category / "test/good/3.png").unlink()
    result = score_dataset(BrightnessPredictor(), dataset, tmp_path / "out")
    assert [sample.name for sample in result.samples] == [
        name for name in NAMES if name[-5] not in "23" or "spot" in name
    ]
    assert len(result.maps) == len(result.scores) == 7
    assert "2.png is damaged" in result.problems[0]
    assert "3.png could not be opened (No such file or directory) and was left out" in result.problems[1]
    assert len(np.load(tmp_path / "out/maps.npy")) == 7
    (category / "test/good/2.png").write_bytes(whole)
    assert len(score(category, tmp_path / "out")) == 1


def test_a_picture_over_the_limit_is_tried_again_when_the_limit_is_raised(category, tmp_path, monkeypatch):
    save(category / "test/good/2.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    monkeypatch.setenv("DRAEM_MAX_IMAGE_MPIX", "0.0001")
    with pytest.raises(DatasetError, match=r"no test image that can be scored. The first: .*0.png is 32 × 32 pixels"):
        score(category, tmp_path / "out")
    monkeypatch.delenv("DRAEM_MAX_IMAGE_MPIX")
    assert len(score(category, tmp_path / "out")) == 9


def test_maps_that_are_not_finite_are_named_and_left_out(category, tmp_path):
    class Diverged(BrightnessPredictor):
        def predict(self, picture: np.ndarray, name: str = "") -> Prediction:
            prediction = super().predict(picture, name)
            if len(self.seen) == 1:
                raise NonFiniteError(f"no finite numbers for {name}")
            return prediction

    predictor = Diverged()
    result = score_dataset(predictor, open_dataset(category), tmp_path / "out")
    assert result.problems == ("test/good/0.png was left out: no finite numbers for test/good/0.png",)
    assert len(result.maps) == 8
    assert score(category, tmp_path / "out", predictor=predictor)[9:] == []


# --- another network ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"digest": "d2"}, {"color_order": "BGR"}, {"score_rule": "max_of_mean21"}])
def test_another_network_never_mixes_with_the_first(category, tmp_path, change):
    other = BrightnessPredictor(CARD.model_copy(update=change))
    dataset, out = open_dataset(category), tmp_path / "out"
    assert score_key(BrightnessPredictor(), dataset) != score_key(other, dataset)
    score(category, out)
    stopped = iter([False, False, True])
    with pytest.raises(Cancelled):
        score_dataset(other, dataset, out, batch_size=2, cancelled=lambda: next(stopped))
    assert not (out / "metrics.json").exists(), "metrics of the first beside maps of the second"
    result = score_dataset(other, dataset, out, batch_size=2)
    assert len(other.seen) == 9
    assert len(result.samples) == 9


def test_a_replaced_folder_is_told(category, tmp_path):
    score(category, tmp_path / "out")
    other = BrightnessPredictor(CARD.model_copy(update={"digest": "d2"}))
    result = score_dataset(other, open_dataset(category), tmp_path / "out")
    assert result.problems == (f"{tmp_path / 'out'} held the results of another network; they were replaced.",)
    assert len(other.seen) == 9
    assert score_dataset(other, open_dataset(category), tmp_path / "out").problems == ()


def test_a_card_that_differs_in_name_only_is_the_same_network(category, tmp_path):
    renamed = BrightnessPredictor(CARD.model_copy(update={"name": "renamed", "training": {"epochs": 3}}))
    score(category, tmp_path / "out")
    assert score(category, tmp_path / "out", renamed) == []


# --- cancel -------------------------------------------------------------------------------------------------------


def test_cancel_keeps_what_is_done(category, tmp_path):
    asked, progress = iter([False, False, True]), []
    with pytest.raises(Cancelled, match="Stopped after 4 of 9 images"):
        score(category, tmp_path / "out", cancelled=lambda: next(asked))
    report = lambda done, total: progress.append((done, total))  # noqa: E731
    assert len(score(category, tmp_path / "out", on_progress=report)) == 5
    assert progress == [(4, 9), (6, 9), (8, 9), (9, 9)]
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_a_changed_picture_is_scored_once_however_often_it_is_stopped(category, tmp_path):
    score(category, tmp_path / "out")
    for value in (1, 2, 3):
        save(category / f"test/good/{value}.png", np.full((SIDE, SIDE, 3), value, np.uint8))
    asked, predictor = iter([False, True]), BrightnessPredictor()
    with pytest.raises(Cancelled, match="Stopped after 8 of 9"):
        score(category, tmp_path / "out", predictor, cancelled=lambda: next(asked))
    assert predictor.seen == [1, 2]
    assert score(category, tmp_path / "out") == [3]
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_cancel_while_measuring(category, tmp_path):
    progress = []
    with pytest.raises(Cancelled, match="Stopped after 9 of 9"):
        score(
            category,
            tmp_path / "out",
            on_progress=lambda done, _: progress.append(done),
            cancelled=lambda: progress[-1] == 9,
        )
    assert not (tmp_path / "out/metrics.json").exists()
    assert score(category, tmp_path / "out") == []


# --- what the disk refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", range(1, 11))
def test_a_full_disk_loses_nothing(category, tmp_path, moment):
    """Of the writes (9 maps and a header) the n-th fails half way; the next call goes on."""
    write, writes = map_file._write_at, iter(range(1, 1000))

    def full(file, offset, content):
        if next(writes) == moment:
            write(file, offset, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, offset, content)

    predictor = BrightnessPredictor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_file, "_write_at", full)
        with pytest.raises(ScoringError, match=r"The disk of .*out is full\. Free some space: \d of 9 images are done"):
            score(category, tmp_path / "out", predictor)
    again = score(category, tmp_path / "out")
    assert len(predictor.seen) + len(again) <= 9 + 2, "no more than the batch in work is done twice"
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_a_really_full_disk(category, tmp_path):
    """With a limit on the size of files the system itself refuses; five maps of 4 kB fit."""
    code = (
        "import resource, sys; sys.path[:0] = ['tests/scoring', 'tests', '.']\n"
        "from test_scoring_resume import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 5 * 4096, resource.RLIM_INFINITY))\n"
        "try:\n    score(Path(sys.argv[1]), Path(sys.argv[2]))\nexcept ScoringError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(category), str(tmp_path / "out")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True).stdout
    assert told.strip().endswith(
        "is full. Free some space: 4 of 9 images are done and kept; start again to go on from there."
    )
    assert len(score(category, tmp_path / "out")) == 5
    score(category, tmp_path / "fresh")
    assert_same_files(tmp_path / "out", tmp_path / "fresh")


def test_no_permission_and_no_folder(category, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ScoringError, match=f"^{out} is a file, or lies below one. Choose a folder.$"):
            score(category, out)
    assert (tmp_path / "file").read_text() == "mine"

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)  # root may write anywhere, so chmod proves nothing here
    with pytest.raises(ScoringError, match="out may not be written by this user"):
        score(category, tmp_path / "out")


def test_two_at_once_do_not_write_into_one_folder(category, tmp_path):
    inside, go = threading.Event(), threading.Event()

    class Slow(BrightnessPredictor):
        def predict(self, picture, name=""):
            inside.set()
            assert go.wait(30)
            return super().predict(picture, name)

    worker = threading.Thread(target=score, args=(category, tmp_path / "out", Slow()))
    worker.start()
    assert inside.wait(30)
    with pytest.raises(ScoringError, match="Somebody else is scoring into"):
        score(category, tmp_path / "out")
    go.set()
    worker.join()
    assert score(category, tmp_path / "out") == []


# --- kill ---------------------------------------------------------------------------------------------------------


def die_at(moment: int, category: Path, out: Path, tally: Path) -> int:
    """Score in a child that ends without any clean-up before its ``moment``-th operation on a file in ``out``."""
    child = os.fork()
    if child == 0:
        operations = iter(range(1, 100_000))

        def watch(event: str, arguments: tuple) -> None:
            is_ours = event in ("open", "os.rename", "os.remove", "os.truncate") and str(out) in str(arguments)
            if is_ours and next(operations) == moment:
                os._exit(9)

        predictor = BrightnessPredictor()
        sys.addaudithook(watch)
        score(category, out, predictor, on_progress=lambda *_: tally.write_text(str(len(predictor.seen))))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("start", ["nothing", "results of an older dataset"])
def test_killed_before_any_file_operation(tmp_path, start):
    category = make_category(tmp_path / "thing", good=3, spots=2)
    if start != "nothing":
        score(category, tmp_path / "start")
        write_picture(category / "test/good/10.png", np.random.default_rng(5))  # sorts between 1 and 2
        write_picture(category / "test/spot/1.png", np.random.default_rng(6))
    score(category, tmp_path / "fresh")
    needed = 5 if start == "nothing" else 2
    moment, status = 0, 9
    while status == 9:
        moment += 1
        out, tally = tmp_path / f"out{moment}", tmp_path / "tally"
        tally.write_text("0")
        if start != "nothing":
            shutil.copytree(tmp_path / "start", out)
        status = die_at(moment, category, out, tally)
        again = score(category, out)
        assert int(tally.read_text()) + len(again) <= needed + 2, "at most the batch in work is done twice"
        assert_same_files(out, tmp_path / "fresh")
        assert not (out / "maps.partial.npy").exists()
        shutil.rmtree(out)
    assert status == 0
    assert moment > 20


def test_kill_9_of_the_command(tmp_path):
    category = make_category(tmp_path / "thing", good=60, spots=60)
    checkpoint = write_checkpoint(tmp_path / "tiny.safetensors", seed=0)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "draem_core", "score", "--checkpoint", str(checkpoint), "--data", str(category)]
    command += ["--out", str(out), "--precision", "float32", "--device", "cpu", "--batch-size", "2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 600
        while recorded(out) < 10 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    done = recorded(out)
    assert 10 <= done < 120

    class Counting(Predictor):
        pictures = 0

        def predict(self, picture, name="", **options):
            self.pictures += 1
            return super().predict(picture, name, **options)

    predictor = Counting(load_checkpoint(checkpoint), device="cpu", precision="float32")
    resumed = score_dataset(predictor, open_dataset(category), out)
    assert predictor.pictures == 120 - done
    fresh: ScoredDataset = score_dataset(predictor, open_dataset(category), tmp_path / "fresh")
    np.testing.assert_allclose(resumed.maps, fresh.maps, atol=1e-6)
    np.testing.assert_allclose(resumed.scores, fresh.scores, atol=1e-6)
    assert resumed.samples == fresh.samples


def recorded(out: Path) -> int:
    """The records that a reader would count in the log."""
    try:
        return sum(line.endswith(b"}") for line in (out / "records.jsonl").read_bytes().split(b"\n")[1:])
    except FileNotFoundError:
        return 0
