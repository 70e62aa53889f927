"""Inside: one picture, painted on or not, on its way through every stage of the checkpoint, with the real numbers."""

import streamlit as st

from draem_core.errors import DraemError
from pages._ui import lesson
from pages._ui.common.escaping import literal
from pages._ui.common.library import Picture, freeze_gc
from pages._ui.common.source import choose_picture
from pages._ui.components.inside_view import InsideSettings, inside
from pages._ui.frame.settings_store import settings_now, show_settings
from pages._ui.frame.shell import Workspace, disable_stale_fade, start_page
from pages._ui.inside import views
from pages._ui.inside.experiments import render_experiments
from pages._ui.inside.mask_rule import choose_mask_rule


@st.fragment
def show(workspace: Workspace, picture: Picture) -> None:
    """Draw what a stroke, a click or a slider changes. As a fragment it runs alone: the sidebar and the strip stay."""
    lesson.rerun_if_step_changed()
    handed = settings_now(InsideSettings)
    rule = choose_mask_rule(workspace.predictor.card.input_size, handed)
    if stroke := lesson.prepared_stroke():
        views.paint_first(picture, stroke)
    painting = views.painting_of(picture, key="inside")
    try:
        view = views.compute_view(workspace, picture, painting, rule)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        return
    selection = inside(view, handed.selection, key="inside")
    shown = InsideSettings.joined(rule, selection)
    show_settings(workspace.url_params_of(picture), shown, InsideSettings.joined(rule, handed.selection))
    render_experiments(workspace, picture, view, selection)
    lesson.render_on_inside(workspace.predictor, workspace.dataset, picture, view, selection)


workspace = start_page("inside")
if workspace is None:
    st.stop()
picture = choose_picture(workspace.dataset)
if picture is None:
    st.stop()
disable_stale_fade()
show(workspace, picture)
freeze_gc("Inside")
