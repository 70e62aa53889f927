"""The linked panels with live sliders: a Streamlit v2 component of ours.

Python packs one image's picture, reconstruction, map and truth; the browser does the rest (threshold, opening,
area filter, counts) and sends the settled settings back on release. Holds no checkpoint, dataset or cache.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from pages._ui.viewer.payload import SHOWN_SIDE, pack, with_header
from pages._ui.viewer.settings import ViewerSettings, read_settings

__all__ = ["SHOWN_SIDE", "ViewerSettings", "pack", "read_settings", "viewer"]

_FOLDER = Path(__file__).parent
# Joined in this order into one ES module: Streamlit takes a single script, and a build step would buy nothing.
_SCRIPTS = (
    *("unpack", "morphology", "scores", "analysis", "format"),
    *("view", "sources", "drawing", "feet", "panels", "probe", "histogram", "controls", "readout", "main"),
)


@dataclass(frozen=True)
class _Order:
    """What Python last told one viewer to show: ``base`` is sent under ``revision``; ``asked`` came and ``returned``
    went last.
    """

    revision: int
    base: ViewerSettings
    asked: ViewerSettings
    returned: ViewerSettings


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


_mount = st.components.v2.component(
    "draem_viewer",
    html=_read("viewer.html"),
    css=_read("viewer.css"),
    js="\n".join(_read(f"{name}.js") for name in _SCRIPTS),
)


def viewer(payload: bytes, settings: ViewerSettings, key: str) -> ViewerSettings:
    """Mount the viewer on ``payload`` (see ``pack``) and return the settings as they stand in the browser.

    ``settings`` is an order: it moves the controls when it differs from what the last call got and returned and from
    what the browser shows (another link, a reset, a recipe). Otherwise the user's last settled values come back, so a
    page may pass in what it got from the last run, or the same start value each time.
    """
    slot = f"_viewer_order_{key}"
    order: _Order | None = st.session_state.get(slot)
    settled = _settled(key, order)
    if order is None or settings not in _no_news(order, settled):
        order = _Order((order.revision if order else 0) + 1, settings, settings, settings)
    else:
        order = _Order(order.revision, order.base, settings, settled or order.base)
    st.session_state[slot] = order
    header = {"revision": order.revision, "settings": asdict(order.base), "defaults": asdict(ViewerSettings())}
    _mount(key=key, data=with_header(header, payload), on_settled_change=_ignore)
    return order.returned


def _settled(key: str, order: _Order | None) -> ViewerSettings | None:
    """The user's last settled values, unless they answer an older order than the present one."""
    state = st.session_state.get(key) or {}
    answer = state.get("settled") if isinstance(state, dict) else None
    if order is None or not isinstance(answer, dict) or answer.get("revision") != order.revision:
        return None
    return read_settings(answer, order.base)


def _no_news(order: _Order, settled: ViewerSettings | None) -> tuple[ViewerSettings, ...]:
    """Settings that are no new order: what the browser shows, and what the page passed in or got back last time."""
    if settled is None:
        return order.base, order.returned
    return settled, order.asked, order.returned


def _ignore() -> None:
    """A state key exists for Streamlit only with a callback; the rerun itself is all that is needed."""
