"""A checkpoint's insides for one picture that can be painted on: a Streamlit v2 component of ours.

Python sends the stages and the numbers, the browser sends strokes, the opened stage and the followed pixel back.
Holds no network and no cache.
"""

from pathlib import Path

import streamlit as st

from pages._ui.inside.brushes import Brushes, make_brushes
from pages._ui.inside.payload import pack
from pages._ui.inside.settings import InsideSettings, Look
from pages._ui.inside.view import View
from pages._ui.live import component
from pages._ui.live.settings import read_settings

__all__ = ["InsideSettings", "Look", "View", "answered", "inside"]

_mount = component(
    "draem_inside",
    Path(__file__).parent,
    *("unpack", "paint", "painter", "cards", "pixel", "diagram", "main"),
)


def inside(view: View, asked: Look, key: str) -> Look:
    """Mount the component on ``view`` and return the look that it shows: the browser's last, ``asked`` before that."""
    answer = answered(key, "look")
    look = read_settings(answer, asked)
    payload = pack(view, look, _brushes(), answer.get("click", 0))
    _mount(key=key, data=payload, on_look_change=_ignore, on_painting_change=_ignore)
    return look


def answered(key: str, name: str) -> dict[str, object]:
    """Return what the browser last said under ``name``, "look" or "painting"; empty before it has."""
    state = st.session_state.get(key)
    answer = state.get(name) if isinstance(state, dict) else None
    return answer if isinstance(answer, dict) else {}


@st.cache_resource(show_spinner=False)
def _brushes() -> Brushes:
    return make_brushes()


def _ignore() -> None:
    """A state key exists for Streamlit only with a callback; the rerun itself is all that is needed."""
