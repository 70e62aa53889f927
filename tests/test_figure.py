"""The classic row's panels hold the arrays they claim to; files come whole, in three formats, from the command too."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rcParams, rcParamsDefault
from matplotlib.figure import Figure
from PIL import Image
from tiny_home import FIRST_DEFECT, write_checkpoint

from draem_core.commands.figure import figure_command
from draem_core.errors import DraemError, ImageError
from draem_core.figure import FORMATS, check_format, classic_row, figure_bytes, write_figure
from draem_core.postprocess import PostProcess
from draem_core.render import COLORMAP, overlay
from draem_core.types import Prediction

ROOT = Path(__file__).parents[1]
TITLES = ["Original", "Reconstruction", "Anomaly map", "Mask", "Overlay"]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    anomaly_map = np.zeros((32, 32), np.float32)
    anomaly_map[4:10, 6:16] = 0.75
    anomaly_map[20:24, 20:24] = 0.625
    image = np.full((32, 32, 3), 0.5, np.float32)
    return Prediction(image, image * 3 - 0.5, np.zeros((2, 32, 32), np.float32), anomaly_map, 0.75)


def panels_of(figure: Figure) -> dict:
    return {panel.get_title(): panel for panel in figure.axes if panel.get_title()}


def test_panels_show_what_they_are_called(picture, prediction):
    row = panels_of(classic_row(picture, prediction, PostProcess(0.5, 3), opacity=0.25))
    shown = {title: panel.images[0] for title, panel in row.items()}
    assert list(row) == TITLES
    np.testing.assert_array_equal(shown["Original"].get_array(), picture)
    assert np.unique(shown["Reconstruction"].get_array()).tolist() == [255]  # 1.0, from 0.5 · 3 − 0.5
    np.testing.assert_array_equal(shown["Anomaly map"].get_array(), prediction.anomaly_map)
    np.testing.assert_array_equal(shown["Mask"].get_array(), prediction.anomaly_map > 0.5)
    np.testing.assert_array_equal(shown["Overlay"].get_array(), overlay(picture, prediction.anomaly_map, 0.25))
    assert {tuple(image.get_extent()) for image in shown.values()} == {(0, 90, 60, 0)}
    assert row["Anomaly map"].get_xlabel() == "image score 0.7500"
    assert row["Mask"].get_xlabel() == "2 regions, 76 px"
    assert row["Overlay"].get_xlabel() == ""


def test_colours_have_one_fixed_scale(picture, prediction):
    figure = classic_row(picture, prediction, PostProcess())
    shown = panels_of(figure)["Anomaly map"].images[0]
    assert shown.get_clim() == (0, 1)  # though the map only goes to 0.75
    assert (shown.cmap(0.75) * np.array([255, 255, 255, 1])).round().tolist() == [*COLORMAP[192].tolist(), 1]
    scale = shown.colorbar.ax
    assert scale.get_ylim() == (0, 1)
    assert [label.get_text() for label in scale.get_yticklabels()] == ["0.0", "0.5", "1.0"]


def test_truth_is_outlined_where_it_lies(picture, prediction):
    truth = np.zeros((32, 32), bool)
    truth[:8, 8:16] = True  # touches the border: the contour closes all the same
    row = panels_of(classic_row(picture, prediction, PostProcess(), gt_mask=truth))
    for title in TITLES:
        assert len(row[title].collections) == (title in ("Mask", "Overlay"))
    box = row["Mask"].collections[0].get_paths()[0].get_extents()
    pixel = np.array([90, 60]) / 32
    np.testing.assert_allclose(box.min, [8, 0] * pixel, atol=0.51 * pixel.max())
    np.testing.assert_allclose(box.max, [16, 8] * pixel, atol=0.51 * pixel.max())
    assert row["Mask"].get_xlim() == (0, 90)
    assert row["Mask"].get_ylim() == (60, 0)
    assert row["Overlay"].get_xlabel() == "truth outlined"


def test_an_empty_truth_draws_nothing_and_warns_of_nothing(picture, prediction, recwarn):
    row = panels_of(classic_row(picture, prediction, PostProcess(), gt_mask=np.zeros((32, 32), bool)))
    assert not row["Mask"].collections
    assert not recwarn.list


def test_a_map_with_nan_is_refused(picture, prediction):
    broken = Prediction(**{**vars(prediction), "anomaly_map": np.full((32, 32), np.nan, np.float32)})
    with pytest.raises(ValueError, match="NaN"):
        classic_row(picture, broken, PostProcess())


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 700, 3), (700, 1, 3), (2500, 1700, 3)])
def test_odd_sizes_are_drawn(tmp_path, prediction, shape):
    figure = classic_row(np.full(shape, 128, np.uint8), prediction, PostProcess())
    original = panels_of(figure)["Original"].images[0].get_array()
    assert max(original.shape) <= 1600
    assert abs(original.astype(int) - 128).max() == 0
    with Image.open(write_figure(figure, tmp_path / "odd.png", dpi=40)) as drawn:
        assert drawn.size[0] == 480


def test_three_formats(tmp_path, picture, prediction):
    figure = classic_row(picture, prediction, PostProcess(), caption="$x^2 & <b>.png", width=10)
    assert {write_figure(figure, tmp_path / f"row{suffix}", dpi=60).name for suffix in FORMATS} == {
        "row.png",
        "row.svg",
        "row.pdf",
    }
    with Image.open(tmp_path / "row.png") as drawn:
        assert drawn.size[0] == 600
        assert drawn.info["dpi"] == pytest.approx((60, 60), abs=0.1)
    assert ElementTree.parse(tmp_path / "row.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "row.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.iterdir())) == 3  # no temporary file stays


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_figure_is_the_same_file(tmp_path, picture, prediction, suffix):
    path = write_figure(classic_row(picture, prediction, PostProcess()), tmp_path / f"row{suffix}", dpi=50)
    assert path.read_bytes() == figure_bytes(classic_row(picture, prediction, PostProcess()), suffix, dpi=50)


def test_an_svgs_text_is_text(picture, prediction):
    drawn = ElementTree.fromstring(figure_bytes(classic_row(picture, prediction, PostProcess()), ".svg"))
    told = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert set(TITLES) < set(told)
    assert "image score 0.7500" in told
    assert rcParams["svg.fonttype"] == rcParamsDefault["svg.fonttype"]  # other figures are drawn as before


def test_a_failed_write_leaves_the_old_file(tmp_path, picture, prediction, monkeypatch):
    path = tmp_path / "row.png"
    path.write_bytes(b"old")

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    figure = classic_row(picture, prediction, PostProcess())
    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(OSError, match="No space left"):
        write_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_other_suffixes_are_refused():
    assert check_format(Path("A.PNG")) == ".png"
    for name in ("row", "row.jpg", "row.png.exe"):
        with pytest.raises(DraemError, match=r"Let it end in \.png, \.svg, \.pdf"):
            check_format(Path(name))


def test_command_draws_picture_and_truth(tiny_home, tmp_path):
    tiles = tiny_home / "datasets" / "tiles"
    checkpoint = tiny_home / "checkpoints" / "alpha.safetensors"
    arguments = (
        *(tiles / FIRST_DEFECT, "--checkpoint", checkpoint, "--out", tmp_path / "new" / "row.svg"),
        *("--mask", tiles / "ground_truth/scratch/000_mask.png", "--sensitivity", 0.3, "--kernel", 5, "--dpi", 50),
    )
    command = [sys.executable, "-m", "draem_core", "figure", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ElementTree.parse(tmp_path / "new" / "row.svg").getroot().tag.endswith("svg")
    text = (tmp_path / "new" / "row.svg").read_text()
    assert "truth outlined" in text
    assert "000.png · alpha · sensitivity 0.3, kernel 5, minimum area 0" in text


def test_command_says_what_is_wrong_before_it_works(tiny_home, tmp_path):
    checkpoint = tiny_home / "checkpoints" / "alpha.safetensors"
    with pytest.raises(DraemError, match=r"row\.jpg names no format for a figure"):
        figure_command(tmp_path / "missing.png", checkpoint, tmp_path / "row.jpg")
    with pytest.raises(ImageError, match=r"missing\.png"):
        figure_command(tmp_path / "missing.png", checkpoint, tmp_path / "row.png")
    assert not list(tmp_path.iterdir())


def test_a_diverged_network_is_said(tiny_home, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "huge.safetensors", seed=0, scale=1e38)
    picture = tiny_home / "datasets" / "tiles" / FIRST_DEFECT
    with pytest.raises(DraemError, match="its training has diverged"):
        figure_command(picture, checkpoint, tmp_path / "row.png")


@pytest.mark.parametrize("stage", ["all", "reconstructive.encoder.block2", "image", "pred_mask"])
def test_command_draws_stages(tiny_home, tmp_path, stage):
    picture, checkpoint = tiny_home / "datasets/tiles" / FIRST_DEFECT, tiny_home / "checkpoints/alpha.safetensors"
    figure_command(picture, checkpoint, tmp_path / "stage.png", stage=stage, dpi=30, precision="float32")
    with Image.open(tmp_path / "stage.png") as drawn:
        assert drawn.size[0] == 360
    with pytest.raises(DraemError, match=r"no stage 'nowhere'\. Take 'all' or one of: image, "):
        figure_command(picture, checkpoint, tmp_path / "stage.png", stage="nowhere", precision="float32")


def test_pyplot_is_never_loaded():
    code = "import sys, draem_core.figure; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
