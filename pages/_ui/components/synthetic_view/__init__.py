"""One synthetic sample, stage by stage: a Streamlit v2 component.

Python sends the stages and the numbers, the browser sends back what was set. Holds no network and no cache.
"""

from pathlib import Path

import streamlit as st

from pages._ui.components.shared import component
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.components.synthetic_view.payload import pack
from pages._ui.components.synthetic_view.settings import OWN_NAMES, SyntheticSettings, read
from pages._ui.components.synthetic_view.view import Sources, SyntheticView
from pages._ui.frame.settings_store import show_settings

__all__ = ["Sources", "SyntheticSettings", "SyntheticView", "order", "settings_now", "synthetic"]

_KEY = "synthetic"
_SHOWN = "_synthetic_shown"  # in the session: the settings as this page last had them
_WRITTEN = "_synthetic_written"  # and as the address last had them, written there or followed
_REVISION = "_synthetic_revision"  # and the number of the last order that the browser has to follow

_mount = component("draem_synthetic", Path(__file__).parent)


def settings_now(rule: LiveSettings) -> SyntheticSettings:
    """Return what is set now: what a new link asks for, else what the browser last said, else as the page was left."""
    written: SyntheticSettings | None = st.session_state.get(_WRITTEN)
    linked = st.query_params.to_dict()
    if written is None or OWN_NAMES & linked.keys():
        asked = read(linked, rule)
        if written is None or (asked.selection, asked.hand) != (written.selection, written.hand):
            st.session_state[_WRITTEN] = asked
            order(asked)
            return asked
    answer = _answer()
    if answer.get("revision") == st.session_state[_REVISION]:
        return read(answer, rule)
    shown: SyntheticSettings = st.session_state[_SHOWN]
    return SyntheticSettings.joined(rule, shown.selection, shown.hand)


def order(settings: SyntheticSettings) -> None:
    """Make the browser show these settings, whatever was set there."""
    st.session_state[_REVISION] = st.session_state.get(_REVISION, 0) + 1
    st.session_state[_SHOWN] = settings


def synthetic(view: SyntheticView, url_params: dict[str, str]) -> None:
    """Put what ``view`` shows into the address and mount the component on it.

    In this order: the browser answers a picture at once, and its answer brings the address along as it then is.
    """
    st.session_state[_SHOWN] = st.session_state[_WRITTEN] = view.settings
    show_settings(url_params, view.settings, view.settings.rule)
    payload = pack(view, st.session_state[_REVISION], _answer().get("click", 0))
    _mount(key=_KEY, data=payload, on_answer_change=_ignore)


def _answer() -> dict[str, object]:
    """Return what the browser last said; empty before it has."""
    state = st.session_state.get(_KEY)
    answer = state.get("answer") if isinstance(state, dict) else None
    return answer if isinstance(answer, dict) else {}


def _ignore() -> None:
    """A state key exists for Streamlit only with a callback; the rerun itself is all that is needed."""
