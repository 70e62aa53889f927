"""One pixel followed through the stages: its numbers, and the blend worked out for it. Knows no Streamlit."""

import numpy as np
from torch import Tensor

from draem_core.synthesis.sample import PatchStages, TextureStages
from pages._ui.components.synthetic_view.card import signed
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text

_CHANNELS = ("R", "G", "B")


def follow(view: SyntheticView) -> list[list[str]] | None:
    """Return (name, value) of a followed pixel in the order of the data; None where none is followed."""
    at = view.at
    if at is None:
        return None
    sample = view.sample
    lines = [[text("synthetic.pixel.place"), text("synthetic.pixel.at", row=at[0], column=at[1])]]
    lines.append([text("synthetic.pixel.good"), _colours(sample.image, at)])
    if sample.texture is not None:
        lines += _texture_lines(view, sample.texture, at)
    elif sample.patch is not None:
        lines += _patch_lines(view, sample.patch, at)
    lines.append([text("synthetic.pixel.corrupted"), _colours(sample.corrupted, at)])
    lines.append([text("synthetic.stage.reconstruction.title"), _numbers(view.prediction.reconstruction[at])])
    lines.append([text("synthetic.stage.anomaly_map.title"), _map_line(view, at)])
    return lines


def _texture_lines(view: SyntheticView, stages: TextureStages, at: tuple[int, int]) -> list[list[str]]:
    noise, is_inside = float(stages.blended.noise[0][at]), bool(view.truth[at])
    said = text(
        "synthetic.pixel.above" if is_inside else "synthetic.pixel.not_above",
        noise=signed(noise, 3),
        threshold=signed(stages.threshold),
    )
    lines = [[text("synthetic.stage.noise.title"), said]]
    if not is_inside:
        return lines
    steps = (stages.blended.source[0], *stages.steps)
    lines.append([text("synthetic.stage.texture.title"), " → ".join(_colours(step, at) for step in steps)])
    beta, rest = stages.image_share, stages.texture_share
    x, t, mixed = (one[(slice(None), *at)].tolist() for one in (view.sample.image, steps[-1], view.sample.corrupted))
    worked = (
        f"{channel}: {beta:.3f}·{of_x:.3f} + {rest:.3f}·{of_t:.3f} = {of_both:.3f}"
        for channel, of_x, of_t, of_both in zip(_CHANNELS, x, t, mixed, strict=True)
    )
    lines.append(["β·x + (1 − β)·t", "; ".join(worked)])
    return lines


def _patch_lines(view: SyntheticView, stages: PatchStages, at: tuple[int, int]) -> list[list[str]]:
    name = text("synthetic.stage.mask.title")
    if not view.truth[at]:
        return [[name, text("synthetic.pixel.beside_patch")]]
    down, right = stages.draw.shift[0].tolist()
    moved = _colours(stages.pasted.moved[0], at)
    return [[name, text("synthetic.pixel.in_patch", row=at[0] + down, column=at[1] + right, colours=moved)]]


def _map_line(view: SyntheticView, at: tuple[int, int]) -> str:
    said = {
        (True, True): "found",
        (True, False): "alarm",
        (False, True): "missed",
        (False, False): "good_pixel",
    }[bool(view.pred_mask[at]), bool(view.truth[at])]
    return text(f"synthetic.pixel.{said}", probability=float(view.prediction.anomaly_map[at]))


def _colours(image: Tensor, at: tuple[int, int]) -> str:
    """Write the colours of a pixel of (3, H, W)."""
    return _numbers(image[(slice(None), *at)].numpy())


def _numbers(values: np.ndarray) -> str:
    return f"({', '.join(signed(float(value), 3) for value in values)})"
