"""Stages are drawn with the numbers they hold, each meaning on its own scale."""

import numpy as np
import pytest
import torch
from small_networks import noise_picture, small_predictor

from draem_core import PostProcess
from draem_core.inside.figures import stage_figure, stages_figure
from draem_core.inside.stages import Stage, mask_stages, trace


def shown(figure):
    return {panel.get_title(): panel.images[0] for panel in figure.axes if panel.images}


def test_a_stage_by_its_strongest_channels_on_one_scale():
    values = torch.arange(10).float()[:, None, None] * torch.ones(1, 3, 4)
    figure = stage_figure(Stage("discriminative.encoder.block1", "", values))
    drawn = shown(figure)
    assert list(drawn) == [f"channel {index}" for index in (9, 8, 7, 6, 5, 4, 3, 2)]
    for index, image in enumerate(drawn.values()):
        np.testing.assert_array_equal(image.get_array(), np.full((3, 4), 9 - index))
        assert image.get_clim() == (0, 9)
    assert figure.get_supxlabel() == "discriminative.encoder.block1, 10 × 3 × 4"
    assert list(shown(stage_figure(Stage("some", "", values), [3, 1]))) == ["channel 3", "channel 1"]
    with pytest.raises(ValueError, match="channels 0 to 9"):
        stage_figure(Stage("some", "", values), [10])


@pytest.mark.parametrize(
    ("name", "values", "colours", "limits"),
    [
        ("logits", [[-3.0, 1.0]], "RdBu_r", (-3, 3)),
        ("anomaly_map", [[0.1, 0.2]], "probability", (0, 1)),
        ("pred_mask", [[False, False]], "gray", (0, 1)),
        ("difference", [[0.1, 0.2]], "viridis", (0, pytest.approx(0.2))),
        ("reconstructive.encoder.block1", [[0.0, 0.0]], "viridis", (0, 1)),
    ],
)
def test_each_meaning_has_its_scale(name, values, colours, limits):
    image = next(iter(shown(stage_figure(Stage(name, "", torch.tensor([values])))).values()))
    assert image.get_cmap().name == colours
    assert image.get_clim() == limits


def test_pictures_are_shown_as_pictures():
    pixels = torch.tensor([1.5, 0.5, -1.0])[:, None, None] * torch.ones(1, 2, 2)  # a reconstruction leaves [0, 1]
    (image,) = shown(stage_figure(Stage("reconstruction", "", pixels))).values()
    assert image.get_array()[0, 0].tolist() == [255, 128, 0]


def test_all_stages_on_one_sheet():
    traced = trace(small_predictor(), noise_picture())
    stages = (*traced.stages, *mask_stages(traced.prediction.anomaly_map, PostProcess()))
    figure = stages_figure(stages, columns=6)
    panels = figure.axes
    assert len(panels) == len(stages)
    assert [panel.get_title().replace("\n", ".") for panel in panels] == [stage.name for stage in stages]
    for panel, stage in zip(panels, stages, strict=True):
        label = panel.get_xlabel()
        assert label.startswith(" × ".join(map(str, stage.shape)))
        assert label.endswith(f"{stage.range[0]:.3g} … {stage.range[1]:.3g}")
    logits = next(panel for panel in panels if panel.get_title() == "logits")
    np.testing.assert_array_equal(logits.images[0].get_array(), traced.prediction.logits[1])
