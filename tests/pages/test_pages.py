"""The Explore page without a browser: what a first visit shows, what is said when something is missing, links,
downloads, and which uploaded checkpoints are kept.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from hypothesis import given
from hypothesis import strategies as some
from payloads import sent, unpack
from PIL import Image
from streamlit.testing.v1 import AppTest
from tiny_home import DEFECTS, FIRST_DEFECT, GOOD, GRID, PICTURE, WIDTHS, predict, write_checkpoint

from draem_core import CheckpointError, PostProcess, load_checkpoint
from draem_core.data.datasets import open_dataset, read_mask
from draem_core.methods.draem import Draem
from pages._ui.common import downloads, library
from pages._ui.common.downloads import PANELS, render_downloads, safe_stem
from pages._ui.components.viewer import ViewerSettings
from pages._ui.frame.checkpoint_upload import keep_checkpoint

ROOT = Path(__file__).resolve().parents[2]
APP = str(ROOT / "app.py")
HOSTILE = ROOT.parent / "shared" / "golden" / "hostile"
HOSTILE_FILES = sorted(HOSTILE.glob("*")) if HOSTILE.is_dir() else []
ALPHA, TILES = "checkpoints/alpha.safetensors", "datasets/tiles"


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


def forget() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def explore(**query: object) -> AppTest:
    """Run the page under a link, which must not fail."""
    at = AppTest.from_file(APP, default_timeout=300).switch_page("pages/1_Explore.py")
    at.query_params.update({name: str(value) for name, value in query.items()})
    return run(at)


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


@dataclass(frozen=True)
class Shown:
    """What the viewer was sent: the order of Python, the picture's facts, and the arrays by name."""

    order: dict
    facts: dict
    arrays: dict[str, np.ndarray]

    @property
    def settings(self) -> ViewerSettings:
        return ViewerSettings(**self.order["settings"])

    @property
    def anomaly_map(self) -> np.ndarray:
        return self.arrays["map"]


def shown(at: AppTest) -> Shown:
    order, payloads = unpack(sent(at, "draem_viewer"))
    return Shown(order, *unpack(payloads["scene"]))


def asked(at: AppTest) -> dict[str, str]:
    """The address after a run."""
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def words(at: AppTest) -> str:
    """Everything the page says outside the viewer."""
    return "\n".join(
        block.value for kind in ("error", "warning", "info", "header", "markdown") for block in at.get(kind)
    )


# --- a visit --------------------------------------------------------------------------------------------------------


def test_first_visit_shows_a_defect_without_a_click(home: Path) -> None:
    at = explore()
    view = shown(at)
    assert view.facts["title"] == FIRST_DEFECT
    assert view.facts["picture"] == {"width": PICTURE[1], "height": PICTURE[0]}
    np.testing.assert_allclose(view.anomaly_map, predict(home, "alpha", FIRST_DEFECT).anomaly_map, atol=1e-3)
    assert view.facts["score"] == pytest.approx(float(view.anomaly_map.max()))
    sample = next(one for one in open_dataset(home / TILES).samples if one.name == FIRST_DEFECT)
    np.testing.assert_array_equal(view.arrays["truth"], read_mask(sample, GRID))
    assert view.arrays["truth"].any()
    assert not at.error
    assert not at.warning
    assert asked(at) == {"checkpoint": ALPHA, "dataset": TILES, "image": FIRST_DEFECT}


def test_entry_point_leads_to_explore(home: Path) -> None:
    at = AppTest.from_file(APP, default_timeout=300)
    at.query_params["image"] = "test/spot/001.png"
    assert shown(run(at)).facts["title"] == "test/spot/001.png"


def test_kinds_are_counted_and_choose(home: Path) -> None:
    at = explore()
    kinds = next(group for group in at.get("button_group") if group.label == "Defect kind")
    counts = {"all": GOOD + sum(DEFECTS.values()), "good": GOOD, **DEFECTS}
    assert [option.content for option in kinds.proto.options] == [f"{kind} {count}" for kind, count in counts.items()]
    kinds.set_value("spot")
    assert shown(run(at)).facts["title"] == "test/spot/000.png"


def test_no_checkpoint_says_what_to_do(home: Path) -> None:
    shutil.rmtree(home / "checkpoints")
    at = explore()
    assert at.header[0].value == "No checkpoint yet"
    assert "checkpoints/" in words(at)
    assert "python -m draem_core train" in words(at)
    assert not at.get("bidi_component")


