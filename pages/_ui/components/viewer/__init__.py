"""The linked panels with live sliders: a Streamlit v2 component.

Python packs one image's picture, reconstruction, map and truth; the browser does the rest (threshold, opening,
area filter, counts) and sends the settled settings back on release. Holds no checkpoint, dataset or cache.
"""

from pathlib import Path

from pages._ui.components.shared import component, mount_settled
from pages._ui.components.shared.settings import read_settings
from pages._ui.components.shared.sliders import SLIDERS
from pages._ui.components.viewer.payload import SHOWN_SIDE, pack
from pages._ui.components.viewer.settings import ViewerSettings

__all__ = ["SHOWN_SIDE", "ViewerSettings", "pack", "read_settings", "viewer"]

_mount = component("draem_viewer", Path(__file__).parent)


def viewer(payload: bytes, settings: ViewerSettings, key: str) -> ViewerSettings:
    """Mount the viewer on ``payload`` (see ``pack``) and return the settings as they stand in the browser.

    ``settings`` is an order, see ``mount_settled``.
    """
    return mount_settled(_mount, {"scene": payload, "sliders": SLIDERS}, settings, key)
