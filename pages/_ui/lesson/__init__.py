"""A guided lesson over the pages Inside and Synthetic: steps as data, their words in the language files."""

from pages._ui.lesson.navigation import apply_step, is_on, prepared_stroke, rerun_if_step_changed
from pages._ui.lesson.panel import render_entry, render_on_inside, render_on_synthetic

__all__ = [
    "apply_step",
    "is_on",
    "prepared_stroke",
    "render_entry",
    "render_on_inside",
    "render_on_synthetic",
    "rerun_if_step_changed",
]