def test_no_dataset_says_what_to_do(home: Path) -> None:
    shutil.rmtree(home / "datasets")
    at = explore()
    assert "python -m draem_core demo" in words(at)
    assert "DRAEM_DATA" in words(at)
    assert not at.get("bidi_component")


def test_unlabelled_picture_needs_no_truth(home: Path) -> None:
    view = shown(explore(dataset="datasets/unlabelled", image="001.png"))
    assert view.facts["title"] == "001.png"
    assert "truth" not in view.arrays


def test_defect_without_a_mask_needs_no_truth(home: Path) -> None:
    (home / TILES / "ground_truth" / "scratch" / "000_mask.png").unlink()
    at = explore()
    assert "truth" not in shown(at).arrays
    assert any("1 of 5 defect pictures without a mask" in caption.value for caption in at.caption)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_broken_picture_is_named(content: bytes, home: Path) -> None:
    (home / TILES / FIRST_DEFECT).write_bytes(content)
    at = explore()
    assert FIRST_DEFECT in at.error[0].value
    assert len(at.get("bidi_component")) == 1, "the filmstrip stays, to go on with another picture"


def test_broken_mask_leaves_the_picture(home: Path) -> None:
    (home / TILES / "ground_truth" / "scratch" / "000_mask.png").write_bytes(b"no picture")
    at = explore()
    assert "truth" not in shown(at).arrays
    assert "000_mask.png" in at.warning[0].value


def test_broken_checkpoint_is_named(home: Path) -> None:
    (home / ALPHA).write_bytes(b"no checkpoint")
    at = explore()
    assert "alpha.safetensors" in at.error[0].value
    at.selectbox(key="checkpoint").set_value("checkpoints/beta.safetensors")
    assert shown(run(at)).facts["title"] == FIRST_DEFECT


def test_diverged_network_is_told(home: Path) -> None:
    write_checkpoint(home / "checkpoints" / "diverged.safetensors", 0, scale=1e38)
    at = explore(checkpoint="checkpoints/diverged.safetensors")
    assert "diverged gives no finite numbers" in at.error[0].value


def test_uploaded_pictures(home: Path) -> None:
    deep = np.arange(31 * 200, dtype=np.uint16).reshape(31, 200) * 10
    at = explore()
    next(group for group in at.get("button_group") if group.label == "Pictures from").set_value("Upload")
    assert "Upload one picture or many" in words(run(at))
    files = [("wide.png", png(deep), "image/png"), ("broken.png", b"no picture", "image/png")]
    at.file_uploader(key="pictures").set_value(files)
    view = shown(run(at))
    assert view.facts["picture"] == {"width": 200, "height": 31}
    assert "truth" not in view.arrays
    np.testing.assert_allclose(view.anomaly_map, predict(home, "alpha", png(deep)).anomaly_map, atol=1e-3)
    names = next(group for group in at.get("button_group") if group.label == "Uploaded picture")
    names.set_value("2. broken.png")
    assert "broken.png" in run(at).error[0].value


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_library_never_loads_streamlit() -> None:
    check = "import sys, draem_core, draem_core.commands.command_line; print('streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- links ----------------------------------------------------------------------------------------------------------


def test_link_restores_the_view_and_comes_back_as_it_was(home: Path) -> None:
    link = {
        "checkpoint": "checkpoints/beta.safetensors",
        "dataset": TILES,
        "image": "test/good/001.png",
        "sensitivity": "0.7310585786",
        "kernel_size": "7",
        "min_area": "12",
        "opacity": "0.25",
        "overlay": "mask",
        "logit_scale": "true",
        "show_contour": "false",
        "show_difference": "true",
        "show_boxes": "true",
    }
    at = explore(**link)
    assert asked(at) == link
    assert shown(at).settings == ViewerSettings(0.7310585786, 7, 12, True, 0.25, "mask", False, True, True)
    assert shown(at).facts["title"] == "test/good/001.png"
    assert at.selectbox(key="checkpoint").value == link["checkpoint"]
    assert set(link) == {"checkpoint", "dataset", "image", *asdict(ViewerSettings())}, "each setting is in the link"


def test_values_out_of_range_are_ignored(home: Path) -> None:
    wrong = {"sensitivity": "1.5", "kernel_size": "4", "min_area": "-1", "opacity": "nan", "overlay": "jet"}
    at = explore(**wrong, logit_scale="maybe", show_boxes="1", stranger="x")
    assert shown(at).settings == replace(ViewerSettings(), show_boxes=True)
    assert asked(at) == {"checkpoint": ALPHA, "dataset": TILES, "image": FIRST_DEFECT, "show_boxes": "true"}


