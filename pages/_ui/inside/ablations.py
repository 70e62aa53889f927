"""Switches that make the paper's argument: the map as trained, without the discriminator, and with parts switched."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from draem_core.errors import DraemError
from draem_core.inference import Predictor
from draem_core.inference.precision import Precision
from draem_core.inside.switches import (
    AS_TRAINED,
    SKIPS,
    Change,
    Pair,
    Switches,
    change,
    predict_switched,
    without_discriminator,
)
from draem_core.postprocess import PostProcess
from draem_core.render import heatmap, mask_picture
from draem_core.scoring.keys import network_key
from draem_core.types import Prediction
from pages._ui.common import library
from pages._ui.common.byte_cache import MB, cached_by_bytes
from pages._ui.common.escaping import literal
from pages._ui.common.library import Picture
from pages._ui.common.picture_row import Shown, render_pictures
from pages._ui.components.inside_view import View
from pages._ui.components.inside_view.payload import scale_colours
from pages._ui.frame.shell import Workspace
from pages._ui.inside.auroc import render_aurocs
from pages._ui.texts import markdown, text

_PAIRS: tuple[Pair, ...] = ("image_and_reconstruction", "image_twice", "swapped")


@dataclass(frozen=True)
class Experiment:
    """What is switched. precision: another one than the workspace's, None for the same."""

    switches: Switches
    precision: Precision | None

    @property
    def is_as_trained(self) -> bool:
        return self.switches == AS_TRAINED and self.precision is None


def render_switches(workspace: Workspace, picture: Picture, view: View) -> None:
    """Draw the switches, the maps side by side, and on demand the AUROCs over the dataset."""
    experiment = _choose(workspace.predictor, view)
    trained = view.trace.prediction
    columns = st.columns(3)
    with columns[0]:
        _render_result(text("inside.switch.as_trained"), trained, view.rule)
    with columns[1]:
        plain = without_discriminator(trained, workspace.predictor.card.score_rule)
        map_words = text("inside.switch.difference_map")
        _render_result(text("inside.switch.difference"), plain, view.rule, before=trained, map_words=map_words)
    with columns[2]:
        _render_switched(workspace, picture, view, experiment)
    render_aurocs(workspace, experiment.switches, experiment.precision)


def _choose(predictor: Predictor, view: View) -> Experiment:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = st.segmented_control(
            text("inside.switch.pair"), _PAIRS, default="image_and_reconstruction", required=True,
            format_func=_pair_name, key="inside_pair",
        )  # fmt: skip
        skips = st.pills(
            text("inside.switch.skips"), SKIPS, selection_mode="multi", key="inside_skips",
            help=text("inside.switch.skips_help"),
        )  # fmt: skip
        sspcab = True
        if view.plan.has_sspcab:
            sspcab = st.toggle("SSPCAB", value=True, key="inside_sspcab")
        other: Precision = "bfloat16" if predictor.precision == "float32" else "float32"
        in_other = st.toggle(
            markdown("inside.switch.precision", other=other),
            key="inside_precision",
            help=markdown("inside.switch.precision_help", present=predictor.precision),
        )
    switches = Switches(pair or "image_and_reconstruction", tuple(sorted(skips)), sspcab)
    return Experiment(switches, other if in_other else None)


def _render_switched(workspace: Workspace, picture: Picture, view: View, experiment: Experiment) -> None:
    if experiment.is_as_trained:
        st.markdown(f"**{text('inside.switch.switched')}**")
        st.caption(text("inside.switch.nothing"))
        return
    try:
        after = _switched_prediction(workspace, picture, view, experiment)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        return
    title = text("inside.switch.switched_to", what=describe(experiment))
    _render_result(title, after, view.rule, before=view.trace.prediction)


def _pair_name(pair: Pair) -> str:
    return text(f"inside.switch.{pair}")


def describe(experiment: Experiment) -> str:
    """Say in words what is switched."""
    switches = experiment.switches
    parts = []
    if switches.pair != AS_TRAINED.pair:
        parts.append(text("inside.switch.sees", pair=_pair_name(switches.pair)))
    if switches.skips_off:
        skips = text("inside.switch.and").join(map(str, switches.skips_off))
        parts.append(text("inside.switch.skips_zero", skips=skips))
    if not switches.sspcab:
        parts.append(text("inside.switch.sspcab_off"))
    if experiment.precision:
        parts.append(text("inside.switch.in_precision", precision=experiment.precision))
    return text("inside.switch.comma").join(parts)


def _render_result(
    title: str, result: Prediction, rule: PostProcess, *, before: Prediction | None = None, map_words: str = ""
) -> None:
    """Draw a map with its mask and, where there is something to compare with, what changed."""
    mask = rule.apply(result.anomaly_map)
    st.markdown(f"**{literal(title)}**")
    pictures = [
        Shown(heatmap(result.anomaly_map), map_words or text("inside.switch.map")),
        Shown(mask_picture(mask), text("inside.switch.mask")),
    ]
    if before is not None:
        moved = change(before, result)
        pictures.append(
            Shown(_moves(before, result, moved), text("inside.switch.moves", most=f"{moved.largest_move:.3g}"))
        )
    render_pictures(pictures)
    verdict = "NG" if mask.any() else "OK"
    st.markdown(
        markdown("inside.switch.result", score=result.image_score, pixels=np.count_nonzero(mask), verdict=verdict)
    )
    if before is not None:
        st.caption(literal(_told(moved)))


def _moves(before: Prediction, after: Prediction, moved: Change) -> np.ndarray:
    """Return how the map's pixels moved, (H, W, 3) uint8: blue down, red up, as far as any of them moved."""
    share = (after.anomaly_map - before.anomaly_map) / (moved.largest_move or 1)
    coloured: np.ndarray = scale_colours("RdBu_r")[np.clip((share + 1) * 128, 0, 255).astype(np.uint8)]
    return coloured


def _told(moved: Change) -> str:
    return text(
        "inside.switch.change",
        before=moved.score_before,
        after=moved.score_after,
        change=moved.score_after - moved.score_before,
        mean=moved.mean_move,
        most=moved.largest_move,
    )


def _switched_prediction(workspace: Workspace, picture: Picture, view: View, experiment: Experiment) -> Prediction:
    predictor = workspace.predictor
    if experiment.precision:
        predictor = library.predictor(workspace.checkpoint, workspace.asked_device, experiment.precision)
    key = f"{network_key(predictor)} {picture.digest} {view.painting.digest}"
    return _predicted(key, experiment.switches, predictor, view.painted)


@cached_by_bytes(256 * MB)
def _predicted(key: str, switches: Switches, _predictor: Predictor, _painted: np.ndarray) -> Prediction:
    return predict_switched(_predictor, _painted, switches)
