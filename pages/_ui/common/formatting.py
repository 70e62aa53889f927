"""Numbers as people say them."""


def shortened(text: str, length: int = 80) -> str:
    """Return at most ``length`` characters of a text, its end as … where there is more."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def counted(number: int, what: str) -> str:
    """Return "1 step", "1,200 steps"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
