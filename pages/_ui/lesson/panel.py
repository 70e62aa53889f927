"""The lesson's panel over the page: question, answer on demand, back and next, by keys too; a Streamlit v2 component.

Holds no numbers: `pages._ui.lesson.answers` reads them off what the page shows.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.errors import ImageError
from draem_core.inference import Predictor
from draem_core.types import Prediction
from pages._ui.common import library
from pages._ui.common.escaping import Markdown, code
from pages._ui.common.library import Picture
from pages._ui.components.inside_view.settings import StageSelection
from pages._ui.components.inside_view.view import InsideView
from pages._ui.components.shared.modules import script
from pages._ui.components.synthetic_view.settings import SyntheticSettings
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.lesson import answers, navigation
from pages._ui.lesson.answers import InsideScene, SyntheticScene, Values
from pages._ui.lesson.steps import GOOD, STEPS, InsideStep, Step
from pages._ui.texts import language, markdown, names_of, text, texts_under

_FOLDER = Path(__file__).parent
_KEY = "lesson_panel"
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")  # before a number
_DEMO = "python -m draem_core demo"
_TRAIN = "python -m draem_core train --config checkpoints/configs/demo_metal.toml"

_mount = st.components.v2.component(
    "draem_lesson",
    html=(_FOLDER / "panel.html").read_text("utf-8"),
    css=(_FOLDER / "panel.css").read_text("utf-8"),
    js=script(_FOLDER / "panel.js"),
)


def render_entry() -> None:
    """Draw the link that begins the lesson, goes on with it or stands for the present step; say what it lacks where
    it was asked for.
    """
    at, now = navigation.last(), navigation.number()
    if now and (missing := navigation.missing()):
        with st.container():
            names = ", ".join(code(name) for name in missing)
            st.warning(
                markdown("lesson.missing", names=Markdown(names), demo=Markdown(_DEMO), train=Markdown(_TRAIN)),
                icon=":material/school:",
            )
        return
    if now:
        at, label = now, text("lesson.at", step=now)
    else:
        label = text("lesson.start") if at == 1 else text("lesson.resume", step=at)
    file = navigation.FILES[STEPS[at - 1].page]
    st.page_link(file, label=label, icon=":material/school:", query_params={"lesson": str(at)})


def render_on_inside(
    predictor: Predictor, dataset: Dataset | None, picture: Picture, view: InsideView, selection: StageSelection
) -> None:
    """Draw the panel over the Inside page, where it is part of the lesson now."""
    step = navigation.step()
    if isinstance(step, InsideStep):
        grid = view.trace.prediction.anomaly_map.shape
        good = _prediction_of(GOOD, predictor, dataset)
        truth = _truth(picture, (grid[0], grid[1]))
        scene = InsideScene(view, truth, selection.pixel, good, library.prediction(predictor, picture))
        _render(step, answers.INSIDE[step.key](scene))


def render_on_synthetic(view: SyntheticView, compute_view: Callable[[SyntheticSettings], SyntheticView]) -> None:
    """Draw the panel over the Synthetic page, where it is part of the lesson now."""
    step = navigation.step()
    if step is not None and not isinstance(step, InsideStep):
        _render(step, answers.SYNTHETIC[step.key](SyntheticScene(view, compute_view)))


def _render(step: Step, found: Values | None) -> None:
    data = {
        "step": STEPS.index(step) + 1,
        "count": len(STEPS),
        "lang": language().code,
        "words": texts_under("lesson.panel"),
        "title": text(f"lesson.step.{step.key}.title"),
        "question": _filled(f"lesson.step.{step.key}.question", found),
        "hand": text(f"lesson.step.{step.key}.hand"),
        "answer": _filled(f"lesson.step.{step.key}.answer", found) if navigation.is_answered() else None,
    }

    def gone() -> None:
        sent = st.session_state[_KEY].go
        if isinstance(sent, dict) and isinstance(sent.get("to"), int | float):
            navigation.go(int(sent["to"]))

    def answered() -> None:
        sent = st.session_state[_KEY].answer
        if isinstance(sent, dict):
            navigation.answer(bool(sent.get("shown")))

    _mount(key=_KEY, data=data, on_go_change=gone, on_answer_change=answered)


def _filled(key: str, found: Values | None) -> str:
    """Return a question or an answer with its numbers; a hint where the picture on the page has none."""
    if not names_of(key):
        return text(key)
    if found is None:
        return text("lesson.nothing_to_tell")
    return _MINUS.sub("−", text(key, **{name: found[name] for name in names_of(key)}))


def _truth(picture: Picture, grid: tuple[int, int]) -> np.ndarray | None:
    try:
        return library.gt_mask(picture, grid)
    except ImageError:
        return None  # the panel then tells of no defect


def _prediction_of(name: str, predictor: Predictor, dataset: Dataset | None) -> Prediction | None:
    sample = next((one for one in dataset.samples if one.name == name), None) if dataset else None
    try:
        return library.prediction(predictor, library.dataset_picture(sample)) if sample else None
    except ImageError:
        return None
