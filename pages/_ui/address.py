"""The page's address: a link that reproduces the view. Reads what a link asks for, writes where the view is.

Values from a link are not trusted: whoever reads one checks it against what there is.
"""

from dataclasses import fields

import streamlit as st

from pages._ui.viewer import ViewerSettings, read_settings


def asked(name: str) -> str:
    """Return what the link says for ``name``, empty where it says nothing."""
    return st.query_params.get(name, "")


def asked_settings() -> ViewerSettings:
    """Return the link's settings over the defaults; values out of range are passed over."""
    return read_settings(st.query_params.to_dict(), ViewerSettings())


def write(places: dict[str, str], settings: ViewerSettings) -> None:
    """Put places (checkpoint, dataset, image …; empty ones are left out) and changed settings into the address."""
    default = ViewerSettings()
    changed = {
        field.name: _text(getattr(settings, field.name))
        for field in fields(settings)
        if getattr(settings, field.name) != getattr(default, field.name)
    }
    wanted = {name: value for name, value in places.items() if value} | changed
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
