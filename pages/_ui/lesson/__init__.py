"""A guided lesson over the pages Inside and Synthetic: steps as data, their words in the language files."""

from pages._ui.lesson.band import render_entry, render_on_inside, render_on_synthetic
from pages._ui.lesson.course import arrange, is_on, keep_up, prepared_stroke

__all__ = ["arrange", "is_on", "keep_up", "prepared_stroke", "render_entry", "render_on_inside", "render_on_synthetic"]
