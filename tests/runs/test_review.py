"""Reviews: what a run wrote down, read back without weights; and other people's checkpoints made into the same."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_training import KINDS, SIZE, good_parts, healthy_run, test_parts

from draem_core.checkpoints import load_checkpoint
from draem_core.data.datasets import open_dataset
from draem_core.diagnostics import diagnose
from draem_core.inference import Predictor
from draem_core.runs.csv_log import CsvLog, read_csv_log
from draem_core.runs.probes import SYNTHETIC, choose, choose_probes, small
from draem_core.runs.replay import epoch_in, review_from_checkpoints
from draem_core.runs.review import find_reviews, load_review
from draem_core.runs.run_folder import RunFolderError
from draem_core.training.labelled import few_of_each_kind, load_labelled


@pytest.fixture(scope="module")
def review():
    return load_review(healthy_run())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    parts = test_parts()
    (root / "train" / "good").mkdir(parents=True)
    Image.fromarray(good_parts(1, seed=9)[0].permute(1, 2, 0).numpy()).save(root / "train" / "good" / "0.png")
    for name, kind, image, mask in zip(parts.names, parts.kinds, parts.images, parts.masks, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(root / name)
        if kind != "good":
            truth = root / name.replace("test", "ground_truth")
            truth.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(truth)
    return open_dataset(root)


def test_a_review_needs_no_weights(tmp_path):
    shutil.copytree(healthy_run(), tmp_path / "light", ignore=shutil.ignore_patterns("*.safetensors", "state.pt"))
    review = load_review(tmp_path / "light")
    assert review.epochs == tuple(range(1, 13))
    assert review.checkpoints == {}
    assert review.reconstructions(12).shape == (6, SIZE, SIZE, 3)
    size = sum(path.stat().st_size for path in review.folder.rglob("*.*"))
    assert size < 12 * 60_000, "six probes of 64×64: some 40 kB an epoch"


def test_it_holds_what_the_run_was(review):
    assert review.name == "healthy"
    assert review.config.widths == (8, 8)
    assert set(review.environment) == {"machine", "python", "torch", "platform"}
    assert review.metrics["epoch"].tolist() == list(range(1, 13))
    assert len(review.steps) == 12 * 9
    assert review.stopped is None
    assert set(review.checkpoints) == {
        12,
        *(review.best_epochs()[rule] for rule in ("validation loss", "test image AUROC")),
    }


def test_steps_average_to_epochs(review):
    by_epoch = review.steps.groupby("epoch")[["l2", "ssim", "focal", "total"]].mean()  # all batches have four images
    expected = review.metrics.set_index("epoch")[["l2", "ssim", "focal", "total"]]
    np.testing.assert_allclose(by_epoch, expected, rtol=1e-5)


def test_probes_are_some_good_ones_and_some_of_each_kind(review):
    assert sorted(review.probes.kinds) == ["good", "good", "scratch", "scratch", "stain", "stain"]
    parts = test_parts()
    for name, image, mask in zip(review.probes.names, review.probes.images, review.probes.masks, strict=True):
        index = parts.names.index(name)
        assert torch.equal(image, parts.images[index])
        np.testing.assert_array_equal(mask, parts.masks[index])
    np.testing.assert_array_equal(review.truths(), np.stack(review.probes.masks))
    np.testing.assert_array_equal(review.originals(), review.probes.images.permute(0, 2, 3, 1))


def test_an_epochs_pictures_are_its_checkpoints(review):
    """The checkpoint kept on disk, run over the probes, gives the pictures, figures and layers of its epoch."""
    model = load_checkpoint(review.checkpoints[12]).model
    reconstruction, logits = model(review.probes.images.float() / 255)
    maps = logits.softmax(dim=1)[:, 1].numpy()
    shown = reconstruction.clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(review.reconstructions(12) - shown).max() < 0.6
    assert np.abs(review.maps(12) - maps * 255).max() < 0.6
    np.testing.assert_allclose(review.scores().loc[12], maps.max(axis=(1, 2)), atol=1e-4)
    layers = review.layers[review.layers["epoch"] == 12].set_index("layer")
    for name in ("reconstructive_subnetwork.encoder.block1.0", "discriminative_subnetwork.decoder_segment.fin_out.0"):
        assert layers["std"][name] == pytest.approx(float(model.get_submodule(name).weight.std()), rel=1e-5)
    assert layers["gradient_norm"].gt(0).all()
    assert layers["live_share"].dropna().between(0, 1).all()
    assert layers["live_share"].isna().sum() == 2, "only the last convolutions have no ReLU behind them"


def test_scores_and_aurocs_of_the_probes(review):
    scores = review.scores()
    assert scores.shape == (12, 6)
    assert list(scores.columns) == list(review.probes.names)
    last = scores.loc[12].to_numpy()
    pairs = [(good < bad) + 0.5 * (good == bad) for good in last[:2] for bad in last[2:]]
    assert review.probe_aurocs()[12] == pytest.approx(np.mean(pairs))


def test_best_epochs_side_by_side(review):
    table = review.metrics.set_index("epoch")
    best = review.best_epochs()
    assert best["training loss"] == table["total"].idxmin()
    assert best["test pixel AUROC"] == table["test_pixel_auroc"].idxmax()
    assert {"validation loss", "test image AUROC", "validation image AUROC"} <= set(best)


def test_a_running_training_can_be_reviewed(tmp_path):
    """Half a line at the end of a log, and pictures of an epoch whose metrics are not yet there."""
    shutil.copytree(healthy_run(), tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    table[table["epoch"] <= 11].to_csv(tmp_path / "run" / "metrics.csv", index=False)
    with (tmp_path / "run" / "steps.csv").open("a") as file:
        file.write("13,1,0.0")
    review = load_review(tmp_path / "run")
    assert review.epochs == tuple(range(1, 12))
    assert review.steps["epoch"].max() == 12


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished epoch"):
        load_review(tmp_path)
    (tmp_path / "metrics.csv").write_text("total\n0.5\n")
    with pytest.raises(RunFolderError, match="damaged"):
        load_review(tmp_path)


def test_runs_are_found(tmp_path):
    for name in ("b", "a/inner"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.csv").touch()
    (tmp_path / "c").mkdir()
    assert find_reviews(tmp_path) == [tmp_path / "a" / "inner", tmp_path / "b"]
    assert find_reviews(tmp_path / "missing") == []


def test_the_same_probes_for_the_same_dataset():
    labels = np.array([False] * 10 + [True] * 9)
    kinds = ["good"] * 10 + ["a"] * 3 + ["b"] * 5 + ["c"]
    assert choose(kinds, labels, 8) == [2, 7, 10, 12, 14, 16, 18]
    assert {kinds[index] for index in choose(kinds, labels, 2)} == set(kinds), "each kind has one, whatever the count"
    assert choose([], labels[:0], 8) == []


def test_without_real_defects_probes_get_made_up_ones():
    good, textures = good_parts(10, seed=3), torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    probes = choose_probes(None, good, textures, 6)
    assert probes.kinds == ("good",) * 3 + (SYNTHETIC,) * 3
    for before, after, mask in zip(probes.images[:3], probes.images[3:], probes.masks[3:], strict=True):
        assert torch.equal(before[:, ~torch.from_numpy(mask)], after[:, ~torch.from_numpy(mask)])
    only_good = test_parts().only(range(4))
    assert set(choose_probes(only_good, good, textures, 6).kinds) == {"good", SYNTHETIC}


def test_small_pictures_keep_their_shape():
    assert small(torch.rand(2, 3, 64, 128), 32).shape == (2, 3, 16, 32)
    assert small(torch.rand(2, 3, 64, 128), 500).shape == (2, 3, 64, 128)
    even = small(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]), 1)
    assert float(even) == 0.5


def test_labelled_pictures_come_from_a_dataset(dataset):
    labelled = load_labelled(dataset.test, (SIZE, SIZE))
    parts = test_parts()
    assert sorted(labelled.names) == sorted(parts.names)
    for name, image in zip(labelled.names, labelled.images, strict=True):
        assert torch.equal(image, parts.images[parts.names.index(name)])
    few = few_of_each_kind(dataset.test, 2)
    assert sorted(sample.kind for sample in few) == sorted(KINDS * 2)


def test_csv_logs_forget_an_unfinished_epoch(tmp_path):
    log = CsvLog(tmp_path / "j.csv", ("epoch", "value", "note"), 0)
    log.append([(1, 0.1234567891, None), (2, 5.0, "x,y")])
    assert (tmp_path / "j.csv").read_text() == 'epoch,value,note\n1,0.1234568,\n2,5,"x,y"\n'
    CsvLog(tmp_path / "j.csv", ("epoch", "value", "note"), 1)
    assert read_csv_log(tmp_path / "j.csv", ()).to_dict("list")["epoch"] == [1]
    assert list(read_csv_log(tmp_path / "missing.csv", ("epoch", "value")).columns) == ["epoch", "value"]


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("epoch=14-step=990", 14),
        ("epoch_0007", 7),
        ("DRAEM_test_0.0001_700_bs8_bottle_ep30_", 30),
        ("model_e3", 3),
        ("weights-12", 12),
        ("draem128_004", 4),
        ("Epoch 5 of 30", 5),
        ("last", None),
    ],
)
def test_epoch_numbers_in_names(name, epoch):
    assert epoch_in(name) == epoch


def test_someone_elses_checkpoints_become_the_same_review(tmp_path, review, dataset):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for epoch, path in review.checkpoints.items():
        state = {name: tensor.clone() for name, tensor in load_checkpoint(path).model.state_dict().items()}
        torch.save({"state_dict": state}, theirs / f"epoch={epoch}-step=1.pth")
        (theirs / f"epoch={epoch}-step=1.json").write_text(f'{{"input_size": [{SIZE}, {SIZE}], "score_rule": "max"}}')
    shutil.copy(theirs / "epoch=12-step=1.pth", theirs / "last.pth")
    seen = []
    replay = review_from_checkpoints(
        theirs, dataset, out=tmp_path / "out", probes=6, device="cpu", on_progress=lambda *done: seen.append(done)
    )
    assert replay.epochs == tuple(sorted(review.checkpoints))
    assert seen[-1] == (len(review.checkpoints),) * 2
    assert any("last.pth has no epoch number" in note for note in replay.notes)
    assert replay.checkpoints[12] == theirs / "epoch=12-step=1.pth"
    assert replay.data == dataset.root
    assert replay.config is None
    assert sorted(replay.probes.names) == sorted(review.probes.names)
    order = [replay.probes.names.index(name) for name in review.probes.names]
    assert np.abs(replay.maps(12)[order].astype(int) - review.maps(12)).max() <= 3, "the quick network, rounded"
    same = replay.layers[replay.layers["epoch"] == 12]["std"].to_numpy()
    np.testing.assert_allclose(same, review.layers[review.layers["epoch"] == 12]["std"], rtol=1e-6)
    assert diagnose(replay) == ()
    again = review_from_checkpoints(
        theirs, dataset, out=tmp_path / "out", probes=6, device="cpu", on_progress=lambda *done: seen.append("again")
    )
    assert "again" not in seen, "what was done before is not repeated"
    assert again.epochs == replay.epochs


def test_a_replay_needs_epoch_numbers(tmp_path, dataset):
    with pytest.raises(RunFolderError, match="no checkpoint with an epoch number"):
        review_from_checkpoints(tmp_path, dataset)


def test_the_predictor_agrees_with_the_review(review):
    predictor = Predictor(load_checkpoint(review.checkpoints[12]), device="cpu", precision="float32")
    predictions = predictor.predict_batch(list(review.originals()))
    np.testing.assert_allclose([one.image_score for one in predictions], review.scores().loc[12], atol=1e-3)
