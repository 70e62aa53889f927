"""All stages of a checkpoint for one picture that can be painted on: a Streamlit v2 component.

Python sends the stages and the numbers, the browser sends strokes, the opened stage and the followed pixel back.
Holds no network and no cache.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from pages._ui.components.inside_view.brushes import Brushes, make_brushes
from pages._ui.components.inside_view.payload import Part, pack
from pages._ui.components.inside_view.settings import InsideSettings, StageSelection
from pages._ui.components.inside_view.view import InsideView
from pages._ui.components.shared import component
from pages._ui.components.shared.settings import read_settings

__all__ = ["InsideSettings", "InsideView", "StageSelection", "answered", "inside", "order_selection"]

_PENDING = "_inside_pending"  # in the session

_mount = component("draem_inside", Path(__file__).parent)


@dataclass(frozen=True)
class PendingSelection:
    """A selection that Python wants shown, until the browser says another than its ``click``-th one.

    number: of the order; with a new one the browser scrolls to ``part``.
    """

    selection: StageSelection
    click: object
    number: int
    part: Part


def inside(view: InsideView, asked: StageSelection, key: str) -> StageSelection:
    """Mount the component on ``view`` and return the selection that it shows: what was ordered or what the browser
    said, whichever came last, ``asked`` before that.
    """
    answer = answered(key, "selection")
    order: PendingSelection | None = st.session_state.get(_PENDING)
    selection = order.selection if order and order.click == answer.get("click") else read_settings(answer, asked)
    if order and not answer:  # from now on the address says it
        st.session_state[_PENDING] = replace(order, click=-1)
    payload = pack(
        view, selection, _brushes(), answer.get("click", 0), (order.number, order.part) if order else (0, "results")
    )
    _mount(key=key, data=payload, on_selection_change=_ignore, on_painting_change=_ignore)
    return selection


def order_selection(selection: StageSelection, key: str, part: Part) -> None:
    """Make the component under ``key`` show a selection, whatever was opened there, and scroll to a part of it."""
    last: PendingSelection | None = st.session_state.get(_PENDING)
    number = last.number + 1 if last else 1
    st.session_state[_PENDING] = PendingSelection(selection, answered(key, "selection").get("click"), number, part)


def answered(key: str, name: str) -> dict[str, object]:
    """Return what the browser last said under ``name``, "selection" or "painting"; empty before it has."""
    state = st.session_state.get(key)
    answer = state.get(name) if isinstance(state, dict) else None
    return answer if isinstance(answer, dict) else {}


@st.cache_resource(show_spinner=False)
def _brushes() -> Brushes:
    return make_brushes()


def _ignore() -> None:
    """A state key exists for Streamlit only with a callback; the rerun itself is all that is needed."""
