"""The page's address: a link that reproduces the view. Reads what a link asks for, writes where the view is.

Values from a link are not trusted: whoever reads one checks it against what there is.
"""

from dataclasses import fields

import streamlit as st

from pages._ui.components.shared.settings import LiveSettings, Settings, read_settings

_SEEN = "_seen_params"  # in the session: by name, what this page wrote into the address or followed from it
_PAGE = "_page"
_STAYS = ("lesson", "lang")  # what a page leaves in the address as it found it


def on_page_enter(page: str) -> None:
    """Note which page runs: on the first run after another page, whatever the link says is followed."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_SEEN] = {}


def page() -> str:
    """Return the page that runs, as ``on_page_enter`` was told."""
    return str(st.session_state.get(_PAGE, ""))


def param(name: str) -> str:
    """Return what the link says for ``name``, empty where it says nothing."""
    return st.query_params.get(name, "")


def is_unread(name: str) -> bool:
    """Tell whether this page has neither followed nor written a parameter of this name since it was entered."""
    return name not in st.session_state.get(_SEEN, {})


def consume_param(name: str) -> str:
    """Return what the link says for ``name``, once: empty where this page wrote that itself or has followed it.

    So a link wins over what the session had, and a choice made afterwards wins over the link.
    """
    seen = st.session_state.setdefault(_SEEN, {})
    value = param(name)
    if value == seen.get(name, ""):
        return ""
    seen[name] = value
    return value


def linked_settings(default: Settings) -> Settings:
    """Return the link's settings over ``default``; values out of range are ignored."""
    return read_settings(st.query_params.to_dict(), default)


def link(params: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return the parts of an address: parameters (not the empty ones) and the settings that are not the default."""
    default = type(settings)()
    changed = {
        field.name: _text(getattr(settings, field.name))
        for field in fields(settings)
        if getattr(settings, field.name) != getattr(default, field.name)
    }
    return {name: value for name, value in params.items() if value} | changed


def link_to_sliders(params: dict[str, str], settings: LiveSettings) -> dict[str, str]:
    """Return the parts of an address on another page with the same sliders."""
    return link(params, LiveSettings(**{field.name: getattr(settings, field.name) for field in fields(LiveSettings)}))


def write(params: dict[str, str], settings: Settings) -> None:
    """Put parameters (checkpoint, dataset, image …) and changed settings into the address."""
    _write(params, link(params, settings))


def write_params(params: dict[str, str]) -> None:
    """Put parameters alone into the address."""
    _write(params, params)


def _write(params: dict[str, str], wanted: dict[str, str]) -> None:
    st.session_state.setdefault(_SEEN, {}).update(params)
    wanted = wanted | {name: param(name) for name in _STAYS if param(name)}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
