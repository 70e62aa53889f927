"""A view of one synthetic sample as the page's payload. Knows no Streamlit."""

from dataclasses import asdict
from typing import Any

from draem_core.synthesis.random_params import CLEAN_SHARE
from draem_core.synthesis.sample import ROTATE_SHARE
from pages._ui.components.inside_view.payload import scale_colours
from pages._ui.components.shared import payload
from pages._ui.components.synthetic_view.card import StageCard, as_picture, control, shape_and_range, signed
from pages._ui.components.synthetic_view.network_cards import auroc_text, iou_text, network_cards
from pages._ui.components.synthetic_view.patch_cards import patch_cards
from pages._ui.components.synthetic_view.pixel import follow
from pages._ui.components.synthetic_view.settings import KINDS, MOST_SEED
from pages._ui.components.synthetic_view.texture_cards import NOISE_COLOURS, mask_card, texture_cards
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text, texts_under

_SCALES = ("probability", NOISE_COLOURS, "gray")


def cards_of(view: SyntheticView) -> list[StageCard]:
    """Return the stages in the order of the data."""
    sample = view.sample
    if sample.texture is not None:
        made = texture_cards(view, sample.texture)
    elif sample.patch is not None:
        made = patch_cards(view, sample.patch)
    else:
        unchanged = (text("synthetic.fact.unchanged"), shape_and_range(sample.corrupted))
        made = [mask_card(view, "clean"), StageCard("blend", "clean", as_picture(sample.corrupted), unchanged)]
    return [_good_card(view, made[0].group), *made, *network_cards(view)]


def pack(view: SyntheticView, revision: int, click: object) -> bytes:
    """The page's payload. ``click`` goes back to the browser, which numbers its answers; ``revision`` is an order's."""
    cards = cards_of(view)
    arrays = {card.key: card.picture for card in cards if card.picture is not None}
    settings = view.settings
    header: dict[str, Any] = {
        "revision": revision,
        "click": click if isinstance(click, int | float) else 0,
        "title": view.title,
        "most_seed": MOST_SEED,
        "answer": asdict(settings.selection) | asdict(settings.hand),
        "kinds": {kind: text(f"synthetic.kind.{kind}") for kind in KINDS},
        "by_hand": _by_hand(cards, view),
        "anomaly_draw": _anomaly_draw(view),
        "is_clean": view.sample.is_clean,
        "hero": ["good", "paste" if view.sample.patch else "blend", "mask", "anomaly_map"],
        "verdict": _verdict(view),
        "at": view.at,
        "pixel": follow(view),
        "scales": {name: scale_colours(name).ravel().tolist() for name in _SCALES},
        "cards": [card.header() for card in cards],
        "grid": view.truth.shape,
        "words": texts_under("synthetic.view"),
    }
    return payload.pack(header, arrays)


def _good_card(view: SyntheticView, group: str) -> StageCard:
    sample = view.sample
    rotated = text("synthetic.fact.rotated", degrees=signed(sample.turn, 1)) if sample.turn else ""
    return StageCard(
        "good",
        group,
        as_picture(sample.image),
        (
            shape_and_range(sample.image),
            rotated or text("synthetic.fact.not_rotated"),
            text("synthetic.fact.rotation_chance", share=ROTATE_SHARE),
        ),
        controls=(control(view.settings, "turn", "range", round(sample.turn, 1), span=(-90, 90, 0.1), unit="°"),),
    )


def _by_hand(cards: list[StageCard], view: SyntheticView) -> dict[str, str]:
    """Return the labels of what is set by hand and acts on these cards."""
    coin = {} if view.settings.coin is None else {"coin": text("synthetic.control.coin")}
    return coin | {one.name: one.label for card in cards for one in card.controls if one.by_hand}


def _anomaly_draw(view: SyntheticView) -> str:
    sample = view.sample
    said = "clean" if sample.coin < CLEAN_SHARE else "anomalous"
    return text(f"synthetic.anomaly_draw.{said}", drawn=sample.coin, share=CLEAN_SHARE)


def _verdict(view: SyntheticView) -> list[list[str]]:
    """Return (name, value) of what counts, in words."""
    share = float(view.truth.mean())
    flagged = bool(view.pred_mask.any())
    return [
        [text("synthetic.verdict.truth"), text("synthetic.verdict.share", share=share)],
        [text("synthetic.verdict.score"), f"{view.prediction.image_score:.4f}"],
        [text("synthetic.verdict.auroc"), auroc_text(view)],
        [text("synthetic.verdict.iou", threshold=float(view.rule.threshold)), iou_text(view)],
        [text("synthetic.verdict.verdict"), "NG" if flagged else "OK"],
    ]
