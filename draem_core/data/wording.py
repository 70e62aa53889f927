"""Numbers and names as words, for the warnings and errors about a dataset; knows nothing of what they count."""


def count(number: int, noun: str) -> str:
    """Return "1 mask", "2 masks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
