"""Pictures side by side, each as wide as there is room and with words that a screen reader says: st.image has neither.

Knows no network and no page.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

_STYLE = """<style>
.picture-row { display: grid; grid-template-columns: repeat(auto-fit, minmax(var(--least), 1fr)); gap: 10px; }
.picture-row figure { margin: 0; max-width: var(--most); }
.picture-row img { display: block; width: 100%; border-radius: 6px; image-rendering: pixelated; }
.picture-row figcaption { margin-top: 4px; font-size: 13px; line-height: 1.4; }
.picture-row strong { display: block; }
</style>"""


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture: ``pixels`` (h, w, 3) or (h, w) uint8, and what stands under it."""

    pixels: np.ndarray
    words: str
    title: str = ""


def render_pictures(pictures: Sequence[Shown], *, least: int = 110, most: int = 320) -> None:
    """Draw pictures in a row, ``least`` to ``most`` pixels wide each, in more rows where there is no room."""
    figures = "".join(
        f'<figure><img src="{_url(one.pixels)}" alt="{html.escape(one.title or one.words)}">'
        f"<figcaption><strong>{html.escape(one.title)}</strong>{html.escape(one.words)}</figcaption></figure>"
        for one in pictures
    )
    st.html(f'{_STYLE}<div class="picture-row" style="--least: {least}px; --most: {most}px">{figures}</div>')


def _url(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
