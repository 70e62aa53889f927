"""The page's address: a link that reproduces the view. Reads what a link asks for, writes where the view is.

Values from a link are not trusted: whoever reads one checks it against what there is.
"""

from dataclasses import fields

import streamlit as st

from pages._ui.components.shared.settings import LiveSettings, Settings, read_settings

_SEEN = "_seen_places"  # in the session: by place, what this page wrote into the address or followed from it
_PAGE = "_page"
_STAYS = ("lesson", "lang")  # what a page leaves in the address as it found it


def arrive(page: str) -> None:
    """Note which page runs: on the first run after another page, whatever the link says is followed."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_SEEN] = {}


def page() -> str:
    """Return the page that runs, as ``arrive`` was told."""
    return str(st.session_state.get(_PAGE, ""))


def asked(name: str) -> str:
    """Return what the link says for ``name``, empty where it says nothing."""
    return st.query_params.get(name, "")


def is_arrival(name: str) -> bool:
    """Tell whether this page has neither followed nor written a place of this name since it was come to."""
    return name not in st.session_state.get(_SEEN, {})


def newly_asked(name: str) -> str:
    """Return what the link says for ``name``, once: empty where this page wrote that itself or has followed it.

    So a link wins over what the session had, and a choice made afterwards wins over the link.
    """
    seen = st.session_state.setdefault(_SEEN, {})
    value = asked(name)
    if value == seen.get(name, ""):
        return ""
    seen[name] = value
    return value


def asked_settings(default: Settings) -> Settings:
    """Return the link's settings over ``default``; values out of range are passed over."""
    return read_settings(st.query_params.to_dict(), default)


def link(places: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return the parts of an address: places (empty ones are left out) and the settings that are not the default."""
    default = type(settings)()
    changed = {
        field.name: _text(getattr(settings, field.name))
        for field in fields(settings)
        if getattr(settings, field.name) != getattr(default, field.name)
    }
    return {name: value for name, value in places.items() if value} | changed


def link_to_sliders(places: dict[str, str], settings: LiveSettings) -> dict[str, str]:
    """Return the parts of an address on another page with the same sliders."""
    return link(places, LiveSettings(**{field.name: getattr(settings, field.name) for field in fields(LiveSettings)}))


def write(places: dict[str, str], settings: Settings) -> None:
    """Put places (checkpoint, dataset, image …) and changed settings into the address."""
    _write(places, link(places, settings))


def write_places(places: dict[str, str]) -> None:
    """Put places alone into the address."""
    _write(places, places)


def _write(places: dict[str, str], wanted: dict[str, str]) -> None:
    st.session_state.setdefault(_SEEN, {}).update(places)
    wanted = wanted | {name: asked(name) for name in _STAYS if asked(name)}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
