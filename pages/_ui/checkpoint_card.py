"""The loaded checkpoint's card, in words for people."""

import streamlit as st

from draem_core.inference import Predictor
from draem_core.types import Card
from pages._ui.library import SCORE_RULES

_FLAVOURS = {"original": "original DRAEM", "anomalib": "anomalib", "ours": "DRAEM Heatmap Explorer"}
_FILTERS = {"bilinear": "bilinear", "bilinear_antialias": "bilinear, antialiased"}
_ORDERS = {"image_first": "image, reconstruction", "reconstruction_first": "reconstruction, image"}


def render_checkpoint_card(predictor: Predictor) -> None:
    """Draw the card of the predictor's checkpoint and how it runs here."""
    card = predictor.card
    with st.expander("Checkpoint card", icon=":material/id_card:"):
        st.table(_rows(card) | _calibration(card) | _training(card), border="horizontal")
        if card.assumed:
            names = ", ".join(name.replace("_", " ") for name in card.assumed)
            st.caption(f"Assumed, not read from the file: {names}. A JSON file beside the weights can set them.")
        st.caption(f"Runs on {predictor.device}. {predictor.precision_note}")


def _rows(card: Card) -> dict[str, str]:
    return {
        "Name": card.name,
        "Flavour": _FLAVOURS[card.flavour],
        "Parameters": f"{card.parameters:,}",
        "Widths": f"{card.widths[0]}, {card.widths[1]}",
        "Input": f"{card.input_size[1]} × {card.input_size[0]}, {card.color_order}",
        "Resize": _FILTERS[card.resize_filter],
        "Joined as": _ORDERS[card.concat_order],
        "SSPCAB": "yes" if card.sspcab else "no",
        "Image score": SCORE_RULES[card.score_rule],
        "SHA-256": card.digest[:16],
    }


def _calibration(card: Card) -> dict[str, str]:
    if card.calibration is None:
        return {}
    values = card.calibration.model_dump()
    return {name.replace("_", " ").capitalize(): f"{value:.4g}" for name, value in values.items() if value is not None}


def _training(card: Card) -> dict[str, str]:
    return {f"Trained: {name}": str(value) for name, value in (card.training or {}).items()}
