"""The Train page without a browser: the form and what it refuses, what is shown of runs in each stage. No process runs:
a living one is stood for by a ticket that the test holds.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from draem_core.formatting import counted, duration
from draem_core.launch.launcher import Launcher, as_toml
from draem_core.launch.queue import Ticket
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.training.reports import STEP_COLUMNS
from pages._ui.train import form
from pages._ui.train.defaults import first_try, free_name
from pages._ui.train.form import BUILT_IN, MEANING, below_roots

APP = str(Path(__file__).resolve().parents[2] / "app.py")
PAGE = "pages/6_Train.py"


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder that the test may change; no other test's cached results are seen."""
    folder = tmp_path / "home"
    shutil.copytree(tiny_home, folder)
    monkeypatch.setenv("DRAEM_HOME", str(folder))
    monkeypatch.delenv("DRAEM_DATA", raising=False)
    forget()
    yield folder
    forget()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """What the page started, in place of a process."""
    configs: list[TrainConfig] = []

    def start(self: Launcher, config: TrainConfig) -> Ticket:
        configs.append(config)
        write_run(self.runs, config.out.name, config)
        return Ticket(1, config.out.name, "cpu", 0)

    monkeypatch.setattr(Launcher, "start", start)
    return configs


def forget() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def open_page(**query: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=300).switch_page(PAGE)
    at.query_params.update(query)
    return run(at)


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def set_field(at: AppTest, name: str, value: object) -> AppTest:
    kinds = (at.number_input, at.text_input, at.selectbox, at.checkbox)
    field = next(one for kind in kinds for one in kind if one.key == f"train_{name}")
    field.set_value(value)
    return run(at)


def press(at: AppTest, label: str) -> AppTest:
    next(one for one in at.button if one.label == label).click()
    return run(at)


def words(at: AppTest) -> str:
    kinds = (at.header, at.error, at.warning, at.info, at.success, at.caption, at.markdown, at.code)
    return "\n".join(str(one.value) for kind in kinds for one in kind)


def write_run(runs: Path, name: str, config: TrainConfig | None = None, epochs: int = 0) -> Path:
    """Write what a run leaves that was asked for 4 epochs and has finished ``epochs``."""
    folder = runs / name
    (folder / "checkpoints").mkdir(parents=True)
    config = config or TrainConfig(data=runs.parent / "datasets" / "tiles", out=folder, epochs=4, device="cpu")
    (folder / "train.toml").write_text(as_toml(config))
    (folder / "train.log").write_text("2 good images\n")
    if epochs:
        (folder / "config.json").write_text(json.dumps({"config": config.model_dump(mode="json")}))
        columns = "epoch,l1,l2,ssim,focal,sspcab,total,learning_rate,images,seconds"
        rows = [f"{epoch},.1,.1,.1,.1,0,.3,.001,2,60" for epoch in range(1, epochs + 1)]
        (folder / "metrics.csv").write_text("\n".join([columns, *rows]) + "\n")
        steps = [f"{epoch},1" + ",0.5" * (len(STEP_COLUMNS) - 2) for epoch in range(1, epochs + 1)]
        (folder / "steps.csv").write_text("\n".join([",".join(STEP_COLUMNS), *steps]) + "\n")
        shutil.copy(
            runs.parent / "checkpoints" / "alpha.safetensors", folder / f"checkpoints/epoch_{epochs:04d}.safetensors"
        )
    return folder


@contextmanager
def living(runs: Path, *names: str) -> Iterator[None]:
    """Hold tickets for runs on the processor, as their processes would."""
    launcher, held = Launcher(runs), []
    for name in names:
        with launcher.queue.enqueue(name, "cpu") as reservation:
            reservation.commit(os.getpid())
            held.append(os.dup(reservation.handle))
    yield
    for handle in held:
        os.close(handle)


