"""The Inside page's view as its payload.

Each stage is sent as indices into its colour scale, so that the browser draws what figures and viewer draw.
Draws nothing itself.
"""

import math
from dataclasses import asdict
from typing import Any, Literal

import matplotlib
import numpy as np
from PIL import Image

from draem_core.inside.figures import stage_scale
from draem_core.inside.pixel import follow, softmax_steps
from draem_core.inside.receptive_field import receptive_field
from draem_core.inside.stages import Stage
from draem_core.render import COLORMAP, show_reconstruction
from pages._ui.components.inside_view.brushes import Brushes
from pages._ui.components.inside_view.painting import LAYER_SIDE, layer_size
from pages._ui.components.inside_view.settings import AUTOMATIC, StageSelection
from pages._ui.components.inside_view.view import InsideView
from pages._ui.components.inside_view.words import words_of
from pages._ui.components.shared import payload
from pages._ui.texts import texts_under

PICTURES = ("image", "reconstruction")
Part = Literal["tools", "results", "pixel", "stage"]
TWO_CLASSES = ("logits", "probabilities")
CHANNELS_SHOWN = 16
_SHOWN_SIDE, _SMALL_SIDE = 256, 96  # pixels that are sent of a stage's longest side, and of one channel among many
_SCALES = ("probability", "viridis", "RdBu_r", "gray")


def pack(
    view: InsideView,
    selection: StageSelection,
    brushes: Brushes,
    click: object,
    order: tuple[int, Part] = (0, "results"),
) -> bytes:
    """The page's payload for a view and what of it is selected.

    click: goes back to the browser, which numbers its selections.
    order: a number, and the part of the page that the browser scrolls to when the number has grown.
    """
    arrays = {"picture": _shrunk(view.pixels, max(layer_size(view.pixels)))}
    opened = view.stage(selection.stage)
    cards = []
    for stage in view.stages:
        channel = shown_channel(stage, selection if stage is opened else StageSelection())
        arrays[f"stage {stage.name}"] = _drawn(stage, channel, _SHOWN_SIDE)
        cards.append(_card(stage, channel, view.plan.has_sspcab))
    channels = [] if opened.name in PICTURES else opened.strongest()[:CHANNELS_SHOWN]
    arrays |= {f"channel {channel}": _drawn(opened, channel, _SMALL_SIDE) for channel in channels}
    grid = view.trace.prediction.anomaly_map.shape
    height, width = layer_size(view.pixels)
    header = {
        "title": view.title,
        "words": texts_under("inside.view"),
        "picture": {"digest": view.digest, "height": view.pixels.shape[0], "width": view.pixels.shape[1]},
        "layer": {"height": height, "width": width},
        "layer_side": LAYER_SIDE,
        "grid": {"height": grid[0], "width": grid[1]},
        "stroke": view.painting.stroke,
        "strokes": view.painting.strokes,
        "selection": asdict(selection),
        "click": click if isinstance(click, int | float) else 0,
        "order": {"number": order[0], "part": order[1]},
        "painted": view.painting.layer is not None,
        "score": view.trace.prediction.image_score,
        "rule": view.score_rule,
        "maxima": {name: view.stage(name).range[1] for name in ("anomaly_map", "window_mean")},
        "flagged": int(np.count_nonzero(view.mask)),
        "scales": {name: scale_colours(name).ravel().tolist() for name in _SCALES},
        "stages": cards,
        "opened": {"stage": opened.name, "channels": channels},
        "pixel": _pixel(view, selection, opened, cards),
        "plan": asdict(view.plan.diagram),
        "brushes": asdict(brushes),
    }
    return payload.pack(header, arrays)


def shown_channel(stage: Stage, selection: StageSelection) -> int:
    """Return the channel that a stage is shown by: the chosen one, "anomalous", or the strongest."""
    if stage.name in PICTURES or stage.shape[0] == 1:
        return 0
    if selection.channel != AUTOMATIC and selection.channel < stage.shape[0]:
        return selection.channel
    return 1 if stage.name in TWO_CLASSES else stage.strongest()[0]


def scale_colours(name: str) -> np.ndarray:
    """Return a colour scale's 256 colours, (256, 3) uint8."""
    if name == "probability":
        return COLORMAP
    return np.round(matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)


def _drawn(stage: Stage, channel: int, side: int) -> np.ndarray:
    """Return a channel as indices (h, w) uint8 into its stage's colours; a picture as (h, w, 3) uint8."""
    if stage.name in PICTURES:
        return _shrunk(show_reconstruction(stage.tensor.float().cpu().numpy().transpose(1, 2, 0)), side)
    _, low, high = stage_scale(stage)
    share = (stage.channel(channel) - low) / (high - low)
    return _shrunk(np.minimum(255, np.clip(share, 0, 1) * 256).astype(np.uint8), side)


def _shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    shrink = max(picture.shape[:2]) / side
    if shrink <= 1:
        return picture
    size = max(1, round(picture.shape[1] / shrink)), max(1, round(picture.shape[0] / shrink))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _card(stage: Stage, channel: int, has_sspcab: bool) -> dict[str, Any]:
    colours, low, high = stage_scale(stage)
    return {
        "name": stage.name,
        **vars(words_of(stage.name, has_sspcab=has_sspcab)),
        "shape": stage.shape,
        "range": stage.range,
        "channel": channel,
        "scale": None if stage.name in PICTURES else getattr(colours, "name", colours),
        "ends": [low, high],
    }


def _pixel(
    view: InsideView, selection: StageSelection, opened: Stage, cards: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the followed pixel's values by stage, its softmax, and what of the image the opened stage's cell sees."""
    height, width = view.trace.prediction.anomaly_map.shape
    if selection.pixel is None or not (selection.row < height and selection.column < width):
        return None
    samples = {sample.stage: sample for sample in follow(view.trace, selection.row, selection.column)}
    values: dict[str, list[float]] = {}
    for stage, card in zip(view.stages, cards, strict=True):
        sample = samples.get(stage.name)
        at = stage.tensor[:, selection.row, selection.column].float().numpy() if sample is None else sample.values
        is_short = stage.name in (*PICTURES, *TWO_CLASSES, "difference")
        values[stage.name] = [_finite(value) for value in (at if is_short else at[[card["channel"]]])]
    place = samples.get(opened.name)
    box = None
    if place is not None:
        box = asdict(receptive_field(view.plan.meta_model, opened.name, place.row, place.column, (height, width)))
    return {
        "row": selection.row,
        "column": selection.column,
        "cell": [place.row, place.column] if place else [selection.row, selection.column],
        "values": values,
        "softmax": asdict(softmax_steps(*(float(one) for one in samples["logits"].values))),
        "box": box,
    }


def _finite(value: float) -> float:
    """JSON knows no infinity: a feature beyond the float's range is told as its largest."""
    return float(value) if math.isfinite(value) else math.copysign(np.finfo(np.float32).max, value)
