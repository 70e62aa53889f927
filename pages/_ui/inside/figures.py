"""Figures for slides: the opened stage, all stages, or the classic row, as PNG or SVG at print size. Made on click."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from matplotlib.figure import Figure

from draem_core.figure import classic_row, figure_bytes
from draem_core.inside.figures import stage_figure, stages_figure
from pages._ui.common.downloads import safe_stem
from pages._ui.common.escaping import literal
from pages._ui.components.inside_view import InsideView, StageSelection
from pages._ui.components.inside_view.settings import AUTOMATIC
from pages._ui.texts import markdown, text

_DPI = 200
_MIMES = {"png": "image/png", "svg": "image/svg+xml"}


def render_figures(view: InsideView, selection: StageSelection) -> None:
    """Draw one button for each figure and format."""
    stage = view.stage(selection.stage)
    is_chosen = AUTOMATIC < selection.channel < stage.shape[0]

    def opened() -> Figure:
        return stage_figure(stage, [selection.channel] if is_chosen else None)

    def every() -> Figure:
        return stages_figure(view.stages)

    def classic() -> Figure:
        truth = view.truth if view.truth.any() else None
        return classic_row(view.painted, view.trace.prediction, view.rule, gt_mask=truth)

    stem = safe_stem(view.title)
    figures: dict[str, tuple[str, Callable[[], Figure]]] = {
        text("inside.figure.opened", stage=stage.name): (f"{stem}_{safe_stem(stage.name + '.')}", opened),
        text("inside.figure.stages"): (f"{stem}_stages", every),
        text("inside.figure.row"): (f"{stem}_row", classic),
    }
    for label, (name, draw) in figures.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{literal(label)}**")
            for suffix, mime in _MIMES.items():
                st.download_button(
                    f"{suffix.upper()}",
                    partial(_drawn, draw, f".{suffix}"),
                    f"{name}.{suffix}",
                    mime,
                    key=f"inside figure {name.removeprefix(stem)} {suffix}",
                    on_click="ignore",
                    icon=":material/download:",
                )
    st.caption(markdown("inside.figure.note", dpi=_DPI))


def _drawn(draw: Callable[[], Figure], suffix: str) -> bytes:
    return figure_bytes(draw(), suffix, _DPI)
