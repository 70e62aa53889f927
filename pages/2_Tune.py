"""Tune thresholds over a whole dataset: every metric live under the sliders, goals, zones, a recipe."""

import streamlit as st

from pages._ui.common.diagnosis import render_checkpoint_findings
from pages._ui.common.library import freeze_gc
from pages._ui.common.source import select_image
from pages._ui.components.tuner import TunerSettings, tuner
from pages._ui.frame import address
from pages._ui.frame.settings_store import choose, orders, settings_now, show_settings
from pages._ui.frame.shell import Workspace, render_missing_dataset, start_page
from pages._ui.tune.confidence import render_confidence
from pages._ui.tune.goals_panel import goal_settings, render_goals
from pages._ui.tune.recipe_panel import render_recipe
from pages._ui.tune.tune_data import TuneData, load_tune_data


@st.fragment
def show(workspace: Workspace, data: TuneData) -> None:
    """Draw what a release of a slider changes. As a fragment it runs alone."""
    handed = settings_now(TunerSettings).at_stops(data.tuning.grid)
    if wanted := goal_settings():
        choose(wanted, handed)
        handed = wanted.at_stops(data.tuning.grid)
    goals = st.container()
    settings = tuner(data.payload, handed, on_open=_remember_opened, key="tuner", orders=orders())
    show_settings(workspace.url_params, settings, handed)
    if name := st.session_state.pop("opened", None):
        select_image(name)
        shared = address.link_to_sliders(workspace.url_params | {"image": name}, settings)
        st.switch_page("pages/1_Explore.py", query_params=shared)
    with goals:
        render_goals(data.tuning, settings)
    render_confidence(workspace.predictor.card, data.tuning, settings)
    render_recipe(workspace, data, settings)


def _remember_opened(name: str) -> None:
    st.session_state["opened"] = name


workspace = start_page("tune")
if workspace is None:
    st.stop()
if workspace.dataset is None or not workspace.dataset.samples:
    render_missing_dataset()
    st.stop()
data = load_tune_data(workspace)
if data is None:
    st.stop()
show(workspace, data)
render_checkpoint_findings(workspace)
freeze_gc("Tune")
