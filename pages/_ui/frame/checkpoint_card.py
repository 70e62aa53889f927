"""The loaded checkpoint's card, in words for people."""

import streamlit as st

from draem_core.inference import Predictor
from draem_core.types import Card
from pages._ui.common.escaping import literal
from pages._ui.texts import markdown, text

_OWN_NAMES = {"anomalib": "anomalib", "ours": "DRAEM Heatmap Explorer"}  # the same in every language


def render_checkpoint_card(predictor: Predictor) -> None:
    """Draw the card of the predictor's checkpoint and how it runs here."""
    card = predictor.card
    with st.expander(_text("title"), icon=":material/id_card:"):
        rows = _rows(card) | _normalisation(card) | _calibration(card) | _training(card)
        st.table(_literal(rows), border="horizontal")
        if card.assumed:
            names = ", ".join(name.replace("_", " ") for name in card.assumed)
            st.caption(markdown("sidebar.card.assumed", names=names))
        for note in card.notes:
            st.caption(literal(note))
        st.caption(markdown("sidebar.card.runs_on", device=predictor.device, note=predictor.precision_note))


def _rows(card: Card) -> dict[str, str]:
    return {
        _text("name"): card.name,
        _text("flavour"): _OWN_NAMES.get(card.flavour) or _text(card.flavour),
        _text("parameters"): f"{card.parameters:,}",
        _text("widths"): f"{card.widths[0]}, {card.widths[1]}",
        _text("input"): f"{card.input_size[1]} × {card.input_size[0]}, {card.color_order}",
        _text("resize"): _text(card.resize_filter),
        _text("joined"): _text(card.concat_order),
        "SSPCAB": _text("has_sspcab" if card.sspcab else "no_sspcab"),
        _text("image_score"): text(f"score_rule.{card.score_rule}"),
        "SHA-256": card.digest[:16],
    }


def _normalisation(card: Card) -> dict[str, str]:
    if card.normalisation is None:
        return {}
    return {_text("normalisation"): text("sidebar.card.normalised_by", values=card.normalisation)}


def _calibration(card: Card) -> dict[str, str]:
    if card.calibration is None:
        return {}
    values = card.calibration.model_dump()
    return {_text(name): f"{value:.4g}" for name, value in values.items() if value is not None}


def _training(card: Card) -> dict[str, str]:
    return {text("sidebar.card.trained", name=name): str(value) for name, value in (card.training or {}).items()}


def _literal(rows: dict[str, str]) -> dict[str, str]:
    return {literal(name): literal(value) for name, value in rows.items()}


def _text(name: str) -> str:
    return text(f"sidebar.card.{name}")
