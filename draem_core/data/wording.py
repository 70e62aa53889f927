"""Numbers and names as words, for the warnings and errors about a dataset; knows nothing of what they count."""

import re
from pathlib import Path


def count(number: int, noun: str) -> str:
    """Return "1 mask", "2 masks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def is_text(name: str | Path) -> bool:
    """Return whether a name can be written down: file systems take any bytes, pages, tables and links only UTF-8."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str | Path) -> str:
    r"""Return a name whose bytes that are no UTF-8 stand there as ``\xff``."""
    escaped = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", str(name))
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")
