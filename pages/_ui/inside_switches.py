"""Switches that make the paper's argument: the map as trained, without the discriminator, and with parts switched."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from draem_core.errors import DraemError
from draem_core.inference import Predictor, image_score
from draem_core.inside.switches import (
    AS_TRAINED,
    SKIPS,
    Change,
    Pair,
    Switches,
    change,
    difference_map,
    predict_switched,
)
from draem_core.postprocess import PostProcess
from draem_core.precision import Precision
from draem_core.render import heatmap, mask_picture
from draem_core.scoring.keys import network_key
from draem_core.types import Prediction
from pages._ui import library
from pages._ui.inside import View
from pages._ui.inside_auroc import render_aurocs
from pages._ui.library import Picture
from pages._ui.shell import Workspace

_PAIRS: dict[Pair, str] = {
    "image_and_reconstruction": "x and x̂",
    "image_twice": "x and x",
    "swapped": "x̂ and x, swapped",
}


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
    before = view.trace.prediction
    rule = view.rule
    columns = st.columns(3)
    with columns[0]:
        _render_map("As trained", before.anomaly_map, before.image_score, rule)
    with columns[1]:
        difference = difference_map(before)
        score = image_score(torch.from_numpy(difference), workspace.predictor.card.score_rule)
        _render_map("Without the discriminator: mean of |x − x̂| over the colours", difference, score, rule)
    with columns[2]:
        _render_switched(workspace, picture, view, experiment)
    render_aurocs(workspace, experiment.switches)


def _choose(predictor: Predictor, view: View) -> Experiment:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = st.segmented_control(
            "The discriminator sees", _PAIRS, default="image_and_reconstruction", required=True,
            format_func=lambda one: _PAIRS[one], key="inside_pair",
        )  # fmt: skip
        skips = st.pills(
            "Skips set to zero", SKIPS, selection_mode="multi", key="inside_skips",
            help="1 is the finest, from the discriminator's encoder 1; 5 the coarsest",
        )  # fmt: skip
        sspcab = True
        if view.plan.has_sspcab:
            sspcab = st.toggle("SSPCAB", value=True, key="inside_sspcab")
        other: Precision = "bfloat16" if predictor.precision == "float32" else "float32"
        in_other = st.toggle(
            f"Compute in {other}", key="inside_precision", help=f"Everything above is computed in {predictor.precision}"
        )
    switches = Switches(pair or "image_and_reconstruction", tuple(sorted(skips)), sspcab)
    return Experiment(switches, other if in_other else None)


def _render_switched(workspace: Workspace, picture: Picture, view: View, experiment: Experiment) -> None:
    if experiment.is_as_trained:
        st.markdown("**Switched**")
        st.caption("Nothing is switched yet: choose above what the discriminator has to do without.")
        return
    try:
        after = _switched_prediction(workspace, picture, view, experiment)
    except DraemError as error:
        st.error(str(error), icon=":material/error:")
        return
    _render_map(f"Switched: {describe(experiment)}", after.anomaly_map, after.image_score, view.rule)
    st.caption(_told(change(view.trace.prediction, after)))


def describe(experiment: Experiment) -> str:
    """Say in words what is switched."""
    switches = experiment.switches
    parts = []
    if switches.pair != AS_TRAINED.pair:
        parts.append(f"sees {_PAIRS[switches.pair]}")
    if switches.skips_off:
        parts.append(f"skip {' and '.join(map(str, switches.skips_off))} zero")
    if not switches.sspcab:
        parts.append("SSPCAB off")
    if experiment.precision:
        parts.append(f"in {experiment.precision}")
    return ", ".join(parts)


def _told(moved: Change) -> str:
    return (
        f"Score {moved.score_before:.4f} → {moved.score_after:.4f} ({moved.score_after - moved.score_before:+.4f}). "
        f"A pixel of the map moves by {moved.mean_move:.4f} on average, by {moved.largest_move:.4f} at most."
    )


def _render_map(title: str, anomaly_map: np.ndarray, score: float, rule: PostProcess) -> None:
    mask = rule.apply(anomaly_map)
    st.markdown(f"**{title}**")
    with st.container(horizontal=True):
        st.image(heatmap(anomaly_map), width=170, output_format="PNG")
        st.image(mask_picture(mask), width=170, output_format="PNG")
    st.markdown(f"score **{score:.4f}** · mask {np.count_nonzero(mask):,} px · {'NG' if mask.any() else 'OK'}")


def _switched_prediction(workspace: Workspace, picture: Picture, view: View, experiment: Experiment) -> Prediction:
    predictor = workspace.predictor
    if experiment.precision:
        predictor = library.predictor(workspace.checkpoint, workspace.asked_device, experiment.precision)
    key = f"{network_key(predictor)} {picture.digest} {view.painting.digest}"
    return _predicted(key, experiment.switches, predictor, view.painted)


@st.cache_resource(max_entries=16, show_spinner=False)
def _predicted(key: str, switches: Switches, _predictor: Predictor, _painted: np.ndarray) -> Prediction:
    return predict_switched(_predictor, _painted, switches)
