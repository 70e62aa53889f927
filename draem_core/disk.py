"""Files as the system sees them: their stamps, what to do about one that cannot be written, names that are reserved."""

import errno
import re
from dataclasses import dataclass
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)

_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)


def remedy(error: OSError) -> str:
    """Return the next step after ``error``, as the second half of a sentence: "free some space on its disk"."""
    if error.errno in FULL:
        return "free some space on its disk"
    if error.errno == errno.ENAMETOOLONG:
        return "give it a shorter name"
    if error.errno in FORBIDDEN:
        return "choose a folder that you may write to"
    if error.errno in NO_FOLDER:
        return "choose a folder; a file is in the way"
    return "check its drive, or choose another folder"


def is_reserved(name: str) -> bool:
    """Return whether Windows keeps ``name`` for a device (con, nul.txt, COM1), or drops its last dot or blank."""
    return _RESERVED.fullmatch(name) is not None or name != name.rstrip(". ")


@dataclass(frozen=True)
class Stamp:
    """A file's size in bytes and time of change in ns: equal ones are taken for the same content, unread."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """Raises OSError."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)

    @classmethod
    def of_or_none(cls, path: Path) -> "Stamp | None":
        """Return None for a file that is not there or may not be seen."""
        try:
            return cls.of(path)
        except OSError:
            return None
