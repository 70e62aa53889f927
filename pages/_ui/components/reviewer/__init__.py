"""A training run epoch by epoch under one slider: a Streamlit v2 component.

Python sends the probe pictures and metrics of all epochs once; the browser moves through them and sends the settled
epoch back on release. Holds no run and no cache.
"""

from pathlib import Path

from pages._ui.components.reviewer.payload import nearest_epoch, pack
from pages._ui.components.reviewer.settings import ReviewSettings
from pages._ui.components.shared import component, mount_settled

__all__ = ["ReviewSettings", "nearest_epoch", "pack", "reviewer"]

_mount = component("draem_reviewer", Path(__file__).parent)


def reviewer(payload: bytes, other: bytes | None, settings: ReviewSettings, key: str) -> ReviewSettings:
    """Mount the reviewer on ``payload`` (see ``pack``) and return the settings as they stand in the browser.

    other: a second run to compare with; None compares epochs of the same run.
    ``settings`` is an order, see ``mount_settled``.
    """
    payloads = {"run": payload} | ({} if other is None else {"other": other})
    return mount_settled(_mount, payloads, settings, key)
