"""The Epochs page without a browser: no run, a tiny one, without pictures, damaged, stopped, links, replays."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from payloads import sent, unpack
from streamlit.testing.v1 import AppTest
from tiny_home import write_checkpoint
from tiny_runs import EPOCHS, PROBES, cut_off, train_tiny

from draem_core.errors import DraemError
from draem_core.runs.review import load_review
from pages._ui.components.reviewer import ReviewSettings
from pages._ui.epochs.replays import allowed_folder, review_folder

APP = str(Path(__file__).resolve().parents[2] / "app.py")
RUNS = 100  # of the page while a replay goes on


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("trained") / "first", keep=2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home folder of its own; no other test's cached results are seen."""
    monkeypatch.setenv("DRAEM_HOME", str(tmp_path))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def run(home: Path, trained: Path) -> Path:
    return shutil.copytree(trained, home / "runs" / "first")


def forget() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def visit(**query: object) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=300).switch_page("pages/3_Epochs.py")
    at.query_params.update({name: str(value) for name, value in query.items()})
    return again(at)


def again(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def shown_runs(at: AppTest) -> list[dict]:
    """The order of Python, then the header of each run that the reviewer was sent; nothing without a reviewer."""
    if not any(one.proto.component_name.endswith("draem_reviewer") for one in at.get("bidi_component")):
        return []
    order, runs = unpack(sent(at, "draem_reviewer"))
    return [order, *(unpack(run)[0] for run in runs.values())]


def settings(at: AppTest) -> ReviewSettings:
    return ReviewSettings(**shown_runs(at)[0]["settings"])


def asked(at: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def words(at: AppTest) -> str:
    kinds = ("error", "warning", "info", "success", "header", "markdown", "caption")
    return "\n".join(block.value for kind in kinds for block in at.get(kind))


# --- a visit --------------------------------------------------------------------------------------------------------


def test_without_a_run_the_page_says_how_to_get_one(home: Path) -> None:
    at = visit()
    assert "No run yet" in words(at)
    assert "python -m draem_core train" in words(at)
    assert not shown_runs(at)


def test_a_run_is_shown_at_its_last_epoch(run: Path) -> None:
    at = visit()
    order, shown = shown_runs(at)
    assert shown["epochs"] == list(range(1, EPOCHS + 1))
    assert len(shown["probes"]) == PROBES
    assert order["settings"]["epoch"] == 0
    best = load_review(run).best_epochs()
    assert all(f"{rule}: **{epoch}**" in words(at) for rule, epoch in best.items())
    assert asked(at) == {"run": "runs/first"}


def test_a_link_restores_the_view(run: Path, home: Path) -> None:
    shutil.copytree(run, home / "runs" / "second")
    link = {"run": "runs/second", "other": "runs/first"}
    view = {"epoch": "2", "compare": "true", "other_epoch": "1", "wipe": "0.25", "truth": "false"}
    at = visit(**link, **view, measure="gradient_norm")
    assert settings(at) == ReviewSettings(2, True, 1, 0.25, False, "gradient_norm")
    assert [one["name"] for one in shown_runs(at)[1:]] == ["second", "first"]
    assert asked(at) == link | view | {"measure": "gradient_norm"}


def test_junk_in_a_link_is_passed_over(run: Path) -> None:
    at = visit(run="../../etc", other="nothing", epoch="-3", wipe="nan", measure="'><script>", compare="perhaps")
    assert settings(at) == ReviewSettings()
    assert asked(at) == {"run": "runs/first"}


def test_an_epoch_beyond_the_end_is_the_last_one(run: Path) -> None:
    at = visit(epoch=99)
    assert "epoch 99" not in words(at)
    assert any(f"Open epoch {EPOCHS}" in one.proto.label for one in at.get("page_link"))


def test_the_diagnosis_is_that_of_the_shown_epoch(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("pages._ui.common.diagnosis.diagnose", lambda review, epoch: seen.append(epoch) or ())
    assert "Nothing looks wrong after epoch 2" in words(visit(epoch=2))
    assert seen == [2]


# --- a run that goes on, stops, or lacks something ------------------------------------------------------------------


def test_a_run_that_has_grown_shows_its_new_epoch(run: Path, trained: Path) -> None:
    cut_off(run, 3)
    at = visit()
    assert shown_runs(at)[1]["epochs"] == [1, 2, 3]
    shutil.copytree(trained, run, dirs_exist_ok=True)
    order, shown = shown_runs(again(at))
    assert shown["epochs"] == list(range(1, EPOCHS + 1))
    assert order["settings"]["epoch"] == 0, "who looked at the last epoch goes on looking at the last one"


def test_a_run_without_probes_still_has_its_diagnosis(home: Path) -> None:
    train_tiny(home / "runs" / "plain", probes=0, epochs=2)
    at = visit()
    assert "kept no probe pictures" in words(at)
    assert not shown_runs(at)
    assert not at.get("download_button")


def test_a_stopped_run_says_why(run: Path) -> None:
    at = visit()
    (run / "stopped.txt").write_text("The l2 loss is not finite at epoch 6, step 1.\n")
    assert "The l2 loss is not finite at epoch 6" in words(again(at))


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "metrics.csv").write_text("no,curve\n1,2\n"),
        lambda run: (run / "metrics.csv").write_text(""),
        lambda run: (run / "metrics.csv").write_text("epoch,total\n"),
        lambda run: (run / "config.json").write_text("{"),
    ],
)
def test_a_damaged_run_is_a_sentence_and_leaves_the_others_to_choose(run: Path, home: Path, trained: Path, damage):
    shutil.copytree(trained, home / "runs" / "whole")
    damage(run)
    at = visit(run="runs/first")
    assert "runs/first" in at.error[0].value
    assert not shown_runs(at)
    at.selectbox(key="run_picked").select("runs/whole")
    assert shown_runs(again(at))[1]["name"] == "whole"
    assert "runs/first" not in words(at)
    at.selectbox(key="other_picked").select("runs/first")
    again(at)
    assert len(shown_runs(at)) == 2, "the whole run is shown alone"
    assert any("runs/first" in warning.value for warning in at.warning)


