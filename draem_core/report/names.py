"""File names for pictures: safe on every system, inside the folder that they are meant for, no two the same.

Touches no disk.
"""

import re
import unicodedata

from draem_core.disk import is_reserved

_MAX_BYTES = 120  # of a part; file systems allow 255, and a suffix and a number come on top


class FileNames:
    """Give one relative name, without suffix, for each picture's name; the order of the questions decides."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def next(self, name: str) -> str:
        """Return a name for ``name`` (a path with / or \\ between its parts); a second one of its kind ends in -2."""
        safe = safe_name(name)
        candidate, number = safe, 1
        while _as_file_systems_compare(candidate) in self._taken:
            number += 1
            candidate = f"{safe}-{number}"
        self._taken.add(_as_file_systems_compare(candidate))
        return candidate


def safe_name(name: str) -> str:
    """Return ``name`` without its suffix, as parts of letters, digits, blanks and ``._-()`` with / between them.

    No part leads upwards, is hidden, or ends in ``.png`` where it is a folder.
    """
    *folders, last = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")] or ["picture"]
    stem = last.rpartition(".")[0] or last
    parts = [re.sub(r"\.(?=png$)", "_", _safe_part(folder), flags=re.IGNORECASE) for folder in folders]
    return "/".join([*parts, _safe_part(stem)])


def _safe_part(part: str) -> str:
    cleaned = re.sub(r"[^\w.() -]+", "_", unicodedata.normalize("NFC", part))
    safe = cleaned.encode()[:_MAX_BYTES].decode(errors="ignore").strip(". ") or "picture"
    return f"{safe}_" if is_reserved(safe) else safe


def _as_file_systems_compare(name: str) -> str:
    """Return what is equal for names that macOS or Windows take for one."""
    return unicodedata.normalize("NFC", name.casefold())
