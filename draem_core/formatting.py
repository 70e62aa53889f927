"""Numbers, times and names as people write them: the one place, for the library, the commands and the pages."""

import re
from collections.abc import Sequence
from pathlib import Path

_PLURALS = {"miss": "misses", "sensitivity": "sensitivities"}


def counted(number: int, noun: str) -> str:
    """Return "1 mask", "2 masks", "1,200 sensitivities"."""
    return f"1 {noun}" if number == 1 else f"{number:,} {_PLURALS.get(noun, f'{noun}s')}"


def some(names: Sequence[str]) -> str:
    """Return up to three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def duration(seconds: float) -> str:
    """Return a time as people say it: about 40 s, 12 min, 3 h 5 min, 1 day 1 h."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{counted(days, 'day')} {hours} h"


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