def test_the_form_starts_what_it_shows(home: Path, started: list[TrainConfig]) -> None:
    at = open_page()
    assert at.header[0].value == "Train a network"
    set_field(at, "data", "datasets/tiles")
    for name, value in {"epochs": 7, "crop_size": 0, "learning_rate": 0.002, "seed": 3, "input_height": 64}.items():
        set_field(at, name, value)
    set_field(at, "sspcab", True)
    set_field(at, "name", "my-run_1")
    press(at, "Start training")
    (config,) = started
    assert config.out == home / "runs" / "my-run_1"
    assert config.data == home / "datasets" / "tiles"
    assert (config.epochs, config.crop_size, config.learning_rate, config.seed) == (7, None, 0.002, 3)
    assert (config.input_size, config.sspcab, config.anomaly_sources) == ((64, 256), True, None)
    assert at.header[0].value.startswith("my-run_1")
    assert at.query_params["run"] in ("runs/my-run_1", ["runs/my-run_1"])


def test_every_field_has_its_line(home: Path) -> None:
    captions = {one.value for one in open_page().caption}
    without = {name for name, meaning in MEANING.items() if meaning not in captions}
    assert without == {"out", "widths", "loss_weights"}, "asked for by name, by network, by part"


def test_more_reaches_the_config(home: Path, started: list[TrainConfig]) -> None:
    at = set_field(open_page(), "data", "datasets/tiles")
    at = set_field(at, "focal_alpha", "Weighted")
    at.slider[0].set_value(0.25)
    fields = {"loss_l1": 0.5, "loss_ssim": 0.0, "weight_decay": 0.1, "max_image_share": 0.9, "probe_side": 64}
    for name, value in {**fields, "optimizer": "adamw", "keep_best": False, "checkpoint_dtype": "float16"}.items():
        set_field(at, name, value)
    press(at, "Start training")
    (config,) = started
    assert (config.loss_weights.l1, config.loss_weights.l2, config.loss_weights.ssim) == (0.5, 1.0, 0.0)
    assert (config.focal_alpha, config.optimizer, config.weight_decay) == (0.25, "adamw", 0.1)
    assert (config.max_image_share, config.probe_side) == (0.9, 64)
    assert (config.keep_best, config.checkpoint_dtype) == (False, "float16")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 0, "epochs: Input should be greater than 0"),
        ("batch_size", -1, "batch_size"),
        ("crop_size", 100, "crop_size must divide by 32"),
        ("input_width", 250, "each side must divide by 32"),
        ("validation_share", 0.9, "validation_share"),
        ("seed", -1, "seed"),
        ("patience", 3, "patience watches the validation loss"),
        ("loss_l2", -1.0, "loss_weights.l2: Input should be greater"),
        ("name", "a/b", "no name for a run"),
        ("name", "..", "no name for a run"),
    ],
)
def test_what_cannot_be_trained_is_said(home: Path, name: str, value: object, said: str) -> None:
    at = open_page()
    set_field(at, "validation_share", 0.0)
    set_field(at, name, value)
    assert said in at.error[0].value
    assert "--help" not in at.error[0].value
    assert next(one for one in at.button if one.label == "Start training").disabled


def test_the_time_is_estimated_on_demand_and_for_what_was_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(form, "measure_in_subprocess", lambda toml: asked.append(toml) or 2.0)
    at = press(set_field(open_page(), "epochs", 300), "Estimate the time")
    assert "A step took 2 s just now, so 300 epochs will take 10 min." in words(at)  # 2 images are one step
    assert "so 30 epochs will take about 60 s" in words(set_field(at, "epochs", 30))
    assert len(asked) == 1
    assert "just now" not in words(set_field(at, "reconstructive_width", 32))


def test_a_name_that_is_taken_leads_to_its_run(home: Path) -> None:
    write_run(home / "runs", "old", epochs=2)
    at = set_field(open_page(), "name", "old")
    assert "never overwritten" in at.error[0].value
    press(at, "Watch or resume it")
    assert at.header[0].value.startswith("old")
    assert "2 of 4 epochs" in at.get("progress")[0].proto.text
    assert "Resume" in {one.label for one in at.button}
    assert {"Open in Explore", "Open in Epochs"} <= {one.proto.label for one in at.get("page_link")}


