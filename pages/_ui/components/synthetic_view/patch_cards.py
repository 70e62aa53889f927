"""The stages of CutPaste: where the patch is cut, the patch, its new colours, where it goes, the picture with it.

Knows no Streamlit and no network.
"""

import math

import numpy as np
from torch import Tensor

from draem_core.synthesis.sample import PatchStages
from pages._ui.components.synthetic_view.card import StageCard, as_picture, control, shape_and_range, signed
from pages._ui.components.synthetic_view.drawings import rectangle, way
from pages._ui.components.synthetic_view.texture_cards import mask_card
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text

_MARGIN = 6  # pixels kept around the patch where it is shown alone
_FADED = 0.2  # how bright is what does not belong to it


def patch_cards(view: SyntheticView, stages: PatchStages) -> list[StageCard]:
    """Return the cards, in the order of the data, without the good picture and the network's."""
    settings, draw, pasted, size = view.settings, stages.draw, stages.pasted, view.truth.shape
    good = as_picture(view.sample.image)
    height, width = 2 * float(draw.half_height[0]), 2 * float(draw.half_width[0])
    turn = math.degrees(float(draw.angle[0]))
    (from_row, from_column), (to_row, to_column) = draw.source[0].tolist(), draw.target[0].tolist()
    factors = (draw.brightness * draw.colours).flatten().tolist()
    kind = "scar" if bool(draw.is_scar[0]) else "upright"
    return [
        StageCard(
            "cut_from",
            "patch",
            good,
            (
                text(f"synthetic.fact.{kind}"),
                text("synthetic.fact.patch", height=height, width=width, degrees=signed(turn, 1)),
                text("synthetic.fact.centre", row=round(from_row), column=round(from_column)),
            ),
            drawing={"outline": rectangle(draw, draw.source[0])},
            controls=(
                control(settings, "from_column", "range", round(from_column), span=(0, size[1] - 1, 1)),
                control(settings, "from_row", "range", round(from_row), span=(0, size[0] - 1, 1)),
            ),
        ),
        StageCard(
            "patch",
            "patch",
            _alone(pasted.moved[0], view.truth),
            (text("synthetic.fact.patch_pixels", count=f"{int(view.truth.sum()):,}"),),
            controls=(
                control(settings, "piece_height", "range", round(height), span=(1, size[0], 1)),
                control(settings, "piece_width", "range", round(width), span=(1, size[1], 1)),
                control(settings, "piece_turn", "range", round(turn, 1), span=(-90, 90, 0.1), unit="°"),
            ),
        ),
        StageCard(
            "recolour",
            "patch",
            _alone(pasted.coloured[0], view.truth),
            (text("synthetic.fact.factors", values=", ".join(f"{factor:.3f}" for factor in factors)),),
            controls=(
                control(settings, "brightness", "range", round(float(draw.brightness), 2), span=(0.5, 1.5, 0.01)),
            ),
        ),
        StageCard(
            "paste_to",
            "paste",
            good,
            (
                text("synthetic.fact.centre", row=round(to_row), column=round(to_column)),
                text(
                    "synthetic.fact.moved_by",
                    down=signed(round(to_row) - round(from_row), 0),
                    right=signed(round(to_column) - round(from_column), 0),
                ),
            ),
            drawing={"outline": rectangle(draw, draw.target[0]), "way": way(draw)},
            controls=(
                control(settings, "to_column", "range", round(to_column), span=(0, size[1] - 1, 1)),
                control(settings, "to_row", "range", round(to_row), span=(0, size[0] - 1, 1)),
            ),
        ),
        mask_card(view, "paste"),
        StageCard("paste", "paste", as_picture(view.sample.corrupted), (shape_and_range(view.sample.corrupted),)),
    ]


def _alone(picture: Tensor, mask: np.ndarray) -> np.ndarray:
    """Return what lies around the mask of a picture (3, H, W), dark where it is none of the mask's."""
    if not mask.any():
        return as_picture(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = tuple(slice(max(0, at[0] - _MARGIN), at[-1] + 1 + _MARGIN) for at in (rows, columns))
    shown = np.where(mask[..., None], as_picture(picture), (_FADED * as_picture(picture)).astype(np.uint8))
    return np.ascontiguousarray(shown[part])
