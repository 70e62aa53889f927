"""Synthetic: how training makes a defect, step by step by its own code, and what a checkpoint makes of it."""

from dataclasses import replace

import streamlit as st

from draem_core.errors import DraemError
from draem_core.synthesis.sample import SampleOverrides
from pages._ui import lesson
from pages._ui.common.escaping import literal
from pages._ui.common.library import Picture, freeze_gc
from pages._ui.common.source import choose_picture
from pages._ui.components.mask_areas import synthetic_areas
from pages._ui.components.sample_grid import synthetic_sample_grid
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.components.synthetic_view import SyntheticSettings, SyntheticView, order, settings_now, synthetic
from pages._ui.frame import address
from pages._ui.frame.settings_store import settings_now as chosen_settings
from pages._ui.frame.shell import Workspace, disable_stale_fade, start_page
from pages._ui.inside.mask_rule import choose_mask_rule
from pages._ui.synthetic import views
from pages._ui.texts import text


@st.fragment
def show(workspace: Workspace, picture: Picture) -> None:
    """Draw what a control changes. As a fragment it runs alone: the sidebar and the strip stay."""
    lesson.rerun_if_step_changed()
    rule = choose_mask_rule(workspace.predictor.card.input_size, chosen_settings(LiveSettings))
    settings = settings_now(rule)
    try:
        view = views.compute_view(workspace, picture, settings)
        places = workspace.url_params_of(picture)
        synthetic(view, places)
        lesson.render_on_synthetic(view, lambda changed: views.compute_view(workspace, picture, changed))
        show_sample_grid(workspace, picture, view)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        if settings.textures:
            built_in = SyntheticSettings.joined(rule, replace(settings.selection, textures=""), settings.hand)
            st.button(text("synthetic.take_built_in"), on_click=order, args=(built_in,))


def show_sample_grid(workspace: Workspace, picture: Picture, view: SyntheticView) -> None:
    """Draw the samples around the present one, a click takes one into the stepper, and how large masks are."""

    def pick(seed: int) -> None:
        order(
            SyntheticSettings.joined(view.settings.rule, replace(view.settings.selection, seed=seed), SampleOverrides())
        )

    synthetic_sample_grid(views.sample_grid(workspace, picture, view.settings), pick)
    present = None if view.sample.is_clean else float(view.truth.mean())
    synthetic_areas(views.areas(workspace, view.settings), present)


workspace = start_page("synthetic")
if workspace is None:
    st.stop()
if not address.param("image"):  # come by the navigation, with whatever picture the last page showed
    views.select_good_image(workspace.dataset)
picture = choose_picture(workspace.dataset)
if picture is None:
    st.caption(text("synthetic.no_picture"))
    st.stop()
if picture.sample is not None and picture.sample.label == 1:
    st.warning(text("synthetic.own_defect"), icon=":material/warning:")
    st.button(text("synthetic.take_good"), on_click=views.select_good_image, args=(workspace.dataset,))
disable_stale_fade()
show(workspace, picture)
freeze_gc("Synthetic")
