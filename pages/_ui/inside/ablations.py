"""Ablations that make the paper's argument: the map as trained, without the discriminator, and with parts ablated."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from draem_core.errors import DraemError
from draem_core.inference import Predictor
from draem_core.inference.precision import Precision
from draem_core.inside.ablations import (
    AS_TRAINED,
    SKIPS,
    Ablations,
    MapChange,
    Pair,
    change,
    predict_ablated,
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
from pages._ui.components.inside_view import InsideView
from pages._ui.components.inside_view.payload import scale_colours
from pages._ui.frame.shell import Workspace
from pages._ui.inside.auroc import render_aurocs
from pages._ui.texts import markdown, text

_PAIRS: tuple[Pair, ...] = ("image_and_reconstruction", "image_twice", "swapped")


@dataclass(frozen=True)
class Experiment:
    """What is ablated. precision: another one than the workspace's, None for the same."""

    ablations: Ablations
    precision: Precision | None

    @property
    def is_as_trained(self) -> bool:
        return self.ablations == AS_TRAINED and self.precision is None


def render_ablations(workspace: Workspace, picture: Picture, view: InsideView) -> None:
    """Draw the ablations, the maps side by side, and on demand the AUROCs over the dataset."""
    experiment = _choose(workspace.predictor, view)
    trained = view.trace.prediction
    columns = st.columns(3)
    with columns[0]:
        _render_result(text("inside.ablation.as_trained"), trained, view.rule)
    with columns[1]:
        plain = without_discriminator(trained, workspace.predictor.card.score_rule)
        map_words = text("inside.ablation.difference_map")
        _render_result(text("inside.ablation.difference"), plain, view.rule, before=trained, map_words=map_words)
    with columns[2]:
        _render_ablated(workspace, picture, view, experiment)
    render_aurocs(workspace, experiment.ablations, experiment.precision)


def _choose(predictor: Predictor, view: InsideView) -> Experiment:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = st.segmented_control(
            text("inside.ablation.pair"), _PAIRS, default="image_and_reconstruction", required=True,
            format_func=_pair_name, key="inside_pair",
        )  # fmt: skip
        skips = st.pills(
            text("inside.ablation.skips"), SKIPS, selection_mode="multi", key="inside_skips",
            help=text("inside.ablation.skips_help"),
        )  # fmt: skip
        sspcab = True
        if view.plan.has_sspcab:
            sspcab = st.toggle("SSPCAB", value=True, key="inside_sspcab")
        other: Precision = "bfloat16" if predictor.precision == "float32" else "float32"
        in_other = st.toggle(
            markdown("inside.ablation.precision", other=other),
            key="inside_precision",
            help=markdown("inside.ablation.precision_help", present=predictor.precision),
        )
    ablations = Ablations(pair or "image_and_reconstruction", tuple(sorted(skips)), sspcab)
    return Experiment(ablations, other if in_other else None)


def _render_ablated(workspace: Workspace, picture: Picture, view: InsideView, experiment: Experiment) -> None:
    if experiment.is_as_trained:
        st.markdown(f"**{text('inside.ablation.ablated')}**")
        st.caption(text("inside.ablation.nothing"))
        return
    try:
        after = _ablated_prediction(workspace, picture, view, experiment)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        return
    title = text("inside.ablation.ablated_to", what=describe(experiment))
    _render_result(title, after, view.rule, before=view.trace.prediction)


def _pair_name(pair: Pair) -> str:
    return text(f"inside.ablation.{pair}")


def describe(experiment: Experiment) -> str:
    """Say in words what is ablated."""
    ablations = experiment.ablations
    parts = []
    if ablations.pair != AS_TRAINED.pair:
        parts.append(text("inside.ablation.sees", pair=_pair_name(ablations.pair)))
    if ablations.skips_off:
        skips = text("inside.ablation.and").join(map(str, ablations.skips_off))
        parts.append(text("inside.ablation.skips_zero", skips=skips))
    if not ablations.sspcab:
        parts.append(text("inside.ablation.sspcab_off"))
    if experiment.precision:
        parts.append(text("inside.ablation.in_precision", precision=experiment.precision))
    return text("inside.ablation.comma").join(parts)


def _render_result(
    title: str, result: Prediction, rule: PostProcess, *, before: Prediction | None = None, map_words: str = ""
) -> None:
    """Draw a map with its mask and, where there is something to compare with, what changed."""
    mask = rule.apply(result.anomaly_map)
    st.markdown(f"**{literal(title)}**")
    pictures = [
        Shown(heatmap(result.anomaly_map), map_words or text("inside.ablation.map")),
        Shown(mask_picture(mask), text("inside.ablation.mask")),
    ]
    if before is not None:
        moved = change(before, result)
        pictures.append(
            Shown(_moves(before, result, moved), text("inside.ablation.moves", most=f"{moved.largest_move:.3g}"))
        )
    render_pictures(pictures)
    verdict = "NG" if mask.any() else "OK"
    st.markdown(
        markdown("inside.ablation.result", score=result.image_score, pixels=np.count_nonzero(mask), verdict=verdict)
    )
    if before is not None:
        st.caption(literal(_change_text(moved)))


def _moves(before: Prediction, after: Prediction, moved: MapChange) -> np.ndarray:
    """Return how the map's pixels moved, (H, W, 3) uint8: blue down, red up, as far as any of them moved."""
    share = (after.anomaly_map - before.anomaly_map) / (moved.largest_move or 1)
    coloured: np.ndarray = scale_colours("RdBu_r")[np.clip((share + 1) * 128, 0, 255).astype(np.uint8)]
    return coloured


def _change_text(moved: MapChange) -> str:
    return text(
        "inside.ablation.change",
        before=moved.score_before,
        after=moved.score_after,
        change=moved.score_after - moved.score_before,
        mean=moved.mean_move,
        most=moved.largest_move,
    )


def _ablated_prediction(workspace: Workspace, picture: Picture, view: InsideView, experiment: Experiment) -> Prediction:
    predictor = workspace.predictor
    if experiment.precision:
        predictor = library.predictor(workspace.checkpoint, workspace.asked_device, experiment.precision)
    key = f"{network_key(predictor)} {picture.digest} {view.painting.digest}"
    return _predicted(key, experiment.ablations, predictor, view.painted)


@cached_by_bytes(256 * MB)
def _predicted(key: str, ablations: Ablations, _predictor: Predictor, _painted: np.ndarray) -> Prediction:
    return predict_ablated(_predictor, _painted, ablations)
