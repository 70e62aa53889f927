"""Numbers as people say them."""


def counted(number: int, what: str) -> str:
    """Return "1 step", "1,200 steps"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
