"""Texts as a page has room for them."""


def shortened(text: str, length: int = 80) -> str:
    """Return at most ``length`` characters of a text, its end as … where there is more."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
