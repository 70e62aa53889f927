"""Write a file whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SHOWN = 40  # characters of a name in that of its temporary file, which must not become too long


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Put ``content`` (bytes, or a function that writes to the open file) at ``path``, replacing what was there.

    A reader, or a kill at any moment, sees the old file or the new one. Parent folders are created.

    Raises:
        OSError: no space, no permission, a name too long; the old file is untouched and no temporary file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_SHOWN]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
