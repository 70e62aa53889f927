"""A folder's names: its sub-folders and pictures, and what a picture's name has in common with its mask's.

Opens no file. Must not know layouts, splits or labels.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from draem_core.data.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Folder:
    """A folder's visible sub-folders and pictures by name, in order."""

    path: Path
    folders: dict[str, Path]
    pictures: dict[str, Path]

    def sub(self, *names: str) -> "Folder | None":
        """Return the first sub-folder that has one of ``names`` in any case."""
        for name in names:
            for own, path in self.folders.items():
                if own.lower() == name:
                    return scan(path)
        return None


def scan(path: Path) -> Folder:
    """List a folder, without what is hidden and what is neither folder nor picture. Raises OSError."""
    folders: list[str] = []
    pictures: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                elif _suffix(entry.name) in IMAGE_SUFFIXES and entry.is_file():
                    pictures.append(entry.name)
            except OSError:
                continue  # a link in a circle
    return Folder(
        path, {name: path / name for name in sorted(folders)}, {name: path / name for name in sorted(pictures)}
    )


def below(folder: Folder) -> dict[str, Path]:
    """Return the pictures of a folder and of all folders in it, by their path below it; its own come first.

    Folders that are links are not entered, so that nothing goes round in a circle. Raises OSError.
    """
    found = dict(folder.pictures)
    for name, path in folder.folders.items():
        if not path.is_symlink():
            found |= {f"{name}/{inner}": picture for inner, picture in below(scan(path)).items()}
    return found


def stem_of(name: str) -> str:
    """Return the name without its suffix, in lower case: what a picture and its mask have in common."""
    return name.rpartition(".")[0].lower()


def relative(path: Path, root: Path) -> str:
    """Return the path below ``root`` with forward slashes; what is no UTF-8 is escaped, so that it can be written."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
