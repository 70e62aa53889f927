"""A strip of thumbnails with previous and next: a small Streamlit v2 component.

Shows the neighbourhood of the chosen picture, so that it stays quick at 10,000 of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages._ui.components.shared.modules import script

REACH = 24  # thumbnails on each side of the chosen one

_FOLDER = Path(__file__).parent
_HTML = """
<div class="filmstrip" role="group" aria-label="Pictures of the dataset">
  <button class="step" type="button" aria-label="Previous picture">‹</button>
  <ul></ul>
  <button class="step" type="button" aria-label="Next picture">›</button>
  <span class="position" role="status"></span>
</div>
"""

_mount = st.components.v2.component(
    "draem_filmstrip",
    html=_HTML,
    css=(_FOLDER / "filmstrip.css").read_text("utf-8"),
    js=script(_FOLDER / "filmstrip.js"),
)


@dataclass(frozen=True)
class Frame:
    """One picture of the strip. ``label``: "good", "defect" or "unlabelled"; ``title``: its words for people."""

    name: str
    title: str
    label: str


def filmstrip(
    frames: Sequence[Frame], chosen: int, source: Callable[[int], str], on_pick: Callable[[str], None], key: str
) -> None:
    """Show the frames around ``chosen``; ``source`` gives a frame's thumbnail as data URL, by index.

    ``on_pick`` is called with a frame's name, before the page runs again, when one is clicked or stepped to.
    """
    first, last = max(0, chosen - REACH), min(len(frames), chosen + REACH + 1)
    items = [{**vars(frames[index]), "src": source(index)} for index in range(first, last)]
    data = {
        "items": items,
        "selected": frames[chosen].name,
        "previous": frames[chosen - 1].name if chosen else None,
        "next": frames[chosen + 1].name if chosen + 1 < len(frames) else None,
        "position": f"{chosen + 1} / {len(frames)}",
    }

    def picked() -> None:
        name = st.session_state[key].picked
        if name is not None:
            on_pick(name)

    _mount(key=key, data=data, on_picked_change=picked)
