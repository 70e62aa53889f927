"""What our live components share: sliders and their looks, how one is put together, and how settings travel.

A component gets one payload of bytes and answers with settled settings; a drag is its own business.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic

import streamlit as st

from pages._ui.components.shared.modules import script
from pages._ui.components.shared.payload import as_array, pack
from pages._ui.components.shared.settings import Settings, read_settings

_FOLDER = Path(__file__).parent
_STYLES = ("base", "controls")
# What more than one component's HTML has, by the comment that it stands for.
_PARTS = {"<!-- kernel size and minimum area -->": "kernel_and_area.html"}


@dataclass(frozen=True)
class PendingSettings(Generic[Settings]):
    """What Python last told a component to show: ``base`` is sent under ``revision``; ``asked`` came and ``returned``
    went last, when the page had given ``orders``.
    """

    revision: int
    base: Settings
    asked: Settings
    returned: Settings
    orders: int


def component(name: str, folder: Path) -> Callable[..., Any]:
    """Register the component of ``folder``: one .html, one .css, and main.js with the modules that it imports."""
    stem = folder.name
    html = (folder / f"{stem}.html").read_text("utf-8")
    for comment, part in _PARTS.items():
        html = html.replace(comment, (_FOLDER / part).read_text("utf-8"))
    styles = [*(_FOLDER / f"{style}.css" for style in _STYLES), folder / f"{stem}.css"]
    return st.components.v2.component(
        name,
        html=html,
        css="\n".join(style.read_text("utf-8") for style in styles),
        js=script(folder / "main.js"),
    )


def mount_settled(
    mount: Callable[..., Any],
    payloads: dict[str, bytes],
    settings: Settings,
    key: str,
    triggers: dict[str, Callable[[], None]] | None = None,
    orders: int = 0,
) -> Settings:
    """Mount a component on ``payloads``, each packed, and return the settings as they stand in the browser.

    ``settings`` is an order: it moves the controls when it differs from what the last call got and returned and from
    what the browser shows (another link, a reset, a recipe). Otherwise the user's last settled values come back, so a
    page may pass in what it got from the last run, or the same start value each time.

    triggers: callbacks of the component's other events, by name.
    orders: how many orders the page knows to have given, such as a goal that was taken; with a new number ``settings``
    is an order even where it equals what the last call got: the user may have moved the controls since.
    """
    slot = f"_live_order_{key}"
    order: PendingSettings[Settings] | None = st.session_state.get(slot)
    settled = _settled(key, order)
    if order is None or settings not in _unchanged(order, settled, orders):
        order = PendingSettings((order.revision if order else 0) + 1, settings, settings, settings, orders)
    else:
        order = PendingSettings(order.revision, order.base, settings, settled or order.base, orders)
    st.session_state[slot] = order
    header = {"revision": order.revision, "settings": asdict(order.base), "defaults": asdict(type(settings)())}
    arrays = {name: as_array(payload) for name, payload in payloads.items()}
    events = {f"on_{name}_change": callback for name, callback in (triggers or {}).items()}
    mount(key=key, data=pack(header, arrays), on_settled_change=_ignore, **events)
    return order.returned


def _settled(key: str, order: PendingSettings[Settings] | None) -> Settings | None:
    """The user's last settled values, unless they answer an older order than the present one."""
    state = st.session_state.get(key) or {}
    answer = state.get("settled") if isinstance(state, dict) else None
    if order is None or not isinstance(answer, dict) or answer.get("revision") != order.revision:
        return None
    return read_settings(answer, order.base)


def _unchanged(order: PendingSettings[Settings], settled: Settings | None, orders: int) -> tuple[Settings, ...]:
    """Settings that are no new order: what the browser shows, and what the page passed in or got back last time.

    Without an answer the browser shows the order itself: it has just come, or the component was away meanwhile.
    """
    if settled is None:
        return (order.base,)
    if orders != order.orders:
        return (settled,)
    return settled, order.asked, order.returned


def _ignore() -> None:
    """A state key exists for Streamlit only with a callback; the rerun itself is all that is needed."""