def test_a_living_run_is_shown_first_and_the_next_one_waits(home: Path) -> None:
    for name in ("first", "second"):
        write_run(home / "runs", name, epochs=1 if name == "first" else 0)
    with living(home / "runs", "first", "second"):
        at = open_page()
        assert "training" in at.header[0].value
        assert "1 of 4 epochs" in at.get("progress")[0].proto.text
        assert "3 min left" in at.get("progress")[0].proto.text
        assert "Stop" in {one.label for one in at.button}
        at = open_page(run="runs/second")
        assert "waiting" in at.header[0].value
        assert "behind first; first has 3 min left" in words(at)
        assert "**second** waits in the queue on cpu" in words(at)
    at = open_page(run="runs/first")
    assert "gone without a word" in words(at)


def test_an_error_is_shown_by_its_sentence(home: Path) -> None:
    folder = write_run(home / "runs", "bad")
    (folder / "train.log").write_text("something\nThe focal loss is not finite at epoch 3, step 1.\n")
    (folder / "ended.json").write_text('{"status": 2}')
    at = open_page(run="runs/bad")
    assert at.error[0].value == "The focal loss is not finite at epoch 3, step 1."
    at.toggle[0].set_value(True)
    assert "something" in run(at).code[0].value


def test_a_damaged_run_is_said(home: Path) -> None:
    folder = write_run(home / "runs", "odd", epochs=1)
    (folder / "config.json").write_text("{")
    assert "is no training configuration" in open_page(run="runs/odd").error[0].value


def test_a_link_to_nothing_opens_the_form(home: Path) -> None:
    for asked in ("runs/none", "../x", "runs/../../etc", ""):
        assert open_page(run=asked).header[0].value == "Train a network"


def test_without_a_dataset_the_page_says_what_is_needed(home: Path) -> None:
    shutil.rmtree(home / "datasets")
    at = open_page()
    assert "train/good" in words(at)
    assert "No dataset found" in words(at)


def test_without_good_images_nothing_starts(home: Path) -> None:
    at = set_field(open_page(), "data", "datasets/unlabelled")
    assert "no good training images" in at.error[0].value
    assert next(one for one in at.button if one.label == "Start training").disabled


def test_textures_below_the_datasets_are_offered(home: Path) -> None:
    textures = home / "datasets" / "textures" / "wood"
    textures.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(textures / "a.png")
    assert below_roots("datasets/textures") == (home / "datasets" / "textures").resolve()
    assert below_roots("textures/wood") == textures.resolve()
    sources = next(one for one in open_page().selectbox if one.key == "train_anomaly_sources")
    assert sources.options == [BUILT_IN, "datasets/textures", "datasets/textures/wood", "datasets/unlabelled"]


@pytest.mark.parametrize("text", ["/etc", "../../etc", "..", "datasets/none", "checkpoints"])
def test_textures_elsewhere_are_refused(home: Path, text: str) -> None:
    at = AppTest.from_file(APP, default_timeout=300).switch_page(PAGE)
    at.session_state["train_anomaly_sources"] = text
    assert "no folder below datasets" in run(at).error[0].value


def test_links_do_not_lead_out_of_the_datasets(home: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (home / "datasets" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="no folder below"):
        below_roots("datasets/link")


def test_defaults_are_a_usable_config(tmp_path: Path) -> None:
    default = first_try()
    default["crop_size"] = default["crop_size"] or None
    config = TrainConfig(data=tmp_path, out=tmp_path / "run", **default)
    assert (config.validation_share, config.test_every) == (0.1, 5 if config.crop_size else 1)


def test_names_are_made_up_that_are_free(tmp_path: Path) -> None:
    assert free_name("Metal nut (2)", tmp_path) == "Metal-nut-2-1"
    (tmp_path / "tile-1").mkdir()
    assert free_name("tile", tmp_path) == "tile-2"
    assert free_name("ü", tmp_path) == "run-1"


def test_times_are_spoken() -> None:
    spoken = [duration(seconds) for seconds in (0, 40.4, 89, 90, 600, 3599, 11_100, 90_000, 187_300)]
    assert spoken == [
        "about 1 s",
        "about 40 s",
        "about 89 s",
        "2 min",
        "10 min",
        "1 h 0 min",
        "3 h 5 min",
        "1 day 1 h",
        "2 days 4 h",
    ]
    assert (counted(1, "step"), counted(1200, "step")) == ("1 step", "1,200 steps")