def test_one_damaged_picture_hides_its_epoch_alone_and_is_named(run: Path) -> None:
    (run / "probes" / "epoch_0003_map.png").write_bytes(b"")
    at = visit(run="runs/first", epoch=3)
    assert shown_runs(at)[1]["epochs"] == [1, 2, 4, 5]
    assert shown_runs(at)[1]["charts"]["epochs"] == [1, 2, 3, 4, 5]
    assert "The pictures of epoch 3 are missing or damaged" in words(at)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "probes" / "probes.json").write_text('{"names": []}'),
        lambda run: (run / "probes" / "original.png").unlink(),
        lambda run: (run / "probes" / "original.png").write_bytes(b"no picture"),
    ],
)
def test_without_the_originals_the_figures_are_still_there(run: Path, damage) -> None:
    damage(run)
    at = visit(run="runs/first")
    assert not shown_runs(at)
    assert "are damaged, so no picture is shown" in words(at)
    assert "probes = 0" not in words(at)
    assert "Nothing looks wrong" in words(at) or at.error


def test_runs_with_other_probes_are_not_laid_side_by_side(run: Path, home: Path) -> None:
    train_tiny(home / "runs" / "other", probes=2, epochs=1)
    at = visit(run="runs/first", other="runs/other")
    assert "other has other probe images than first" in words(at)
    assert len(shown_runs(at)) == 2
    assert asked(at) == {"run": "runs/first"}


def test_the_weights_of_an_epoch_open_in_explore_where_they_are_kept(run: Path) -> None:
    (last,) = (one for one in visit(epoch=EPOCHS).get("page_link") if "Open epoch" in one.proto.label)
    assert f"checkpoint=runs%2Ffirst%2Fcheckpoints%2Fepoch_000{EPOCHS}.safetensors" in last.proto.query_string
    at = visit(epoch=3)
    assert "The weights of epoch 3 were not kept" in words(at)
    assert not any("Open epoch" in one.proto.label for one in at.get("page_link"))


# --- a folder of checkpoints ----------------------------------------------------------------------------------------


@pytest.fixture
def theirs(home: Path, tiny_home: Path) -> Path:
    shutil.copytree(tiny_home / "datasets", home / "datasets")
    for epoch in (3, 10):
        write_checkpoint(home / "checkpoints" / "theirs" / f"model_e{epoch}.safetensors", seed=epoch)
    return home / "checkpoints" / "theirs"


def test_a_folder_of_checkpoints_becomes_a_review_that_is_shown(theirs: Path, home: Path) -> None:
    at = visit()
    assert at.selectbox(key="replay_folder").options == ["checkpoints/theirs"]
    at.selectbox(key="replay_folder").select("checkpoints/theirs")
    at.selectbox(key="replay_dataset").select("datasets/tiles")
    again(at)
    next(one for one in at.button if one.label == "Make the review").click()
    for _ in range(RUNS):
        again(at)
        if shown_runs(at) and not at.get("progress"):  # a review that is half made can be looked at too
            break
    assert shown_runs(at)[1]["epochs"] == [3, 10]
    assert asked(at)["run"] == "runs/theirs on tiles"
    link = next(one for one in at.get("page_link") if "Open epoch 10 in Explore" in one.proto.label)
    assert "checkpoint=checkpoints%2Ftheirs%2Fmodel_e10.safetensors" in link.proto.query_string
    assert "dataset=datasets%2Ftiles" in link.proto.query_string
    assert [path.name for path in (home / "runs").iterdir()] == ["theirs on tiles"]


def test_a_folder_elsewhere_or_without_epochs_is_refused(theirs: Path, home: Path) -> None:
    for asked_for, said in (("/etc", "outside the folders"), ("../..", "outside"), ("nowhere", "is no folder")):
        with pytest.raises(DraemError, match=said):
            allowed_folder(asked_for)
    assert allowed_folder("checkpoints/theirs") == theirs.resolve()
    (home / "link").symlink_to("/etc")
    with pytest.raises(DraemError, match="outside"):
        allowed_folder("link")


def test_a_review_never_goes_into_another_run(theirs: Path, home: Path) -> None:
    tiles = home / "datasets" / "tiles"
    first = home / "runs" / "theirs on tiles"
    assert review_folder(theirs, tiles) == first
    first.mkdir(parents=True)
    assert review_folder(theirs, tiles).name == "theirs on tiles 2"
    (first / "config.json").write_text(json.dumps({"source": str(theirs)}))
    assert review_folder(theirs, tiles) == first, "an interrupted one goes on"
