"""The one place of what people set: the sliders of Explore, Tune, Inside and Synthetic, for datasets and uploads alike.

It lives in the session, by the settings' names, and holds only what somebody chose: by a control, or by a link. A link
wins over it once, when it is new; after that the store wins, on every page and over an address that this session wrote
itself, as the browser's way back brings one. On one and the same page the way back undoes: there the address wins.
"""

from dataclasses import fields, replace
from typing import Any, TypeVar

import streamlit as st

from pages._ui.components.shared.settings import LiveSettings, read_settings
from pages._ui.frame import address

_CHOSEN = "_chosen_settings"  # in the session: by name, what somebody chose
_ORDERS = "_setting_orders"  # how often something else than a page's own component chose
_SEEN = "_seen_settings"  # (page, what its address said in the last run, what was written into it)
_WRITTEN = "_written_settings"  # what this session wrote into addresses, newest last
_MOST_WRITTEN = 1000

Said = frozenset[tuple[str, str]]  # an address' part on settings
SettingsT = TypeVar("SettingsT", bound=LiveSettings)


def settings_now(kind: type[SettingsT]) -> SettingsT:
    """Return what is set now, the defaults where nobody chose; a new link is taken over first.

    To be called once in a run, before ``show_settings``. A link is all that it says and the defaults for the rest.
    """
    names = _names(kind)
    linked = {name: value for name, value in st.query_params.to_dict().items() if name in names}
    said = frozenset(linked.items())
    if _is_new(said):
        choose(read_settings(linked, kind()))
    last = _seen()
    st.session_state[_SEEN] = (address.page(), said, last[1] if last else None)
    chosen = st.session_state.get(_CHOSEN, {})
    return replace(kind(), **{name: value for name, value in chosen.items() if name in names})


def choose(settings: LiveSettings, before: LiveSettings | None = None) -> None:
    """Keep settings as chosen; given what they were ``before``, only those that differ: a page may show a setting
    rounded to what it has counted, and nobody chose that. It is an order, which a component on the page follows.
    """
    st.session_state[_ORDERS] = orders() + 1
    _keep(settings, before)


def orders() -> int:
    """Return how many orders came, by links, goals, controls and the lesson; see ``mount_settled``."""
    return int(st.session_state.get(_ORDERS, 0))


def _keep(settings: LiveSettings, before: LiveSettings | None) -> None:
    changed = {
        name: getattr(settings, name)
        for name in _names(type(before or settings))
        if before is None or getattr(settings, name) != getattr(before, name)
    }
    st.session_state[_CHOSEN] = st.session_state.get(_CHOSEN, {}) | changed


def choose_one(name: str, value: Any) -> None:
    """Keep one setting as chosen, from a control's callback."""
    st.session_state[_ORDERS] = orders() + 1
    st.session_state[_CHOSEN] = st.session_state.get(_CHOSEN, {}) | {name: value}


def show_settings(url_params: dict[str, str], settings: LiveSettings, before: LiveSettings) -> None:
    """Keep what differs from ``before``, which the page was handed, and put all that is shown into the address."""
    _keep(settings, before)
    address.write(url_params, settings)
    names = _names(type(before))
    said = frozenset((name, value) for name, value in address.link({}, settings).items() if name in names)
    last = _seen()
    st.session_state[_SEEN] = (address.page(), last[0] if last else said, said)
    written: dict[Said, None] = st.session_state.setdefault(_WRITTEN, {})
    written.pop(said, None)
    written[said] = None
    while len(written) > _MOST_WRITTEN:
        del written[next(iter(written))]


def _is_new(said: Said) -> bool:
    last = _seen()
    if last is None:  # come from another page, or just opened
        return bool(said) and said not in st.session_state.get(_WRITTEN, {})
    # An address may lag behind by a run. One without a checkpoint is the sidebar's link to this same page.
    return said not in last and (bool(said) or bool(address.param("checkpoint")))


def _seen() -> tuple[Said, Said | None] | None:
    """Return what this page's address said last and what was written into it; None on the first run after another."""
    seen = st.session_state.get(_SEEN)
    return seen[1:] if seen and seen[0] == address.page() else None


def _names(kind: type[LiveSettings]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))
