"""What is assumed about a checkpoint, in sentences for people."""

from draem_core.types import Card

_WORDS = {
    "input_size": "input size",
    "resize_filter": "resize filter",
    "color_order": "colour order",
    "concat_order": "order of image and reconstruction",
    "score_rule": "image score",
    "normalisation": "normalisation",
}


def assumptions_of(card: Card) -> tuple[str, ...]:
    """Return a sentence on what could not be read from the file, with the values taken, and the card's own notes."""
    sentences = list(card.notes)
    if card.assumed:
        values = ", ".join(f"{_WORDS.get(name, name.replace('_', ' '))} {_value(card, name)}" for name in card.assumed)
        sentences.insert(
            0,
            f"Of the checkpoint {card.name} this is assumed, not read from its file: {values}. A JSON file beside the "
            "weights can set it.",
        )
    if card.normalisation:
        sentences.append(
            f"The network sees pictures normalised by {card.normalisation}; its reconstruction is shown turned back to "
            "[0, 1]."
        )
    return tuple(sentences)


def _value(card: Card, name: str) -> str:
    if name == "input_size":
        height, width = card.input_size
        return f"{width} × {height}"
    value = getattr(card, name, None)
    return "none" if value is None else str(value).replace("_", " ")
