"""What to do about a file that the system does not let us write, and names that not every system takes."""

import errno
import re

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
