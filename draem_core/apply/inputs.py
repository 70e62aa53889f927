"""Which pictures a command line means: files as they are, folders with all that is below them.

Goes by names alone and opens no file.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from draem_core.data.images import IMAGE_SUFFIXES
from draem_core.errors import ImageError
from draem_core.formatting import as_text


@dataclass(frozen=True)
class Source:
    """A picture to judge. ``name`` is what its results are called after.

    It is the file's name, or the path below the folder that was given; of several folders, with the folder's own name.
    What is no UTF-8 in it is escaped.
    """

    path: Path
    name: str


def find_sources(given: Sequence[Path], leave_out: Path) -> list[Source]:
    """Return the pictures of files and folders in the order given, a folder's sorted by name.

    A file counts whatever its name, and even where it does not exist: that is an error of its own, told later.

    Args:
        leave_out: a folder whose pictures are left out, since they are the results of an earlier run.

    Raises:
        ImageError: a folder holds no picture.
    """
    sources: list[Source] = []
    several = sum(path.is_dir() for path in given) > 1
    for path in given:
        if not path.is_dir():
            sources.append(Source(path, as_text(path.name)))
            continue
        above = Path(path.resolve().name if several else "")
        found = [Source(one, as_text((above / one.relative_to(path)).as_posix())) for one in _pictures(path, leave_out)]
        if not found:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            raise ImageError(f"{path} holds no picture ({kinds}), nor do the folders in it; name another folder.")
        sources += found
    return sources


def _pictures(folder: Path, leave_out: Path) -> Iterator[Path]:
    """Yield the visible pictures below a folder: its own first, then those of its folders, sorted."""
    passed_over = leave_out.resolve()
    for parent, folders, names in os.walk(folder):
        visible = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in visible if Path(parent, name).resolve() != passed_over]
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(parent, name)