@pytest.mark.parametrize("name", ["checkpoint", "dataset", "image"])
def test_unknown_places_fall_back(name: str, home: Path) -> None:
    at = explore(**{name: "../../etc/passwd"})
    assert asked(at) == {"checkpoint": ALPHA, "dataset": TILES, "image": FIRST_DEFECT}


# --- downloads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def offered(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files that the buttons hand out, by name, for a picture whose name is no good file name."""
    files: dict[str, bytes] = {}
    monkeypatch.setattr(downloads, "_button", lambda label, data, name, mime: files.update({name: data()}))
    dataset = open_dataset(home / TILES)
    sample = next(one for one in dataset.samples if one.name == FIRST_DEFECT)
    picture = replace(library.dataset_picture(sample), name='../../it\'s "here"/000.png')
    render_downloads(picture, predict(home, "alpha", FIRST_DEFECT), SETTINGS, read_mask(sample, GRID))
    return files


SETTINGS = ViewerSettings(sensitivity=0.625, kernel_size=3, min_area=5, opacity=0)
STEM = "it_s_here_000"


def test_downloads_at_the_pictures_own_size(offered: dict[str, bytes], home: Path) -> None:
    original = np.asarray(Image.open(home / TILES / FIRST_DEFECT))
    drawn = {
        name: np.asarray(Image.open(io.BytesIO(offered[f"{STEM}_{name}.png"]))) for name in (*PANELS, "difference")
    }
    assert {name: pixels.shape for name, pixels in drawn.items()} == dict.fromkeys(drawn, (*PICTURE, 3))
    np.testing.assert_array_equal(drawn["original"], original)
    np.testing.assert_array_equal(drawn["overlay"], original, "opacity 0 leaves the picture alone")
    mask = PostProcess(0.625, 3, 5).apply(predict(home, "alpha", FIRST_DEFECT).anomaly_map)
    rows, columns = ((2 * np.arange(size) + 1) * grid // (2 * size) for size, grid in zip(PICTURE, GRID, strict=True))
    np.testing.assert_array_equal(drawn["mask"][..., 0] == 255, mask[rows[:, None], columns])
    assert mask.any()


def test_downloaded_map_is_the_map_bit_for_bit(offered: dict[str, bytes], home: Path) -> None:
    saved = np.load(io.BytesIO(offered[f"{STEM}_anomaly_map.npy"]), allow_pickle=False)
    expected = predict(home, "alpha", FIRST_DEFECT).anomaly_map
    assert (saved.dtype, saved.tobytes()) == (expected.dtype, expected.tobytes())


def test_zip_holds_what_the_buttons_give(offered: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(offered[f"{STEM}.zip"])) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(packed.pop(f"{STEM}/settings.json"))
    single = {name.replace(f"{STEM}_", f"{STEM}/"): data for name, data in offered.items() if not name.endswith(".zip")}
    assert packed == single
    assert ViewerSettings(**{name: facts[name] for name in asdict(SETTINGS)}) == SETTINGS


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("test/crack/000.png", "test_crack_000"),
        ("../../etc/passwd.png", "etc_passwd"),
        ("..\\..\\boot.ini.png", "boot.ini"),
        ("a \"b\" 'c'.png", "a_b_c"),
        ("größe 8 µm.tif", "größe_8_µm"),
        ("..", "picture"),
        ("", "picture"),
    ],
)
def test_safe_stems(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@given(some.text())
def test_any_name_gives_a_stem_that_stays_in_its_folder(name: str) -> None:
    stem = safe_stem(name)
    assert re.fullmatch(r"[\w.-]+", stem)
    assert not stem.startswith(".")


# --- uploaded checkpoints -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upload:
    """An uploaded file as Streamlit hands it over."""

    name: str
    content: bytes

    def getbuffer(self) -> memoryview:
        return memoryview(self.content)


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """The original's two files."""
    model, files = Draem(WIDTHS), []
    for network in (model.reconstructive_subnetwork, model.discriminative_subnetwork):
        buffer = io.BytesIO()
        torch.save(network.state_dict(), buffer)
        files.append(buffer.getvalue())
    return files[0], files[1]


def kept_files(home: Path) -> list[str]:
    """All files below the upload folder, hidden ones too, by name."""
    return sorted(path.name for path in (home / "checkpoints" / "uploaded").rglob("*") if path.is_file())


def test_pair_is_kept_once(pair: tuple[bytes, bytes], home: Path) -> None:
    files = [Upload("run__seg.pckl", pair[1]), Upload("run_.pckl", pair[0])]
    kept = keep_checkpoint(files)
    assert kept == keep_checkpoint(files)
    assert kept.parent.parent == home / "checkpoints" / "uploaded"
    assert kept_files(home) == ["run_.pckl", "run__seg.pckl"]
    assert load_checkpoint(kept).card.flavour == "original"


def test_same_weights_under_another_name_or_with_a_card_open(home: Path) -> None:
    weights = (home / ALPHA).read_bytes()
    first = keep_checkpoint([Upload("first.safetensors", weights)])
    second = keep_checkpoint([Upload("second.safetensors", weights)])
    assert load_checkpoint(first).card.digest == load_checkpoint(second).card.digest
    card = Upload("third.json", b'{"score_rule": "max_of_mean21"}')
    third = keep_checkpoint([card, Upload("third.safetensors", weights)])
    assert load_checkpoint(third).card.score_rule == "max_of_mean21"
    assert load_checkpoint(first).card.score_rule == "max"


@pytest.mark.parametrize("path", HOSTILE_FILES, ids=lambda path: path.name)
def test_hostile_file_is_refused_and_not_kept(
    path: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=re.escape(path.name)):
        keep_checkpoint([Upload(path.name, path.read_bytes())])
    assert kept_files(home) == []
    assert not (tmp_path / "HOSTILE_CHECKPOINT_RAN").exists()


def test_half_a_pair_asks_for_the_other_half(pair: tuple[bytes, bytes], home: Path) -> None:
    with pytest.raises(CheckpointError, match=r"run__seg\.pckl into the same upload") as error:
        keep_checkpoint([Upload("run_.pckl", pair[0])])
    assert ".trial" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        (["card.json"], "JSON card alone"),
        (["one.safetensors", "two.safetensors"], "one checkpoint at a time"),
        (["..", "one.safetensors"], "no name of a checkpoint"),
        ([".ckpt"], "no name of a checkpoint"),
        (["a" * 300 + ".pth"], "could not be stored .* give it a shorter name"),
    ],
)
def test_what_is_no_one_checkpoint_is_refused(names: list[str], phrase: str, home: Path) -> None:
    weights = (home / ALPHA).read_bytes()
    with pytest.raises(CheckpointError, match=phrase):
        keep_checkpoint([Upload(name, weights) for name in names])
    assert kept_files(home) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../../evil.safetensors", "evil.safetensors"),
        ("..\\..\\evil.safetensors", "evil.safetensors"),
        ("/etc/evil.SAFETENSORS", "evil.safetensors"),
        ("..evil\0.safetensors", "evil_.safetensors"),
        ("C:\\evil.safetensors", "evil.safetensors"),
    ],
)
def test_names_lose_their_folders(name: str, kept: str, home: Path) -> None:
    before = {path for path in home.parent.rglob("*") if "uploaded" not in path.parts}
    assert keep_checkpoint([Upload(name, (home / ALPHA).read_bytes())]).name == kept
    assert kept_files(home) == [kept]
    assert {path for path in home.parent.rglob("*") if "uploaded" not in path.parts} == before


def test_uploaded_checkpoint_is_selected_and_a_hostile_one_told(home: Path) -> None:
    at = explore()
    weights = (home / ALPHA).read_bytes()
    at.file_uploader(key="checkpoint_upload").set_value([("mine.safetensors", weights, "application/octet-stream")])
    assert Path(at_checkpoint := run(at).selectbox(key="checkpoint").value).name == "mine.safetensors"
    at.file_uploader(key="checkpoint_upload").set_value([("bad.ckpt", b"print('hello')", "application/octet-stream")])
    assert "bad.ckpt" in run(at).error[0].value
    assert at.selectbox(key="checkpoint").value == at_checkpoint
    assert shown(at).facts["title"] == FIRST_DEFECT


def test_a_run_s_checkpoint_is_called_by_its_run_and_epoch_wherever_the_run_lies(home: Path) -> None:
    for run_folder in ("runs/mine", "checkpoints/runs/theirs"):
        (home / run_folder / "checkpoints").mkdir(parents=True)
        shutil.copy(home / ALPHA, home / run_folder / "checkpoints" / "epoch_0007.safetensors")
    labels = explore().selectbox(key="checkpoint").options
    assert {"alpha", "mine · epoch 0007", "theirs · epoch 0007"} <= set(labels)
