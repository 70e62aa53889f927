"""A whole dataset under live sliders: a Streamlit v2 component.

Python packs the counts of every setting (``SettingsGrid``); the browser looks them up while a slider is dragged and
sends the settled settings back on release. Holds no checkpoint, dataset or cache.
"""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages._ui.components.shared import component, mount_settled
from pages._ui.components.shared.sliders import SLIDERS
from pages._ui.components.tuner.payload import Entry, pack
from pages._ui.components.tuner.settings import TunerSettings

__all__ = ["Entry", "TunerSettings", "pack", "tuner"]

_mount = component("draem_tuner", Path(__file__).parent)


def tuner(payload: bytes, settings: TunerSettings, on_open: Callable[[str], None], key: str) -> TunerSettings:
    """Mount the tuner on ``payload`` (see ``pack``) and return the settings as they stand in the browser.

    ``settings`` is an order, see ``mount_settled``. ``on_open`` is called with an image's name, before the page runs
    again, when one of the gallery is clicked.
    """

    def opened() -> None:
        name = st.session_state[key].opened
        if name is not None:
            on_open(name)

    return mount_settled(_mount, {"dataset": payload, "sliders": SLIDERS}, settings, key, triggers={"opened": opened})
